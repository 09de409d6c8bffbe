"""
What targets can do wrong.  Whatever it is: no tag points at missing content, the other images and the
other targets are served, and absent means absent.
"""
import pytest

import client
import faults
import images
import registries
import scenes
import setups
from scenes import app, assert_all_published, assert_explained, assert_only_bad_failed, assert_whole, layer_of

BAD_UPLOADS = '/v2/bad/app/blobs/uploads/'
BAD_MANIFESTS = '/v2/bad/app/manifests/'


@pytest.fixture(scope='module')
def scene():
    return scenes.good_and_bad()


@pytest.fixture(scope='module')
def older():
    """What the target had before: another bad/app:v1, and nothing else."""
    c = images.Corpus()
    c.tag('bad/app', 'v1', c.image([images.Layer({'older': b'content'})]))
    return c


def assert_kept(r, target, older):
    """bad/app:v1 is what it was, whole."""
    assert target.storage.tags['bad/app'] == older.tags['bad/app'], f'{r}'
    assert_whole(target, r)


# ---- absent means absent -----------------------------------------------------------------------------
@pytest.mark.parametrize('status', [401, 403, 429, 500, 503])
@pytest.mark.parametrize('what', ['blobs', 'tags'])
def test_only_404_means_absent(run, make_faulty, scene, older, what, status):
    """A target that cannot say what it has gets nothing, and loses nothing."""
    source, target = make_faulty(corpus=scene), make_faulty(corpus=older)
    fault = faults.busy(seconds=7200) if status == 429 else faults.fail(status, 'UNKNOWN', 'something is wrong')
    if what == 'blobs':
        target.rule(fault, 'HEAD', '/v2/bad/app/blobs/')
    else:
        target.rule(fault, 'GET', '/v2/bad/app/tags/list')
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 3, f'{r}'
    assert_kept(r, target, older)
    assert not target.asked('POST|PUT|PATCH|DELETE', '/v2/bad/app/'), 'it wrote to a repository of unknown state'
    assert_explained(r, str(status), 'to0')
    assert_all_published(r, target, scene, ['good/app'])


def test_a_500_to_the_head_of_a_tag_moves_nothing(run, make_faulty, scene, older):
    """The tag is listed, and unknown to the state: it is looked at before it is written."""
    source, target = make_faulty(corpus=scene), make_faulty(corpus=older)
    target.rule(faults.fail(500), 'HEAD', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 3, f'{r}'
    assert_kept(r, target, older)
    assert_explained(r, '500', 'to0', 'bad/app:v1')


@pytest.mark.parametrize('size', ['1', '999999'])
def test_a_blob_of_another_size_is_sent_again(run, make_faulty, scene, older, size):
    source, target = make_faulty(corpus=scene), make_faulty(corpus=older)
    target.storage.add_image(scene, 'bad/app', 'v0', scene.tags['bad/app']['v1'])
    target.rule(faults.header('Content-Length', size), 'HEAD', layer_of(scene))
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)
    assert target.asked('PUT', BAD_UPLOADS), f'{r}'


# ---- blobs that are gone -----------------------------------------------------------------------------
def test_blobs_that_the_target_forgot_are_sent_again(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.forget_blobs(), 'PUT', BAD_MANIFESTS, nth=1)
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)
    assert 'MANIFEST_BLOB_UNKNOWN' in r.stderr and 'to0' in r.stderr, f'{r}'


def test_a_target_that_forgets_for_ever_is_given_up(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.forget_blobs(), 'PUT', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, 'MANIFEST_BLOB_UNKNOWN', 'to0', scene.tags['bad/app']['v1'])
    assert len(target.asked('PUT', BAD_MANIFESTS)) <= 4


def test_blobs_that_were_lost_between_two_runs_are_sent_again(run, make_faulty):
    """The state remembers where a base layer is; a new tag shares it; the target has lost it."""
    c = images.Corpus()
    base = images.Layer({'base': scenes.noise(4096)}, 'none')
    c.tag('some/app', 'v1', c.image([base, images.Layer({'own': b'1'})]))
    source, target = make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    target.storage.tags['some/app'].clear()
    target.storage.forget(base.digest)
    c.tag('some/app', 'v2', c.image([base, images.Layer({'own': b'2'})]))
    c.load_into(source.storage)
    r = run('sync', config=config).ok()
    assert_all_published(r, target, c)


# ---- uploads -----------------------------------------------------------------------------------------
UPLOAD_FAULTS = {
    'cut in the middle': (faults.cut_upload(100_000), 'PUT', ['reset|closed|empty|Broken|Send']),
    'reset instead of an answer': (faults.reset_at_once(), 'POST', ['reset|empty|closed']),
    'out of space': (faults.fail(500, 'UNKNOWN', 'no space left on device'), 'PUT', ['500', 'no space left on device']),
    'read only': (faults.fail(405, 'UNSUPPORTED', 'registry is read-only'), 'POST', ['405', 'read-only']),
    'no right to push': (faults.fail(403, 'DENIED', 'requested access to the resource is denied'), 'POST', ['403', 'access']),
    'no Location': (faults.header('Location', None), 'POST', ['Location']),
    'a Location that is none': (faults.header('Location', 'file:///tmp/x'), 'POST', ['file|Location']),
    'too large': (faults.fail(413, 'SIZE_INVALID', 'too large for this tier'), 'PUT', ['413', 'too large']),
    'the digest is refused': (faults.fail(400, 'DIGEST_INVALID', 'it did not match'), 'PUT', ['400', 'DIGEST_INVALID']),
}


@pytest.mark.parametrize('fault', UPLOAD_FAULTS)
def test_uploads_that_fail_cost_their_own_image(run, make_faulty, scene, fault):
    source, target = make_faulty(corpus=scene), make_faulty()
    action, method, words = UPLOAD_FAULTS[fault]
    target.rule(action, method, BAD_UPLOADS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, target.host, 'to0', *words)
    assert len(target.asked(method, BAD_UPLOADS)) < 40


@pytest.mark.parametrize('fault', ['cut in the middle', 'reset instead of an answer', 'out of space'])
def test_uploads_that_fail_once_are_repeated(run, make_faulty, scene, fault):
    source, target = make_faulty(corpus=scene), make_faulty()
    action, method, _ = UPLOAD_FAULTS[fault]
    target.rule(action, method, BAD_UPLOADS, times=2)
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)


@pytest.mark.parametrize('status', [405, 411, 413, 415, 501])
def test_a_target_that_takes_chunks_only(run, make_faulty, scene, status):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.refuse_monolithic(status), 'PUT')
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)


def test_a_chunk_that_is_cut_is_sent_again(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.refuse_monolithic(), 'PUT')
    target.rule(faults.cut_upload(1000), 'PATCH', BAD_UPLOADS, nth=1)
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)


@pytest.mark.parametrize('auth', ['basic', 'bearer'])
def test_an_upload_elsewhere_takes_no_credentials_along(run, make_faulty, authority, scene, auth):
    source = make_faulty(corpus=scene)
    target = make_faulty(tls=authority, auth=auth, users={'u': 'p'})
    elsewhere = make_faulty(tls=authority, storage=target.storage)
    target.rule(faults.upload_location(elsewhere.url), 'POST', '/uploads/')
    config = setups.configuration(source, [target])
    config['registries'][elsewhere.host] = {'ca': authority.ca, 'username': 'someone', 'password': 'else'}
    r = run('sync', config=config).ok()
    assert_all_published(r, target, scene)
    assert elsewhere.asked('PUT', '/uploads/') and not elsewhere.authorization_seen, f'{r}'


def test_an_upload_elsewhere_without_tls_is_refused(run, make_faulty, authority, scene):
    source, target = make_faulty(corpus=scene), make_faulty(tls=authority)
    elsewhere = make_faulty(storage=target.storage)
    target.rule(faults.upload_location(elsewhere.url.replace('127.0.0.1', 'localhost')), 'POST', BAD_UPLOADS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, 'without TLS|plain HTTP')
    assert not elsewhere.asked()


# ---- manifests and tags ------------------------------------------------------------------------------
@pytest.mark.parametrize('status', [400, 403, 409, 412])
def test_an_immutable_tag_stays_what_it_is(run, make_faulty, scene, older, status):
    source, target = make_faulty(corpus=scene), make_faulty(corpus=older)
    target.rule(faults.refuse_tag(status, 'TAG_IMMUTABLE', 'the tag is immutable'), 'PUT', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 3, f'{r}'
    assert_kept(r, target, older)
    assert_explained(r, str(status), 'the tag is immutable', 'bad/app:v1', 'to0')
    assert_all_published(r, target, scene, ['good/app'])


@pytest.mark.parametrize('status, code', [(400, 'MANIFEST_INVALID'), (500, 'UNKNOWN'), (413, 'MANIFEST_INVALID')])
def test_a_refused_manifest_costs_its_own_image(run, make_faulty, scene, status, code):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.fail(status, code, 'I do not like it'), 'PUT', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, str(status), code, 'I do not like it', 'to0', scene.tags['bad/app']['v1'])


def test_a_target_that_stored_something_else_is_not_believed(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.header('Docker-Content-Digest', 'sha256:' + '0' * 64), 'PUT', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 3, f'{r}'
    assert_explained(r, 'sha256:000000', 'to0')


def test_children_are_there_before_their_index_and_tag(run, make_faulty):
    """A target that checks nothing: the order is ours."""
    c = images.Corpus()
    c.multi('some/app', 'v1')
    source, target = make_faulty(corpus=c), make_faulty(sparse=True)
    early = []

    def look(server, request):
        if request.reference == 'v1':
            want = c.reach(c.tags['some/app']['v1'])
            held = set(server.storage.manifests['some/app']) | server.storage.blobs['some/app']
            early.extend(d for d in [*want[0][:-1], *want[1]] if d not in held)
    target.rule(faults.meanwhile(look), 'PUT', '/manifests/')
    run('sync', config=setups.configuration(source, [target])).ok()
    assert early == []
    assert target.asked('PUT', '/manifests/v1')


# ---- targets beside each other -----------------------------------------------------------------------
def test_a_dead_target_does_not_harm_another(run, make_faulty, scene):
    source, good, dead = make_faulty(corpus=scene), make_faulty(), make_faulty()
    config = setups.configuration(source, [good, dead])
    dead.stop()
    r = run('sync', config=config)
    assert r.code == 3, f'{r}'
    assert_all_published(r, good, scene)
    assert 'to1' in r.stderr and 'connect' in r.stderr, f'{r}'


def test_a_target_that_breaks_uploads_does_not_harm_another(run, make_faulty, scene):
    source, good, bad = make_faulty(corpus=scene), make_faulty(), make_faulty()
    bad.rule(faults.cut_upload(1000), 'PUT', '/uploads/')
    r = run('sync', config=setups.configuration(source, [good, bad]))
    assert r.code == 3, f'{r}'
    assert_all_published(r, good, scene)
    assert_whole(bad, r)


def test_a_slow_target_gets_everything_in_the_end(run, make_faulty, scene):
    source, quick, slow = make_faulty(corpus=scene), make_faulty(), make_faulty()
    slow.rule(faults.slow_upload(200_000), 'PUT', BAD_UPLOADS)
    r = run('sync', config=setups.configuration(source, [quick, slow])).ok()
    assert_all_published(r, quick, scene)
    assert_all_published(r, slow, scene)
    assert source.counts()['GET blob'] == 4


def test_no_target_at_all(run, make_faulty, scene):
    """Nobody listens at the target's address: everything fails, quickly and with the reason."""
    source, gone = make_faulty(corpus=scene), registries.free_port()
    config = setups.configuration(source, ['store'])
    config['targets'] = {'box': {'registry': f'127.0.0.1:{gone}'}}
    config['registries'][f'127.0.0.1:{gone}'] = {'tls': 'off'}
    r = run('sync', config=config)
    assert r.code == 1 and str(gone) in r.stderr and 'connect' in r.stderr, f'{r}'


def test_a_read_only_docker_registry_says_so(run, make_faulty, make_registry, scene):
    source, target = make_faulty(corpus=scene), make_registry(readonly=True)
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 1 and target.host in r.stderr and '405' in r.stderr, f'{r}'
    assert client.differences(scene, source.client()) == []
    target.restart(readonly=False)
    run('sync', config=setups.configuration(source, [target])).ok()
    assert client.differences(scene, target.client()) == []


def test_together_moves_no_tag_when_one_image_fails(run, make_faulty, scene, older):
    c = images.Corpus()
    for name in ('a/app', 'bad/app', 'z/app'):
        app(c, name, 2048)
    source, target = make_faulty(corpus=c), make_faulty(corpus=older)
    target.rule(faults.fail(403, 'DENIED', 'not here'), 'POST', BAD_UPLOADS)
    r = run('sync', config=setups.configuration(source, [target], publish='together'))
    assert r.code == 1, f'{r}'
    assert_kept(r, target, older)
    assert not target.storage.tags['a/app'] and not target.storage.tags['z/app'], f'{r}'
    assert 'together' in r.stderr or 'set' in r.stderr, f'{r}'
    target.clear_rules()
    r = run('sync', config=setups.configuration(source, [target], publish='together')).ok()
    assert_all_published(r, target, c)
