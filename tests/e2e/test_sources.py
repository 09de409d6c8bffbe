"""
Several sources at once: who is asked, what is remembered of them, and that a bad one among them
costs neither time nor truth.
"""
import base64
import os
import socket
import sqlite3
import time

import pytest

import client
import faults
import images
import setups
from scenes import app, noise

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


# ---- one that is bad holds nobody up -----------------------------------------------------------------
MODES = pytest.mark.parametrize('mode', ['measured', 'ordered'])


def run_in(run, seconds, config):
    """A run that must be done in so many seconds."""
    began = time.monotonic()
    r = run('sync', config=config).ok()
    assert time.monotonic() - began < seconds, f'{r}'
    return r


@MODES
@pytest.mark.parametrize('what', ['manifests', 'blobs'])
def test_what_waits_behind_the_gate_that_a_429_closed_goes_elsewhere(run, make_faulty, mode, what):
    """More is asked of the mirror than it has connections, when it says to stay away for two minutes."""
    c = apps(40, index=True)
    source, mirror, target = make_faulty(corpus=c), make_faulty(corpus=c), make_faulty()
    mirror.rule(faults.busy(429, 120), 'GET', f'/{what}/')
    config = setups.configuration(source, [target], mirrors=[mirror], upstream={'choose': mode})
    config['registries'][mirror.host]['connections'] = 1
    run_in(run, 20, config)
    assert client.differences(c, target.client()) == []
    assert len(mirror.asked('GET', f'/{what}/')) < 5


class Hole:
    """A server that takes no connections: its queue of them is full."""
    tls = users = None

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(0)
        self.host = '127.0.0.1:%d' % self.listener.getsockname()[1]
        self.waiting = [socket.socket() for _ in range(3)]
        for s in self.waiting:
            s.setblocking(False)
            s.connect_ex(self.listener.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in [self.listener, *self.waiting]:
            s.close()


@MODES
def test_a_mirror_that_is_a_black_hole_costs_one_time_out_and_not_one_for_each_request(run, make_faulty, mode):
    c = apps(60, index=True)
    source, target = make_faulty(corpus=c), make_faulty()
    with Hole() as hole:
        run_in(run, 20, setups.configuration(source, [target], mirrors=[hole], upstream={'choose': mode}))
    assert client.differences(c, target.client()) == []


# ---- private names -----------------------------------------------------------------------------------
@pytest.mark.parametrize('pattern', ['{}/**', '{}/many/*', '*/many/app0'])
def test_private_names_never_go_through_a_shared_proxy(run, make_faulty, pattern):
    """The proxy is not there: what goes its way fails."""
    source = make_faulty(corpus=apps(1))
    config = setups.configuration(source, ['store'], settings={'private': [pattern.format(source.host)],
                                                               'proxy': {'url': 'http://127.0.0.1:1'}})
    run('sync', config=config).ok()
    assert run('sync', config={**config, 'private': []}).code == 1


@pytest.mark.parametrize('host', ['LOCALHOST', 'localhost'])
def test_a_name_is_private_however_its_host_is_written(run, make_faulty, host):
    c = apps(3, index=True)
    source, mirror = make_faulty(corpus=c), make_faulty(corpus=c)
    config = setups.configuration(source, ['store'], mirrors=[mirror], settings={'private': ['localhost:*/**']})
    name = source.host.replace('127.0.0.1', host)
    config['registries'][name] = {'tls': 'off'}
    config['upstreams']['up']['authority'] = name
    run('sync', config=config).ok()
    assert mirror.asked() == [] and source.asked('GET', '/blobs/')


# ---- one host, several entries -------------------------------------------------------------------------
def test_below_each_path_of_a_host_its_own_user_is_used(run, make_faulty):
    c = images.Corpus()
    for name in ('a/app', 'b/app'):
        app(c, name, 1024)
    source = make_faulty(corpus=c, auth='basic', users={'user-a': 'secret-a', 'user-b': 'secret-b'})
    config = setups.configuration(source, ['store'])
    config['registries'] = {f'{source.host}/{x}': {'tls': 'off', 'username': f'user-{x}', 'password': f'secret-{x}'} for x in 'ab'}
    config['upstreams'] = {x: {'authority': f'{source.host}/{x}'} for x in 'ab'}
    config['sync'] = [{'name': x, 'from': x, 'to': ['box'], 'repositories': ['app'], 'rename': f'{x}/app'} for x in 'ab']
    run('sync', config=config).ok()
    for x in 'ab':
        seen = {q.authorization for q in source.asked('.*', f'/v2/{x}/') if q.authorization}
        assert seen == {'Basic ' + base64.b64encode(f'user-{x}:secret-{x}'.encode()).decode()}
