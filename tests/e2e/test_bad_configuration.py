"""
What a wrong configuration gets: exit code 2, a message with file, line and column that names the
thing, and nothing asked of any registry.
"""
import os
import re

import pytest

import scenes
import setups

GOOD = '''\
registries:
  {host}: {{ tls: off }}
upstreams:
  up:
    authority: {host}
targets:
  box: {{ store: true }}
sync:
  - name: all
    from: up
    to: [box]
    repositories: [good/app]
'''

# name: (text that is replaced, by what, line of the mistake, words of the message)
MISTAKES = {
    'unknown key at the top': ('targets:', 'tragets:\n  x: 1\ntargets:', 6, ['tragets', 'targets']),
    'unknown key of a rule': ('    to: [box]', '    to: [box]\n    repositorys: [x]', 12, ['repositorys', 'repositories']),
    'unknown key of a registry': ('tls: off', 'tsl: off', 2, ['tsl', 'tls']),
    'unknown key of tags': ('[good/app]', '[good/app]\n    tags: {{ includes: [x] }}', 13, ['includes', 'include']),
    'a list where text belongs': ('    from: up', '    from: [up]', 10, ['from']),
    'text where a list belongs': ('upstreams:', 'private: yes-please\nupstreams:', 3, ['private']),
    'a mapping where a list belongs': ('    repositories: [good/app]', '    repositories: {{ good: app }}', 12, ['repositories']),
    'text where a number belongs': ('upstreams:', 'parallel: many\nupstreams:', 3, ['parallel', 'many']),
    'a number out of range': ('upstreams:', 'parallel: 0\nupstreams:', 3, ['parallel']),
    'a huge number': ('upstreams:', 'parallel: 99999999999999999999\nupstreams:', 3, ['parallel']),
    'a bad duration': ('upstreams:', 'recheck: 3 weeks\nupstreams:', 3, ['recheck', '3 weeks']),
    'a bad size': ('upstreams:', 'spool: {{ from: 64 MiBs }}\nupstreams:', 3, ['from']),
    'a bad boolean': ('store: true', 'store: perhaps', 7, ['store', 'perhaps']),
    'a bad regular expression': ('[good/app]', '[good/app]\n    tags: {{ include: ["v(1"] }}', 13, ['v(1']),
    'a bad range of versions': ('[good/app]', '[good/app]\n    tags: {{ semver: ">=x.y" }}', 13, ['semver', '>=x.y']),
    'a bad schedule': ('[good/app]', '[good/app]\n    schedule: "61 3 * * *"', 13, ['schedule', '61']),
    'a schedule that never comes': ('[good/app]', '[good/app]\n    schedule: "0 0 30 2 *"', 13, ['schedule']),
    'a bad platform': ('[good/app]', '[good/app]\n    platforms: [linux]', 13, ['platforms', 'linux']),
    'a bad repository name': ('[good/app]', '[Good/App]', 12, ['Good/App']),
    'a bad choice': ('[good/app]', '[good/app]\n    publish: never', 13, ['publish', 'never', 'together']),
    'an unknown upstream': ('from: up', 'from: upp', 10, ['upp']),
    'an unknown target': ('[box]', '[bocks]', 11, ['bocks']),
    'no authority': ('    authority: {host}\n', '    mirrors: [ {{ host: "{host}" }} ]\n', 4, ['authority']),
    'a chain with an unknown source': (
        '    authority: {host}\n', '    authority: {host}\n    mirrors: [ {{ host: a.invalid }} ]\n    chain: "b.invalid | direct"\n', 7, ['chain', 'b.invalid']),
    'a chain of measured sources': (
        '    authority: {host}\n', '    authority: {host}\n    choose: measured\n    chain: direct\n', 7, ['chain', 'measured']),
    'an empty chain': ('    authority: {host}\n', '    authority: {host}\n    chain: " | "\n', 6, ['chain', 'no source']),
    'a quorum that nobody can make': (
        '    authority: {host}\n', '    authority: {host}\n    mirrors: [ {{ host: a.invalid }} ]\n    quorum: 2\n', 7, ['quorum', 'resolve: true']),
    'a mirror twice': (
        '    authority: {host}\n', '    authority: {host}\n    mirrors: [ {{ host: a.invalid }}, {{ host: a.invalid }} ]\n', 6, ['a.invalid', 'twice']),
    'a mirror in other words': (
        '    authority: {host}\n', '    authority: {host}\n    mirrors: [ {{ host: a.invalid }}, {{ host: "A.invalid:443" }} ]\n', 6, ['A.invalid:443', 'the same']),
    'the authority as its mirror': ('    authority: {host}\n', '    authority: {host}\n    mirrors: [ {{ host: "{host}" }} ]\n', 6, ['authority']),
    'a stripe that is no mapping': ('    authority: {host}\n', '    authority: {host}\n    stripe: 64MiB\n', 6, ['stripe', 'mapping']),
    'an answer that would be too old': ('    authority: {host}\n', '    authority: {host}\n    stale: 2d\n', 6, ['stale', '1d']),
    'a target that is neither': ('store: true', 'prefix: x', 7, ['box']),
    'a target that is both': ('store: true', 'store: true, registry: "{host}"', 7, ['box|registry|store']),
    'the same rule twice': ('[good/app]', '[good/app]\n  - name: all\n    from: up\n    to: [box]\n    repositories: [x]', 13, ['all']),
    'a key twice': ('    from: up', '    from: up\n    from: up', 11, ['from']),
    'a missing environment variable': ('tls: off', 'tls: off, username: u, password: "${{NOT_SET_ANYWHERE}}"', 2, ['NOT_SET_ANYWHERE']),
    'a missing file of a secret': ('tls: off', 'tls: off, username: u, password: "file:/not/there"', 2, ['/not/there']),
    'a tab': ('    from: up', '\tfrom: up', 10, []),
    'an open bracket': ('to: [box]', 'to: [box', 13, ['bracket']),
    'an alias': ('to: [box]', 'to: *other', 11, ['aliases']),
}


@pytest.mark.parametrize('mistake', MISTAKES)
@pytest.mark.parametrize('command', ['sync', 'config'])
def test_a_mistake_is_shown_where_it_is(run, make_faulty, mistake, command):
    server = make_faulty(corpus=scenes.good_and_bad())
    old, new, line, words = MISTAKES[mistake]
    assert old in GOOD
    text = GOOD.replace(old, new, 1).format(host=server.host)
    r = run(*(['sync'] if command == 'sync' else ['config', 'check']), config=text)
    assert r.code == 2, f'{text}\n{r}'
    found = re.search(r'regmirror\.yaml:(\d+):(\d+): (.*)', r.stderr)
    assert found, f'no position in the message\n{r}'
    assert abs(int(found[1]) - line) <= (0 if words else 1), f'{text}\nline {line} expected\n{r}'
    for word in words:
        assert re.search(re.escape(word) if '|' not in word else word, found[3]), f'"{word}" is not in the message\n{r}'
    assert not server.asked(), f'{r}'
    assert not os.path.exists(os.path.join(run.state, 'store')), f'{r}'


def test_several_mistakes_are_told_at_once_or_one_by_one_but_never_none(run):
    r = run('config', 'check', config='parallel: many\nrecheck: soon\nunknown: 1\n')
    assert r.code == 2 and 'regmirror.yaml:' in r.stderr


@pytest.mark.parametrize('content', [b'', b'\n\n', b'# nothing\n', b'[]\n', b'text\n', b'\xff\xfe\x00', b'\x00' * 100, b'{' * 5000])
def test_what_is_no_configuration_is_refused(run, tmp_path, content):
    path = tmp_path / 'strange.yaml'
    path.write_bytes(content)
    r = run('sync', options=['-c', str(path)])
    assert r.code == 2 and 'strange.yaml' in r.stderr, f'{r}'


@pytest.mark.parametrize('path', ['/not/there.yaml', '/', '/dev/null'])
def test_a_configuration_that_cannot_be_read(run, path):
    r = run('sync', options=['-c', path])
    assert r.code in (1, 2) and path in r.stderr, f'{r}'


def test_no_configuration_at_all_says_where_it_was_looked_for(run):
    if os.path.exists('/etc/regmirror/regmirror.yaml'):
        pytest.skip('this machine has a configuration')
    r = run('sync')
    assert r.code == 2 and '/etc/regmirror/regmirror.yaml' in r.stderr, f'{r}'


@pytest.mark.parametrize('key', ['ca', 'cert', 'key'])
def test_a_missing_certificate_is_named(run, make_faulty, authority, key):
    server = make_faulty(corpus=scenes.good_and_bad(), tls=authority)
    config = setups.configuration(server, ['store'], repositories=['good/app'])
    if key != 'ca':
        config['registries'][server.host].update(cert=authority.ca, key=authority.key)
    config['registries'][server.host][key] = '/not/there.pem'
    r = run('sync', config=config)
    assert r.code in (1, 2) and '/not/there.pem' in r.stderr, f'{r}'


def test_a_rule_that_does_not_exist_is_named(run, make_faulty):
    server = make_faulty(corpus=scenes.good_and_bad())
    r = run('sync', 'nightly', config=setups.configuration(server, ['store']))
    assert r.code == 2 and "'nightly'" in r.stderr, f'{r}'
    assert not server.asked()


def test_a_repository_that_does_not_exist_fails_alone(run, make_faulty):
    corpus = scenes.good_and_bad()
    server = make_faulty(corpus=corpus)
    r = run('sync', config=setups.configuration(server, ['store'], repositories=['good/app', 'no/such']))
    assert r.code == 3 and 'no/such' in r.stderr and '404' in r.stderr, f'{r}'


def test_a_tag_that_does_not_exist_fails_alone(run, make_faulty):
    server = make_faulty(corpus=scenes.good_and_bad())
    r = run('sync', config=setups.configuration(server, ['store'], repositories=['good/app'], tags=['v1', 'v9']))
    assert r.code == 3 and 'v9' in r.stderr and '404' in r.stderr, f'{r}'


def test_a_state_directory_that_cannot_be_made(run, make_faulty, tmp_path):
    server = make_faulty(corpus=scenes.good_and_bad())
    (tmp_path / 'file').write_text('no directory')
    r = run('sync', config=setups.configuration(server, ['store']), options=['--state', str(tmp_path / 'file' / 'state')])
    assert r.code in (1, 2) and 'file/state' in r.stderr, f'{r}'
    assert not server.asked()


def test_secrets_are_not_shown(run, make_faulty):
    server = make_faulty(corpus=scenes.good_and_bad())
    config = setups.configuration(server, ['store'])
    config['registries'][server.host].update(username='u', password='${THE_SECRET}')
    r = run('config', 'show', config=config, env={'THE_SECRET': 'xyzzy-42'}).ok()
    assert 'xyzzy-42' not in r.stdout + r.stderr and server.host in r.stdout, f'{r}'
    r = run('sync', config=config, env={'THE_SECRET': 'xyzzy-42'}, options=['-v', '-v'])
    assert 'xyzzy-42' not in r.stdout + r.stderr + str(r.report), f'{r}'
