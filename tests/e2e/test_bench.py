"""
`bench`: sources of the same content compared, against scripted registries.  Trials are short here: what is
tested is what is said of each source, not how fast the loopback interface is.
"""
import csv
import hashlib
import io
import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

import faults
import images
import setups
import terminal

REPOSITORY = 'team/app'
BLOBS, MANIFESTS = '/v2/team/app/blobs/', '/v2/team/app/manifests/'
LAYER_BYTES = 3 * 1024 * 1024
SHORT = ['--rounds', '2', '--duration', '12s', '--seed', '7']
HEADINGS = ['source', 'latency (ms)', 'throughput (MiB/s)', 'integrity']
WIDTH = 100


def sample(size=LAYER_BYTES, seed=b'layer', tags=('v1',)):
    """One index with one image, whose only layer has so many bytes; each tag names it."""
    corpus = images.Corpus()
    data = hashlib.shake_256(seed).digest(size)
    layer = corpus.blob(data, images.OCI_LAYER)
    config = corpus.blob(images.to_json({'architecture': 'amd64', 'os': 'linux',
                                         'rootfs': {'type': 'layers', 'diff_ids': [layer['digest']]}}), images.OCI_CONFIG)
    image = corpus.manifest(images.to_json({'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST,
                                            'config': config, 'layers': [layer]}))
    index = corpus.manifest(images.to_json({'schemaVersion': 2, 'mediaType': images.OCI_INDEX, 'manifests': [
        {**image, 'mediaType': images.OCI_MANIFEST, 'platform': {'os': 'linux', 'architecture': 'amd64'}}]}),
        images.OCI_INDEX)
    corpus.tags[REPOSITORY] = {tag: index['digest'] for tag in tags}
    return corpus


@pytest.fixture(scope='module')
def corpus():
    return sample()


@pytest.fixture
def pair(make_faulty, corpus):
    return make_faulty(corpus=corpus), make_faulty(corpus=corpus)


def plain(*servers):
    return [word for s in servers for word in ('--plain', s if isinstance(s, str) else s.host)]


def named(*servers):
    """Options that compare these servers, the first being the reference."""
    words = plain(*servers)
    for i, s in enumerate(servers):
        host = s if isinstance(s, str) else s.host
        words += ['--source', f'{host}/{REPOSITORY}' + (':v1' if i == 0 else '')]
    return words


def rows(result):
    """The rows of --json by host."""
    found = json.loads(result.stdout)['benchmarks'][0]['sources']
    return {r['source'].split('/')[0]: r for r in found}


def bench(run, *servers, more=(), code=0, timeout=60):
    """rows of a short run."""
    r = run('bench', *named(*servers), *SHORT, '--json', *more, timeout=timeout)
    assert r.code == code, repr(r)
    return rows(r)


def flat(text):
    """Without the breaks of long lines."""
    return text.replace('\n  ', ' ')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


# ---- what is said of sources ---------------------------------------------------------------------------
def test_sources_that_are_well_are_measured_and_said_to_be_right(run, pair):
    r = run('bench', *named(*pair), *SHORT, '--json').ok()
    report = json.loads(r.stdout)['benchmarks'][0]
    assert report['rounds'] == 2 and report['blob_bytes'] == LAYER_BYTES and not report['stopped']
    for row in report['sources']:
        assert row['integrity'] == 'OK' and row['freshness'] == 'fresh' and row['complete_percent'] == 100
        assert row['range'] == 'yes' and row['head'] == 'yes' and row['answers_429'] == 0
        assert len(row['cold']) == 10 and 0 < len(row['warm_ms']) <= 20 and len(row['trials']) == 3
        assert row['latency_ms'] > 0 and row['throughput_mib_per_sec'] > 0 and row['rank_small'] and row['rank_bulk']
        assert row['trials'][0]['round'] == 0 and row['trials'][0]['content'] == 'right'
        assert all(t['is_lower_bound'] for t in row['trials'])       # 3 MiB over the loopback interface take no time


def test_cold_requests_open_a_connection_each_and_warm_ones_do_not(run, pair):
    row = bench(run, *pair)[pair[0].host]
    assert all(c['tcp_ms'] > 0 for c in row['cold'])
    connections = {q.connection for q in pair[0].asked('HEAD', MANIFESTS)}
    assert len(connections) >= 10
    assert len(pair[0].asked('HEAD', MANIFESTS)) >= len(connections) + 18


def test_a_rate_that_a_source_keeps_is_measured_and_no_bound(run, make_faulty, corpus):
    fast, slow = make_faulty(corpus=corpus), make_faulty(corpus=corpus)
    slow.rule(faults.slow(1500000), 'GET', BLOBS)
    found = bench(run, fast, slow, more=['--duration', '40s'])
    row = found[slow.host]
    assert row['throughput_is_lower_bound'] == 'no'
    assert 0.8 * 1500000 / 2**20 < row['throughput_mib_per_sec'] < 1.2 * 1500000 / 2**20
    assert row['loaded_p90_ms'] is not None                           # small requests went beside the bulk


def test_a_flipped_byte_fails_the_integrity_of_its_source_alone(run, pair):
    pair[1].rule(faults.flip_byte(1000), 'GET', BLOBS)
    found = bench(run, *pair)
    assert found[pair[0].host]['integrity'] == 'OK'
    assert found[pair[1].host]['integrity'] == 'FAILED' and 'digest' in found[pair[1].host]['integrity_error']


def test_a_manifest_that_was_changed_fails_the_integrity(run, pair):
    pair[1].rule(faults.flip_byte(20), 'GET', MANIFESTS)
    found = bench(run, *pair)
    assert found[pair[0].host]['integrity'] == 'OK' and found[pair[1].host]['integrity'] == 'FAILED'
    assert 'manifest' in found[pair[1].host]['integrity_error']


def test_a_wrong_length_fails_the_integrity_and_ends_the_trials(run, pair):
    pair[1].rule(faults.resize(-5), 'GET', BLOBS)
    row = bench(run, *pair)[pair[1].host]
    assert row['integrity'] == 'FAILED' and 'declared' in row['integrity_error']
    assert row['throughput_mib_per_sec'] is None and len(row['trials']) == 2
    assert row['latency_ms'] > 0


def test_a_source_that_ignores_range_is_measured_and_said_to(run, pair):
    pair[1].rule(faults.ignore_range(), 'GET', BLOBS)
    found = bench(run, *pair)
    assert found[pair[0].host]['range'] == 'yes' and found[pair[1].host]['range'] == 'no'
    assert found[pair[1].host]['throughput_mib_per_sec'] > 0


def test_a_source_without_head_is_said_to(run, pair):
    pair[1].rule(faults.fail(405, 'UNSUPPORTED'), 'HEAD', BLOBS)
    found = bench(run, *pair)
    assert found[pair[0].host]['head'] == 'yes' and found[pair[1].host]['head'] == 'no'
    assert found[pair[1].host]['throughput_mib_per_sec'] > 0


def test_a_429_is_counted_and_its_retry_after_waited_for(run, pair):
    pair[1].rule(faults.busy(429, 2), 'GET', BLOBS, nth=2, times=1)
    row = bench(run, *pair, more=['--duration', '30s'])[pair[1].host]
    assert row['answers_429'] == 1 and row['retry_after_sec'] == 2
    asked = pair[1].asked('GET', BLOBS)
    busy = next(i for i, q in enumerate(asked) if q.status == 429)
    assert asked[busy + 1].time - asked[busy].time >= 1.9
    assert row['throughput_mib_per_sec'] > 0 and row['error'] is None


def test_an_old_tag_is_a_tag_lag_where_the_new_content_is(run, make_faulty, corpus):
    old, authority, mirror = sample(1024, b'old'), make_faulty(corpus=corpus), make_faulty(corpus=corpus)
    digest = corpus.tags[REPOSITORY]['v1']
    for server in (authority, mirror):
        server.storage.add_image(old, REPOSITORY, 'v1', old.tags[REPOSITORY]['v1'])
    config = setups.configuration(authority, ['store'], mirrors=[mirror], tags={'include': ['v1']})
    run('sync', config=config).ok()                                    # from here on the authority's history is known
    authority.storage.tags[REPOSITORY]['v1'] = digest
    r = run('bench', *SHORT, '--json', config=config).ok()
    assert rows(r)[authority.host]['freshness'] == 'fresh'
    assert rows(r)[mirror.host]['freshness'].startswith('tag lag')


def test_a_reencoded_index_is_named_as_such(run, make_faulty, corpus):
    authority, mirror = make_faulty(corpus=corpus), make_faulty(corpus=corpus)
    digest = corpus.tags[REPOSITORY]['v1']
    media_type, data = corpus.manifests[digest]
    other = json.dumps(json.loads(data), separators=(',', ':')).encode()
    mirror.client().put_manifest(REPOSITORY, 'v1', media_type, other)
    row = bench(run, authority, mirror)[mirror.host]
    assert row['freshness'] == 're-encoded'
    # Its own index is what it is timed by: it has no other.
    assert row['latency_ms'] > 0 and row['rank_small']


def test_what_a_source_lacks_is_in_its_completeness(run, make_faulty):
    full = sample(tags=('v1', 'v2', 'v3', 'v4'))
    authority, mirror = make_faulty(corpus=full), make_faulty(corpus=full)
    for tag in ('v2', 'v3'):
        del mirror.storage.tags[REPOSITORY][tag]
    config = setups.configuration(authority, ['store'], mirrors=[mirror], tags={'include': ['v1', 'v2', 'v3', 'v4']})
    found = rows(run('bench', *SHORT, '--json', config=config).ok())
    assert found[authority.host]['complete_percent'] == 100
    row = found[mirror.host]
    assert row['have'] == row['wanted'] - 2 and row['complete_percent'] < 100


def test_a_source_without_the_layer_is_not_measured_but_what_it_has_is_counted(run, pair, corpus):
    layer = max(corpus.blobs, key=lambda d: len(corpus.blobs[d]))
    pair[1].storage.forget(layer)
    found = bench(run, *pair, code=3)
    row = found[pair[1].host]
    assert not row['measured'] and '404' in row['error'] and row['have'] == row['wanted'] - 1
    assert found[pair[0].host]['integrity'] == 'OK'


def test_a_redirected_blob_names_its_backend(run, make_faulty, pair):
    backend = make_faulty(corpus=sample())
    pair[1].rule(faults.redirect(backend.url + '{target}'), 'GET', BLOBS)
    found = bench(run, *pair, more=plain(backend))
    assert str(backend.port) in (found[pair[1].host]['redirected_to'] or '')
    assert found[pair[0].host]['redirected_to'] is None


# ---- sources that are down -----------------------------------------------------------------------------
def test_a_dead_source_is_said_to_be_and_the_others_are_measured(run, pair):
    dead = f'127.0.0.1:{free_port()}'
    r = run('bench', *named(*pair, dead), *SHORT)
    assert r.code == 3, repr(r)
    assert re.search(rf'^not measured: {dead}/[^:]*: .*onnect', flat(r.stdout), re.M), repr(r)
    assert re.search(rf'^{pair[1].host}/\S+ +[\d.]+ +>= [\d.]+ +OK', r.stdout, re.M), repr(r)


def test_when_all_are_dead_each_says_why_and_it_is_quick(run):
    dead = [f'127.0.0.1:{free_port()}', f'127.0.0.1:{free_port()}', 'nosuch.invalid']
    began = time.monotonic()
    r = run('bench', *named(*dead), *SHORT)
    assert r.code == 1, repr(r)
    assert time.monotonic() - began < 10
    for host in dead:
        assert f'not measured: {host}/{REPOSITORY}: ' in flat(r.stdout), repr(r)


def test_a_black_hole_in_mid_run_is_given_up_and_the_others_go_on(run, pair):
    pair[1].rule(faults.stall(100), 'GET', BLOBS, nth=3, times=100)
    r = run('bench', *named(*pair), '--rounds', '3', '--json', '--seed', '3', timeout=120)
    assert r.code == 0, repr(r)
    found = rows(r)
    assert 'no byte came' in found[pair[1].host]['error']
    assert sum(t['error'] is not None for t in found[pair[1].host]['trials']) == 2
    assert len(found[pair[0].host]['trials']) == 4 and found[pair[0].host]['error'] is None


def test_without_the_authority_another_says_what_is_right_and_that_is_said(run, pair):
    dead = f'127.0.0.1:{free_port()}'
    r = run('bench', *named(dead, *pair), *SHORT)
    assert r.code == 3, repr(r)
    assert f'{dead}/{REPOSITORY} could not be asked: what is right is what {pair[0].host}/{REPOSITORY} says' in flat(r.stdout)


# ---- what is printed -----------------------------------------------------------------------------------
def test_the_table_begins_with_four_columns_and_fits(run, pair):
    r = run('bench', *named(*pair), *SHORT).ok()
    lines = r.stdout.splitlines()
    heading = next(line for line in lines if line.startswith('source'))
    assert re.split(r'  +', heading.strip())[:4] == HEADINGS
    assert max(map(len, lines)) <= WIDTH, r.stdout


def test_a_blob_that_is_too_small_gives_bounds_and_says_so(run, pair):
    r = run('bench', *named(*pair), *SHORT).ok()
    assert re.search(r'warning: the blob of 3\.0 MiB may be too small', flat(r.stdout))
    assert '>= ' in r.stdout and '<= ' in r.stdout


def test_csv_has_a_line_for_each_source(run, pair):
    r = run('bench', *named(*pair), *SHORT, '--csv').ok()
    table = list(csv.DictReader(io.StringIO(r.stdout)))
    assert [t['source'].split('/')[0] for t in table] == [p.host for p in pair]
    assert list(table[0])[:4] == ['source', 'latency_ms', 'throughput_mib_per_sec', 'integrity']
    assert all(float(t['latency_ms']) > 0 and t['integrity'] == 'OK' for t in table)


def test_the_page_needs_nothing_else(run, pair, tmp_path):
    path = tmp_path / 'page.html'
    run('bench', *named(*pair), *SHORT, '--html', path).ok()
    page = path.read_text()
    assert page.count('<figure') == 4 and pair[0].host in page
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', page) and '<script' not in page and '@import' not in page


def test_two_are_compared_in_one_sentence(run, make_faulty, corpus):
    fast, slow = make_faulty(corpus=corpus), make_faulty(corpus=corpus)
    slow.rule(faults.slow(6000000), 'GET', BLOBS)
    r = run('bench', *plain(fast, slow), '--compare', f'{slow.host}/{REPOSITORY}:v1', f'{fast.host}/{REPOSITORY}',
            '--rounds', '5', '--duration', '30s').ok()
    sentence = flat(r.stdout).splitlines()[0]
    found = re.match(rf'{fast.host}/\S+ is faster than {slow.host}/\S+: ([\d.]+) times as fast '
                     r'\(95 % interval ([\d.]+)-([\d.]+)\), p = 0\.00\d+, 5 rounds; a rate with >= is a lower bound$', sentence)
    assert found, r.stdout
    ratio, low, high = map(float, found.groups())
    assert 1 < low <= ratio <= high


def test_sources_of_an_upstream_are_compared_by_their_names(run, pair, make_faulty, corpus):
    third = make_faulty(corpus=corpus)
    config = setups.configuration(pair[0], ['store'], mirrors=[pair[1], third], tags={'include': ['v1']})
    r = run('bench', '--compare', pair[1].host, third.host, *SHORT, config=config).ok()
    assert re.search(r'(is faster than|not told apart)', flat(r.stdout).splitlines()[0]), repr(r)
    assert not pair[0].asked('GET', BLOBS)                             # it only says what is right


def test_a_name_that_is_no_source_of_the_upstreams_is_refused(run, pair):
    config = setups.configuration(pair[0], ['store'], mirrors=[pair[1]], tags={'include': ['v1']})
    r = run('bench', '--compare', pair[0].host, 'localhost:1', *SHORT, config=config)
    assert r.code == 2 and f"'localhost:1' is no source of the upstreams (there are: {pair[0].host}, {pair[1].host})" \
        in r.stderr, repr(r)
    assert not pair[0].asked() and not pair[1].asked()


def test_too_few_rounds_are_warned_of(run, pair):
    r = run('bench', *named(*pair), '--rounds', '3', '--duration', '8s').ok()
    assert 'warning: 3 rounds are too few to tell 2 sources apart: 4 are needed' in flat(r.stdout), repr(r)
    r = run('bench', *named(*pair), '--rounds', '4', '--duration', '8s').ok()
    assert 'too few' not in r.stdout, repr(r)


def test_a_clear_difference_in_too_few_rounds_is_not_sure(run, pair):
    pair[1].rule(faults.slow(6000000), 'GET', BLOBS)
    r = run('bench', *plain(*pair), '--compare', *(f'{s.host}/{REPOSITORY}:v1' for s in pair),
            '--rounds', '3', '--duration', '12s').ok()
    assert re.search(r'not told apart: .* p = 0\.1, 3 rounds.*; too few rounds to be sure$', flat(r.stdout).splitlines()[0]), repr(r)


def test_wrong_content_is_said_where_two_are_compared(run, pair):
    pair[1].rule(faults.flip_byte(1000), 'GET', BLOBS)
    r = run('bench', *plain(*pair), '--compare', *(f'{s.host}/{REPOSITORY}:v1' for s in pair), *SHORT)
    assert re.search(rf'; but {pair[1].host}/\S+ gives wrong content$', flat(r.stdout).splitlines()[0]), repr(r)


@pytest.mark.parametrize('more, says', [
    (['--max-bytes', '2MiB'], 'stalled'),                       # all trials are short
    (['--duration', '8s'], 'stopped before its first transfer ended'),# the time is over first
])
def test_a_source_that_stalls_has_an_error_and_no_rate(run, pair, more, says):
    pair[1].rule(faults.stall(1000), 'GET', BLOBS)
    row = bench(run, *pair, more=more)[pair[1].host]
    assert says in row['error'] and row['throughput_mib_per_sec'] is None, row
    assert not row['rank_bulk'] and all(t['error'] for t in row['trials'])


def test_an_interrupt_ends_with_what_there_is(run, pair):
    pair[1].rule(faults.slow(300000), 'GET', BLOBS)
    process = run.start('bench', *named(*pair), '--json')
    until = time.monotonic() + 20
    while not pair[1].asked('GET', BLOBS)[1:] and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    r = run.finished(process, *process.communicate(timeout=10))
    assert r.code == 0, repr(r)
    report = json.loads(r.stdout)['benchmarks'][0]
    assert report['stopped'] and len(report['sources'][0]['cold']) == 10


def test_a_terminal_shows_what_is_measured(run, pair):
    ours, theirs = pty.openpty()
    terminal.resize(theirs, 24, 70)
    command = run._command(['bench', *named(*pair), *SHORT], None, ())
    process = subprocess.Popen(command, env={**run.env, 'TERM': 'xterm'}, cwd=run.folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
    run.started.append(process)
    os.close(theirs)
    seen = b''
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:                                                # the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    screen = terminal.Screen(70)
    screen.write(seen.decode())
    assert process.wait(10) == 0 and screen.text() == []
    assert b'throughput of' in seen and b'latency of' in seen and b'round 1 of 2' in seen


def test_through_a_proxy_what_means_nothing_says_so(run, make_faulty, corpus):
    proxy = make_faulty(corpus=corpus)                                 # it answers for whatever host it is asked for
    words, env = named('registry.test'), {'http_proxy': proxy.url}
    r = run('bench', *words, *SHORT, '--json', env=env).ok()
    row = rows(r)['registry.test']
    assert row['dns_ms'] is None and row['tcp_ms'] is None and row['rtt_ms'] is None
    assert row['latency_ms'] > 0 and row['integrity'] == 'OK'
    r = run('bench', *words, *SHORT, env=env).ok()
    assert 'n/a (proxy)' in r.stdout


# ---- limits --------------------------------------------------------------------------------------------
def test_no_more_bytes_are_fetched_than_allowed(run, pair):
    r = run('bench', *named(*pair), *SHORT, '--max-bytes', '2MiB', '--json').ok()
    report = json.loads(r.stdout)['benchmarks'][0]
    assert 0 < report['bytes'] <= 2 * 2**20
    assert {row['integrity'] for row in report['sources']} == {'not checked'}


def test_the_time_allowed_is_kept(run, pair):
    for p in pair:
        p.rule(faults.slow(500000), 'GET', BLOBS)
    began = time.monotonic()
    r = run('bench', *named(*pair), '--duration', '4s', '--json').ok()
    assert time.monotonic() - began < 6
    assert json.loads(r.stdout)['benchmarks'][0]['stopped']


# ---- the configuration ---------------------------------------------------------------------------------
def test_an_upstream_is_measured_with_what_its_rules_want(run, pair):
    config = setups.configuration(*pair[:1], ['store'], mirrors=[pair[1]], tags={'include': ['v1']})
    r = run('bench', *SHORT, '--json', config=config).ok()
    report = json.loads(r.stdout)['benchmarks'][0]
    assert report['upstream'] == 'up' and report['repository'] == REPOSITORY and report['tag'] == 'v1'
    assert [s['source'] for s in report['sources']] == [p.host for p in pair]


def test_without_literal_tags_the_highest_version_is_taken(run, make_faulty):
    server = make_faulty(corpus=sample(tags=('v1.9.0', 'v1.10.0', 'v2.0.0-rc.1', 'other')))
    config = setups.configuration(server, ['store'])
    r = run('bench', 'up', *SHORT, '--json', config=config).ok()
    assert json.loads(r.stdout)['benchmarks'][0]['tag'] == 'v1.10.0'


def test_private_names_are_never_asked_of_a_mirror(run, pair):
    config = setups.configuration(pair[0], ['store'], mirrors=[pair[1]], tags={'include': ['v1']})
    config['private'] = [f'{pair[0].host}/team/**']
    r = run('bench', *SHORT, config=config)
    assert r.code == 2 and '--image' in r.stderr, repr(r)
    r = run('bench', '--image', f'{REPOSITORY}:v1', *SHORT, '--json', config=config).ok()
    assert list(rows(r)) == [pair[0].host] and 'is private' in r.stderr
    r = run('bench', *named(*pair), *SHORT, config=config)
    assert r.code == 2 and 'is private' in r.stderr, repr(r)
    assert pair[1].asked() == []


def test_what_was_measured_is_saved_for_the_choice(run, pair):
    config = setups.configuration(pair[0], ['store'], mirrors=[pair[1]], tags={'include': ['v1']})
    run('bench', *SHORT, config=config).ok()
    assert not os.path.exists(os.path.join(run.state, 'state.db'))
    run('bench', '--save', *SHORT, config=config).ok()
    with sqlite3.connect(os.path.join(run.state, 'state.db')) as db:
        names = [n for (n,) in db.execute("select name from sqlite_master where type = 'table'")]
        table = next(n for n in names if 'estimate' in n)
        assert db.execute(f'select count(*) from {table}').fetchone() == (2,)


# ---- refusals ------------------------------------------------------------------------------------------
@pytest.mark.parametrize('words, says', [
    (['--source', 'h.example/a:v1', '--source', 'h.example/a'], 'named twice'),
    (['--image', 'a:v1', '--source', 'h.example', '--source', 'h.example'], 'named twice'),
    (['--source', 'h.example/a'], 'tag or a digest'),
    (['--source', 'h.example/a:v1', '--source', 'i.example/a:v2'], 'another tag'),
    (['--source', 'h.example/UPPER:v1'], 'UPPER'),
    (['--source', 'h.example/a:v1', 'up'], 'no operands'),
    (['--source', 'h.example/a:v1', '--save'], '--save'),
    (['--source', 'h.example/a:v1', '--blob', 'nonsense'], '--blob'),
    (['--source', 'h.example/a:v1', '--json', '--csv'], 'exclude'),
    (['--source', 'h.example/a:v1', '--rounds', '101'], '--rounds'),
    (['--compare', 'h.example/a:v1'], 'two sources'),
    (['--compare', 'localhost:5001', 'localhost:5003'], 'name HOST/REPOSITORY:TAG, or add --image'),
    (['--source', 'localhost:5001'], 'name HOST/REPOSITORY:TAG, or add --image'),
    (['--source', 'h.example/a:v1', '--html', '/nonexistent/page.html'], 'no folder'),
    (['--source', 'h.example/a:v1', '--html', '/tmp'], 'is a folder'),
])
def test_a_mistake_is_named(run, words, says):
    r = run('bench', *words)
    assert r.code == 2 and says in r.stderr and not r.stdout, repr(r)
