"""Tables of measurements: the medians, and for each the ratio to a base that ran in the same rounds."""
import collections
import statistics

PHASES = ['cold', 'durable', 'noop', 'incr']
MIB = 1 << 20


def ratio(rows, base, field):
    """Median, lowest and highest of the ratios to the base within a round; None without any."""
    other = {r['round']: field(r) for r in base}
    found = sorted(field(r) / other[r['round']] for r in rows if other.get(r['round']))
    return (statistics.median(found), found[0], found[-1]) if found else None


def show(r):
    return f'{r[0]:.2f} ({r[1]:.2f}-{r[2]:.2f})' if r else '-'


def row(who, rows, base):
    def median(field):
        return statistics.median(field(r) for r in rows)
    return [
        who + ('' if all(r['ok'] for r in rows) else ' FAILED'),
        show(ratio(rows, base, lambda r: r['wall'])),
        f'{median(lambda r: r["wall"]):.2f}',
        show(ratio(rows, base, lambda r: r['cpu'])),
        f'{median(lambda r: r["cpu"]):.2f}',
        f'{median(lambda r: r["memory"]) / MIB:.0f}',
        f'{median(lambda r: sum(r["source_requests"].values())):.0f}',
        f'{median(lambda r: sum(r["target_requests"].values())):.0f}',
    ]


HEAD = ['contestant', 'wall ratio', 'wall s', 'CPU ratio', 'CPU s', 'MiB', 'src req', 'dst req']


def print_table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        cells = [r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])]
        print('  '.join(cells).rstrip())


def report(records, base, kinds=False):
    groups = collections.defaultdict(lambda: collections.defaultdict(list))
    for r in records:
        groups[(r['corpus'], r['mode'], r['phase'])][r['who']].append(r)
    for (corpus, mode, phase), by_who in sorted(groups.items(), key=lambda g: (g[0][:2], PHASES.index(g[0][2]))):
        rounds = max(len(rows) for rows in by_who.values())
        print(f'\n{phase}: {corpus}, {mode}, {rounds} rounds; ratios to {base}: median (lowest-highest) within a round')
        if base not in by_who:
            print(f'({base} was not among the contestants)')
        order = sorted(by_who, key=lambda who: statistics.median(r['wall'] for r in by_who[who]))
        print_table([HEAD] + [row(who, by_who[who], by_who.get(base, [])) for who in order])
        for who in order if kinds else []:
            for side in ('source', 'target'):
                counts = by_who[who][0][f'{side}_requests']
                print(f'  {who}, {side}: ' + ', '.join(f'{n} {kind}' for kind, n in sorted(counts.items())))
