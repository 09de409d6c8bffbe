"""Fixtures of the experiments with emulated links: README.md says how to run them."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, 'tests', 'lib')]

import lab      # noqa: E402
import tree     # noqa: E402

PROGRAM = os.environ.get('REGMIRROR') or os.path.join(ROOT, 'build', 'bin', 'regmirror')
TOOLS = os.environ.get('NETLAB_OUT') or os.path.join(ROOT, 'build', 'netlab')
MAKE_CORPUS = [sys.executable, '-B', os.path.join(ROOT, 'bench', 'peerlab', 'make_corpus.py')]
SCALE = os.environ.get('NETLAB_SCALE', '1.0')   # of the kube corpus


@pytest.fixture(scope='session', autouse=True)
def possible():
    why = lab.missing()
    if why:
        pytest.skip(why)
    for program in (PROGRAM, os.path.join(TOOLS, 'linkemu'), os.path.join(TOOLS, 'probe')):
        if not os.access(program, os.X_OK):
            pytest.fail(f'no program at {program}: run `make netlab`')


@pytest.fixture(scope='session')
def store(possible):
    """A folder for gigabytes, on a tmpfs where there is one."""
    base = os.environ.get('BENCH_STORE') or ('/dev/shm' if os.path.isdir('/dev/shm') else None)
    folder = tempfile.mkdtemp(prefix=f'netlab{os.getpid()}-corpora-', dir=base)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope='session')
def small(store):
    """Images of a size that measures well: app has two tags and platforms."""
    s = tree.Samples(1)
    for tag in ('v1.0.0', 'v1.1.0'):
        s.image('ref/app', tag, [24 * lab.MIB, lab.MIB, 2000], ('linux/amd64', 'linux/arm64'))
    return s.write(os.path.join(store, 'small'))


@pytest.fixture(scope='session')
def reference(store):
    """One image with a layer of 64 MiB."""
    return tree.Samples(2).image('ref/app', 'v1.0.0', [64 * lab.MIB, lab.MIB, 2000]).write(os.path.join(store, 'reference'))


@pytest.fixture(scope='session')
def large(store):
    """big/256 and big/64: one large layer each; warm/up: what lets the sources be known."""
    s = tree.Samples(3).image('big/256', 'v1', [256 * lab.MIB]).image('big/64', 'v1', [64 * lab.MIB])
    return s.image('warm/up', 'v1', [3 * lab.MIB] * 32).write(os.path.join(store, 'large'))


@pytest.fixture(scope='session')
def kube(store):
    """3 GB, as Kubernetes' images are."""
    folder = os.path.join(store, 'kube')
    subprocess.run([*MAKE_CORPUS, 'build', 'kube', folder, '--scale', SCALE], check=True, stdout=subprocess.DEVNULL)
    yield tree.Corpus(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def linkemu(possible):
    return os.path.join(TOOLS, 'linkemu')


@pytest.fixture
def make_lab(linkemu):
    """make_lab(sources, corpora): a laboratory until the end of the test."""
    started = []

    def make(sources, corpora):
        one = lab.Lab(sources, corpora, linkemu, os.environ.get('BENCH_STORE'))
        one.__enter__()
        started.append(one)
        return one
    yield make
    for one in started:
        one.__exit__()


class Program:
    """
    regmirror at the client of a laboratory, with a state and a home of its own.  The first of names is
    the authority.  upstream: more of its keys; in names, "_" stands for "-".
    """

    def __init__(self, laboratory, folder, names, repositories, **upstream):
        self.lab, self.folder = laboratory, str(folder)
        self.state, self.seasoned = os.path.join(self.folder, 'state'), os.path.join(self.folder, 'seasoned')
        hosts = [laboratory.source(n).host for n in names]
        self.registries = {h: {'ca': laboratory.ca} for s in laboratory.sources for h in (s.host, s.backend_host)}
        self.value = {
            'registries': {**self.registries, '127.0.0.1:5000': {'tls': 'off'}},
            'upstreams': {'up': {'authority': hosts[0], **{k.replace('_', '-'): v for k, v in upstream.items()}}},
            'targets': {'to': {'registry': '127.0.0.1:5000'}},
            'sync': [{'name': 'all', 'from': 'up', 'to': ['to'], 'immutable': 'none', 'repositories': repositories}]}
        if hosts[1:]:
            self.value['upstreams']['up']['mirrors'] = [{'host': h} for h in hosts[1:]]
        os.makedirs(self.folder, exist_ok=True)
        keep = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy') and not k.startswith('REGMIRROR')}
        self.env = {**keep, 'HOME': self.folder, 'DOCKER_CONFIG': os.path.join(self.folder, '.docker'), 'LC_ALL': 'C.UTF-8'}

    def command(self, *args, options=()):
        path = os.path.join(self.folder, 'regmirror.yaml')
        with open(path, 'w') as f:
            json.dump(self.value, f, indent=1)
        return [PROGRAM, '--state', self.state, *options, '-c', path, *args]

    def repositories(self, *names):
        self.value['sync'][0]['repositories'] = list(names)
        return self

    def run(self, *args, options=(), **more):
        return self.lab.run(self.command(*args, options=options), env=self.env, cwd=self.folder, **more)

    def sync(self, *args, **more):
        """(Done, report)"""
        path = os.path.join(self.folder, 'report.json')
        if os.path.exists(path):
            os.unlink(path)
        done = self.run('sync', '--report', path, *args, **more)
        if not os.path.exists(path):
            return done, None
        with open(path) as f:
            return done, json.load(f)

    def bench(self, *args, **more):
        """(Done, {source name: its row}, all of the benchmark)"""
        done = self.run('bench', '--json', *args, **more)
        assert done.stdout, f'{done}'
        benchmark = json.loads(done.stdout)['benchmarks'][0]
        rows = {row['source'].removesuffix('.test'): row for row in benchmark['sources']}
        return done, rows, benchmark

    # ---- what it remembers ---------------------------------------------------------------
    def forget(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def keep(self):
        """What is known now is what again() begins with."""
        shutil.rmtree(self.seasoned, ignore_errors=True)
        shutil.copytree(self.state, self.seasoned)

    def again(self):
        self.forget()
        if os.path.isdir(self.seasoned):
            shutil.copytree(self.seasoned, self.state)


@pytest.fixture
def make_program(store):
    """make_program(lab, names, repositories, **upstream)"""
    made = []

    def make(laboratory, names, repositories, **upstream):
        made.append(tempfile.mkdtemp(prefix='program-', dir=store))
        return Program(laboratory, made[-1], names, repositories, **upstream)
    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def verified(laboratory, corpus):
    """The target has all tags, manifests and blobs of a corpus."""
    done = laboratory.run([*MAKE_CORPUS, 'verify', corpus.folder, 'http://127.0.0.1:5000'])
    return done.code == 0, done.stdout


@pytest.fixture
def verify():
    def check(laboratory, corpus):
        ok, said = verified(laboratory, corpus)
        assert ok, said
    return check


@pytest.fixture
def probe():
    """The reference estimator's program."""
    return os.path.join(TOOLS, 'probe')
