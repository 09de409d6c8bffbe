"""The emulated links and the sources behind them: a test that fails here says nothing about the program."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import lab
from figures import median

PLAIN = (lab.Source('one', 98, 20.1), lab.Source('two', 203, 12.4, backend=True))


def curl(laboratory, *args):
    return laboratory.run(['curl', '-s', '--max-time', '20', '--cacert', laboratory.ca, *args])


@pytest.fixture
def two(make_lab, small):
    return make_lab(PLAIN, [small])


def test_links_have_the_latency_and_the_rate_that_were_asked_for(two, small, probe):
    layer = small.layers('ref/app', 'v1.0.0')[0]
    for source in PLAIN[:1]:
        seconds = [float(curl(two, '-I', '--http1.1', '-o', '/dev/null', '-w', '%{time_starttransfer}',
                              f'https://{source.host}/v2/ref/app/manifests/v1.0.0').ok().stdout) for _ in range(5)]
        assert median(seconds) * 1000 == pytest.approx(source.cold_ms, rel=0.15)
        trials = two.run([probe, f'https://{source.host}/v2/ref/app/blobs/{layer}', two.ca, 16 * lab.MIB, 3]).ok()
        assert median([float(line.split()[3]) for line in trials.stdout.splitlines()]) == pytest.approx(source.mib_s, rel=0.05)
        assert two.sum_of_rates() == pytest.approx(32.5)


def test_links_change_while_they_carry(two, small, probe):
    layer = small.layers('ref/app', 'v1.0.0')[0]
    two.link('one').set(mib_s=2.01)
    done = two.run([probe, f'https://one.test/v2/ref/app/blobs/{layer}', two.ca, 4 * lab.MIB, 1]).ok()
    assert float(done.stdout.split()[3]) == pytest.approx(2.01, rel=0.1)
    two.link('one').black_hole()
    assert curl(two, '--max-time', '1', 'https://one.test/v2/').code == 28
    two.link('one').set(loss=0, mib_s=20.1)
    assert curl(two, 'https://one.test/v2/').ok().stdout == '{}'


def test_sources_answer_as_registries_do(two, small):
    digest = small.tags['ref/app']['v1.1.0']
    base = 'https://one.test/v2/ref/app'
    for reference in ('v1.1.0', digest):
        answer = curl(two, '-i', f'{base}/manifests/{reference}').ok().stdout.lower()
        assert f'docker-content-digest: {digest}' in answer
        assert 'content-type: application/vnd.oci.image.index.v1+json' in answer
        assert f'docker-content-digest: {digest}' in curl(two, '-I', f'{base}/manifests/{reference}').ok().stdout.lower()
    assert json.loads(curl(two, f'{base}/tags/list').ok().stdout) == {'name': 'ref/app', 'tags': ['v1.0.0', 'v1.1.0']}
    for path in ('/manifests/v9', '/blobs/sha256:' + '0' * 64, '/nothing'):
        answer = curl(two, '-i', base + path).ok().stdout
        assert ' 404 ' in answer and '"errors"' in answer
    layer = small.layers('ref/app', 'v1.1.0')[1]
    part = curl(two, '-i', '-r', '10-19', '-o', os.path.join(two.folder, 'part'), f'{base}/blobs/{layer}').ok()
    with open(os.path.join(two.folder, 'part'), 'rb') as f, open(small.path(layer), 'rb') as whole:
        assert f.read().endswith(whole.read()[10:20]), part


def test_requests_are_counted_by_source(two, small):
    two.mark()
    layer = small.layers('ref/app', 'v1.1.0')[2]
    curl(two, 'https://one.test/v2/', '-o', '/dev/null').ok()
    curl(two, '-r', '0-9', f'https://one.test/v2/ref/app/blobs/{layer}', '-o', '/dev/null').ok()
    seen = two.server('one').requests()
    assert [(r.kind, r.range, r.status) for r in seen] == [('ping', '', 200), ('GET blob', 'bytes=0-9', 206)]
    assert (two.server('one').blob_bytes(), two.server('two').requests()) == (10, [])


def test_blobs_come_from_a_backend(two, small):
    layer = small.layers('ref/app', 'v1.1.0')[2]
    first = curl(two, '-i', f'https://two.test/v2/ref/app/blobs/{layer}').ok().stdout
    assert ' 307 ' in first and f'https://two-backend.test/v2/ref/app/blobs/{layer}' in first
    followed = curl(two, '-L', '-o', '/dev/null', '-w', '%{http_code} %{size_download}',
                    f'https://two.test/v2/ref/app/blobs/{layer}').ok().stdout
    assert followed == f'200 {small.blobs[layer]}'
    assert ' 200 ' in curl(two, '-I', 'https://two.test/v2/ref/app/manifests/v1.1.0').ok().stdout


def test_faults_are_what_they_are_called(two, small):
    layer = small.layers('ref/app', 'v1.1.0')[1]
    copy = os.path.join(two.folder, 'copy')

    def wrong():
        curl(two, '-o', copy, f'https://one.test/v2/ref/app/blobs/{layer}').ok()
        with open(copy, 'rb') as f, open(small.path(layer), 'rb') as whole:
            return [i for i, (x, y) in enumerate(zip(f.read(), whole.read())) if x != y]
    assert wrong() == []
    two.tree('one').spoil(layer, 1000)
    assert wrong() == [1000]

    was = small.tags['ref/app']['v1.1.0']
    digest = two.tree('one').reencode('ref/app', 'v1.1.0')
    two.server('one').reload()
    answer = curl(two, '-i', 'https://one.test/v2/ref/app/manifests/v1.1.0').ok().stdout
    assert digest != was and digest in answer
    assert ' 404 ' in curl(two, '-I', f'https://one.test/v2/ref/app/manifests/{was}').ok().stdout

    two.server('one').busy()
    answer = curl(two, '-i', 'https://one.test/v2/').ok().stdout
    assert ' 429 ' in answer and 'retry-after: 2' in answer.lower()
    two.server('one').busy(False)
    assert curl(two, 'https://one.test/v2/').ok().stdout == '{}'


def test_limits_answer_429(make_lab, small):
    one = make_lab([lab.Source('one', 98, 20.1, nginx={'limit': (2, 3), 'retry_after': 1})], [small])
    done = curl(one, '-o', '/dev/null', '-w', '%{http_code} ', 'https://one.test/v2/ref/app/manifests/v1.0.0?[1-10]')
    statuses = done.stdout.split()
    assert '200' in statuses and '429' in statuses, done


def test_the_target_is_beside_the_client(two):
    two.start_target()
    assert json.loads(two.run(['curl', '-s', 'http://127.0.0.1:5000/v2/_catalog']).ok().stdout) == {'repositories': []}


CRASH = '''
import os, signal, sys
sys.path[:0] = {path!r}
import lab, tree
one = lab.Lab([lab.Source('one', 98, 20.1)], [tree.Corpus({corpus!r})], {linkemu!r})
one.__enter__()
one.start_target()
print(one.client, one.links['one'].process.pid, one.servers['one'].process.pid, one.target.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
'''


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def test_nothing_is_left_of_a_laboratory_that_was_killed(make_lab, small, linkemu):
    code = CRASH.format(path=sys.path[:3], corpus=small.folder, linkemu=linkemu)
    done = subprocess.run([sys.executable, '-B', '-c', code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    client, *pids = done.stdout.split()
    until = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(alive, pids))
    assert os.path.exists(os.path.join(lab.NETNS, client))
    make_lab(PLAIN[:1], [small])
    assert not os.path.exists(os.path.join(lab.NETNS, client))
