"""Experiment 1: `regmirror bench` beside curl and the reference estimator, in one run."""
import os
import re

import pytest

import lab
from figures import Figures, mean_and_deviation, median, repeat

NAMES = ('origin', 'a', 'b', 'c')
COLD_REQUESTS = 10
PROBE_BYTES = 16 * lab.MIB
PROBE_TRIALS = 5
# Goals of the issue: beside the second opinion, and beside what the links were told.
LATENCY_BESIDE, RATE_BESIDE = 0.05, 0.03
LATENCY_NOMINAL, RATE_NOMINAL = 0.15, 0.05


def second_opinion(laboratory, probe, corpus, name):
    """(milliseconds of cold requests, MiB/s of trials)"""
    host = laboratory.source(name).host
    cold = [1000 * float(laboratory.run(
        ['curl', '-sfI', '--http1.1', '--cacert', laboratory.ca, '-o', '/dev/null', '-w', '%{time_starttransfer}',
         f'https://{host}/v2/ref/app/manifests/{corpus.tags["ref/app"]["v1.0.0"]}']).ok().stdout)
        for _ in range(COLD_REQUESTS)]
    layer = corpus.layers('ref/app', 'v1.0.0')[0]
    trials = laboratory.run([probe, f'https://{host}/v2/ref/app/blobs/{layer}', laboratory.ca, PROBE_BYTES, PROBE_TRIALS]).ok()
    return cold, [float(line.split()[3]) for line in trials.stdout.splitlines()]


def off(measured, right):
    return abs(measured - right) / right


def within(value, interval):
    return None not in interval and interval[0] <= value <= interval[1]


class Round:
    """One benchmark and one second opinion."""

    def __init__(self, laboratory, program, probe, corpus):
        self.opinion = {n: second_opinion(laboratory, probe, corpus, n) for n in NAMES}
        self.done, self.rows, self.benchmark = program.bench('up')

    def curl_ms(self, name):
        return mean_and_deviation(self.opinion[name][0])

    def probe_rate(self, name):
        return median(self.opinion[name][1])

    def latency_off(self, name):
        return off(self.rows[name]['latency_ms'], self.curl_ms(name)[0])

    def rate_off(self, name):
        return off(self.rows[name]['throughput_mib_per_sec'], self.probe_rate(name))

    def table(self, laboratory):
        for n in NAMES:
            r, s = self.rows[n], laboratory.source(n)
            yield [n, r['latency_ms'], self.curl_ms(n)[0], s.cold_ms, 100 * self.latency_off(n),
                   within(self.curl_ms(n)[0], r['latency_interval_ms']),
                   r['throughput_mib_per_sec'], self.probe_rate(n), s.mib_s, 100 * self.rate_off(n),
                   within(self.probe_rate(n), r['throughput_interval_mib_per_sec']), r['integrity'], r['rank_bulk']]


COLUMNS = ['source', 'bench ms', 'curl ms', 'nominal', 'off %', 'in interval', 'bench MiB/s', 'probe', 'nominal MiB/s', 'off, %',
           'in its interval', 'integrity', 'bulk']


def misses(rounds, laboratory):
    """Goals that the medians of the rounds miss, in words."""
    found = []
    for n in NAMES:
        source = laboratory.source(n)
        for what, values, goal in (
                ('latency beside curl', [r.latency_off(n) for r in rounds], LATENCY_BESIDE),
                ('rate beside the probe', [r.rate_off(n) for r in rounds], RATE_BESIDE),
                ('latency', [off(r.rows[n]['latency_ms'], source.cold_ms) for r in rounds], LATENCY_NOMINAL),
                ('rate', [off(r.rows[n]['throughput_mib_per_sec'], source.mib_s) for r in rounds], RATE_NOMINAL)):
            if median(values) > goal:
                found.append(f'{n}: {what}: {100 * median(values):.1f} % off, at most {100 * goal:.0f} %')
    return found


def test_bench_agrees_with_curl_and_the_probe(make_lab, make_program, reference, probe):
    laboratory = make_lab(lab.SEED, [reference])
    program = make_program(laboratory, NAMES, ['ref/app'])
    figures = Figures('reference')

    def once(number):
        r = Round(laboratory, program, probe, reference)
        figures.show(f'bench, round {number + 1}', COLUMNS, list(r.table(laboratory)))
        return r
    rounds = repeat(once, lambda rounds: not misses(rounds, laboratory))
    figures.note(misses=misses(rounds, laboratory), benchmarks=[r.benchmark for r in rounds])
    for r in rounds:
        assert r.done.code == 0, r.done
        assert {n: row['integrity'] for n, row in r.rows.items()} == dict.fromkeys(NAMES, 'OK')
    assert misses(rounds, laboratory) == []
    # 18.6 and 20.1 differ by 8 %: of few rounds that may be a tie, but never the other way round.
    order = sorted(NAMES, key=lambda n: -median([r.rows[n]['throughput_mib_per_sec'] for r in rounds]))
    assert order == ['c', 'a', 'b', 'origin']
    places = [int(rounds[-1].rows[n]['rank_bulk'].rstrip('=')) for n in order]
    assert places == sorted(places) and places[0] == 1


def test_bench_prints_the_table_that_was_promised(make_lab, make_program, small, tmp_path):
    laboratory = make_lab(lab.pick('c', 'b'), [small])
    program = make_program(laboratory, ('c', 'b'), ['ref/app'])
    page = os.path.join(str(tmp_path), 'page.html')
    done = program.run('bench', 'up', '--rounds', '1', '--html', page).ok()
    lines = done.stdout.splitlines()
    head = next(line for line in lines if line.split()[:1] == ['source'])
    assert head.index('latency (ms)') < head.index('throughput (MiB/s)') < head.index('integrity')
    assert max(map(len, lines)) <= 100, done
    assert os.path.getsize(page) > 1000


def test_bench_compares_two(make_lab, make_program, small):
    laboratory = make_lab(lab.pick('c', 'b'), [small])
    program = make_program(laboratory, ('c', 'b'), ['ref/app'])
    _, _, benchmark = program.bench('--compare', 'c.test', 'b.test')
    c = benchmark['comparison']
    assert c['told_apart'] and c['ratio'] == pytest.approx(20.1 / 12.4, rel=0.05), c


def test_two_names_behind_one_access_link_are_not_ranked_as_if_they_were_two(make_lab, make_program, small):
    laboratory = make_lab([lab.Source('c', 98, 20.1, backend=True)], [small])
    program = make_program(laboratory, ('c',), ['ref/app'])
    program.value['upstreams']['up']['mirrors'] = [{'host': laboratory.source('c').backend_host}]
    _, rows, benchmark = program.bench('up', '--rounds', '4')
    warnings = [w for w in benchmark['warnings'] if 'access link' in w]
    assert warnings, benchmark['warnings']
    figure = float(re.search(r'([\d.]+) MiB/s', warnings[0])[1])
    assert figure == pytest.approx(20.1, rel=0.1), warnings
