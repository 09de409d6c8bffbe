"""
Garbage collection of the store: what no tag leads to goes, nothing else does, also beside a run that
is under way, and killed anywhere the next one goes on.
"""
import fcntl
import json
import os
import shutil
import sqlite3
import time

import pytest

import crash
import faults
import images
import setups


def synced(run, make_faulty, corpus):
    source = make_faulty(corpus=corpus)
    run('sync', config=setups.configuration(source, ['store'])).ok()
    return source


def in_index(run, sql, *values):
    """Changes the index behind the program's back."""
    db = sqlite3.connect(os.path.join(run.state, 'store', 'index.db'))
    with db:
        changed = db.execute(sql, values).rowcount
    db.close()
    return changed


def drop_tag(run, repository, tag):
    in_index(run, 'UPDATE repo SET changed = changed + 1 WHERE name = ?', repository)
    assert in_index(run, 'DELETE FROM tag WHERE name = ? AND repo = (SELECT id FROM repo WHERE name = ?)', tag, repository) == 1


def drop_repository(run, repository):
    in_index(run, 'UPDATE repo SET changed = changed + 1 WHERE name = ?', repository)
    assert in_index(run, 'DELETE FROM tag WHERE repo = (SELECT id FROM repo WHERE name = ?)', repository) > 0


def age(run, seconds=2 * 86400):
    """Everything was seen that much earlier."""
    in_index(run, 'UPDATE blob SET seen = seen - ?', seconds)


def reachable(run, corpus):
    """What the tags of the index lead to."""
    needed = set()
    for digest in crash.StoreView(run.state).tags().values():
        manifests, blobs = corpus.reach(digest)
        needed |= set(manifests) | set(blobs)
    return needed


def bytes_of(view, digests):
    return sum(len(view.blob(d)) for d in digests)


def gc(run, *args, **more):
    r = run('gc', '--json', *args, **more).ok()
    return json.loads(r.stdout)


def test_what_no_tag_leads_to_goes_and_the_rest_stays(run, make_faulty, corpus):
    synced(run, make_faulty, corpus)
    view = crash.StoreView(run.state)
    drop_repository(run, 'team/worker')
    needed = reachable(run, corpus)
    garbage = view.blobs() - needed
    assert garbage and needed
    size = bytes_of(view, garbage)

    # Within the grace nothing goes, and it is said why.
    sums = gc(run)
    assert (sums['blobs'], sums['kept'], sums['bytes']) == (0, len(garbage), 0)
    age(run)
    sums = gc(run, '--dry-run')
    assert (sums['dry_run'], sums['blobs'], sums['bytes'], sums['kept']) == (True, len(garbage), size, 0)
    assert sum(r['number'] for r in sums['reasons']) == len(garbage)
    assert sum(r['bytes'] for r in sums['reasons']) == size
    assert view.files() == view.blobs() == needed | garbage

    r = run('gc', options=['-v']).ok()
    assert r.stdout.splitlines()[-1].startswith('freed ') and 'manifest that no tag' in r.stdout
    assert all(d in r.stderr for d in garbage), r
    assert view.files() == view.blobs() == needed
    assert view.check() == []
    assert gc(run)['blobs'] == 0


def test_peculiar_content_is_what_it_was(run, make_faulty):
    """sha512, nested and empty indexes, artifacts, referrers: what is tagged is whole, byte for byte."""
    corpus = images.peculiar(sha512=True)
    synced(run, make_faulty, corpus)
    view = crash.StoreView(run.state)
    before, foreign = view.files(), view.check()    # foreign layers are left behind
    age(run)
    assert gc(run)['blobs'] == len(before) - len(view.files())
    assert view.check() == foreign and view.holds(corpus) == []
    assert view.files() == reachable(run, corpus) & before


def test_the_next_sync_brings_back_what_its_rule_still_wants(run, make_faulty, corpus):
    source = synced(run, make_faulty, corpus)
    drop_tag(run, 'team/web', 'v1.0.0')
    age(run)
    assert gc(run)['blobs'] > 0
    run('sync', config=setups.configuration(source, ['store'])).ok()
    view = crash.StoreView(run.state)
    assert view.check() == [] and view.holds(corpus) == []


def test_a_rule_that_wants_less_leaves_garbage_when_tags_go(run, make_faulty, corpus):
    """The rule is edited, the tags that it no longer wants are deleted: what only they needed goes."""
    source = synced(run, make_faulty, corpus)
    for repository in ('tools/packer', 'tools/single'):
        drop_repository(run, repository)
    age(run)
    config = setups.configuration(source, ['store'], repositories=['team/web', 'team/worker'])
    run('sync', '--recheck', config=config).ok()
    # What the run looked at it was told of; it is the tags that hold it.
    age(run)
    gc(run, config=config)
    view = crash.StoreView(run.state)
    assert view.files() == reachable(run, corpus)
    assert view.check() == []


def test_beside_a_run_that_is_under_way(run, make_faulty):
    """What a run has brought and no tag leads to yet is not taken: it is younger than the grace, or leased."""
    corpus = images.Corpus()
    layers = [images.Layer({f'{i}': os.urandom(200000)}) for i in range(12)]
    for i in range(6):
        corpus.tag('slow/app', f'v{i}', corpus.image(layers[2 * i:2 * i + 2]))
    source = make_faulty(corpus=corpus)
    source.rule(faults.slow(400000), 'GET', '/blobs/')
    config = setups.configuration(source, ['store'], publish='together', settings={'parallel': 2})
    # A store whose answers hold for two seconds, and not for the six hours that a longer grace would add.
    run('gc', '--grace', '2s')
    process = run.start('sync', config=config)
    while not os.path.exists(os.path.join(run.state, 'store', 'index.db')) and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.2)
    in_index(run, 'UPDATE grace SET sec = 2, since = 0, before = 0')
    n = 0
    while process.poll() is None:
        gc(run, '--grace', '2s')
        n += 1
    stdout, stderr = process.communicate()
    assert process.returncode == 0 and n > 3, f'{n} {stdout}\n{stderr}'
    view = crash.StoreView(run.state)
    assert view.check() == [] and view.holds(corpus) == [], f'{stdout}\n{stderr}'


def test_a_manifest_that_vanished_before_its_tag_moved_is_no_success(run, make_faulty):
    corpus = images.Corpus()
    for i in range(6):
        corpus.tag('set/app', f'v{i}', corpus.image([images.Layer({f'{i}': os.urandom(5000)})]))
    source = make_faulty(corpus=corpus)

    def vanish(server, request):
        if os.path.exists(os.path.join(run.state, 'store', 'index.db')):
            in_index(run, 'DELETE FROM link WHERE blob IN (SELECT id FROM blob WHERE type IS NOT NULL)')

    source.rule(faults.meanwhile(vanish), 'GET', '/blobs/')
    r = run('sync', config=setups.configuration(source, ['store'], publish='together', settings={'parallel': 1}))
    tags = crash.StoreView(run.state).tags()
    failed = [i for i in r.report['images'] if i['error']]
    assert r.code in (1, 3) and failed, r
    assert all(('set/app', i['tag']) in tags for i in r.report['images'] if not i['error']), r
    assert any('is not there' in i['error']['text'] for i in failed), r


def test_killed_at_every_event_it_goes_on(run, make_faulty, corpus):
    synced(run, make_faulty, corpus)
    drop_repository(run, 'team/worker')
    drop_tag(run, 'team/web', 'v1.0.0')
    age(run)
    needed = reachable(run, corpus)
    view = crash.StoreView(run.state)
    assert view.blobs() - needed
    saved, killer = run.state + '.saved', crash.Killer(run.folder, run.state)
    shutil.copytree(run.state, saved, symlinks=True)
    at, killed = 0, True
    while killed:
        at += 1
        shutil.rmtree(run.state)
        shutil.copytree(saved, run.state, symlinks=True)
        r = run('gc', env=killer.env(at))
        killed = crash.was_killed(r.code)
        assert killed or r.code == 0, r
        assert view.check() == [], f'killed at event {at}'
        assert needed <= view.blobs() <= view.files(), f'killed at event {at}'
        gc(run, '--grace', '0')
        assert view.files() == view.blobs() == needed, f'killed at event {at}'
    assert at > 5, 'the program makes more events than this: is killer.c preloaded?'


def test_files_of_killed_writers_go(run, make_faulty, corpus):
    synced(run, make_faulty, corpus)
    view = crash.StoreView(run.state)
    before = view.files()
    orphan = os.path.join(view.path, 'blobs', 'sha256', images.digest_of(b'orphan').split(':')[1])
    upload = os.path.join(view.path, 'uploads', '0' * 32)
    for path in (orphan, upload, upload + '.repo'):
        with open(path, 'wb') as f:
            f.write(b'orphan')
        os.utime(path, (1000, 1000))
    assert gc(run)['orphans'] == 0      # it got its name a moment ago
    assert not os.path.exists(upload) and not os.path.exists(upload + '.repo')
    sums = gc(run, '--grace', '0', '--dry-run')
    assert (sums['orphans'], sums['bytes']) == (1, 6) and os.path.exists(orphan)
    sums = gc(run, '--grace', '0')
    assert (sums['orphans'], sums['bytes']) == (1, 6)
    assert view.files() == before == view.blobs()


def test_one_collector_at_a_time(run, make_faulty, corpus):
    synced(run, make_faulty, corpus)
    fd = os.open(os.path.join(run.state, 'store'), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    r = run('gc')
    assert r.code == 75 and 'another collector' in r.stderr and r.stdout == '', r
    run('gc', '--dry-run').ok()
    os.close(fd)
    run('gc').ok()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_store_of_another_user_says_so(run, make_faulty, corpus):
    synced(run, make_faulty, corpus)
    folder = os.path.join(run.state, 'store')
    os.chmod(os.path.join(folder, 'index.db'), 0o444)
    r = run('gc')
    assert r.code == 1 and 'permission' in r.stderr, r
