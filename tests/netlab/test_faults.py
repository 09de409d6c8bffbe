"""Experiment 2: what is wrong with a source is found, and at no other."""
import lab
from figures import Figures

NAMES = ('origin', 'a', 'b', 'c')
QUICK = ('up', '--rounds', '2')
COLUMNS = ['source', 'latency ms', 'MiB/s', 'integrity', 'freshness', '429s', 'backend', 'error']


def show(name, rows):
    Figures('faults-' + name).show(name, COLUMNS, [
        [n, *(r[k] for k in ('latency_ms', 'throughput_mib_per_sec', 'integrity', 'freshness', 'answers_429', 'backend', 'error'))]
        for n, r in rows.items()])


def test_a_flipped_byte_is_found_at_the_source_that_has_it(make_lab, make_program, small):
    laboratory = make_lab(lab.SEED, [small])
    for layer in small.layers('ref/app', 'v1.1.0')[:1]:
        laboratory.tree('b').spoil(layer, small.blobs[layer] // 2)
    program = make_program(laboratory, NAMES, ['ref/app'])
    done, rows, _ = program.bench(*QUICK)
    show('flipped', rows)
    assert {n: r['integrity'] for n, r in rows.items()} == {'origin': 'OK', 'a': 'OK', 'b': 'FAILED', 'c': 'OK'}, done
    assert rows['b']['integrity_error']


def test_an_old_tag_is_called_tag_lag(make_lab, make_program, small):
    old, new = (small.tags['ref/app'][t] for t in ('v1.0.0', 'v1.1.0'))
    laboratory = make_lab(lab.pick('origin', 'a', 'c'), [small])
    for s in laboratory.sources:
        laboratory.tree(s.name).retag('ref/app', 'stable', old)
        laboratory.server(s.name).reload()
    laboratory.start_target()
    program = make_program(laboratory, ('origin', 'a', 'c'), ['ref/app'])
    program.value['sync'][0]['tags'] = {'include': ['stable']}
    program.sync()[0].ok()       # what the authority said before is remembered
    for n in ('origin', 'c'):
        laboratory.tree(n).retag('ref/app', 'stable', new)
        laboratory.server(n).reload()
    done, rows, _ = program.bench(*QUICK)
    show('tag-lag', rows)
    assert rows['a']['freshness'].startswith('tag lag'), done
    assert rows['c']['freshness'] == 'fresh', done
    assert rows['a']['integrity'] != 'FAILED'
    # The bytes do not suffer from it: all that is new is published, also from there.
    done, report = program.sync()
    assert done.ok() and report['totals']['published'] == 1


def test_a_reencoded_index_is_named_and_its_blobs_are_used(make_lab, make_program, small, verify):
    laboratory = make_lab(lab.SEED, [small])
    for tag in small.tags['ref/app']:
        laboratory.tree('c').reencode('ref/app', tag)
    laboratory.server('c').reload()
    program = make_program(laboratory, NAMES, ['ref/app'])
    done, rows, _ = program.bench(*QUICK)
    show('re-encoded', rows)
    assert rows['c']['freshness'] == 're-encoded', done
    assert rows['a']['freshness'] == 'fresh' and rows['a']['integrity'] == 'OK', done
    laboratory.start_target()
    laboratory.mark()
    program.sync()[0].ok()
    verify(laboratory, small)
    assert laboratory.server('c').blob_bytes() > 0


def test_the_backend_behind_a_redirect_is_named(make_lab, make_program, small):
    sources = [*lab.pick('origin', 'a'), lab.Source('c', 98, 20.1, backend=True)]
    laboratory = make_lab(sources, [small])
    program = make_program(laboratory, ('origin', 'a', 'c'), ['ref/app'])
    done, rows, _ = program.bench(*QUICK)
    show('redirect', rows)
    assert 'c-backend.test' in rows['c']['backend'], done
    assert 'c-backend.test' not in (rows['a']['backend'] or '')
    assert rows['c']['integrity'] == 'OK'


def test_429_is_counted_and_waited_for(make_lab, make_program, small, verify):
    sources = [*lab.pick('origin', 'a', 'c'), lab.Source('b', 203, 12.4, nginx={'limit': (4, 4), 'retry_after': 2})]
    laboratory = make_lab(sources, [small])
    program = make_program(laboratory, NAMES, ['ref/app'])
    done, rows, _ = program.bench(*QUICK)
    show('429', rows)
    assert rows['b']['answers_429'] > 0 and rows['b']['retry_after_sec'] == 2, done
    assert all(r['answers_429'] == 0 for n, r in rows.items() if n != 'b')
    # A sync leaves it in peace for as long as it asked for.
    laboratory.server('b').busy()
    laboratory.start_target()
    laboratory.mark()
    done, _ = program.sync()
    done.ok()
    verify(laboratory, small)
    refused = sorted(r.end for r in laboratory.server('b').requests() if r.status == 429)
    # Those that were on their way together are told together; after that nobody asks before time.
    bursts = [t for i, t in enumerate(refused) if i == 0 or t - refused[i - 1] > 0.5]
    assert all(later - earlier >= 1.9 for earlier, later in zip(bursts, bursts[1:])), refused


def test_a_black_hole_ends_one_source_and_not_the_benchmark(make_lab, make_program, small):
    laboratory = make_lab(lab.SEED, [small])
    program = make_program(laboratory, NAMES, ['ref/app'])
    fallen = []

    def fall(seconds):
        laboratory.link('a').black_hole()
        fallen.append(seconds)
    done, rows, _ = program.bench(*QUICK, at=(16 * lab.MIB, fall))
    show('black-hole', rows)
    assert fallen and rows['a']['error'], done
    for n in ('origin', 'b', 'c'):
        assert rows[n]['measured'] and not rows[n]['error'] and rows[n]['integrity'] == 'OK', done


def test_a_black_hole_in_mid_run_costs_a_sync_little(make_lab, make_program, large, verify):
    laboratory = make_lab(lab.SEED, [large])
    laboratory.start_target()
    program = make_program(laboratory, NAMES, sorted(large.tags))
    fallen = []

    def fall(seconds):
        laboratory.link('a').black_hole()
        fallen.append(seconds)
    done, report = program.sync(at=(100 * lab.MIB, fall))
    assert fallen and done.ok()
    verify(laboratory, large)
    rate = large.bytes() / lab.MIB / done.seconds
    figures = Figures('faults-black-hole-sync')
    figures.show('sync, a lost after 100 MiB', ['MiB', 'seconds', 'MiB/s', 'nominal without a'],
                 [[large.bytes() / lab.MIB, done.seconds, rate, laboratory.sum_of_rates() - 18.6]])
    figures.note(report=report)
