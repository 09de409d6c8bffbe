"""
The main job: what a source has is at the target byte for byte, with every kind of registry and content,
and at the cost in requests that promise 7 names.
"""
import json
import os
import shutil
import subprocess

import pytest

import client
import faults
import images
import scenes
import setups


def inspect(reference, *options):
    """skopeo's raw manifest of a reference."""
    done = subprocess.run(['skopeo', '--insecure-policy', 'inspect', '--raw', *options, reference], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def skopeo_options(server, folder):
    """How skopeo trusts a registry and logs in."""
    options = ['--tls-verify=false']
    if server.tls:
        folder.mkdir(exist_ok=True)
        shutil.copy(server.tls.ca, folder / 'ca.crt')
        if getattr(server, 'mutual', False):
            cert, key = server.tls.issue('client')
            shutil.copy(cert, folder / 'client.cert')
            shutil.copy(key, folder / 'client.key')
        options = ['--cert-dir', str(folder)]
    users = server.users or (server.token.users if getattr(server, 'token', None) else None)
    if users:
        options += ['--creds', ':'.join(next(iter(users.items())))]
    return options


def assert_equal_by_skopeo(server, corpus, folder, prefix=''):
    for repository, tags in corpus.tags.items():
        for tag, digest in tags.items():
            raw = inspect(f'docker://{server.host}/{prefix}{repository}:{tag}', *skopeo_options(server, folder))
            assert raw == corpus.manifests[digest][1], f'{repository}:{tag}'


def layout_of(run, repository):
    return os.path.join(run.state, 'store', 'repos', repository, '_layout')


def assert_store_equals(run, corpus, repositories=None):
    """Every tag by skopeo, and every blob below it, in the store's layouts."""
    for repository in repositories or corpus.tags:
        layout = layout_of(run, repository)
        for tag, digest in corpus.tags[repository].items():
            assert inspect(f'oci:{layout}:{tag}') == corpus.manifests[digest][1], f'{repository}:{tag}'
            for d in [x for part in corpus.reach(digest) for x in part]:
                with open(os.path.join(layout, 'blobs', *d.split(':')), 'rb') as f:
                    data = f.read()
                assert data == (corpus.blobs[d] if d in corpus.blobs else corpus.manifests[d][1]), d


# ---- kinds of registries -----------------------------------------------------------------------------
KINDS = ['plain', 'tls', 'mtls', 'htpasswd', 'token']


def options_of(kind, authority, make_token_server):
    if kind == 'token':
        return {'tls': authority, 'token': make_token_server(users={'u': 'p:w'})}
    return {'plain': {}, 'tls': {'tls': authority}, 'mtls': {'tls': authority, 'mutual': True},
            'htpasswd': {'tls': authority, 'users': {'u': 'p:w'}}}[kind]


@pytest.mark.parametrize('kind', KINDS)
def test_from_one_docker_registry_to_another(run, make_registry, make_token_server, authority, corpus, tmp_path, kind):
    options = options_of(kind, authority, make_token_server)
    source, target = make_registry(corpus=corpus, **options), make_registry(**options)
    config = setups.configuration(source, [target])
    if kind == 'token':
        config['registries'][source.token.realm.split('/')[2]] = {'ca': authority.ca}
    run('sync', config=config).ok()
    assert client.differences(corpus, target.client()) == []
    assert_equal_by_skopeo(target, corpus, tmp_path / 'trust')


@pytest.mark.parametrize('kind', KINDS)
def test_from_a_docker_registry_to_the_store(run, make_registry, make_token_server, authority, corpus, kind):
    source = make_registry(corpus=corpus, **options_of(kind, authority, make_token_server))
    config = setups.configuration(source, ['store'])
    if kind == 'token':
        config['registries'][source.token.realm.split('/')[2]] = {'ca': authority.ca}
    run('sync', config=config).ok()
    assert_store_equals(run, corpus)


@pytest.mark.parametrize('auth', ['basic', 'bearer'])
def test_credentials_come_from_dockers_configuration(run, make_faulty, authority, corpus, auth):
    source = make_faulty(corpus=corpus, tls=authority, auth=auth, users={'reader': 'r:1'})
    target = make_faulty(tls=authority, auth=auth, users={'writer': 'w:2'})
    run.log_in(source.host, 'reader', 'r:1')
    run.log_in(target.host, 'writer', 'w:2')
    r = run('sync', config=setups.configuration(source, [target], credentials=False)).ok()
    scenes.assert_all_published(r, target, corpus)
    assert 'w:2' not in r.stderr + r.stdout


def test_prefixes_and_new_names(run, source, target, corpus):
    config = setups.configuration(source, [target], repositories=['team/web'], rename='mirror/{repository}')
    config['targets']['to0']['prefix'] = 'k8s'
    run('sync', config=config).ok()
    one = images.Corpus()
    one.blobs, one.manifests, one.tags = corpus.blobs, corpus.manifests, {'team/web': corpus.tags['team/web']}
    assert client.differences(one, target.client(), prefix='k8s/mirror/') == []


# ---- kinds of content --------------------------------------------------------------------------------
def test_peculiar_content_to_a_docker_registry(run, make_registry, peculiar, tmp_path):
    source, target = make_registry(corpus=peculiar), make_registry()
    run('sync', config=setups.configuration(source, [target], repositories=sorted(peculiar.tags))).ok()
    assert client.differences(peculiar, target.client()) == []
    assert_equal_by_skopeo(target, peculiar, tmp_path / 'trust')


def test_peculiar_content_with_sha512(run, make_faulty):
    corpus = images.peculiar()
    source, target = make_faulty(corpus=corpus), make_faulty()
    r = run('sync', config=setups.configuration(source, [target])).ok()
    scenes.assert_whole(target, r)
    # A manifest that is put by tag has the digest of the registry's choice, so the root is compared by tag.
    root = corpus.tags['odd/sha512']['v1']
    assert [w for w in client.differences(corpus, target.client()) if root not in w] == [], f'{r}'


def test_peculiar_content_to_the_store(run, make_faulty):
    corpus = images.peculiar()
    run('sync', config=setups.configuration(make_faulty(corpus=corpus), ['store'])).ok()
    assert_store_equals(run, corpus, [name for name in corpus.tags if name != 'odd/foreign'])


def test_foreign_layers_stay_behind_unless_asked_for(run, make_faulty):
    corpus = images.Corpus()
    layer = corpus.foreign_layer()
    corpus.tag('win/app', 'v1', corpus.image([images.Layer({'x': b'y'})], 'windows/amd64', 'docker', foreign=[layer]))
    source, target, full = make_faulty(corpus=corpus), make_faulty(), make_faulty()
    r = run('sync', config=setups.configuration(source, [target])).ok()
    scenes.assert_all_published(r, target, corpus)
    assert layer['digest'] not in target.storage.blobs['win/app']
    data = images.Layer({'Windows/notepad.exe': b'not for redistribution'}).data
    source.storage.content[layer['digest']] = data
    source.storage.blobs['win/app'].add(layer['digest'])
    run('sync', config=setups.configuration(source, [full], include_foreign=True)).ok()
    assert layer['digest'] in full.storage.blobs['win/app']


def test_many_pages_of_tags(run, make_faulty):
    corpus = images.Corpus()
    image = corpus.image([images.Layer({'x': b'y'})])
    for i in range(250):
        corpus.tag('many/tags', f'v1.{i}', image)
    source, target = make_faulty(corpus=corpus, page_size=40, relative=True), make_faulty(page_size=30)
    run('sync', config=setups.configuration(source, [target])).ok()
    assert target.storage.tags['many/tags'] == source.storage.tags['many/tags']
    assert source.counts()['tags/list'] == 7 and source.counts()['GET blob'] == 2
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert r.report['totals']['complete'] == 250


# ---- what a run costs --------------------------------------------------------------------------------
@pytest.mark.parametrize('immutable', ['none', 'semver'])
def test_a_second_run_costs_what_was_promised(run, source, target, corpus, immutable):
    """Promise 7: a HEAD a mutable tag, a listing a repository, and one request a repository at the target."""
    config = setups.configuration(source, [target], immutable=immutable)
    run('sync', config=config).ok()
    source.mark()
    target.mark()
    r = run('sync', config=config).ok()
    heads = {'none': 6, 'semver': 1}[immutable]     # only "latest" is no version
    assert source.requests() == {'tags/list': 4, 'HEAD manifest tag': heads}, f'{r}'
    assert target.requests() == {'tags/list': 4}, f'{r}'
    assert r.report['totals']['complete'] == 6 and r.report['totals']['bytes'] == 0


def test_versions_only_cost_listings_only(run, source, target, corpus):
    config = setups.configuration(source, [target], repositories=['team/web', 'team/worker', 'tools/packer'], immutable='semver',
                                  tags={'include': [r'v\d+\.\d+\.\d+']})
    run('sync', config=config).ok()
    source.mark()
    target.mark()
    run('sync', config=config).ok()
    assert source.requests() == {'tags/list': 3} and target.requests() == {'tags/list': 3}


def test_literal_tags_cost_no_listing_at_the_source(run, source, target, corpus):
    config = setups.configuration(source, [target], repositories=['team/web'], tags=['v1.0.0'], immutable='none')
    run('sync', config=config).ok()
    assert source.requests()['tags/list'] == 0
    source.mark()
    target.mark()
    run('sync', config=config).ok()
    assert source.requests() == {'HEAD manifest tag': 1} and target.requests() == {'tags/list': 1}


def test_a_second_run_into_the_store_asks_no_target(run, source, corpus):
    config = setups.configuration(source, ['store'], immutable='none')
    run('sync', config=config).ok()
    source.mark()
    run('sync', config=config).ok()
    assert source.requests() == {'tags/list': 4, 'HEAD manifest tag': 6}


def test_each_blob_is_fetched_once_and_mounted_elsewhere(run, source, target, corpus):
    run('sync', config=setups.configuration(source, [target])).ok()
    needed = {d for tags in corpus.tags.values() for digest in tags.values() for d in corpus.reach(digest)[1]}
    assert source.requests()['GET blob'] == len(needed)
    assert target.requests()['POST mount hit'] >= 1 and target.requests()['PUT upload'] == len(needed)


def test_several_targets_are_fed_by_one_fetch(run, source, make_registry, corpus):
    first, second = make_registry(), make_registry()
    run('sync', config=setups.configuration(source, [first, 'store', second])).ok()
    needed = {d for tags in corpus.tags.values() for digest in tags.values() for d in corpus.reach(digest)[1]}
    assert source.requests()['GET blob'] == len(needed)
    assert client.differences(corpus, first.client()) == client.differences(corpus, second.client()) == []
    assert_store_equals(run, corpus)


# ---- changes -----------------------------------------------------------------------------------------
def test_a_target_that_was_wiped_is_refilled(run, source, target, corpus):
    config = setups.configuration(source, [target], immutable='semver')
    run('sync', config=config).ok()
    target.wipe()
    r = run('sync', config=config).ok()
    assert client.differences(corpus, target.client()) == [], f'{r}'
    assert r.report['totals']['published'] == 6


def test_a_tag_that_was_removed_at_the_target_comes_back(run, make_faulty, corpus):
    source, target = make_faulty(corpus=corpus), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    del target.storage.tags['team/web']['v1.0.0']
    r = run('sync', config=config).ok()
    scenes.assert_all_published(r, target, corpus)
    assert r.report['totals']['published'] == 1


def test_a_tag_that_moved_is_moved(run, make_faulty):
    c = scenes.good_and_bad()
    source, target = make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    old = c.tags['good/app']['v1']
    scenes.app(c, 'good/app', 8192)
    c.load_into(source.storage)
    r = run('sync', config=config).ok()
    scenes.assert_all_published(r, target, c)
    moved = [i for i in r.report['images'] if i['state'] == 'moved']
    assert [(i['source_repository'], i['old_digest'], i['digest']) for i in moved] == [('good/app', old, c.tags['good/app']['v1'])]
    assert 'moved' in r.stdout


def test_recheck_finds_what_was_lost_below_a_tag(run, make_faulty, corpus):
    source, target = make_faulty(corpus=corpus), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    lost = corpus.reach(corpus.tags['tools/packer']['v2.0.0'])[1][0]
    target.storage.forget(lost, 'tools/packer')
    r = run('sync', '--recheck', config=config).ok()
    scenes.assert_all_published(r, target, corpus)


def test_together_moves_the_tags_last(run, make_faulty, corpus):
    source, target = make_faulty(corpus=corpus), make_faulty()
    r = run('sync', config=setups.configuration(source, [target], publish='together')).ok()
    scenes.assert_all_published(r, target, corpus)
    puts = [q.reference for q in target.asked('PUT', '/manifests/')]
    first = next(i for i, ref in enumerate(puts) if ':' not in ref)
    assert all(':' not in ref for ref in puts[first:]) and len(puts[first:]) == 6, puts


# ---- platforms ---------------------------------------------------------------------------------------
def test_platforms_leave_children_out_and_keep_the_index(run, source, corpus):
    run('sync', config=setups.configuration(source, ['store'], repositories=['team/web'], platforms=['linux/arm64'])).ok()
    digest = corpus.tags['team/web']['v1.0.0']
    layout = layout_of(run, 'team/web')
    assert inspect(f'oci:{layout}:v1.0.0') == corpus.manifests[digest][1]
    held = {m['platform']['architecture']: os.path.exists(os.path.join(layout, 'blobs', *m['digest'].split(':')))
            for m in json.loads(corpus.manifests[digest][1])['manifests']}
    assert held == {'amd64': False, 'arm64': True, 'arm': False}


def test_a_target_that_refuses_sparse_indexes_is_told_before_any_byte_moves(run, source, target, corpus):
    r = run('sync', config=setups.configuration(source, [target], repositories=['team/web'], platforms=['linux/arm64']))
    assert r.code in (1, 2) and 'sparse' in r.stderr and 'platforms' in r.stderr and 'store' in r.stderr, f'{r}'
    assert source.requests()['GET blob'] == 0 and target.requests()['POST upload'] == 0
    assert target.client().tags('team/web') == []


def test_a_target_that_takes_sparse_indexes_gets_them(run, make_faulty, corpus):
    source, target = make_faulty(corpus=corpus), make_faulty(sparse=True)
    run('sync', config=setups.configuration(source, [target], repositories=['team/web'], platforms=['linux/arm64'])).ok()
    assert target.storage.tags['team/web'] == corpus.tags['team/web']
    assert len(target.storage.manifests['team/web']) <= 5       # two indexes, a child each, and perhaps the probe


# ---- copy --------------------------------------------------------------------------------------------
@pytest.fixture
def copy(run, source, target):
    def call(*args):
        return run('copy', '--plain', source.host, '--plain', target.host, *args)
    return call


def raw(server, reference):
    return inspect(f'docker://{server.host}/{reference}', '--tls-verify=false')


def test_copy_by_tag(copy, source, target, corpus):
    copy(f'{source.host}/team/web:v1.0.0', f'{target.host}/there/web:v9').ok()
    assert raw(target, 'there/web:v9') == corpus.manifests[corpus.tags['team/web']['v1.0.0']][1]
    assert target.client().tags('there/web') == ['v9']


def test_copy_by_digest(copy, source, target, corpus):
    digest = corpus.tags['team/web']['v1.0.0']
    copy(f'{source.host}/team/web@{digest}', f'{target.host}/there/web').ok()
    assert raw(target, f'there/web@{digest}') == corpus.manifests[digest][1]
    copy(f'{source.host}/team/web@{digest}', f'{target.host}/there/web:named').ok()
    assert raw(target, 'there/web:named') == corpus.manifests[digest][1]


def test_copy_of_a_whole_repository(copy, source, target, corpus):
    copy(f'{source.host}/team/web', f'{target.host}/there/web').ok()
    assert sorted(target.client().tags('there/web')) == sorted(corpus.tags['team/web'])


def test_copy_into_the_store_and_out_of_it(copy, run, source, target, corpus):
    copy(f'{source.host}/team/web:v1.0.0', 'store:kept/web:v1').ok()
    expected = corpus.manifests[corpus.tags['team/web']['v1.0.0']][1]
    assert inspect(f'oci:{layout_of(run, "kept/web")}:v1') == expected
    source.stop()
    copy('store:kept/web:v1', f'{target.host}/back/web:v1').ok()
    assert raw(target, 'back/web:v1') == expected


def test_copy_with_a_mirror(run, source, target, make_registry, corpus):
    mirror = make_registry(corpus=corpus)
    run('copy', '--plain', source.host, '--plain', target.host, '--plain', mirror.host, '--from', mirror.host,
        f'{source.host}/team/web:v1.0.0', f'{target.host}/web:v1').ok()
    assert mirror.requests()['GET blob'] > 0 and source.requests()['GET blob'] == 0


@pytest.mark.parametrize('missing', ['team/web:v9', 'no/such:v1', 'team/web@sha256:' + '0' * 64])
def test_copy_of_what_is_not_there(copy, source, target, missing):
    r = copy(f'{source.host}/{missing}', f'{target.host}/x:y')
    assert r.code == 1 and missing.split('@')[-1].split(':')[-1] in r.stderr, f'{r}'


@pytest.mark.parametrize('args', [[], ['one'], ['a:b:c', 'd'], ['host/x:y', 'store:'], ['host/UPPER:x', 'store:x']])
def test_copy_of_nonsense_is_a_usage_error(run, args):
    r = run('copy', *args)
    assert r.code == 2 and r.stderr and r.stdout == '', f'{r}'


# ---- plan and status ---------------------------------------------------------------------------------
def test_plan_tells_and_changes_nothing(run, source, target, corpus):
    config = setups.configuration(source, [target], repositories=['team/web'], tags={'exclude': ['latest']})
    r = run('plan', '--json', config=config).ok()
    rows = {row['image']: row for row in json.loads(r.stdout)}
    assert rows['team/web:v1.0.0']['state'] == 'new' and rows['team/web:latest']['state'] == 'excluded', f'{r}'
    assert rows['team/web:latest']['reason'] and rows['team/web:v1.0.0']['bytes'] > 0
    assert not [k for k in target.requests() if k.startswith(('PUT', 'POST', 'DELETE', 'PATCH'))]
    assert source.requests()['GET blob'] == 0
    run('sync', config=config).ok()
    r = run('plan', '--json', config=config).ok()
    assert {row['state'] for row in json.loads(r.stdout)} == {'complete', 'excluded'}, f'{r}'


def test_status_tells_success_and_failure(run, make_faulty):
    c = scenes.good_and_bad()
    source, target = make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    r = run('status', config=config)
    assert 'all' in r.stdout and source.host in r.stdout and 'to0' in r.stdout, f'{r}'
    source.rule(faults.fail(403, 'DENIED', 'go away'), 'HEAD|GET', '/v2/bad/app/')
    assert run('sync', config=config).code == 3
    r = run('status', config=config)
    assert '403' in r.stdout, f'{r}'
