"""
Configurations of the program for tests: one upstream "up", targets by name, one rule "all".

    setups.configuration(source, [target], repositories=['team/web'])

Servers are faulty.Faulty or registries.DockerRegistry, or 'store'; what they need to be spoken to
(plain HTTP, the certificate authority, credentials) is written down for them.
"""


ORDERED = {'choose': 'ordered'}     # the mirrors as listed, then the authority: for tests that must know who is asked


def registry_entry(server, credentials=True):
    """How to talk to a server."""
    entry = {}
    if not server.tls:
        entry['tls'] = 'off'
    else:
        entry['ca'] = server.tls.ca
    if getattr(server, 'mutual', False):
        entry['cert'], entry['key'] = server.tls.issue('client')
    token = getattr(server, 'token', None)
    users = server.users or (token.users if token else None)
    if users and credentials:
        entry['username'], entry['password'] = next(iter(users.items()))
    return entry


def target_name(index, server):
    return 'box' if server == 'store' else f'to{index}'


def configuration(source, targets, mirrors=(), repositories=None, credentials=True, settings=None, upstream=None, **rule):
    """
    The configuration as a dict.  repositories: all of the source's when it is scripted, else the ordinary
    corpus'.  settings: more keys of the top level; upstream: of the upstream, such as ORDERED.  rule: more keys of
    the rule; in names, "_" stands for "-".
    """
    servers = [s for s in [source, *mirrors, *targets] if s != 'store']
    if repositories is None:
        repositories = ['team/web', 'team/worker', 'tools/packer', 'tools/single']
        if hasattr(source, 'storage'):
            repositories = sorted(r for r, tags in source.storage.tags.items() if tags)
    named = {target_name(i, t): {'store': True} if t == 'store' else {'registry': t.host} for i, t in enumerate(targets)}
    places = {'authority': source.host}
    if mirrors:
        places['mirrors'] = [{'host': m.host} for m in mirrors]
    return {
        'registries': {s.host: registry_entry(s, credentials) for s in servers},
        'upstreams': {'up': {**places, **(upstream or {})}},
        'targets': named,
        'sync': [{'name': 'all', 'from': 'up', 'to': list(named), 'repositories': repositories,
                  **{k.replace('_', '-'): v for k, v in rule.items()}}],
        **(settings or {}),
    }
