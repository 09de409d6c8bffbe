"""Experiments 4 and 5: one large blob from several sources, and one of them lies."""
import hashlib
import os

import lab
from figures import Figures, median, repeat

ROUNDS = 3
LEAST_RATE = 44.0        # MiB/s, 256 MiB from A+B+C
BESIDE_ARIA2 = 0.97
WITH_ORIGIN = 1.05       # times as long, at most
NEVER_SLOWER = 0.98      # the same twice differs by that much
SEGMENT = (96 * lab.MIB, 48 * lab.MIB)   # offset and length of what the liar has wrong


class Striping:
    """Contestants in one laboratory: each run(...) is a cold target, and sources that are known."""

    def __init__(self, make_lab, make_program, large):
        self.lab = make_lab(lab.SEED, [large])
        self.lab.start_target()
        self.large = large
        # The first one is the authority.
        self.programs = {name: make_program(self.lab, names, ['big/256']) for name, names in (
            ('A+B+C', ('c', 'a', 'b')), ('A+B+C+origin', ('origin', 'a', 'b', 'c')), ('C alone', ('c',)))}
        for p in self.programs.values():
            p.repositories('warm/up').sync()[0].ok()
            p.keep()

    def regmirror(self, name, repository):
        self.lab.target.wipe()
        program = self.programs[name].repositories(repository)
        program.again()
        done, _ = program.sync()
        return self.record(done.ok(), name, repository)

    def aria2c(self, repository):
        layer = self.large.layers(repository, 'v1')[0]
        folder = os.path.join(self.lab.folder, 'aria2')
        done = self.lab.run(
            ['aria2c', '-q', '-s6', '-x2', '-k1M', '--file-allocation=none', '--allow-overwrite=true',
             f'--ca-certificate={self.lab.ca}', '-d', folder, '-o', 'blob',
             *[f'https://{n}.test/v2/{repository}/blobs/{layer}' for n in 'abc']]).ok()
        with open(os.path.join(folder, 'blob'), 'rb') as f:
            assert 'sha256:' + hashlib.file_digest(f, 'sha256').hexdigest() == layer
        return self.record(done, 'aria2c -s6', repository)

    def record(self, done, name, repository):
        mib = self.large.blobs[self.large.layers(repository, 'v1')[0]] / lab.MIB
        total = sum(done.wire.bytes().values())
        return {'what': name, 'MiB': mib, 'blob s': done.wire.span(), 'MiB/s': mib / done.wire.span(), 'all s': done.seconds,
                **{f'{n} %': 100 * b / total for n, b in done.wire.bytes().items()}, 'idle %': done.wire.idle}


def of(rounds, what, key='MiB/s', mib=256):
    return median([r[key] for round in rounds for r in round if r['what'] == what and r['MiB'] == mib])


def turns(contestants, number):
    """In another order each round."""
    first = number % len(contestants)
    return [run() for run in contestants[first:] + contestants[:first]]


def show(figures, title, rounds):
    rows = [r for round in rounds for r in round]
    figures.show(title, list(rows[0]), [list(r.values()) for r in rows])


def test_a_striped_blob_is_as_quick_as_its_sources_together(make_lab, make_program, large):
    s = Striping(make_lab, make_program, large)
    contestants = [lambda: s.regmirror('A+B+C', 'big/256'), lambda: s.aria2c('big/256'),
                   lambda: s.regmirror('A+B+C+origin', 'big/256')]
    rounds = repeat(lambda n: turns(contestants, n), lambda _: False, most=ROUNDS)
    figures = Figures('stripe-256')
    show(figures, '256 MiB: "blob s" from the first to the last byte on the wire, "all s" the whole program', rounds)
    ours, aria2, with_origin = (of(rounds, w) for w in ('A+B+C', 'aria2c -s6', 'A+B+C+origin'))
    figures.note(ours=ours, aria2=aria2, with_origin=with_origin)
    assert ours >= LEAST_RATE
    assert ours >= BESIDE_ARIA2 * aria2
    assert ours / with_origin <= WITH_ORIGIN


def test_64_mib_are_never_slower_than_from_the_best_source(make_lab, make_program, large):
    s = Striping(make_lab, make_program, large)
    contestants = [lambda n=n: s.regmirror(n, 'big/64') for n in ('A+B+C', 'A+B+C+origin', 'C alone')]
    rounds = repeat(lambda n: turns(contestants, n), lambda _: False, most=ROUNDS)
    figures = Figures('stripe-64')
    show(figures, '64 MiB', rounds)
    alone = of(rounds, 'C alone', mib=64)
    figures.note(alone=alone, **{n: of(rounds, n, mib=64) for n in ('A+B+C', 'A+B+C+origin')})
    assert of(rounds, 'A+B+C', mib=64) >= NEVER_SLOWER * alone
    assert of(rounds, 'A+B+C+origin', mib=64) >= NEVER_SLOWER * alone


def gave_of(laboratory, name, layer, offset, length):
    """Whether a source sent some of a stretch of a blob."""
    for r in laboratory.server(name).requests():
        if r.status != 206 or layer not in r.path:
            continue
        first = int(r.range.removeprefix('bytes=').split('-')[0])
        if first < offset + length and first + r.bytes > offset:
            return True
    return False


def test_a_liar_about_one_segment_is_named_with_proof(make_lab, make_program, large, verify):
    s = Striping(make_lab, make_program, large)
    program = s.programs['A+B+C+origin'].repositories('big/256')
    layer = large.layers('big/256', 'v1')[0]
    s.lab.tree('b').spoil(layer, *SEGMENT, every=lab.MIB // 2)
    figures = Figures('stripe-liar')

    def once(_):
        s.lab.target.wipe()
        program.again()
        s.lab.mark()
        done, report = program.sync()
        return {'done': done, 'report': report, 'lied': gave_of(s.lab, 'b', layer, *SEGMENT)}
    rounds = repeat(once, lambda rounds: rounds[-1]['lied'])
    last = rounds[-1]
    figures.show('256 MiB, B lies about 48 of them', ['lied', 'exit code', 'seconds'],
                 [[r['lied'], r['done'].code, r['done'].seconds] for r in rounds])
    figures.note(stderr=last['done'].stderr, report=last['report'])
    assert last['lied'], 'no source was asked for that segment at b.test: nothing was shown'
    for r in rounds:
        assert r['done'].code == 0, r['done']
    # The proof names the source, the bytes, and who showed it.
    proof = [line for line in last['done'].stderr.splitlines() if 'b.test' in line and 'wrong bytes' in line]
    assert proof and 'differ from those verified by' in proof[0], last['done']
    assert not [line for line in last['done'].stderr.splitlines()
                if 'wrong bytes' in line and any(f'source {n}.test' in line for n in ('a', 'c', 'origin'))]
    errors = {row['source']: row['last_error'] for row in last['report']['sources']}
    assert 'wrong bytes' in (errors['b.test'] or ''), errors
    assert not any('wrong bytes' in (text or '') for name, text in errors.items() if name != 'b.test'), errors
    copy = os.path.join(s.lab.folder, 'copy')
    s.lab.run(['curl', '-sf', '-o', copy, f'http://127.0.0.1:5000/v2/big/256/blobs/{layer}']).ok()
    with open(copy, 'rb') as f:
        assert 'sha256:' + hashlib.file_digest(f, 'sha256').hexdigest() == layer
    tag = s.lab.run(['curl', '-sfI', '-H', 'Accept: application/vnd.oci.image.index.v1+json',
                     'http://127.0.0.1:5000/v2/big/256/manifests/v1']).ok().stdout
    assert large.tags['big/256']['v1'] in tag
