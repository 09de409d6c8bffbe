"""
What sources can do wrong apart from their content: redirects, authentication, throttling, silence,
and manifests that are made to cost memory.
"""
import re
import threading
import time

import pytest

import client
import faults
import images
import scenes
import setups
from scenes import app, assert_all_published, assert_mirror_blamed, assert_only_bad_failed, layer_of

BAD_BLOBS = '/v2/bad/app/blobs/'
BAD_MANIFESTS = '/v2/bad/app/manifests/'
# design.md, promise 6: fixed, 1 MiB for each of 8 transfers, and manifests being parsed: their text and their tree
PROMISED_KIB = (16 + 8 + 4 + 16) * 1024


@pytest.fixture(scope='module')
def scene():
    return scenes.good_and_bad()


# ---- redirects ---------------------------------------------------------------------------------------
def test_a_redirect_loop_ends(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.redirect(source.url + '{target}'), 'GET', BAD_BLOBS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, 'redirects', source.host)
    assert len(source.asked('GET', layer_of(scene))) < 40


def test_two_hosts_that_redirect_to_each_other(run, make_faulty, scene):
    source, other, target = make_faulty(corpus=scene), make_faulty(), make_faulty()
    source.rule(faults.redirect(other.url + '{target}'), 'GET', BAD_BLOBS)
    other.rule(faults.redirect(source.url + '{target}'), 'GET', BAD_BLOBS)
    config = setups.configuration(source, [target])
    config['registries'][other.host] = {'tls': 'off'}
    r = run('sync', config=config)
    assert_only_bad_failed(r, target, scene, 'redirects')


@pytest.mark.parametrize('to, word', [
    ('file:///etc/passwd', 'file'), ('gopher://127.0.0.1/x', 'gopher'), ('ftp://127.0.0.1/x', 'ftp'), ('//', 'URL|host|redirect'),
    ('http://user:secret@127.0.0.1:9/x', '127.0.0.1|user')])
@pytest.mark.parametrize('what', [BAD_BLOBS, BAD_MANIFESTS], ids=['blobs', 'manifests'])
def test_redirects_to_other_schemes_are_refused(run, make_faulty, scene, to, word, what):
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.redirect(to), 'GET', what)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, word)
    assert 'secret' not in r.stderr + r.stdout


@pytest.mark.parametrize('what', [BAD_BLOBS, BAD_MANIFESTS], ids=['blobs', 'manifests'])
def test_a_redirect_from_https_to_http_is_refused(run, make_faulty, authority, scene, what):
    source, other, target = make_faulty(corpus=scene, tls=authority), make_faulty(corpus=scene), make_faulty()
    source.rule(faults.redirect(other.url + '{target}'), 'GET', what)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, 'plain http')
    assert not other.asked()


def test_a_redirect_to_another_host_takes_no_credentials_along(run, make_faulty, authority, scene):
    source = make_faulty(corpus=scene, tls=authority, auth='bearer', users={'u': 'p'})
    backend, target = make_faulty(corpus=scene, tls=authority), make_faulty()
    source.rule(faults.redirect(backend.url + '{target}'), 'GET', '/blobs/', when=lambda q: q.authorization)
    config = setups.configuration(source, [target])
    config['registries'][backend.host] = {'ca': authority.ca}
    r = run('sync', config=config).ok()
    assert_all_published(r, target, scene)
    assert backend.asked('GET', '/blobs/') and not backend.authorization_seen


# ---- authentication ----------------------------------------------------------------------------------
def test_a_realm_on_plain_http_gets_no_credentials(run, make_faulty, authority, scene):
    realm = make_faulty(auth='bearer', users={'u': 'p'})
    source = make_faulty(corpus=scene, tls=authority, auth='bearer', users={'u': 'p'}, realm=realm.url + '/token')
    target = make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 1 and 'without TLS' in r.stderr and source.host in r.stderr or 'token realm' in r.stderr, f'{r}'
    assert not realm.asked()
    assert target.storage.tags == {} or not any(target.storage.tags.values())


def test_a_realm_elsewhere_named_without_tls_gets_no_credentials(run, make_faulty, scene):
    realm = make_faulty(auth='bearer', users={'u': 'p'})
    source = make_faulty(corpus=scene, auth='bearer', users={'u': 'p'}, realm=realm.url.replace('127.0.0.1', 'localhost') + '/token')
    target = make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 1 and 'plain HTTP' in r.stderr, f'{r}'
    assert not realm.asked()


@pytest.mark.parametrize('kind', ['basic', 'bearer', 'none'])
def test_a_401_for_ever_is_not_asked_for_ever(run, make_faulty, scene, kind):
    source, target = make_faulty(corpus=scene, auth=None if kind == 'none' else kind, users={'u': 'p'}), make_faulty()
    source.rule(faults.unauthorized() if kind != 'none' else faults.fail(401), 'GET', BAD_BLOBS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert_only_bad_failed(r, target, scene, source.host, 'refused|401')
    assert len(source.asked('GET', BAD_BLOBS)) < 16
    assert re.search('p(?=$)', r.stderr) is None or 'u:p' not in r.stderr


def test_wrong_credentials_are_said_to_be_wrong(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene, auth='basic', users={'u': 'right'}), make_faulty()
    config = setups.configuration(source, [target])
    config['registries'][source.host]['password'] = 'wr0ng-secret'
    r = run('sync', config=config)
    assert r.code == 1 and 'refused' in r.stderr and 'wr0ng-secret' not in r.stderr + r.stdout, f'{r}'
    assert 'wr0ng-secret' not in str(r.report)


def test_missing_credentials_are_said_to_be_missing(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene, auth='basic', users={'u': 'right'}), make_faulty()
    r = run('sync', config=setups.configuration(source, [target], credentials=False))
    assert r.code == 1 and 'none are configured' in r.stderr, f'{r}'


@pytest.mark.parametrize('chunked', [False, True], ids=['PUT', 'PATCH'])
@pytest.mark.parametrize('size', [scenes.LAYER_BYTES, 3 << 20])
def test_a_token_that_expires_in_mid_upload_is_renewed(run, make_faulty, size, chunked):
    """The source is so slow that the target's token is gone between the start of an upload and its bytes."""
    c = images.Corpus()
    app(c, 'slow/app', size)
    source = make_faulty(corpus=c)
    target = make_faulty(auth='bearer', users={'u': 'p'}, token_seconds=1)
    source.rule(faults.delay(1.5), 'GET', layer_of(c, 'slow/app'), nth=1)
    if chunked:
        target.rule(faults.refuse_monolithic(), 'PUT')
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, c)
    assert any(q.status == 401 and q.authorization for q in target.asked('PUT|PATCH')), 'no token expired'


# ---- throttling --------------------------------------------------------------------------------------
@pytest.mark.parametrize('status', [429, 503])
@pytest.mark.parametrize('date', [False, True], ids=['seconds', 'date'])
@pytest.mark.parametrize('what', ['/tags/list', '/manifests/', '/blobs/'])
def test_a_storm_of_busy_answers_is_waited_out(run, make_faulty, scene, what, date, status):
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.busy(status, seconds=2, date=date), 'GET', what, times=2)
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)
    times = [q.time for q in source.asked('GET', what)]
    assert max(times) - times[0] > 0.9, 'Retry-After was not kept'


def test_a_busy_mirror_is_left_alone_meanwhile(run, make_faulty, scene):
    source, mirror, target = make_faulty(corpus=scene), make_faulty(corpus=scene), make_faulty()
    mirror.rule(faults.busy(seconds=600), 'GET', '/blobs/')
    began = time.monotonic()
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    assert_mirror_blamed(r, mirror, target, scene, '429')
    assert time.monotonic() - began < 10
    assert len(mirror.asked('GET', '/blobs/')) <= 4


def test_a_retry_after_of_a_day_is_not_waited_for(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.busy(seconds=86400), 'GET', BAD_BLOBS)
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code in (1, 3) and '429' in r.stderr, f'{r}'
    scenes.assert_whole(target, r)


def test_a_busy_target_is_waited_for(run, make_faulty, scene):
    source, target = make_faulty(corpus=scene), make_faulty()
    target.rule(faults.busy(seconds=1), 'POST|PUT', '', nth=2, times=3)
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert_all_published(r, target, scene)


# ---- silence -----------------------------------------------------------------------------------------
def test_a_mirror_that_stalls_in_mid_blob_is_left(run, make_faulty, scene):
    source, mirror, target = make_faulty(corpus=scene), make_faulty(corpus=scene), make_faulty()
    mirror.rule(faults.stall(scenes.LAYER_BYTES // 2), 'GET', layer_of(scene))
    r = run('sync', config=setups.configuration(source, [target], mirrors=[mirror], upstream=setups.ORDERED))
    assert_mirror_blamed(r, mirror, target, scene, 'from byte [1-9]')
    assert source.asked('GET', layer_of(scene))[0].headers['Range']


def test_silence_instead_of_answers_costs_one_image(run, make_faulty, scene):
    """The only source does not answer for one blob; the rest goes on, and the run ends."""
    source, target = make_faulty(corpus=scene), make_faulty()
    source.rule(faults.delay(300), 'GET', layer_of(scene), nth=1)
    source.rule(faults.stall(0), 'GET', layer_of(scene), nth=2)
    r = run('sync', config=setups.configuration(source, [target]))
    r.ok()
    assert_all_published(r, target, scene)


# ---- memory ------------------------------------------------------------------------------------------
def peak_kib(process):
    """The most resident memory of a running program so far; None once it ended."""
    try:
        with open(f'/proc/{process.pid}/status') as f:
            found = re.search(r'VmHWM:\s+(\d+) kB', f.read())
            return int(found[1]) if found else None
    except OSError:
        return None


def measured(run, config, timeout=60):
    """A run and its peak of resident memory in KiB."""
    process = run.start('sync', config=config)
    peaks, done = [0], threading.Event()

    def watch():
        while not done.wait(0.01):
            peaks.append(peak_kib(process) or 0)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    finally:
        done.set()
        watcher.join()
    return run.finished(process, stdout, stderr), max(peaks)


def test_hostile_manifests_cost_little_memory(run, make_faulty):
    c = images.Corpus()
    for i in range(32):
        c.tag('bad/app', f'v{i}', c.manifest(images.hostile_manifest(4 << 20, str(i))))
    app(c, 'good/app', 1024)
    source, target = make_faulty(), make_faulty()
    c.tags, hostile = {'good/app': c.tags['good/app']}, c.tags['bad/app']
    c.load_into(source.storage)
    for tag, digest in hostile.items():
        source.storage.content[digest] = c.manifests[digest][1]
        source.storage.manifests['bad/app'][digest] = c.manifests[digest][0]
        source.storage.tags['bad/app'][tag] = digest
    source.rule(faults.slow(8 << 20), 'GET', BAD_MANIFESTS)     # so that as many as can be arrive together
    r, peak = measured(run, setups.configuration(source, [target]))
    assert r.code in (0, 3), f'{r}'
    assert client.differences(c, target.client(), repositories=['good/app']) == []
    assert peak <= PROMISED_KIB, f'{peak} KiB'
