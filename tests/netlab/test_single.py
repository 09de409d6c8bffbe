"""Experiment 6: where there is nothing to choose, choosing costs nothing."""
import collections

import lab
from figures import Figures


def requests_of(laboratory):
    return collections.Counter(r.kind for r in laboratory.server('c').requests())


def test_one_source_is_asked_for_nothing_but_the_images(make_lab, make_program, small, verify):
    laboratory = make_lab(lab.pick('c'), [small])
    laboratory.start_target()
    seen, seconds = {}, {}
    for choose in ('ordered', 'measured', 'default'):
        laboratory.target.wipe()
        laboratory.mark()
        upstream = {} if choose == 'default' else {'choose': choose}
        done, _ = make_program(laboratory, ['c'], ['ref/app'], **upstream).sync()
        done.ok()
        verify(laboratory, small)
        seen[choose], seconds[choose] = requests_of(laboratory), done.seconds
        asked = laboratory.server('c').requests()
        assert not [r for r in asked if r.range], 'a Range is a probe, or a blob in pieces'
        blobs = collections.Counter(r.path for r in asked if r.kind == 'GET blob')
        assert set(blobs.values()) == {1} and len(blobs) == len(small.blobs)
    kinds = sorted(set().union(*seen.values()))
    Figures('single').show('requests at the only source', ['choose', 'seconds', *kinds],
                           [[c, seconds[c], *[seen[c][k] for k in kinds]] for c in seen])
    assert seen['measured'] == seen['default'] == seen['ordered']
