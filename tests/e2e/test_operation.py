"""
What an operator meets: full and broken disks, two runs at once, exit codes, reports, progress and
logs.  Whatever happens: a clear error, the documented exit code, and nothing lost.
"""
import hashlib
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import time

import pytest

import client
import crash
import disks
import faults
import images
import setups
import terminal

MIB = 1 << 20
NO_SPACE = 'no space left on the disk; free some'


def noise(size, seed=''):
    """Bytes that do not compress."""
    return b''.join(hashlib.sha256(f'{seed}{i}'.encode()).digest() for i in range(size // 32))


def app(c, repository, size=4096, tag='v1'):
    return c.tag(repository, tag, c.image([images.Layer({'data': noise(size, repository + tag)}, 'none')]))


def layer_of(c, repository, tag='v1'):
    return json.loads(c.manifests[c.tags[repository][tag]][1])['layers'][0]['digest']


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.02)


@pytest.fixture
def two():
    c = images.Corpus()
    app(c, 'a/small')
    app(c, 'b/large', 3 * MIB)
    return c


@pytest.fixture
def disk(run):
    """A small disk that holds the state."""
    if os.geteuid() != 0:
        pytest.skip('only root mounts a tmpfs')
    made = []

    def make(size):
        made.append(disks.Disk(os.path.join(run.folder, 'disk'), size))
        run.state = os.path.join(run.folder, 'disk', 'state')
        return made[0]
    yield make
    run.end()
    for d in made:
        d.end()


# ---- disks ------------------------------------------------------------------------------------------
def test_the_store_does_not_begin_what_cannot_fit(run, make_faulty, disk, two):
    """The plan knows the sizes: nothing is fetched, and the error says how much is needed and free."""
    huge = two.blob(b'x')
    two.tag('c/huge', 'v1', two.manifest({'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST, 'config': two.blob(b'{}'),
                                          'layers': [{**huge, 'size': 10 ** 9}]}))
    disk(100 * MIB)
    source = make_faulty(corpus=two)
    r = run('sync', config=setups.configuration(source, ['store']))
    assert r.code == 1 and 'nothing was moved' in r.stderr and re.search(r'needs .*[MG]iB and .*MiB are free', r.stderr), r
    assert source.asked('GET', '/blobs/') == []
    assert r.report['failure']['class'] == 'I/O error' and r.report['failure']['next'], r.report


def test_the_store_runs_full_and_goes_on_later(run, make_faulty, disk, two):
    """Somebody else fills the disk while the run goes on."""
    d = disk(100 * MIB)
    source = make_faulty(corpus=two)
    source.rule(faults.meanwhile(lambda server, request: d.fill(MIB)), 'GET', layer_of(two, 'b/large'), nth=1)
    config = setups.configuration(source, ['store'])
    r = run('sync', config=config)
    assert r.code in (1, 3) and NO_SPACE in r.stderr, r
    view = crash.StoreView(run.state)
    assert view.check() == []
    had = view.blobs()
    d.empty()
    source.mark()
    run('sync', config=config).ok()
    assert view.check() == [] and view.holds(two) == []
    assert not {q.reference for q in source.asked('GET', '/blobs/')} & had


def test_the_state_runs_full_and_goes_on_later(run, make_faulty, disk, two):
    """What was published stays published; the next run finds it there."""
    d = disk(8 * MIB)
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.meanwhile(lambda server, request: d.fill()), 'GET', '/blobs/', nth=1)
    config = setups.configuration(source, [target])
    r = run('sync', config=config)
    assert r.code in (1, 3) and NO_SPACE in r.stderr, r
    assert target.storage.check() == []
    had = {d for ds in target.storage.blobs.values() for d in ds}
    d.empty()
    source.mark()
    run('sync', config=config).ok()
    assert client.differences(two, target.client()) == []
    assert not {q.reference for q in source.asked('GET', '/blobs/')} & had


def test_a_full_disk_from_the_start(run, make_faulty, disk, two):
    d = disk(MIB)
    d.fill()
    source, target = make_faulty(corpus=two), make_faulty()
    r = run('sync', config=setups.configuration(source, [target]))
    assert r.code == 1 and NO_SPACE in r.stderr, r
    assert len(r.stderr) < 2000 and target.storage.tag_log == []


def test_a_full_spool_costs_only_the_resuming(run, make_faulty, disk, two):
    d = disk(8 * MIB)
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.slow(4 * MIB), 'GET', layer_of(two, 'b/large'))
    config = setups.configuration(source, [target], repositories=['b/large'], settings={
        'spool': {'from': '1MiB', 'limit': '1GiB'}})
    process = run.start('sync', config=config)
    until(lambda: os.path.isdir(run.state + '/spool') and os.listdir(run.state + '/spool'))
    d.fill(256 * 1024)
    until(lambda: not os.listdir(run.state + '/spool') or process.poll() is not None)
    d.empty()
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0 and 'going on without the spool' in stderr, stderr
    assert client.differences(two, target.client(), repositories=['b/large']) == []


def test_a_read_only_file_system(run, make_faulty, disk, two):
    d = disk(8 * MIB)
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    d.read_only()
    r = run('sync', config=config)
    assert r.code == 1 and 'ead-only' in r.stderr and run.state in r.stderr, r
    assert run('plan', config=config).code == 0
    assert run('status', config=config).code == 0
    d.read_only(False)
    run('sync', config=config).ok()


def test_a_state_directory_that_cannot_be_made(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    with open(run.state, 'w') as f:
        f.write('not a folder')
    r = run('sync', config=config)
    assert r.code == 1 and run.state in r.stderr and 'Not a directory' in r.stderr, r
    run.state = '/proc/regmirror'
    r = run('sync', config=config)
    assert r.code == 1 and '/proc/regmirror' in r.stderr, r
    assert source.asked() == [] and target.asked() == []


def test_a_state_directory_without_permission_to_write(run, make_faulty, two):
    """As root without its powers, for those would write everywhere."""
    if os.geteuid() != 0:
        pytest.skip('only root can give up powers')
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    os.chmod(run.state, 0o555)
    for name in os.listdir(run.state):
        os.chmod(os.path.join(run.state, name), 0o444)

    def powerless(command):
        started = run.start(command, config=config)
        started.communicate()
        return subprocess.run(['setpriv', '--inh-caps=-all', '--bounding-set=-all', *started.args], env=run.env,
                              capture_output=True, text=True, timeout=30)
    r = powerless('sync')
    assert r.returncode == 1 and 'Permission denied' in r.stderr and run.state in r.stderr, r
    assert powerless('status').returncode == 0
    r = powerless('plan')
    assert r.returncode == 0 and 'complete' in r.stdout, r


def broken(run, how):
    path = os.path.join(run.state, 'state.db')
    for more in ('-wal', '-shm'):
        if os.path.exists(path + more) and how != 'torn':
            os.unlink(path + more)
    size = os.path.getsize(path)
    if how == 'newer':
        db = sqlite3.connect(path)
        db.execute('PRAGMA user_version = 99')
        db.commit()
        db.close()
    elif how == 'another':
        os.unlink(path)
        db = sqlite3.connect(path)
        db.execute('CREATE TABLE tag (a)')
        db.execute('PRAGMA application_id = 1')
        db.commit()
        db.close()
    else:
        with open(path, 'r+b') as f:
            if how == 'random':
                f.write(noise(size))
            elif how == 'header kept':
                f.seek(100)
                f.write(noise(size - 100))
            elif how == 'short':
                f.truncate(3000)
            elif how == 'text':
                f.truncate(0)
                f.write(b'my shopping list\n' * 100)


@pytest.mark.parametrize('how, code, words', [
    ('newer', 2, 'a newer version of the program wrote it'), ('another', 2, 'belongs to another program'),
    ('random', 1, 'move it away'), ('header kept', 1, 'move it away'), ('short', 1, 'move it away'), ('text', 1, 'move it away')])
def test_a_state_that_cannot_be_read_is_explained(run, make_faulty, two, how, code, words):
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    run('sync', config=config).ok()
    broken(run, how)
    target.mark()
    for command in ('sync', 'plan', 'status'):
        r = run(command, config=config)
        assert r.code == code and words in r.stderr and 'state.db' in r.stderr, r
    assert target.asked('PUT|POST|DELETE|PATCH') == []
    for name in ('state.db', 'state.db-wal', 'state.db-shm'):
        if os.path.exists(os.path.join(run.state, name)):
            os.unlink(os.path.join(run.state, name))
    target.mark()
    run('sync', config=config).ok()
    assert target.asked('PUT|POST|PATCH', '/blobs/') == [], 'nothing was lost but the memory'


def test_an_empty_state_file_is_a_new_one(run, make_faulty, two):
    """What a crash right after its creation leaves."""
    source, target = make_faulty(corpus=two), make_faulty()
    os.makedirs(run.state)
    open(os.path.join(run.state, 'state.db'), 'w').close()
    run('sync', config=setups.configuration(source, [target])).ok()


# ---- how sources stand ---------------------------------------------------------------------------------
def put(run, table, **row):
    with sqlite3.connect(os.path.join(run.state, 'state.db')) as db:
        db.execute(f'INSERT OR REPLACE INTO {table} ({", ".join(row)}) VALUES ({", ".join("?" * len(row))})', list(row.values()))
    db.close()


def forget(run, table):
    with sqlite3.connect(os.path.join(run.state, 'state.db')) as db:
        db.execute(f'DELETE FROM {table}')
    db.close()


def struck(run, source, days):
    put(run, 'strike', upstream='up', source=source, at=int(time.time()) - days * 86400, digest=b'\0' + bytes(32),
        evidence=f'https://cdn.invalid:443 (192.0.2.{days}): byte 4711 differs')


def observed(run, source, tag, freshness, lag=0, days=0):
    put(run, 'observation', upstream='up', source=source, repository='a/small', tag=tag, freshness=freshness, lag_sec=lag,
        at=int(time.time()) - days * 86400)


def status_of(run, config, source):
    """The source's line of the table, the lines below the tables about it, and its JSON."""
    r = run('status', config=config).ok()
    lines = r.stdout.splitlines()
    assert max(len(line) for line in lines if line.startswith('up ')) <= 120, r
    row = json.loads(run('status', '--json', config=config).ok().stdout)['sources']
    return ([line for line in lines if re.match(rf'up +{source} ', line)][0], [x for x in lines if x.startswith(f'up, {source}:')],
            [x for x in row if x['source'] == source][0])


def test_a_source_is_shown_as_a_replica_is(run, make_faulty, two):
    source, mirror = make_faulty(corpus=two), make_faulty(corpus=two)
    config = setups.configuration(source, ['store'], mirrors=[mirror])
    run('sync', config=config).ok()
    line, below, row = status_of(run, config, source.host)
    assert ' authority ' in line and row['role'] == 'authority' and row['state'] == 'authority' and not below, line
    forget(run, 'observation')
    for tag, word, lag in (('v1', 'fresh', 0), ('v2', 'tag lag', 5400), ('v3', 'fresh', 0)):
        observed(run, mirror.host, tag, word, lag)
    observed(run, mirror.host, 'old', 'diverged', 99999, days=8)         # nobody looks at it any more
    put(run, 'estimate', upstream='up', source=mirror.host, backend='https://cdn.invalid:443', rate=18.6 * MIB, rate_variance=1,
        rate_samples=3, rate_at=int(time.time()), histogram=None, histogram_at=0, rtt_us=37000, rtt_at=int(time.time()))
    line, below, row = status_of(run, config, mirror.host)
    assert ' tag lag, 1 of 3 ' in line and ' 5400 ' in line and ' 18.6 ' in line and not below, line
    assert row['role'] == 'mirror' and row['state'] == 'tag lag' and row['lag_seconds'] == 5400, row
    assert (row['tags'], row['tags_behind'], row['strikes'], row['quarantined_until']) == (3, 1, 0, None), row
    assert abs(row['rate_bytes_per_second'] / MIB - 18.6) < 0.1, row


def test_a_source_that_lied_is_shown_with_the_proof(run, make_faulty, two):
    source, mirror = make_faulty(corpus=two), make_faulty(corpus=two)
    config = setups.configuration(source, ['store'], mirrors=[mirror])
    run('sync', config=config).ok()
    struck(run, mirror.host, days=9)
    struck(run, mirror.host, days=3)
    line, below, row = status_of(run, config, mirror.host)
    assert 'quarantined' not in line and row['strikes'] == 1 and row['quarantined_until'] is None, row
    assert len(below) == 1 and 'wrong content' in below[0] and '192.0.2.3' in below[0] and 'byte 4711' in below[0], below
    struck(run, mirror.host, days=1)
    line, below, row = status_of(run, config, mirror.host)
    assert ' quarantined ' in line and row['state'] == 'quarantined' and row['strikes'] == 2 and row['quarantined_until'], row
    assert '192.0.2.1' in row['last_strike'] and row['last_strike_at'], row


def test_a_report_tells_each_source(run, make_faulty, two):
    source, mirror = make_faulty(corpus=two), make_faulty(corpus=two)
    config = setups.configuration(source, ['store'], mirrors=[mirror])
    run('sync', '--report', os.path.join(run.folder, 'report.json'), config=config).ok()
    with open(os.path.join(run.folder, 'report.json')) as f:
        sources = {s['source']: s for s in json.load(f)['sources']}
    assert sources[source.host]['role'] == 'authority' and sources[mirror.host]['role'] == 'mirror', sources
    for s in sources.values():
        assert s['strikes'] == 0 and isinstance(s['backends'], list) and 'rate_bytes_per_second' in s, s


def test_refresh_is_an_option_of_sync_and_plan(run, make_faulty, two):
    source = make_faulty(corpus=two)
    config = setups.configuration(source, ['store'])
    run('sync', '--refresh', config=config).ok()
    run('plan', '--refresh', config=config).ok()
    assert run('copy', '--refresh', 'a', 'b').code == 2


# ---- one run at a time ---------------------------------------------------------------------------------
def test_a_second_run_says_who_holds_the_lock(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    stalled = source.rule(faults.stall(1000), 'GET', layer_of(two, 'b/large'))
    config = setups.configuration(source, [target])
    holder = run.start('sync', config=config)
    until(lambda: stalled.fired)
    for command in (['sync'], ['copy', '--plain', source.host, f'{source.host}/a/small:v1', f'{target.host}/x:v1']):
        begin = time.monotonic()
        r = run(*command, config=config)
        assert r.code == 75 and time.monotonic() - begin < 5, r
        assert re.search(rf'sync, pid {holder.pid}, since 20\d\d-\d\d-\d\dT', r.stderr) and run.state in r.stderr, r
    for command in ('plan', 'status'):
        assert run(command, config=config).code == 0
    holder.kill()
    holder.communicate()
    source.clear_rules()
    run('sync', config=config).ok()
    assert client.differences(two, target.client()) == []


def test_many_runs_at_once_and_one_wins(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.delay(1), 'GET', layer_of(two, 'a/small'))
    config = setups.configuration(source, [target])
    run('config', 'check', config=config).ok()              # writes the file, once
    several = [run.start('sync', options=['-c', os.path.join(run.folder, 'regmirror.yaml')]) for _ in range(6)]
    for p in several:
        p.communicate(timeout=30)
    assert sorted(p.returncode for p in several) == [0, 75, 75, 75, 75, 75]
    assert len(source.asked('GET', '/blobs/')) == len(two.blobs)


# ---- exit codes and reports -------------------------------------------------------------------------
def test_exit_codes(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    bad = source.rule(faults.fail(403), 'GET', '/blobs/')
    assert run('sync', config=config).code == 1         # nothing was published
    source.clear_rules()
    source.rule(faults.fail(403), 'GET', layer_of(two, 'b/large'))
    assert run('sync', config=config).code == 3         # some
    source.clear_rules()
    assert run('sync', config=config).code == 0         # all
    assert run('sync', config=config).code == 0         # nothing to do
    assert run('sync', 'no-such-rule', config=config).code == 2
    assert run('sync', '--no-such-option', config=config).code == 2
    assert run('no-such-command', config=config).code == 2
    assert run('sync', config='upstreams: 7\n').code == 2
    assert run('sync', options=['-c', '/nowhere/at-all.yaml']).code == 2
    assert bad.fired


TEXT, NUMBER, FLAG = str, (int, float), bool
ERROR = {'class': TEXT, 'text': TEXT, 'next': TEXT}
REPORT = {
    'version': NUMBER, 'program': TEXT, 'started_at': TEXT, 'ended_at': TEXT, 'seconds': NUMBER, 'failure': (ERROR, None),
    'totals': {**dict.fromkeys(['images', 'published', 'complete', 'failed', 'bytes', 'blobs_sent', 'blobs_mounted', 'requests',
                                'retries', 'throttled'], NUMBER), 'canceled': FLAG},
    'images': [{**dict.fromkeys(['rule', 'source_repository', 'target', 'repository', 'state'], TEXT), 'tag': (TEXT, None),
                'published': FLAG, 'digest': (TEXT, None), 'old_digest': (TEXT, None), 'bytes': NUMBER, 'blobs': NUMBER,
                'error': (ERROR, None), 'resolved_by': (TEXT, None)}],
    'sources': [{**dict.fromkeys(['upstream', 'source', 'role'], TEXT),
                 **dict.fromkeys(['requests', 'bytes', 'failures', 'strikes'], NUMBER), 'rate_bytes_per_second': (NUMBER, None),
                 'backends': [{'backend': TEXT, 'rate_bytes_per_second': (NUMBER, None), 'latency_ms': (NUMBER, None),
                               'round_trip_ms': (NUMBER, None)}],
                 'last_contact': (TEXT, None), 'last_error': (TEXT, None), 'last_error_at': (TEXT, None)}],
}


def mismatches(value, schema, where='report'):
    """Sentences about what a value has too little, too much or of another type."""
    if isinstance(schema, tuple) and None in schema:
        return [] if value is None else mismatches(value, schema[0], where)
    if isinstance(schema, dict):
        if not isinstance(value, dict) or set(value) != set(schema):
            return [f'{where} has {sorted(value)} instead of {sorted(schema)}']
        return [m for k in schema for m in mismatches(value[k], schema[k], f'{where}.{k}')]
    if isinstance(schema, list):
        return [m for i, v in enumerate(value) for m in mismatches(v, schema[0], f'{where}[{i}]')]
    fine = isinstance(value, schema) and (schema is FLAG or not isinstance(value, bool))
    return [] if fine else [f'{where} is {value!r}']


def test_the_report_says_all_that_the_manual_says(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    config = setups.configuration(source, [target])
    source.rule(faults.fail(500), 'GET', layer_of(two, 'b/large'))
    source.rule(faults.fail(503), 'GET|HEAD', '/a/small/manifests/', nth=1)
    r = run('sync', config=config)
    assert r.code == 3 and mismatches(r.report, REPORT) == []
    images_of = {i['source_repository']: i for i in r.report['images']}
    assert images_of['a/small']['published'] and not images_of['b/large']['published']
    assert images_of['a/small']['digest'] == two.tags['a/small']['v1']
    assert images_of['b/large']['error']['class'] == 'temporary failure' and '500' in images_of['b/large']['error']['text']
    totals = r.report['totals']
    assert (totals['images'], totals['published'], totals['failed'], totals['complete']) == (2, 1, 1, 0)
    assert totals['requests'] >= len(source.asked()) + len(target.asked()) and totals['retries'] >= 1
    assert r.report['sources'][0]['failures'] >= 1 and r.report['sources'][0]['bytes'] == totals['bytes']
    source.clear_rules()
    old = two.tags['a/small']['v1']
    app(two, 'a/small', 8192)
    two.load_into(source.storage)
    r = run('sync', config=config).ok()
    assert mismatches(r.report, REPORT) == []
    moved = [i for i in r.report['images'] if i['state'] == 'moved']
    assert [(i['source_repository'], i['old_digest']) for i in moved] == [('a/small', old)]
    r = run('sync', 'all', '--report', '/proc/nowhere', config=config)
    assert r.code == 1 and '/proc/nowhere' in r.stderr, r


def test_the_newest_100_reports_are_kept(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    folder = os.path.join(run.state, 'runs')
    os.makedirs(folder)
    for i in range(120):
        with open(os.path.join(folder, f'20250101T{i // 60:02}{i % 60:02}00Z.json'), 'w') as f:
            f.write('{}')
    with open(os.path.join(folder, 'README'), 'w') as f:
        f.write('mine')
    for _ in range(2):
        run('sync', config=setups.configuration(source, [target])).ok()
    kept = sorted(os.listdir(folder))
    assert 'README' in kept and len(kept) == 101
    assert kept[0] == '20250101T002200Z.json' and kept[97] == '20250101T015900Z.json'
    for name in kept[98:100]:
        with open(os.path.join(folder, name)) as f:
            assert mismatches(json.load(f), REPORT) == []


# ---- what is shown ----------------------------------------------------------------------------------
def on_a_terminal(run, config, *args, options=(), env=None, columns=100, stop_after=None):
    """(exit code, all bytes that came, a terminal.Screen that saw them) of a run whose stderr is a terminal."""
    ours, theirs = pty.openpty()
    terminal.resize(theirs, 24, columns)
    environment = {**run.env, 'TERM': 'xterm', **(env or {})}
    command = run.start('config', 'check', config=config)       # writes the file and knows the command line
    command.communicate()
    process = subprocess.Popen([*command.args[:-2], *options, *(args or ['sync'])], env=environment, cwd=run.folder,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    data = b''
    begin = time.monotonic()
    while time.monotonic() < begin + 60:
        if stop_after and time.monotonic() > begin + stop_after:
            process.send_signal(signal.SIGTERM)
            stop_after = None
        if select.select([ours], [], [], 0.05)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
    os.close(ours)
    screen = terminal.Screen(columns)
    screen.write(data.decode())
    return process.wait(30), data.decode(), screen


def test_progress_on_a_terminal(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.slow(2 * MIB), 'GET', layer_of(two, 'b/large'))
    code, data, screen = on_a_terminal(run, setups.configuration(source, [target]))
    assert code == 0, data
    assert re.search(r'of 3\.0 MiB, [\d.]+ [KM]iB/s, \S+ left, 1 of 2 images', data), data
    assert layer_of(two, 'b/large').split(':')[1][:12] in data and source.host in data
    assert '\033[1m' in data
    lines = screen.text()
    assert not any('left,' in line or 'B/s' in line for line in lines), lines
    assert sum('image published' in line for line in lines) == 2 and '2 copied' in ''.join(lines), lines


def test_progress_without_color(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.slow(4 * MIB), 'GET', layer_of(two, 'b/large'))
    _, data, screen = on_a_terminal(run, setups.configuration(source, [target]), env={'NO_COLOR': '1'})
    assert 'left,' in data and '\033[1m' not in data and not re.search('\033\\[[0-9;]*m', data)
    assert not any('left,' in line for line in screen.text())


def test_progress_fits_a_narrow_terminal(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.slow(4 * MIB), 'GET', layer_of(two, 'b/large'))
    code, data, screen = on_a_terminal(run, setups.configuration(source, [target]), options=['-q'], columns=20)
    assert code == 0 and data == '', data            # quiet: none
    target.storage.wipe()
    code, data, screen = on_a_terminal(run, setups.configuration(source, [target]), columns=20)
    assert code == 0 and not any('B/s' in line or 'left' in line for line in screen.text()), screen.text()


@pytest.mark.parametrize('env, options', [({'TERM': 'dumb'}, []), ({}, ['-q'])])
def test_no_progress_where_none_is_wanted(run, make_faulty, two, env, options):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.slow(4 * MIB), 'GET', layer_of(two, 'b/large'))
    _, data, _ = on_a_terminal(run, setups.configuration(source, [target]), env=env, options=options)
    assert '\033' not in data and 'left,' not in data


def test_a_stopped_run_leaves_a_clean_terminal(run, make_faulty, two):
    source, target = make_faulty(corpus=two), make_faulty()
    source.rule(faults.stall(MIB), 'GET', layer_of(two, 'b/large'))
    code, data, screen = on_a_terminal(run, setups.configuration(source, [target]), stop_after=1.5)
    assert code == 3 and 'left,' in data, data
    assert not any('left,' in line or 'B/s' in line for line in screen.text()), screen.text()


def test_lines_where_there_is_no_terminal(run, make_faulty, two):
    """One line per image, a table on stdout, and nothing that moves the cursor."""
    source, target = make_faulty(corpus=two), make_faulty()
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert '\033' not in r.stderr + r.stdout and '\r' not in r.stderr
    assert sum('image published' in line for line in r.stderr.splitlines()) == 2, r
    assert 'a/small:v1' in r.stdout and 'b/large:v1' in r.stdout, r
    r = run('sync', config=setups.configuration(source, [target])).ok()
    assert r.stdout == '' and len(r.stderr.splitlines()) == 1, r


@pytest.mark.parametrize('verbose', [[], ['-v']])
def test_json_logs_are_json(run, make_faulty, two, verbose):
    """Also when a peer's words are full of quotes, controls and broken UTF-8."""
    source, target = make_faulty(corpus=two), make_faulty()
    nasty = 'say "hi"\\ \n\r\t\033[31m \u2028 \ud800'.encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
    source.rule(faults.fail(403, 'DENIED', nasty), 'GET', layer_of(two, 'b/large'))
    source.rule(faults.answer(403, b'{"errors":[{"code":"X","message":"\xff\xfe\x00\\u0000 \x1b[2J"}]}'), 'GET', layer_of(two, 'a/small'))
    r = run('sync', options=['--log=json', *verbose], config=setups.configuration(source, [target]))
    assert r.code == 1
    lines = [json.loads(line) for line in r.stderr.splitlines()]
    assert all(re.fullmatch(r'20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ', x['time']) and x['msg'] for x in lines), r
    assert {x['level'] for x in lines} >= {'info', 'error'} and ('debug' in {x['level'] for x in lines}) == bool(verbose)
    failed = [x for x in lines if x['level'] == 'error' and x.get('repository')]
    assert {(x['repository'], x['tag'], x['target']) for x in failed} == {('a/small', 'v1', 'to0'), ('b/large', 'v1', 'to0')}
    assert '\033' not in r.stderr


# ---- age --------------------------------------------------------------------------------------------
@pytest.mark.parametrize('how', ['age', 'option'])
def test_what_was_lost_behind_our_back_is_found_and_refilled(run, make_faulty, how):
    """A blob that the target lost shows in no listing: only the recheck finds it, and mends it in that run."""
    c = images.Corpus()
    app(c, 'a/app', tag='v1.0.0')
    app(c, 'a/app', tag='v1.1.0')
    source, target = make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target], immutable='semver', settings={'recheck': '1s' if how == 'age' else '24h'})
    run('sync', config=config).ok()
    target.storage.forget(layer_of(c, 'a/app', 'v1.0.0'))
    if how == 'age':
        time.sleep(2.5)
    else:
        run('sync', config=config).ok()
        assert target.storage.check() != []
    source.mark()
    r = run('sync', *(['--recheck'] if how == 'option' else []), config=config).ok()
    assert target.storage.check() == [] and client.differences(c, target.client()) == [], r
    assert [q.reference for q in source.asked('GET', '/blobs/')] == [layer_of(c, 'a/app', 'v1.0.0')]


def test_a_complete_image_that_is_young_costs_no_recheck(run, make_faulty):
    c = images.Corpus()
    app(c, 'a/app', tag='v1.0.0')
    source, target = make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target], immutable='semver')
    run('sync', config=config).ok()
    source.mark()
    target.mark()
    run('sync', config=config).ok()
    assert dict(source.counts()) == {'tags/list': 1} and dict(target.counts()) == {'tags/list': 1}
    run('sync', '--recheck', config=config).ok()
    assert target.counts()['HEAD blob'] == len(c.blobs)
