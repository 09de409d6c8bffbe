"""A Corpus of what registry.k8s.io has for some versions of Kubernetes: small images under the real names."""
import images

PLATFORMS = ('linux/amd64', 'linux/arm64')
KUBE = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy']
# What guides/protocol.md 5.4 says of the versions that tests use.
TABLE = {'v1.33.5': ('v1.12.0', '3.5.21-0', '3.10'), 'v1.34.0': ('v1.12.1', '3.6.4-0', '3.10.1'),
         'v1.34.1': ('v1.12.1', '3.6.4-0', '3.10.1'), 'v1.34.2': ('v1.12.1', '3.6.5-0', '3.10.1')}
PAUSES = ['3.6', '3.7', '3.8', '3.9', '3.10', '3.10.1', '3.10.2']


def corpus(*versions, more_tags=()):
    """All images of these versions, and all pause images; more_tags: of kube-apiserver, such as pre-releases."""
    c = images.Corpus()
    base = images.Layer(images.licences(1))
    names = [(name, v) for v in versions for name in KUBE] + [('kube-apiserver', t) for t in more_tags]
    names += [('coredns/coredns', TABLE[v][0]) for v in versions] + [('etcd', TABLE[v][1]) for v in versions]
    for repository, tag in dict.fromkeys(names + [('pause', p) for p in PAUSES]):
        c.multi(repository, tag, PLATFORMS, shared=base)
    return c


def published(*versions, prefix=''):
    """{repository: tags} of a target that has all of these versions."""
    found = {name: set(versions) for name in KUBE}
    found.update({'etcd': {TABLE[v][1] for v in versions}, 'pause': set(PAUSES),
                  'coredns': {TABLE[v][0] for v in versions}, 'coredns/coredns': {TABLE[v][0] for v in versions}})
    return {prefix + name: tags for name, tags in found.items()}


def list_of(version, repository='registry.k8s.io'):
    """What kubeadm lists for a version of TABLE."""
    coredns, etcd, pause = TABLE[version]
    name = 'coredns/coredns' if repository == 'registry.k8s.io' else 'coredns'
    return [f'{repository}/{k}:{version}' for k in KUBE] + [
        f'{repository}/{name}:{coredns}', f'{repository}/pause:{pause}', f'{repository}/etcd:{etcd}']
