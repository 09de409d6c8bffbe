"""
What sources can do wrong: a broken one costs its own images and no others, and a broken mirror
costs nothing but a warning.  Each test has a good image beside the bad one, and looks at the target.
"""
import json
import re

import pytest

import client
import faults
import images
import scenes
import setups
from scenes import app, assert_mirror_blamed, assert_only_bad_failed, layer_of, noise

BAD_BLOBS = '/v2/bad/app/blobs/'
BAD_MANIFESTS = '/v2/bad/app/manifests/'
HALF = scenes.LAYER_BYTES // 2


@pytest.fixture(scope='module')
def scene():
    return scenes.good_and_bad()


# ---- blobs: each fault at the only source, and at a mirror -----------------------------------------
BLOB_FAULTS = {
    'first byte wrong': (faults.flip_byte(0), ['hash to sha256:']),
    'last byte wrong': (faults.flip_byte(-1), ['hash to sha256:']),
    'too long': (faults.resize(5), ['declared']),
    'too short': (faults.resize(-5), ['declared']),
    'body ends early': (faults.short_body(1000), ['early|closed|partial|outstanding|remaining']),
    'reset in mid-blob': (faults.reset(1000), ['reset']),
    'reset instead of an answer': (faults.reset_at_once(), ['reset|empty|closed']),
    'gzip': (faults.gzipped(), ['gzip']),
    'a web page': (faults.html(), ['declared|text/html']),
    'server error': (faults.fail(500), ['500']),
    'forbidden': (faults.fail(403, 'DENIED', 'no business of yours'), ['403', 'no business of yours']),
    'not there': (faults.fail(404, 'BLOB_UNKNOWN', 'blob unknown to registry'), ['404']),
}


@pytest.mark.parametrize('fault', BLOB_FAULTS)
def test_a_bad_blob_at_the_only_source_costs_its_own_image(run, make_faulty, scene, fault):
    source, target = make_faulty(corpus=scene), make_faulty()
    action, words = BLOB_FAULTS[fault]
    source.rule(action, 'GET', BAD_BLOBS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, source.host, 'blob sha256:', 'to0', *words)


@pytest.mark.parametrize('fault', BLOB_FAULTS)
def test_a_bad_blob_at_a_mirror_costs_a_warning(run, make_faulty, scene, fault):
    source, mirror, target = make_faulty(corpus=scene), make_faulty(corpus=scene), make_faulty()
    action, words = BLOB_FAULTS[fault]
    mirror.rule(action, 'GET', BAD_BLOBS)
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    if fault != 'not there':
        assert_mirror_blamed(r, mirror, target, scene, *words)
    r.ok()
    assert client.differences(scene, target.client()) == [], f'{r}'


@pytest.mark.parametrize('fault', ['reset in mid-blob', 'body ends early'])
def test_a_blob_goes_on_at_another_source_where_it_broke(run, make_faulty, scene, fault):
    source, mirror, target = make_faulty(corpus=scene), make_faulty(corpus=scene), make_faulty()
    mirror.rule(BLOB_FAULTS[fault][0], 'GET', layer_of(scene))
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    assert_mirror_blamed(r, mirror, target, scene, 'from byte [1-9]')
    ranges = [q.headers['Range'] for q in source.asked('GET', layer_of(scene))]
    assert len(ranges) == 1 and re.fullmatch(r'bytes=[1-9]\d*-(\d+)?', ranges[0]), ranges


BAD_RESUMES = {
    'a 200 to a Range': (faults.ignore_range(), True),
    'another Content-Range': (faults.content_range('bytes 0-99/100'), False),
    'a Content-Range of a longer blob': (faults.content_range(f'bytes {HALF}-{2 * scenes.LAYER_BYTES}/{2 * scenes.LAYER_BYTES + 1}'), False),
    'no Content-Range': (faults.header('Content-Range', None), False),
    'a Content-Range that is none': (faults.content_range('bytes of some kind'), False),
}


@pytest.mark.parametrize('answer', BAD_RESUMES)
def test_a_source_that_cannot_resume_is_understood(run, make_faulty, scene, answer):
    """A reset in mid-blob, and then something else than the rest."""
    source, mirror, target = make_faulty(corpus=scene), make_faulty(corpus=scene), make_faulty()
    action, usable = BAD_RESUMES[answer]
    mirror.rule(faults.reset(HALF), 'GET', layer_of(scene), nth=1)
    source.rule(action, 'GET', layer_of(scene), when=lambda q: 'Range' in q.headers)
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    assert_mirror_blamed(r, mirror, target, scene, 'reset')
    assert bool(re.search('Content-Range|bytes instead of', r.stderr)) == (not usable), f'{r}'


@pytest.mark.parametrize('answer', BAD_RESUMES)
def test_the_only_source_cannot_resume(run, make_faulty, scene, answer):
    source, target = make_faulty(corpus=scene), make_faulty()
    action, usable = BAD_RESUMES[answer]
    source.rule(faults.reset(HALF), 'GET', layer_of(scene), nth=1)
    source.rule(action, 'GET', layer_of(scene), when=lambda q: 'Range' in q.headers)
    r = run('sync', config=setups.configuration(source, [target]))
    if usable:
        r.ok()
        assert client.differences(scene, target.client()) == []
    else:
        assert_only_bad_failed(r, target, scene, source.host, 'Content-Range|bytes instead of')


def test_one_corrupt_image_does_not_condemn_the_only_source(run, make_faulty):
    """More wrong blobs than a mirror would be forgiven, and images that come after them."""
    c = images.Corpus()
    c.tag('bad/app', 'v1', c.image([images.Layer({'data': noise(4096, str(i))}, 'none') for i in range(8)]))
    app(c, 'good/app', 1024)
    source, target = make_faulty(corpus=c), make_faulty()
    source.rule(faults.flip_byte(7), 'GET', BAD_BLOBS)
    source.rule(faults.delay(0.5), 'GET', '/v2/good/app/blobs/')
    r = run('sync', config=setups.configuration(source, [target], settings={'parallel': 1}))
    assert_only_bad_failed(r, target, c, source.host)


def test_a_mirror_that_corrupts_is_not_asked_for_ever(run, make_faulty):
    c = images.Corpus()
    c.tag('bad/app', 'v1', c.image([images.Layer({'data': noise(4096, str(i))}, 'none') for i in range(20)]))
    source, mirror, target = make_faulty(corpus=c), make_faulty(corpus=c), make_faulty()
    mirror.rule(faults.flip_byte(7), 'GET', '/blobs/')
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED, settings={'parallel': 1}))
    assert_mirror_blamed(r, mirror, target, c, 'hash to')
    assert len(mirror.asked('GET', '/blobs/')) < 10


def test_a_flipped_byte_of_a_large_blob_never_reaches_the_target_whole(run, make_faulty, scene):
    """What is piped is held back at its end, so a target never has the last bytes of wrong content."""
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.flip_byte(0), 'GET', layer_of(scene))
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, 'hash to')
    size = len(scene.blobs[layer_of(scene)])
    assert all(q.received < size for q in target.asked('PUT|PATCH', '/v2/bad/app/blobs/uploads/')
               if q.length is None or q.length >= size)


# ---- manifests ---------------------------------------------------------------------------------------
MANIFEST_FAULTS = {
    'a byte wrong': (faults.flip_byte(20), ['digest|JSON|hash|about sha256:']),
    'gzip': (faults.gzipped(), ['gzip']),
    'a web page': (faults.html(), ['text/html']),
    'too long': (faults.resize(3), ['digest|bytes|JSON|about sha256:']),
    'body ends early': (faults.short_body(10), ['early|closed|partial|outstanding|remaining']),
    'over 4 MiB': (faults.replace_body(images.hostile_manifest((4 << 20) + 4096)), ['4194304|4 MiB']),
    'over 4 MiB, length not told': (faults.replace_body(b'[' * (5 << 20)), ['4194304|4 MiB']),
    'not JSON': (faults.replace_body(b'{"schemaVersion": 2,'), ['digest|JSON|about sha256:']),
    'forbidden': (faults.fail(403, 'DENIED', 'no business of yours'), ['403', 'no business of yours']),
    'server error': (faults.fail(502), ['502']),
}


@pytest.mark.parametrize('fault', MANIFEST_FAULTS)
def test_a_bad_manifest_at_the_authority_costs_its_own_image(run, make_faulty, scene, fault):
    source, target = make_faulty(corpus=scene), make_faulty()
    action, words = MANIFEST_FAULTS[fault]
    source.rule(action, 'GET', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, BAD_MANIFESTS, *words)


@pytest.mark.parametrize('fault', MANIFEST_FAULTS)
def test_a_bad_child_manifest_at_a_mirror_costs_a_warning(run, make_faulty, fault):
    c = images.Corpus()
    app(c, 'good/app', 1024)
    c.tag('bad/app', 'v1', c.index([c.image([images.Layer({'x': b'y'})])]))
    source, mirror, target = make_faulty(corpus=c), make_faulty(corpus=c), make_faulty()
    action, words = MANIFEST_FAULTS[fault]
    mirror.rule(action, 'GET', BAD_MANIFESTS)
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    assert_mirror_blamed(r, mirror, target, c, *words)


def strange(name):
    """A corpus with good/app, and a bad/app that is no image; a word of the error."""
    c = images.Corpus()
    app(c, 'good/app', 1024)
    image = c.image([images.Layer({'x': b'y'})])
    descriptor = {k: v for k, v in image.items() if k != 'platform'}
    config = c.blob(b'{}', images.OCI_EMPTY)
    head = {'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST, 'config': config}
    made = {
        'both layers and manifests': lambda: ({**head, 'layers': [config], 'manifests': [descriptor]}, "both 'manifests' and"),
        'duplicate keys': lambda: (b'{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[],"layers":[]}' % (
            images.OCI_MANIFEST.encode(), json.dumps(config).encode()), 'same name'),
        'duplicate keys deep inside': lambda: (images.to_json({**head, 'layers': []})[:-2] + b',"x":{"a":1,"a":2}}', 'same name'),
        'nothing that a manifest has': lambda: ({'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST}, 'neither'),
        'an unknown algorithm': lambda: ({**head, 'layers': [{**config, 'digest': 'md5:' + '0' * 32}]}, 'md5'),
        'a malformed digest': lambda: ({**head, 'layers': [{**config, 'digest': 'sha256:../../etc/passwd'}]}, 'malformed'),
        'a negative size': lambda: ({**head, 'layers': [{**config, 'size': -1}]}, 'size'),
        'an impossible size': lambda: ({**head, 'layers': [{**config, 'size': 1 << 60}]}, 'size'),
        'an array': lambda: (b'[1, 2]', 'no manifest'),
        'too deep JSON': lambda: (images.to_json({**head, 'layers': []})[:-2] + b',"x":' + b'[' * 500 + b']' * 500 + b'}', 'deep|nest'),
        'schema 1': lambda: (b'{"schemaVersion": 1, "name": "x", "tag": "v1", "fsLayers": [], "history": []}', 'schema 1'),
    }[name]()
    value, word = made
    media_type = 'application/vnd.docker.distribution.manifest.v1+prettyjws' if name == 'schema 1' else images.OCI_MANIFEST
    c.tag('bad/app', 'v1', c.manifest(value, media_type))
    return c, word


STRANGE = ['both layers and manifests', 'duplicate keys', 'duplicate keys deep inside', 'nothing that a manifest has',
           'an unknown algorithm', 'a malformed digest', 'a negative size', 'an impossible size', 'an array', 'too deep JSON',
           'schema 1']


@pytest.mark.parametrize('name', STRANGE)
def test_what_is_no_image_is_refused(run, make_faulty, name):
    c, word = strange(name)
    source, target = make_faulty(corpus=c), make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    good = {k: v for k, v in c.tags.items() if k == 'good/app'}
    c.tags, bad = good, c.tags['bad/app']['v1']
    assert_only_bad_failed(r, target, c, word, bad if name not in ('schema 1', 'an array') else 'v1')


def nested(c, depth):
    d = c.image([images.Layer({'x': b'y'})])
    for _ in range(depth):
        d = c.index([{k: v for k, v in d.items() if k != 'platform'}])
    return d


def test_indexes_nest_only_so_deep(run, make_faulty):
    c = images.Corpus()
    app(c, 'good/app', 1024)
    c.tag('good/nested', 'v1', nested(c, 3))
    c.tag('bad/app', 'v1', nested(c, 12))
    source, target = make_faulty(corpus=c), make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, c, 'nest')


def test_an_index_that_refers_to_itself_is_no_endless_walk(run, make_faulty):
    """No digest can name itself: a source that plays one has to lie, with the index as the answer to its own child."""
    c = images.Corpus()
    app(c, 'good/app', 1024)
    child = {'mediaType': images.OCI_INDEX, 'digest': 'sha256:' + '1' * 64, 'size': 0}
    size = len(images.to_json({'schemaVersion': 2, 'mediaType': images.OCI_INDEX, 'manifests': [{**child, 'size': 100}]}))
    index = c.tag('bad/app', 'v1', c.index([{**child, 'size': size}]))
    source, target = make_faulty(corpus=c), make_faulty()
    source.rule(faults.answer(200, c.manifests[index['digest']][1], {'Content-Type': images.OCI_INDEX}), 'GET',
                '/v2/bad/app/manifests/sha256:1111')
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, c, 'sha256:1111', 'digest')
    assert len(source.asked('GET', BAD_MANIFESTS)) < 10


def test_a_child_without_platform_is_copied(run, make_faulty):
    c = images.Corpus()
    image = {k: v for k, v in c.image([images.Layer({'x': b'y'})]).items() if k != 'platform'}
    c.tag('odd/app', 'v1', c.index([image, c.image([images.Layer({'x': b'z'})], 'linux/arm64')]))
    source, target = make_faulty(corpus=c), make_faulty(sparse=True)
    run('sync', config=setups.configuration(source, [target], platforms=['linux/amd64'])).ok()
    held = target.storage.manifests['odd/app']
    assert image['digest'] in held and len(held) == 2      # wanted, as nothing says that it is not
    target.storage.wipe()
    run('sync', config=setups.configuration(source, [target])).ok()
    assert client.differences(c, target.client()) == []


@pytest.mark.parametrize('lost', ['child', 'layer', 'config'])
def test_what_the_source_lacks_fails_that_image_only(run, make_faulty, lost):
    c = images.Corpus()
    app(c, 'good/app', 1024)
    child = c.image([images.Layer({'x': b'y'})])
    c.tag('bad/app', 'v1', c.index([child, c.image([images.Layer({'x': b'z'})], 'linux/arm64')]))
    inside = json.loads(c.manifests[child['digest']][1])
    gone = {'child': child['digest'], 'layer': inside['layers'][0]['digest'], 'config': inside['config']['digest']}[lost]
    source, target = make_faulty(corpus=c), make_faulty()
    source.storage.forget(gone)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, c, gone, '404', source.host)


def test_content_that_one_repository_lost_is_still_taken_from_another(run, make_faulty):
    """The same child in two repositories, missing in the first: the second image has it, and is published."""
    c = images.Corpus()
    shared = c.image([images.Layer({'x': b'y'})])
    c.tag('bad/app', 'v1', c.index([shared, c.image([], 'linux/arm64')]))
    c.tag('good/app', 'v1', c.index([shared]))
    source, target = make_faulty(corpus=c), make_faulty()
    source.storage.forget(shared['digest'], 'bad/app')
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code in (0, 3)
    assert client.differences(c, target.client(), repositories=['good/app']) == [], f'{r}'
    assert target.storage.check() == []


def test_a_blob_that_one_repository_lost_is_still_taken_from_another(run, make_faulty):
    c = images.Corpus()
    shared = images.Layer({'x': b'shared by both'})
    c.tag('bad/app', 'v1', c.image([shared]))
    c.tag('good/app', 'v1', c.image([shared], 'linux/arm64'))
    source, target = make_faulty(corpus=c), make_faulty()
    source.storage.forget(shared.digest, 'bad/app')
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code in (0, 3)
    assert client.differences(c, target.client(), repositories=['good/app']) == [], f'{r}'
    assert target.storage.check() == []


def rewritten(c, repository, change):
    """The tagged manifest with its layers changed."""
    value = json.loads(c.manifests[c.tags[repository]['v1']][1])
    change(value['layers'][0])
    return c.tag(repository, 'v1', c.manifest(value))


@pytest.mark.parametrize('size', [1, 10 ** 9])
def test_a_wrong_size_in_a_manifest_harms_only_that_image(run, make_faulty, size):
    """Another image has the same layer and tells its size rightly."""
    c = images.Corpus()
    layer = images.Layer({'data': noise(scenes.LAYER_BYTES)}, 'none')
    for name in ('bad/app', 'good/app'):
        c.tag(name, 'v1', c.image([layer]))
    rewritten(c, 'bad/app', lambda entry: entry.update(size=size))
    source, target = make_faulty(corpus=c), make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, c, 'declared', layer.digest)


def test_a_layer_that_is_foreign_only_to_one_image_is_copied_for_the_other(run, make_faulty):
    c = images.Corpus()
    layer = images.Layer({'data': noise(4096)})
    for name in ('a/foreign', 'b/plain'):
        c.tag(name, 'v1', c.image([layer]))
    rewritten(c, 'a/foreign', lambda entry: entry.update(mediaType=images.DOCKER_FOREIGN, urls=['http://127.0.0.1:9/x']))
    source, target = make_faulty(corpus=c), make_faulty()
    run('sync', config=setups.configuration(source, [target])).ok()
    assert client.differences(c, target.client()) == []
    assert target.storage.check() == []
