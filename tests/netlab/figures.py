"""What an experiment found: a table on the screen, and all of it as JSON in build/netlab."""
import json
import os
import platform
import statistics
import time

OUT = os.environ.get('NETLAB_OUT') or os.path.join(os.path.dirname(__file__), '..', '..', 'build', 'netlab')


def median(values):
    return statistics.median(values)


def mean_and_deviation(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def text(value):
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def table(columns, rows):
    """rows: of the same length; numbers stand at the right."""
    cells = [[text(v) for v in row] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) if cells else len(c) for i, c in enumerate(columns)]
    right = [all(isinstance(r[i], (int, float)) for r in rows) for i in range(len(columns))]

    def line(values):
        return '  '.join(v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right)).rstrip()
    return '\n'.join([line(columns), *map(line, cells)])


class Figures:
    """name.json; show() prints a table and keeps its rows, note() keeps more."""

    def __init__(self, name):
        self.path = os.path.join(OUT, name + '.json')
        self.value = {'experiment': name, 'at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
                      'machine': {'cores': os.cpu_count(), 'kernel': platform.release(), 'load': os.getloadavg()[0]},
                      'tables': {}}

    def show(self, title, columns, rows):
        print(f'\n{title}\n{table(columns, rows)}', flush=True)
        self.value['tables'][title] = [dict(zip(columns, row)) for row in rows]
        self.write()

    def note(self, **more):
        self.value.update(more)
        self.write()

    def write(self):
        os.makedirs(OUT, exist_ok=True)
        with open(self.path, 'w') as f:
            json.dump(self.value, f, indent=1)


def repeat(once, good, least=1, most=3):
    """
    Rounds of an experiment, until good(rounds) or there were so many: a machine that is busy for a
    moment is no failure, one goal missed by the median of all rounds is.
    """
    rounds = []
    while len(rounds) < most:
        rounds.append(once(len(rounds)))
        if len(rounds) >= least and good(rounds):
            break
    return rounds
