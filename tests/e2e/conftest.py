"""Fixtures of the end-to-end tests: tests/README.md says how to use them."""
import base64
import json
import os
import signal
import subprocess
import sys

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'lib'))

import certs            # noqa: E402
import faulty           # noqa: E402
import images           # noqa: E402
import registries       # noqa: E402
import served           # noqa: E402
import token_server     # noqa: E402

PROGRAM = os.environ.get('REGMIRROR') or os.path.join(os.path.dirname(TESTS), 'build', 'bin', 'regmirror')
RUN_SECONDS = 60


class Result:
    """How a run of the program ended; report is the JSON of `sync --report`, or None."""

    def __init__(self, args, code, stdout, stderr, report):
        self.args, self.code, self.stdout, self.stderr, self.report = args, code, stdout, stderr, report

    def ok(self):
        assert self.code == 0, repr(self)
        return self

    def __repr__(self):
        return f'{" ".join(self.args)}\nexit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}'


class Runner:
    """Runs the program with a state folder, a home and an environment of its own."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.state = os.path.join(self.folder, 'state')
        self.report_path = os.path.join(self.folder, 'report.json')
        self.home = os.path.join(self.folder, 'home')
        os.makedirs(self.home, exist_ok=True)
        inherited = {k: v for k, v in os.environ.items()
                     if not k.lower().endswith('_proxy') and k not in ('REGMIRROR_CONFIG', 'XDG_RUNTIME_DIR', 'JOURNAL_STREAM')}
        self.env = {**inherited, 'HOME': self.home, 'DOCKER_CONFIG': os.path.join(self.home, '.docker'), 'LC_ALL': 'C.UTF-8'}
        self.started = []

    def _command(self, args, config, options):
        command = [PROGRAM, '--state', self.state, *options]
        if config is not None:
            path = os.path.join(self.folder, 'regmirror.yaml')
            with open(path, 'w') as f:
                f.write(config if isinstance(config, str) else json.dumps(config, indent=1))
            command += ['-c', path]
        if args and args[0] == 'sync' and '--report' not in args:
            args = ['sync', '--report', self.report_path, *args[1:]]
        return [str(a) for a in [*command, *args]]

    def __call__(self, *args, config=None, options=(), env=None, timeout=RUN_SECONDS, stdin=None):
        """
        Runs to the end.  config: YAML text or a dict, written to a file and given as -c;
        options: global ones, before the command; env: changes of the environment, None unsets.
        """
        process = self.start(*args, config=config, options=options, env=env,
                             stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            stdout, stderr = process.communicate()
            pytest.fail(f'still running after {timeout} s: {" ".join(process.args)}\n{stdout}\n{stderr}')
        return self.finished(process, stdout, stderr)

    def start(self, *args, config=None, options=(), env=None, stdin=subprocess.DEVNULL):
        """Starts it; the Popen is the caller's, and ended after the test."""
        if not os.access(PROGRAM, os.X_OK):
            pytest.fail(f'no program at {PROGRAM}: run `make`, or set REGMIRROR')
        if os.path.exists(self.report_path):
            os.unlink(self.report_path)
        environment = {k: v for k, v in {**self.env, **(env or {})}.items() if v is not None}
        process = subprocess.Popen(self._command(args, config, options), env=environment, cwd=self.folder, text=True,
                                   stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(process)
        return process

    def finished(self, process, stdout, stderr):
        report = None
        if os.path.exists(self.report_path):
            with open(self.report_path) as f:
                report = json.load(f)
        return Result(process.args, process.returncode, stdout, stderr, report)

    def log_in(self, host, user, password):
        """Writes credentials to the docker config.json that the program finds."""
        folder = self.env['DOCKER_CONFIG']
        path = os.path.join(folder, 'config.json')
        os.makedirs(folder, exist_ok=True)
        auths = {}
        if os.path.exists(path):
            with open(path) as f:
                auths = json.load(f)['auths']
        auths[host] = {'auth': base64.b64encode(f'{user}:{password}'.encode()).decode()}
        with open(path, 'w') as f:
            json.dump({'auths': auths}, f)

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def run(tmp_path):
    runner = Runner(tmp_path)
    yield runner
    runner.end()


@pytest.fixture(scope='session')
def authority(tmp_path_factory):
    """A throw-away certificate authority; authority.ca is its PEM file."""
    return certs.Authority(str(tmp_path_factory.mktemp('ca')))


@pytest.fixture(scope='session')
def corpus():
    """What registries hold every day; not to be changed by tests."""
    return images.ordinary()


@pytest.fixture(scope='session')
def peculiar():
    """What the specifications allow and docker-registry takes (so no sha512)."""
    return images.peculiar(sha512=False)


@pytest.fixture
def make_registry(tmp_path):
    """make_registry(**options of registries.DockerRegistry) starts one more docker-registry."""
    started = []

    def make(corpus=None, **options):
        registry = registries.DockerRegistry(str(tmp_path / f'registry{len(started)}'), **options)
        started.append(registry)
        registry.start()
        if corpus:
            corpus.push(registry.client())
        registry.mark()
        return registry
    yield make
    for registry in started:
        registry.stop()


@pytest.fixture
def make_faulty():
    """make_faulty(**options of faulty.Faulty) starts one more scripted registry."""
    started = []

    def make(**options):
        started.append(faulty.Faulty(**options))
        return started[-1]
    yield make
    for server in started:
        server.stop()


@pytest.fixture
def make_token_server(tmp_path, authority):
    started = []

    def make(**options):
        started.append(token_server.TokenServer(str(tmp_path), authority=authority, **options))
        return started[-1]
    yield make
    for server in started:
        server.stop()


@pytest.fixture
def make_served(tmp_path, run):
    """make_served(**options of served.Served) starts the program's own registry."""
    started = []

    def make(corpus=None, start=True, **options):
        server = served.Served(PROGRAM, str(tmp_path / f'served{len(started)}'), run.env, **options)
        started.append(server)
        if start:
            server.start()
        if corpus:
            corpus.push(server.client())
        return server
    yield make
    for server in started:
        server.kill()


@pytest.fixture
def source(make_registry, corpus):
    """A docker-registry that holds the ordinary corpus."""
    return make_registry(corpus=corpus)


@pytest.fixture
def target(make_registry):
    """An empty docker-registry."""
    return make_registry()
