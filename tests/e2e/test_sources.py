"""
Several sources at once: who is asked, what is remembered of them, and that a bad one among them
costs neither time nor truth.
"""
import os
import sqlite3
import time

import pytest

import client
import faults
import images
import setups
from scenes import noise

MIB = 1 << 20


def apps(count, size=2048, index=False):
    """So many images of one layer, each in a repository of its own; with an index above each."""
    c = images.Corpus()
    for i in range(count):
        image = c.image([images.Layer({'data': noise(size, f'app{i}')}, 'none')])
        c.tag(f'many/app{i}', 'v1', c.index([image]) if index else image)
    return c


def estimate(run, source, rate):
    """As an earlier run measured it."""
    now = int(time.time())
    with sqlite3.connect(os.path.join(run.state, 'state.db')) as db:
        db.execute('INSERT OR REPLACE INTO estimate (upstream, source, backend, rate, rate_variance, rate_samples, rate_at, histogram,'
                   ' histogram_at, rtt_us, rtt_at) VALUES (?, ?, ?, ?, 1, 3, ?, NULL, 0, 500, ?)',
                   ('up', source.host, f'http://{source.host}', rate, now, now))
    db.close()


# ---- what is remembered of them --------------------------------------------------------------------
@pytest.mark.parametrize('quick', ['authority', 'mirror'])
def test_the_first_blob_of_a_run_goes_to_whom_earlier_runs_measured_as_quicker(run, make_faulty, quick):
    c = apps(6, MIB)
    source, mirror, target = make_faulty(corpus=c), make_faulty(corpus=c), make_faulty()
    config = setups.configuration(source, [target], mirrors=[mirror], settings={'parallel': 1})
    run('sync', config={**config, 'sync': [{**config['sync'][0], 'repositories': ['many/app0']}]}).ok()
    estimate(run, source, (20 if quick == 'authority' else 0.1) * MIB)
    estimate(run, mirror, (20 if quick == 'mirror' else 0.1) * MIB)
    source.mark(), mirror.mark()
    run('sync', config=config).ok()
    large = [d for d, data in c.blobs.items() if len(data) >= MIB]
    slow = mirror if quick == 'authority' else source
    assert len(large) == 6 and not [d for d in large if slow.asked('GET', d)]
