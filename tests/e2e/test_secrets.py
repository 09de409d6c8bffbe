"""
Credentials stay home (promise 10): they go to the origin they belong to and nowhere else, and never
into output, logs, reports, the state, or the command line of a process.
"""
import base64
import json
import os
import re
import time

import pytest

import client
import crash
import faults
import images
import setups

IN_CONFIG, IN_ENVIRONMENT, IN_FILE, IN_DOCKER = 'Conf1g-Secret', 'Env1ron-Secret', 'F1le-Secret', 'D0cker-Secret'
SECRETS = [IN_CONFIG, IN_ENVIRONMENT, IN_FILE, IN_DOCKER]


def basic(user, password):
    return base64.b64encode(f'{user}:{password}'.encode()).decode()


def echo(status=403, header='Authorization'):
    """A peer that repeats what it was told in its error: careless, or worse."""
    from faulty import Response

    def before(server, request):
        given = request.headers.get(header) or ''
        decoded = base64.b64decode(given.split()[1]).decode() if given.startswith('Basic') else ''
        return Response.error(status, 'DENIED', f'you said {given} {decoded} {request.target}')
    return faults.Action(before)


@pytest.fixture
def scene(run, make_faulty, corpus, authority):
    """Four registries over TLS whose passwords come from four places: a source, a mirror and two targets."""
    def server(password, **more):
        return make_faulty(tls=authority, users={'user': password}, **more)

    source = server(IN_CONFIG, auth='bearer', corpus=corpus)
    mirror = server(IN_DOCKER, auth='basic', corpus=corpus)
    targets = [server(IN_ENVIRONMENT, auth='basic'), server(IN_FILE, auth='bearer')]
    config = setups.configuration(source, targets, mirrors=[mirror], upstream=setups.ORDERED)
    config['registries'][targets[0].host]['password'] = '${TARGET_PASSWORD}'
    path = os.path.join(run.folder, 'password')
    with open(path, 'w') as f:
        f.write(IN_FILE + '\n')
    config['registries'][targets[1].host]['password'] = f'file:{path}'
    del config['registries'][mirror.host]['username'], config['registries'][mirror.host]['password']
    run.log_in(mirror.host, 'user', IN_DOCKER)
    run.env['TARGET_PASSWORD'] = IN_ENVIRONMENT
    return source, mirror, targets, config


def told(run, results, servers):
    """Where a secret is that should be nowhere: in what was printed, in the report, or in the state."""
    secrets = [*SECRETS, *(basic('user', s) for s in SECRETS), *(t for s in servers for t in s.tokens)]
    places = {f'{name} of {" ".join(r.args[-3:])}': text for r in results
              for name, text in (('stdout', r.stdout), ('stderr', r.stderr), ('report', json.dumps(r.report)))}
    for folder, _, names in os.walk(run.state):
        for name in names:
            with open(os.path.join(folder, name), 'rb') as f:
                places[os.path.join(folder, name)] = f.read().decode('latin-1')
    return [f'{s[:20]} in {place}' for place, text in places.items() for s in secrets if s in text]


def test_secrets_are_used_and_never_told(run, scene, corpus):
    source, mirror, targets, config = scene
    results = [run('sync', options=options, config=config).ok() for options in (['-v'], ['-v', '--log=json'])]
    for t in targets:
        assert client.differences(corpus, t.client()) == []
        assert t.tokens or t.auth == 'basic'
    assert mirror.asked('GET', '/blobs/') and source.tokens
    results += [run(*command, options=['-v'], config=config) for command in (['plan'], ['status'], ['config', 'show'])]
    assert told(run, results, [source, *targets]) == []


@pytest.mark.parametrize('method, path', [('GET', '/manifests/'), ('GET', '/blobs/'), ('GET', '/token'), ('GET', '/tags/list')])
@pytest.mark.parametrize('status', [400, 401, 500])
def test_a_peer_that_repeats_secrets_does_not_get_them_told(run, scene, method, path, status):
    source, mirror, targets, config = scene
    config['deadline'] = '5s'                   # failures that may pass are tried again for longer than that
    for server in (source, mirror, *targets):
        server.rule(echo(status), method, path)
    results = [run('sync', options=['-v'], config=config), run('status', config=config)]
    assert told(run, results, [source, mirror, *targets]) == []


def test_a_target_that_repeats_secrets_does_not_get_them_told(run, scene):
    source, mirror, targets, config = scene
    for t in targets:
        t.rule(echo(400), 'POST|PUT|PATCH')
    results = [run('sync', options=['-v'], config=config), run('status', config=config)]
    assert results[0].code == 1
    assert told(run, results, [source, mirror, *targets]) == []


def test_no_secret_is_in_a_command_line(run, scene, corpus):
    """Nor does the program start others that could have them in theirs."""
    source, _, _, config = scene
    stalled = source.rule(faults.delay(1), 'GET', '/tags/list')
    process = run.start('sync', config=config)
    while not stalled.fired:
        time.sleep(0.01)
    with open(f'/proc/{process.pid}/cmdline') as f:
        line = f.read()
    with open(f'/proc/{process.pid}/task/{process.pid}/children') as f:
        assert f.read() == ''
    assert 'sync' in line and not any(s in line for s in SECRETS)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_each_origin_sees_its_own_credentials_only(run, scene, make_faulty, authority, corpus):
    """Through redirects of blobs, uploads that go on elsewhere, and mirrors without credentials."""
    source, mirror, targets, config = scene
    elsewhere = [make_faulty(tls=authority, storage=s.storage) for s in (source, targets[0], targets[1])]
    for server in elsewhere:
        config['registries'][server.host] = {'ca': authority.ca}
    plain = make_faulty(corpus=corpus, tls=authority)
    config['registries'][plain.host] = {'ca': authority.ca}
    config['upstreams']['up']['mirrors'].insert(0, {'host': plain.host})
    plain.rule(faults.fail(500), 'GET', '/blobs/')
    def known(request):
        return request.authorization
    source.rule(faults.redirect(elsewhere[0].url + '{target}'), 'GET', '/blobs/', when=known)
    mirror.rule(faults.redirect(elsewhere[0].url + '{target}'), 'GET', '/blobs/', when=known)
    targets[0].rule(faults.upload_location(elsewhere[1].url), 'POST', '/uploads/')
    targets[1].rule(faults.upload_location(elsewhere[2].url), 'POST', '/uploads/')
    r = run('sync', config=config).ok()
    for t in targets:
        assert client.differences(corpus, t.client()) == [], r
    assert elsewhere[0].asked('GET', '/blobs/') and elsewhere[1].asked('PUT') and elsewhere[2].asked('PUT')
    for server in [*elsewhere, plain]:
        assert dict(server.authorization_seen) == {}
    for server in (source, mirror, *targets):
        own = {f'Bearer {t}' for t in server.tokens} | {f'Basic {basic("user", p)}' for p in server.users.values()}
        seen = set().union(*server.authorization_seen.values())
        assert seen and seen <= own, f'{server.host}: {seen - own}'
        assert set(server.authorization_seen) == {server.host}


def test_credentials_of_a_host_are_not_those_of_another_port(run, make_faulty, authority, corpus):
    """127.0.0.1:A and 127.0.0.1:B are two origins."""
    source = make_faulty(corpus=corpus, tls=authority)
    target = make_faulty(tls=authority, auth='basic', users={'user': IN_CONFIG})
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    assert dict(source.authorization_seen) == {} and target.authorization_seen


def test_the_journal_and_reports_are_readable_by_all_and_hold_no_secret(run, scene):
    """State files have no secrets, so they need no protection; this is what that rests on."""
    source, _, targets, config = scene
    source.rule(echo(403), 'GET', '/blobs/', times=2)
    results = [run('sync', config=config)]
    texts = [str(row) for table in ('tag', 'place', 'location', 'move', 'run', 'source')
             for row in crash.rows(run.state, 'state.db', table, f'SELECT * FROM "{table}"')]
    assert texts and not any(s in text for text in texts for s in SECRETS)
    assert told(run, results, [source, *targets]) == []
    assert not re.search('Bearer [A-Za-z0-9]', results[0].stderr)
