"""
Killed anywhere, it goes on (promise 8): SIGKILL before every event on disk and at random moments,
SIGINT and SIGTERM.  After each kill no tag may point at missing content, and the state may not
claim what is not there; the next run completes, and fetches nothing again that had arrived.
"""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import time

import pytest

import client
import crash
import faults
import images
import setups

RANDOM_KILLS = 25        # for each of the four ways to publish
STOP_SECONDS = 5         # within which a signal must have ended the run
MIB = 1 << 20


def noise(size, seed=''):
    """Bytes that do not compress."""
    return b''.join(hashlib.sha256(f'{seed}{i}'.encode()).digest() for i in range(size // 32))


def tiny():
    """Little to move, but all kinds of it: two repositories, an index, shared layers, three tags, one twice."""
    c = images.Corpus()
    base = images.Layer({'base': b'shared by all\n'})
    own = [images.Layer({'own': name.encode()}) for name in ('a', 'b')]
    c.tag('one/app', 'v1', c.index([c.image([base, own[0]]), c.image([base], 'linux/arm64')]))
    c.tag('one/app', 'v2', c.image([base, own[1]], style='docker'))
    c.tags['one/app']['latest'] = c.tags['one/app']['v2']
    c.tag('two/app', 'v1', c.image([base], 'linux/s390x'))
    return c


class Scene:
    """A source, and one target of a kind; reset() makes both the target and the state new."""

    def __init__(self, run, make_faulty, corpus, kind, publish, **more):
        self.run, self.corpus, self.kind = run, corpus, kind
        self.source = make_faulty(corpus=corpus)
        self.target = 'store' if kind == 'store' else make_faulty()
        self.config = setups.configuration(self.source, [self.target], publish=publish, **more)
        self.killer = crash.Killer(run.folder, run.state)

    def reset(self):
        shutil.rmtree(self.run.state, ignore_errors=True)
        if self.kind != 'store':
            self.target.storage.wipe()
        self.source.mark()

    def sync(self, *args, **more):
        return self.run('sync', *args, config=self.config, **more)

    def check(self):
        """What is wrong at the target, and what the state says of it that is not so."""
        view = crash.StoreView(self.run.state)
        wrong = view.check() if self.kind == 'store' else self.target.storage.check()
        have = view.tags() if self.kind == 'store' else {
            (r, t): d for r, tags in self.target.storage.tags.items() for t, d in tags.items()}
        for repository, tag, digest in crash.published(self.run.state):
            if have.get((repository, tag)) != digest:
                wrong.append(f'the state claims {repository}:{tag} as {digest}, it is {have.get((repository, tag))}')
        return wrong

    def arrived(self):
        """Digests of the blobs that are complete at the target."""
        if self.kind == 'store':
            return crash.StoreView(self.run.state).blobs() & set(self.corpus.blobs)
        with self.target.storage.lock:
            return set().union(*self.target.storage.blobs.values()) & set(self.corpus.blobs)

    def complete(self):
        """What the target lacks of the corpus."""
        if self.kind == 'store':
            return crash.StoreView(self.run.state).holds(self.corpus)
        return client.differences(self.corpus, self.target.client())

    def goes_on(self, when):
        """The checks after a kill, the next run, and the checks after that."""
        assert self.check() == [], when
        had = self.arrived()
        self.source.mark()
        r = self.sync()
        assert r.code == 0, f'{when}: {r}'
        assert self.complete() == [] and self.check() == [], f'{when}: {r}'
        assert crash.moves(self.run.state) == [], when
        fetched = {q.reference for q in self.source.asked('GET', '/blobs/')}
        assert not fetched & had, f'{when}: fetched again {fetched & had}'


@pytest.fixture(params=['registry-each', 'registry-together', 'store-each', 'store-together'])
def scene(request, run, make_faulty):
    kind, _, publish = request.param.partition('-')
    return Scene(run, make_faulty, tiny(), kind, publish)


def test_killed_at_every_event_on_disk(scene):
    """Before each sync, rename, link, removal and truncation below the state directory, the databases' own included."""
    at, killed = 0, True
    while killed:
        at += 1
        scene.reset()
        r = scene.sync(env=scene.killer.env(at))
        killed = crash.was_killed(r.code)
        assert killed or r.code == 0, r
        scene.goes_on(f'killed at event {at}')
    assert at > 10, 'the program makes more events than this: is killer.c preloaded?'


def test_killed_at_random_moments(scene):
    """Before anything that is written, sent or received, too."""
    scene.reset()
    scene.sync(env=scene.killer.env(everything=True)).ok()
    most = scene.killer.counted()
    dice = random.Random(scene.config['sync'][0]['publish'] + scene.kind)
    kills = 0
    for _ in range(RANDOM_KILLS):
        at = dice.randint(1, most)
        scene.reset()
        r = scene.sync(env=scene.killer.env(at, everything=True))
        kills += crash.was_killed(r.code)
        assert crash.was_killed(r.code) or r.code == 0, r
        scene.goes_on(f'killed at event {at} of {most}')
    assert kills > RANDOM_KILLS // 2


def test_killed_again_and_again_it_gets_there(scene):
    """Each run lives a little longer than the progress of the last one would need."""
    scene.reset()
    dice = random.Random(7)
    for _ in range(200):
        r = scene.sync(env=scene.killer.env(dice.randint(5, 120), everything=True))
        assert scene.check() == [], r
        if r.code == 0:
            break
        assert crash.was_killed(r.code), r
    scene.goes_on('at the end')


def test_killed_while_tags_move_to_other_images(run, make_faulty):
    """A set that is half moved when the run dies is rolled forward, also when the source has moved on by then."""
    scene = Scene(run, make_faulty, tiny(), 'registry', 'together')
    newer = images.Corpus()
    for repository, tags in scene.corpus.tags.items():
        for tag in tags:
            newer.tag(repository, tag, newer.image([images.Layer({'new': f'{repository}:{tag}'.encode()})]))
    for nth in range(1, 5):
        scene.reset()
        scene.source.storage.wipe()
        scene.corpus.load_into(scene.source.storage)
        scene.sync().ok()
        newer.load_into(scene.source.storage)
        process = []
        rule = scene.target.rule(faults.meanwhile(lambda server, request: process[0].kill()), 'PUT', r'/manifests/(v\d|latest)$',
                                 nth=nth)
        process.append(run.start('sync', config=scene.config))
        process[0].communicate()
        assert crash.was_killed(process[0].returncode) and rule.fired == 1
        scene.target.clear_rules()
        assert scene.target.storage.check() == []
        assert len(crash.moves(run.state)) == 4
        r = scene.sync().ok()
        assert 'moving them on' in r.stderr, r
        assert client.differences(newer, scene.target.client()) == [] and scene.check() == [], r
        assert crash.moves(run.state) == []


def test_a_half_moved_set_moves_on_although_the_source_is_gone(run, make_faulty):
    scene = Scene(run, make_faulty, tiny(), 'registry', 'together')
    process = []
    scene.target.rule(faults.meanwhile(lambda server, request: process[0].kill()), 'PUT', r'/manifests/(v\d|latest)$', nth=2)
    process.append(run.start('sync', config=scene.config))
    process[0].communicate()
    scene.target.clear_rules()
    scene.source.rule(faults.fail(500))
    r = scene.sync()
    assert r.code in (1, 3), r
    assert client.differences(scene.corpus, scene.target.client()) == [], r
    assert scene.check() == []


def test_killed_against_docker_registry(run, make_faulty, make_registry, corpus):
    """The same with a registry that keeps its files on disk: every tag that it lists is whole."""
    source, target = make_faulty(corpus=corpus), make_registry()
    config = setups.configuration(source, [target], publish='each')
    killer = crash.Killer(run.folder, run.state)
    run('sync', config=config, env=killer.env(everything=True)).ok()
    most, dice = killer.counted(), random.Random(3)
    for _ in range(6):
        target.wipe()
        shutil.rmtree(run.state)
        at = dice.randint(most // 10, most)
        r = run('sync', config=config, env=killer.env(at, everything=True))
        reader = target.client()
        for repository in corpus.tags:
            for tag in reader.tags(repository):
                lacking = images.Corpus()
                lacking.blobs, lacking.manifests = corpus.blobs, corpus.manifests
                lacking.tags = {repository: {tag: corpus.tags[repository][tag]}}
                assert client.differences(lacking, reader) == [], f'killed at {at} of {most}: {r}'
        run('sync', config=config).ok()
        assert client.differences(corpus, reader) == []


# ---- resuming ---------------------------------------------------------------------------------------
def big(*sizes):
    c = images.Corpus()
    c.tag('big/app', 'v1', c.image([images.Layer({'data': noise(size, str(i))}, 'none') for i, size in enumerate(sizes)]))
    return c


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.02)


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize('kind', ['registry', 'store'])
def test_a_spooled_blob_resumes_by_range(run, make_faulty, kind, how):
    scene = Scene(run, make_faulty, big(6 * MIB, 16 * 1024), kind, 'each', settings={'spool': {'from': '1MiB', 'limit': '1GiB'}})
    digest, size = max(((d, len(b)) for d, b in scene.corpus.blobs.items()), key=lambda x: x[1])
    scene.source.rule(faults.stall(4 * MIB), 'GET', digest, nth=1)
    spooled = os.path.join(run.state, 'spool', digest.replace(':', '-'))
    process = run.start('sync', config=scene.config)
    until(lambda: os.path.exists(spooled) and os.path.getsize(spooled) >= 2 * MIB)
    time.sleep(0.3)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=STOP_SECONDS)
    kept = os.path.getsize(spooled)
    assert scene.check() == []
    scene.goes_on(f'killed with {kept} bytes in the spool: {stderr}')
    ranges = [q.headers['Range'] for q in scene.source.asked('GET', digest)]
    assert len(ranges) == 1 and re.fullmatch(rf'bytes={kept}-({size - 1})?', ranges[0] or ''), ranges
    assert os.listdir(os.path.join(run.state, 'spool')) == []


def test_a_spool_with_wrong_bytes_is_thrown_away(run, make_faulty):
    """What is on disk is hashed again: nobody knows what happened to it meanwhile."""
    scene = Scene(run, make_faulty, big(3 * MIB), 'registry', 'each', settings={'spool': {'from': '1MiB', 'limit': '1GiB'}})
    digest = max(scene.corpus.blobs, key=lambda d: len(scene.corpus.blobs[d]))
    os.makedirs(os.path.join(run.state, 'spool'))
    with open(os.path.join(run.state, 'spool', digest.replace(':', '-')), 'wb') as f:
        f.write(b'x' * MIB)
    r = scene.sync()
    assert scene.check() == []
    if r.code != 0:
        assert scene.sync().code == 0
    assert scene.complete() == [], r


@pytest.mark.parametrize('length', ['whole', 'longer'])
def test_a_spool_that_is_complete_or_too_long_is_no_obstacle(run, make_faulty, length):
    scene = Scene(run, make_faulty, big(2 * MIB), 'registry', 'each', settings={'spool': {'from': '1MiB', 'limit': '1GiB'}})
    digest = max(scene.corpus.blobs, key=lambda d: len(scene.corpus.blobs[d]))
    os.makedirs(os.path.join(run.state, 'spool'))
    with open(os.path.join(run.state, 'spool', digest.replace(':', '-')), 'wb') as f:
        f.write(scene.corpus.blobs[digest] + (b'more' if length == 'longer' else b''))
    scene.sync().ok()
    assert scene.complete() == []
    assert len(scene.source.asked('GET', digest)) == (1 if length == 'longer' else 0)


# ---- signals ----------------------------------------------------------------------------------------
@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('kind', ['registry', 'store'])
def test_a_signal_stops_a_run_cleanly(run, make_faulty, kind, how):
    """One image is there, the other one's layer hangs: the first is kept, and the next run goes on."""
    c = tiny()
    c.tag('zz/slow', 'v1', c.image([images.Layer({'data': noise(256 * 1024)}, 'none')]))
    slow = json.loads(c.manifests[c.tags['zz/slow']['v1']][1])['layers'][0]['digest']
    scene = Scene(run, make_faulty, c, kind, 'each')
    stalled = scene.source.rule(faults.stall(100 * 1024), 'GET', slow)
    published = (lambda: len(scene.target.storage.tag_log)) if kind == 'registry' else (
        lambda: len(crash.StoreView(run.state).tags()))
    process = run.start('sync', config=scene.config)
    until(lambda: stalled.fired and published() >= 4)
    begin = time.monotonic()
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=STOP_SECONDS)
    r = run.finished(process, stdout, stderr)
    assert time.monotonic() - begin < STOP_SECONDS / 2
    assert r.code == 3, r
    assert r.report['totals']['canceled'] and r.report['totals']['published'] == 4, r.report
    failed = [i for i in r.report['images'] if i['error']]
    assert [i['source_repository'] for i in failed] == ['zz/slow'] and failed[0]['error']['class'] == 'canceled', r.report
    assert 'v1' not in stdout.split('zz/slow')[0].split('\n')[-1] or 'failed' in stdout
    scene.source.clear_rules()
    scene.goes_on('after the signal')


@pytest.mark.parametrize('where', ['listing', 'manifest', 'upload', 'retry'])
def test_a_signal_stops_a_run_wherever_it_waits(run, make_faulty, where):
    scene = Scene(run, make_faulty, tiny(), 'registry', 'together')
    server, rule = {
        'listing': (scene.source, (faults.delay(60), 'GET', '/tags/list')),
        'manifest': (scene.source, (faults.delay(60), 'GET|HEAD', '/manifests/')),
        'upload': (scene.target, (faults.delay(60), 'PUT', '/blobs/uploads/')),
        'retry': (scene.source, (faults.busy(429, 50), 'GET', '/blobs/')),
    }[where]
    hit = server.rule(*rule)
    process = run.start('sync', config=scene.config)
    until(lambda: hit.fired)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 1, stderr      # nothing is published: failed, not partly done
    assert scene.target.storage.tag_log == []
    server.stopping.set()                       # lets the delayed answers go
    server.clear_rules()
    server.stopping.clear()
    scene.goes_on(f'stopped at {where}')


def test_a_second_signal_ends_it_at_once(run, make_faulty):
    """Even when something would keep it from stopping: a target that is in the middle of taking a tag."""
    scene = Scene(run, make_faulty, tiny(), 'registry', 'each')
    hit = scene.target.rule(faults.delay(30), 'PUT', '/manifests/')
    process = run.start('sync', config=scene.config)
    until(lambda: hit.fired)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=STOP_SECONDS)
    assert process.returncode in (-signal.SIGINT, 1, 3)
    assert scene.check() == []


def test_the_deadline_ends_a_run_cleanly(run, make_faulty):
    c = tiny()
    c.tag('zz/slow', 'v1', c.image([images.Layer({'data': noise(256 * 1024)}, 'none')]))
    slow = json.loads(c.manifests[c.tags['zz/slow']['v1']][1])['layers'][0]['digest']
    scene = Scene(run, make_faulty, c, 'registry', 'each', settings={'deadline': '2s'})
    scene.source.rule(faults.stall(100 * 1024), 'GET', slow)
    begin = time.monotonic()
    r = scene.sync()
    assert 1.5 < time.monotonic() - begin < 2 + STOP_SECONDS
    assert r.code == 3 and 'deadline' in r.stderr, r
    assert r.report['totals']['canceled'] and r.report['totals']['published'] == 4
    scene.source.clear_rules()
    scene.goes_on('after the deadline')
