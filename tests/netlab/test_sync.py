"""Experiment 3: the images of Kubernetes from four sources at once."""
import json
import os

import pytest

import lab
from figures import Figures, median, repeat

NAMES = ('origin', 'a', 'b', 'c')
STEADY, DISTURBED = 1.15, 1.5    # times of the best possible
SLOWER_AT = 0.4                  # of the bytes
TIMEOUT = 900


def times_of_best(rounds):
    return median([r['times'] for r in rounds])


def shares(wire):
    total = sum(wire.bytes().values())
    return {f'{n} %': 100 * b / total for n, b in wire.bytes().items()}


@pytest.fixture
def kubelab(make_lab, make_program, kube):
    laboratory = make_lab(lab.SEED, [kube])
    laboratory.start_target()
    return laboratory, make_program(laboratory, NAMES, sorted(kube.tags), choose='measured')


def one_sync(kubelab, corpus, verify, best, at=None):
    """best(): seconds that nobody can beat, once it is over."""
    laboratory, program = kubelab
    laboratory.target.wipe()
    program.again()
    done, _ = program.sync(at=at, timeout=TIMEOUT)
    done.ok()
    verify(laboratory, corpus)
    return {'seconds': done.seconds, 'best': best(), 'times': done.seconds / best(),
            'MiB/s': corpus.bytes() / lab.MIB / done.seconds, **shares(done.wire), 'idle %': done.wire.idle}


def show(figures, title, rounds):
    figures.show(title, list(rounds[0]), [list(r.values()) for r in rounds])


@pytest.mark.parametrize('known', [False, True], ids=['unknown', 'after-bench'])
def test_sync_takes_what_the_links_take(kubelab, kube, verify, known):
    laboratory, program = kubelab
    if known:
        program.bench('up', '--rounds', '3', '--save')[0].ok()
        program.keep()
    figures = Figures('sync-' + ('after-bench' if known else 'unknown'))
    best = kube.bytes() / lab.MIB / laboratory.sum_of_rates()
    rounds = repeat(lambda _: one_sync(kubelab, kube, verify, lambda: best), lambda r: times_of_best(r) <= STEADY)
    before = 'measured before' if known else 'unknown'
    show(figures, f'sync of {kube.bytes() / lab.MIB:.0f} MiB from A+B+C+origin, sources {before}', rounds)
    assert times_of_best(rounds) <= STEADY


def test_sync_goes_on_when_the_best_source_slows_down(kubelab, kube, verify):
    laboratory, program = kubelab
    figures = Figures('sync-slowed')
    mib = kube.bytes() / lab.MIB

    def once(_):
        laboratory.link('c').set(mib_s=20.1)
        full, at = laboratory.sum_of_rates(), []

        def slow(seconds):
            laboratory.link('c').set(mib_s=2.01)
            at.append(seconds)

        def best():
            return at[0] + max(0, mib - full * at[0]) / laboratory.sum_of_rates()
        return {**one_sync(kubelab, kube, verify, best, at=(SLOWER_AT * kube.bytes(), slow)), 'slowed at': at[0]}
    rounds = repeat(once, lambda r: times_of_best(r) <= DISTURBED)
    show(figures, 'sync from A+B+C+origin, C slowed tenfold in mid-run', rounds)
    assert times_of_best(rounds) <= DISTURBED


def test_skopeo_syncs_from_the_best_source_for_comparison(make_lab, kube, verify, tmp_path):
    laboratory = make_lab(lab.pick('c'), [kube])
    laboratory.start_target()
    trust = tmp_path / 'trust'
    trust.mkdir()
    os.symlink(laboratory.ca, trust / 'ca.crt')
    path = tmp_path / 'skopeo.yaml'
    path.write_text(json.dumps({'c.test': {'cert-dir': str(trust), 'images': {r: [] for r in kube.tags}}}))
    done = laboratory.run(['skopeo', '--insecure-policy', 'sync', '--all', '--src', 'yaml', '--dest', 'docker',
                           '--dest-tls-verify=false', str(path), '127.0.0.1:5000/k8s'],
                          timeout=TIMEOUT, env={**os.environ, 'HOME': str(tmp_path)}).ok()
    verify(laboratory, kube)
    figures = Figures('sync-skopeo')
    figures.show('skopeo sync from C alone', ['seconds', 'MiB/s', 'best', 'times'], [[
        done.seconds, kube.bytes() / lab.MIB / done.seconds, kube.bytes() / lab.MIB / 20.1,
        done.seconds / (kube.bytes() / lab.MIB / 20.1)]])
