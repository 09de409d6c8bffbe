"""
One large blob from several sources at once: all of it arrives, a source that lies is named with
proof while the run succeeds, and what had come before a kill is not asked for again.
"""
import json
import os
import re
import signal
import time

import pytest

import client
import faults
import images
import scenes
import setups

MIB = 1 << 20
SIZE = 12 * MIB
RATE = 4 * MIB          # bytes/s of each connection to a source
SECONDS = 20            # within which what is waited for has happened


class Stripe:
    """Three mirrors and the authority with the same image, whose layer is large; and one target."""

    def __init__(self, run, make_faulty, size=SIZE, rate=RATE):
        self.run = run
        self.corpus = images.Corpus()
        self.corpus.tag('big/app', 'v1', self.corpus.image([images.Layer({'data': scenes.noise(size)}, 'none')]))
        self.digest = scenes.layer_of(self.corpus, 'big/app')
        self.size = len(self.corpus.blobs[self.digest])
        self.authority, self.target = make_faulty(corpus=self.corpus), make_faulty()
        self.mirrors = [make_faulty(corpus=self.corpus) for _ in range(3)]
        self.sources = [*self.mirrors, self.authority]
        for s in self.sources:
            s.rule(faults.slow(rate), 'GET', self.digest)
        self.config = setups.configuration(self.authority, [self.target], mirrors=self.mirrors, settings={
            'spool': {'from': '1MiB', 'limit': '1GiB'}})
        self.config['upstreams']['up']['stripe'] = {'from': '1MiB'}
        self.spool = os.path.join(run.state, 'spool')

    def sync(self):
        return self.run('sync', config=self.config)

    def ranges(self, sources=None):
        """What was asked of the sources, as (first, end); the whole when it was no Range."""
        asked = [q.headers['Range'] for s in sources or self.sources for q in s.asked('GET', self.digest)]
        found = [re.fullmatch(r'bytes=(\d+)-(\d+)', a or f'bytes=0-{self.size - 1}') for a in asked]
        assert all(found), asked
        return [(int(m[1]), int(m[2]) + 1) for m in found]

    def givers(self):
        return [s for s in self.sources if s.asked('GET', self.digest)]

    def warnings(self, source):
        """Of the run that is over, that name this source."""
        return [line for line in self.result.stderr.splitlines() if line.startswith('warning: ') and source.host in line]

    def succeeds(self):
        self.result = self.sync().ok()
        scenes.assert_all_published(self.result, self.target, self.corpus)
        assert [f for f in os.listdir(self.spool) if not f.startswith('quarantine-')] == []
        return self.result


@pytest.fixture
def stripe(run, make_faulty):
    return Stripe(run, make_faulty)


def test_a_large_blob_comes_from_several_sources(stripe):
    stripe.succeeds()
    assert len(stripe.givers()) >= 3
    assert all(end - first < stripe.size for first, end in stripe.ranges())


def test_never_means_never(stripe):
    stripe.config['upstreams']['up']['stripe'] = {'from': 'never'}
    stripe.succeeds()
    assert stripe.ranges(stripe.givers())[0] == (0, stripe.size)


def test_without_a_spool_there_is_no_stripe(stripe):
    stripe.config['spool'] = {'from': 'never'}
    r = stripe.sync().ok()
    scenes.assert_all_published(r, stripe.target, stripe.corpus)
    assert (0, stripe.size) in stripe.ranges()


@pytest.mark.parametrize('liar', range(3))
def test_a_source_that_lies_is_named_with_proof(stripe, liar):
    source = stripe.sources[liar]
    source.rule(faults.flip_byte(5000), 'GET', stripe.digest)
    stripe.succeeds()
    proof = [w for w in stripe.warnings(source) if 'gave wrong bytes' in w]
    assert len(proof) == 1, stripe.result
    m = re.search(rf'bytes (\d+)-(\d+) from http://{source.host} \(127\.0\.0\.1\) differ from those verified by '
                  r'([\d.:]+), first at byte (\d+), kept from byte (\d+) on in (spool/quarantine-\S+)', proof[0])
    assert m, proof
    assert int(m[4]) == int(m[1]) + 5000 < int(m[2])
    assert m[3] != source.host
    with open(os.path.join(stripe.run.state, m[6].rstrip('";')), 'rb') as f:
        kept = f.read()
    right = stripe.corpus.blobs[stripe.digest][int(m[5]):int(m[2]) + 1]
    assert [i for i in range(len(right)) if kept[i] != right[i]] == [5000] and len(kept) == len(right)
    others = [s for s in stripe.sources if s is not source]
    assert not any('gave wrong bytes' in w for s in others for w in stripe.warnings(s)
                   if f'source {s.host} gave' in w), stripe.result


def test_an_authority_that_lies_is_found_out(stripe):
    """It is asked for the whole, lies again, and is named for that; then a mirror is asked."""
    stripe.authority.rule(faults.flip_byte(5000), 'GET', stripe.digest)
    stripe.succeeds()
    assert any('the bytes received hash to' in w for w in stripe.warnings(stripe.authority)), stripe.result
    assert not any(f'source {s.host} ' in stripe.result.stderr for s in stripe.mirrors), stripe.result


def test_a_source_without_ranges_still_counts_as_well(stripe):
    stripe.mirrors[1].rule(faults.ignore_range(), 'GET', stripe.digest)
    stripe.succeeds()
    assert any('does not answer a Range with a part' in w for w in stripe.warnings(stripe.mirrors[1])), stripe.result


@pytest.mark.parametrize('fault', [faults.short_body(MIB), faults.reset(MIB), faults.reset_at_once(), faults.fail(503),
                                   faults.fail(404), faults.html(), faults.gzipped(), faults.content_range('bytes 0-9/10'),
                                   faults.resize(-3 * MIB)],
                         ids=['short', 'reset', 'no answer', '503', '404', 'html', 'gzip', 'other range', 'too short'])
def test_a_source_that_fails_is_no_liar(stripe, fault):
    """Its ranges go to others; only wrong bytes are struck."""
    stripe.mirrors[0].rule(fault, 'GET', stripe.digest)
    stripe.succeeds()
    assert 'gave wrong bytes' not in stripe.result.stderr
    assert stripe.warnings(stripe.mirrors[0]), stripe.result


def noted(stripe):
    """Pieces that the spool's map names, joined."""
    path = os.path.join(stripe.spool, stripe.digest.replace(':', '-') + '.map')
    pieces = []
    if os.path.exists(path):
        with open(path) as f:
            lines = [line for line in f.read().split('\n')[:-1]]
        for first, end in sorted(tuple(int(x) for x in line.split()) for line in lines):
            if pieces and first <= pieces[-1][1]:
                pieces[-1][1] = max(pieces[-1][1], end)
            else:
                pieces.append([first, end])
    return pieces


def overlap(a, b):
    return sum(max(0, min(x[1], y[1]) - max(x[0], y[0])) for x in a for y in b)


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM])
def test_what_had_come_before_a_kill_is_not_asked_for_again(run, make_faulty, how):
    stripe = Stripe(run, make_faulty, size=24 * MIB, rate=2 * MIB)
    process = run.start('sync', config=stripe.config)
    end = time.monotonic() + SECONDS
    while sum(e - f for f, e in noted(stripe)) < 8 * MIB:
        assert time.monotonic() < end and process.poll() is None, 'it did not get that far'
        time.sleep(0.02)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=SECONDS)
    had = noted(stripe)
    assert sum(e - f for f, e in had) >= 8 * MIB
    assert stripe.target.storage.check() == []
    for s in stripe.sources:
        s.mark()
    r = stripe.succeeds()
    asked = stripe.ranges()
    assert overlap(asked, had) == 0, f'{asked} although {had} was there\n{stderr}\n{r}'
    assert client.differences(stripe.corpus, stripe.target.client()) == []


def test_a_damaged_map_costs_bytes_and_nothing_else(run, make_faulty):
    stripe = Stripe(run, make_faulty, size=8 * MIB)
    os.makedirs(stripe.spool)
    name = os.path.join(stripe.spool, stripe.digest.replace(':', '-'))
    with open(name, 'wb') as f:
        f.write(stripe.corpus.blobs[stripe.digest][:4 * MIB])
    with open(name + '.map', 'w') as f:
        f.write(f'{MIB} {2 * MIB}\n{3 * MIB} {99 * MIB}\nrubbish\n0 {MIB}\n')
    stripe.succeeds()
    assert overlap(stripe.ranges(), [(MIB, 2 * MIB)]) == 0


def test_wrong_bytes_on_disk_are_nobodys_fault(run, make_faulty):
    stripe = Stripe(run, make_faulty, size=8 * MIB)
    os.makedirs(stripe.spool)
    name = os.path.join(stripe.spool, stripe.digest.replace(':', '-'))
    with open(name, 'wb') as f:
        f.write(b'x' * (4 * MIB))
    with open(name + '.map', 'w') as f:
        f.write(f'{MIB} {2 * MIB}\n')
    stripe.succeeds()
    assert 'gave wrong bytes' not in stripe.result.stderr
    assert 'they were on disk' in stripe.result.stderr


def test_the_report_counts_each_source(stripe):
    r = stripe.succeeds()
    fetched = {s['source']: s['bytes'] for s in r.report.get('sources', []) if 'source' in s}
    if fetched:
        assert len([n for n in fetched.values() if n > MIB / 2]) >= 3, json.dumps(r.report, indent=1)
