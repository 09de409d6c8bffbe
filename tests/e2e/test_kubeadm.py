"""Versions of Kubernetes: synced by a rule, checked at the targets, and what nodes are told about them."""
import json
import os
import shutil
import subprocess

import pytest

import faults
import images
import kube
import setups


def config(source, targets, *versions, prefix='k8s', **rule):
    c = setups.configuration(source, targets, repositories=[], kubeadm=list(versions), **rule)
    del c['sync'][0]['repositories']
    for target in c['targets'].values():
        target['prefix'] = prefix
    return c


def check(run, version, *args, config=None):
    """(exit code, the JSON of `kubeadm check`)"""
    r = run('kubeadm', 'check', '--kubernetes-version', version, '--json', *args, config=config)
    assert r.code in (0, 1), repr(r)
    return r.code, json.loads(r.stdout)


def lacking(result):
    """{(target, repository, tag): what is wrong with it} of a check's JSON."""
    return {(t['target'], i['repository'], i['tag']): i['missing']
            for t in result['targets'] for i in t['images'] if not i['complete']}


def own_layer(corpus, repository, tag, platform=0):
    """The digest of a layer that only this image has."""
    child = corpus.children(corpus.tags[repository][tag])[0][platform]
    return corpus.children(child)[1][-1]


@pytest.fixture
def kubernetes():
    return kube.corpus('v1.34.1')


@pytest.fixture
def upstream(make_faulty, kubernetes):
    return make_faulty(corpus=kubernetes)


# ---- syncing ----------------------------------------------------------------------------------------------------------

def test_a_version_arrives_whole_with_coredns_twice_and_every_pause(run, upstream, target, kubernetes):
    r = run('sync', config=config(upstream, [target, 'store'], {'version': '1.34.1'}, publish='together')).ok()
    there = {name: set(target.client().tags(name)) for name in kube.published('v1.34.1', prefix='k8s/')}
    assert there == kube.published('v1.34.1', prefix='k8s/'), repr(r)
    for name in ('k8s/coredns', 'k8s/coredns/coredns'):
        data = target.client().get_manifest(name, 'v1.12.1')[2]
        assert data == kubernetes.manifests[kubernetes.tags['coredns/coredns']['v1.12.1']][1]
        assert os.path.isdir(f'{run.state}/store/repos/{name}/_layout')
    assert upstream.asked('GET', '/tags/list') == []                # literal tags need no listing
    # What both names of coredns share was fetched once.
    layer = own_layer(kubernetes, 'coredns/coredns', 'v1.12.1')
    assert len(upstream.asked('GET', layer)) == 1


def test_a_second_run_has_nothing_to_do(run, upstream, target):
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    before = sum(upstream.counts().values())
    r = run('sync', config=c).ok()
    assert r.report['totals']['published'] == 0
    # One HEAD each: 7 images, coredns a second time, and the six other pauses.
    assert sum(upstream.counts().values()) == before + 14


@pytest.mark.parametrize('wish,versions', [
    ({'minor': '1.34', 'latest': 2}, ['v1.34.1', 'v1.34.2']),
    ({'version': '>=1.33 <1.34.1'}, ['v1.33.5', 'v1.34.0']),
    ('latest-1 of 1.33', ['v1.33.5']),
    ('1.34', ['v1.34.0', 'v1.34.1', 'v1.34.2']),
])
def test_versions_are_looked_for_at_the_upstream_without_prereleases(run, make_faulty, wish, versions):
    source = make_faulty(corpus=kube.corpus(*kube.TABLE, more_tags=['v1.34.3-rc.0', 'v1.35.0-alpha.1']))
    target = make_faulty()
    run('sync', config=config(source, [target], wish, prefix='')).ok()
    assert {name: set(tags) for name, tags in target.storage.tags.items()} == kube.published(*versions)
    assert target.storage.check() == []
    assert len(source.asked('GET', '/tags/list')) == 1              # of kube-apiserver


def test_a_version_that_is_too_new_for_the_table_fails_alone(run, make_faulty):
    source = make_faulty(corpus=kube.corpus('v1.34.1', more_tags=['v1.34.77']))
    target = make_faulty()
    r = run('sync', config=config(source, [target], {'minor': '1.34', 'latest': 2}, prefix='', publish='together'))
    assert r.code == 3, repr(r)
    assert 'Kubernetes v1.34.77 is not in the table of images, which has 1.34.0 to 1.34.10' in r.stderr
    assert '--from-kubeadm' in r.stderr
    assert {name: set(tags) for name, tags in target.storage.tags.items()} == kube.published('v1.34.1')
    r = run('status')
    assert 'v1.34.77' in r.stdout                                   # and is not forgotten


def test_the_table_is_extended_by_what_kubeadm_printed(run, make_faulty, tmp_path):
    source = make_faulty(corpus=kube.corpus('v1.34.1'))
    target = make_faulty()
    for name in kube.KUBE:
        source.storage.tags[name]['v1.34.77'] = source.storage.tags[name]['v1.34.1']
    listed = '\n'.join(kube.list_of('v1.34.1')).replace('v1.34.1', 'v1.34.77')
    row = run('kubeadm', 'images', '--from-kubeadm=-', '-o', 'table', stdin=listed).ok().stdout
    (tmp_path / 'table').write_text('# ours\n' + row)
    c = config(source, [target], '1.34.77')
    assert run('sync', config=c).code == 2                          # a named version must be known
    c['kubeadm'] = {'table': str(tmp_path / 'table')}
    run('sync', config=c).ok()
    assert set(target.storage.tags['k8s/kube-proxy']) == {'v1.34.77'}
    assert check(run, '1.34.77', config=c)[0] == 0


def test_a_listing_that_fails_holds_nothing_back(run, upstream, make_faulty):
    target = make_faulty()
    upstream.rule(faults.answer(403), 'GET', '/kube-apiserver/tags/list')
    r = run('sync', config=config(upstream, [target], '1.34.1', 'latest-1 of 1.33', prefix=''))
    assert r.code == 3 and 'list the tags of kube-apiserver' in r.stderr, repr(r)
    assert {name: set(tags) for name, tags in target.storage.tags.items()} == kube.published('v1.34.1')


def test_a_mirror_that_may_answer_lists_the_versions(run, upstream, make_faulty):
    target, mirror = make_faulty(), make_faulty(corpus=kube.corpus('v1.34.1'))
    upstream.rule(faults.answer(503), 'GET|HEAD', '/v2/')
    c = config(upstream, [target], 'latest-1 of 1.34', prefix='')
    c['registries'][mirror.host] = {'tls': 'off'}
    c['upstreams']['up']['mirrors'] = [{'host': mirror.host, 'resolve': True}]
    run('sync', config=c).ok()
    assert {name: set(tags) for name, tags in target.storage.tags.items()} == kube.published('v1.34.1')


def test_a_plan_names_the_images_and_changes_nothing(run, upstream, make_faulty):
    target = make_faulty()
    r = run('plan', config=config(upstream, [target], 'latest-1 of 1.34')).ok()
    assert 'k8s/coredns:v1.12.1' in r.stdout and 'k8s/coredns/coredns:v1.12.1' in r.stdout
    assert target.storage.tags == {} and not os.path.exists(run.state)


# ---- checking -----------------------------------------------------------------------------------------------------------

def test_check_is_true_after_a_sync_and_false_with_exactly_one_blob_removed(run, upstream, make_faulty, kubernetes):
    target = make_faulty()
    c = config(upstream, [target, 'store'], '1.34.1', publish='together')
    run('sync', config=c).ok()
    code, result = check(run, 'v1.34.1', config=c)
    assert code == 0 and result['complete'] and lacking(result) == {}
    assert [(t['target'], t['complete'], len(t['images'])) for t in result['targets']] == [('to0', True, 14), ('box', True, 14)]

    gone = own_layer(kubernetes, 'etcd', '3.6.4-0', platform=1)
    target.storage.forget(gone)
    code, result = check(run, 'v1.34.1', config=c)
    assert code == 1 and not result['complete']
    problems = lacking(result)
    assert list(problems) == [('to0', 'k8s/etcd', '3.6.4-0')]
    assert [(p['what'], p['state'], p['digest'], p['platform']) for p in problems['to0', 'k8s/etcd', '3.6.4-0']] == [
        ('blob', 'missing', gone, 'linux/arm64')]

    # The other platform is all there; and text says the same.
    assert check(run, '1.34.1', '--platform', 'linux/amd64', config=c)[0] == 0
    r = run('kubeadm', 'check', '--kubernetes-version=1.34.1', 'to0', config=c)
    assert r.code == 1
    assert f'to0: k8s/etcd:3.6.4-0: missing blob {gone} of linux/arm64: ' in r.stdout
    assert 'v1.34.1 is not completely at target to0: 1 of 14 images are not\n' in r.stdout
    r = run('kubeadm', 'check', '--kubernetes-version=1.34.1', 'box', config=c).ok()
    assert r.stdout.endswith('v1.34.1 is completely at target box: 14 images\n')


def test_check_sees_what_is_gone_from_the_store(run, upstream, kubernetes):
    c = config(upstream, ['store'], '1.34.1')
    run('sync', config=c).ok()
    gone = own_layer(kubernetes, 'kube-proxy', 'v1.34.1')
    os.unlink(f'{run.state}/store/blobs/{gone.replace(":", "/")}')
    code, result = check(run, '1.34.1', config=c)
    assert code == 1
    assert [(k[1:], [p['digest'] for p in v]) for k, v in lacking(result).items()] == [(('k8s/kube-proxy', 'v1.34.1'), [gone])]


def test_check_of_a_real_registry_asks_for_blobs_and_reads_none(run, upstream, target):
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    target.mark()
    assert check(run, '1.34.1', config=c)[0] == 0
    requests = target.requests()
    assert requests['HEAD blob'] > 14, requests
    assert not any(kind.startswith(('GET blob', 'PUT', 'POST', 'DELETE', 'PATCH')) for kind in requests), requests


def test_a_tag_that_moved_away_is_named(run, upstream, make_faulty):
    target = make_faulty()
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    del target.storage.tags['k8s/coredns']['v1.12.1']
    code, result = check(run, '1.34.1', config=c)
    assert code == 1
    assert [(k[1:], v[0]['what'], v[0]['state']) for k, v in lacking(result).items()] == [(('k8s/coredns', 'v1.12.1'), 'tag', 'missing')]


def test_a_platform_that_the_images_lack_is_named(run, upstream, make_faulty):
    target = make_faulty()
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    code, result = check(run, '1.34.1', '--platform=linux/amd64', '--platform=linux/s390x', config=c)
    assert code == 1 and len(lacking(result)) == 14
    assert all([(p['what'], p['platform']) for p in v] == [('platform', 'linux/s390x')] for v in lacking(result).values())


def test_a_rule_for_one_platform_is_checked_for_that_one(run, upstream, kubernetes):
    c = config(upstream, ['store'], '1.34.1', platforms=['linux/arm64'])
    run('sync', config=c).ok()
    assert check(run, '1.34.1', config=c)[0] == 0
    assert check(run, '1.34.1', '--platform=linux/amd64', config=c)[0] == 1


def test_a_target_that_cannot_say_is_unknown_and_not_empty(run, upstream, make_faulty):
    target = make_faulty()
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    target.rule(faults.answer(403), 'HEAD', '/k8s/etcd/blobs/')
    code, result = check(run, '1.34.1', config=c)
    assert code == 1
    assert {p['state'] for v in lacking(result).values() for p in v} == {'unknown'}
    assert {k[1] for k in lacking(result)} == {'k8s/etcd'}


def test_what_skopeo_copied_is_enough_for_kubeadm_alone(run, upstream, make_registry, kubernetes):
    """A registry that was filled by kubeadm's list, without the second name of coredns and the other pauses."""
    other = make_registry()
    for image in kube.list_of('v1.34.1'):
        name, tag = image.split('/', 1)[1].rsplit(':', 1)
        digest = kubernetes.tags[name][tag]
        repository = 'k8s/' + name.split('/')[-1]
        manifests, blobs = kubernetes.reach(digest)
        for b in blobs:
            other.client().put_blob(repository, b, kubernetes.blobs[b])
        for m in manifests:
            other.client().put_manifest(repository, m, *kubernetes.manifests[m])
        other.client().put_manifest(repository, tag, *kubernetes.manifests[digest])
    there = ['--image-repository', f'{other.host}/k8s', '--plain', other.host]
    assert check(run, '1.34.1', '--kubeadm-only', *there)[0] == 0
    code, result = check(run, '1.34.1', *there)
    assert code == 1
    assert {(i['repository'], i['for']) for t in result['targets'] for i in t['images'] if not i['complete']} == {
        ('k8s/coredns/coredns', 'upstream name'), ('k8s/pause', 'runtime')}


def test_a_rename_is_followed(run, upstream, make_faulty):
    target = make_faulty()
    c = config(upstream, [target], '1.34.1', prefix='m', rename='k8s/{repository}')
    run('sync', config=c).ok()
    assert check(run, '1.34.1', config=c)[0] == 0
    r = run('kubeadm', 'config', '--kubernetes-version=1.34.1', config=c).ok()
    assert f'\nimageRepository: {target.host}/m/k8s\n' in r.stdout
    c['sync'][0]['rename'] = '{repository}-x'
    r = run('kubeadm', 'config', '--kubernetes-version=1.34.1', config=c)
    assert r.code == 2 and 'changes the names' in r.stderr


def test_check_of_what_is_not_there_is_false_and_makes_nothing(run, upstream, make_faulty):
    c = config(upstream, [make_faulty(), 'store'], '1.34.1')
    code, result = check(run, '1.34.1', config=c)
    assert code == 1 and len(lacking(result)) == 28
    assert not os.path.exists(run.state)


# ---- what nodes are told --------------------------------------------------------------------------------------------------

def test_a_registries_conf_is_understood_by_skopeo(run, upstream, target, kubernetes, tmp_path):
    c = config(upstream, [target], '1.34.1')
    run('sync', config=c).ok()
    text = run('kubeadm', 'hosts', '--for', 'podman', config=c).ok().stdout
    # What is mirrored is the upstream's name; nobody can answer for the real one here.
    text = text.replace(f'prefix = "{upstream.host}"', 'prefix = "registry.k8s.invalid"').replace(
        f'location = "{upstream.host}"', 'location = "registry.k8s.invalid"')
    (tmp_path / 'registries.conf').write_text(text)
    if not shutil.which('skopeo'):
        pytest.skip('no skopeo')
    digest = subprocess.run(
        ['skopeo', '--registries-conf', str(tmp_path / 'registries.conf'), 'inspect', '--raw',
         'docker://registry.k8s.invalid/coredns/coredns:v1.12.1'], check=True, stdout=subprocess.PIPE).stdout
    assert images.digest_of(digest) == kubernetes.tags['coredns/coredns']['v1.12.1']


def toml_lines(text):
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith('#')]


def test_hosts_toml_has_the_path_and_the_certificate(run, upstream, make_registry, authority):
    target = make_registry(tls=authority, users={'me': 'secret-word'})
    c = config(upstream, [target], '1.34.1')
    r = run('kubeadm', 'hosts', '--for=containerd', '--kubernetes-version=1.34.1', config=c).ok()
    assert toml_lines(r.stdout) == [
        f'server = "https://{upstream.host}"', f'[host."https://{target.host}/v2/k8s"]',
        '  capabilities = ["pull", "resolve"]', '  override_path = true',
        f'  ca = "/etc/containerd/certs.d/{upstream.host}/ca.crt"  # a copy of {authority.ca}']
    assert f"sandbox = '{target.host}/k8s/pause:3.10.1'" in r.stdout
    everything = run('kubeadm', 'hosts', config=c).ok().stdout
    assert 'secret-word' not in everything and f'docker login {target.host}' in everything


def test_docker_gets_json(run, upstream, target):
    r = run('kubeadm', 'hosts', '--for=docker', config=config(upstream, [target], '1.34.1')).ok()
    assert json.loads(r.stdout) == {'insecure-registries': [target.host]}
    assert f'{target.host}/k8s/' in r.stderr


@pytest.mark.skipif(not shutil.which('kubeadm'), reason='no kubeadm')
def test_the_list_is_the_one_of_the_kubeadm_that_is_here(run):
    version = subprocess.run(['kubeadm', 'version', '-o', 'short'], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    for output in ('text', 'json'):
        listed = subprocess.run(['kubeadm', 'config', 'images', 'list', '--kubernetes-version', version, '-o', output],
                                check=True, text=True, stdout=subprocess.PIPE).stdout
        ours = run('kubeadm', 'images', '--kubernetes-version', version, '-o', output).ok().stdout
        assert ours.split() == listed.split() if output == 'text' else json.loads(ours) == json.loads(listed)


def test_the_example_is_read(run):
    example = os.path.join(os.path.dirname(__file__), '..', '..', 'conf', 'kubeadm-mirror.yaml')
    r = run('config', 'check', options=['-c', example]).ok()
    assert '1 rule' in r.stdout
