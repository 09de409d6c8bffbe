"""What a measurement needs: registries whose requests and CPU time are known, slow links, and a stop-watch."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'tests', 'lib'))

import accesslog    # noqa: E402

TICKS = os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')
START_SECONDS = 10
SAMPLE_SECONDS = 0.1  # at most so long between two looks at the memory of a contestant
QUIET = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def compile_c(name, folder, *libraries, beside=HERE):
    """Compiles NAME.c beside this file, or in another folder; returns the program."""
    program = os.path.join(folder, name)
    run('cc', '-O2', '-pthread', os.path.join(beside, name + '.c'), '-o', program, *libraries)
    return program


class Registry:
    """A docker-registry; in the network namespace, if one is given."""

    def __init__(self, work, name, address='127.0.0.1', tls=None, namespace=None):
        self.folder = os.path.join(work, name)
        self.name, self.address, self.port, self.tls, self.namespace = name, address, free_port(), tls, namespace
        self.process = None
        self.seen = 0
        os.makedirs(self.folder, exist_ok=True)

    @property
    def host(self):
        """As a client sees it."""
        return f'{self.address}:{self.port}'

    @property
    def url(self):
        """From the registry's own namespace."""
        return f'{"https" if self.tls else "http"}://127.0.0.1:{self.port}'

    def prefix(self):
        """The beginning of a command that is to run beside the registry."""
        return ['ip', 'netns', 'exec', self.namespace] if self.namespace else []

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, wipe=False):
        data = self.path('data')
        if wipe:
            shutil.rmtree(data, ignore_errors=True)
        os.makedirs(data, exist_ok=True)
        settings = {
            'version': '0.1',
            'log': {'level': 'error', 'accesslog': {'disabled': False}},
            'storage': {'cache': {'blobdescriptor': 'inmemory'}, 'filesystem': {'rootdirectory': data},
                        'delete': {'enabled': True}, 'maintenance': {'uploadpurging': {'enabled': False}}},
            'http': {'addr': f'{"0.0.0.0" if self.namespace else "127.0.0.1"}:{self.port}', 'secret': 'bench'},
        }
        if self.tls:
            settings['http']['tls'] = {'certificate': self.tls + '/server.crt', 'key': self.tls + '/server.key'}
        with open(self.path('config.json'), 'w') as f:
            json.dump(settings, f)
        with open(self.path('log'), 'w') as out, open(self.path('errors'), 'w') as err:
            self.process = subprocess.Popen([*self.prefix(), 'docker-registry', 'serve', self.path('config.json')],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.seen = 0
        probe = f'import socket; socket.create_connection(("127.0.0.1", {self.port}), 1)'
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if subprocess.run([*self.prefix(), sys.executable, '-c', probe], **QUIET).returncode == 0:
                return self
            time.sleep(0.05)
        with open(self.path('errors')) as f:
            raise SystemExit(f'the {self.name} registry did not start: {f.read()[-500:]}')

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def cpu(self):
        """CPU seconds so far."""
        with open(f'/proc/{self.process.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mark(self):
        """From here on requests() counts."""
        self.seen = os.path.getsize(self.path('log'))

    def requests(self):
        with open(self.path('log')) as f:
            f.seek(self.seen)
            return accesslog.count(f)


def make_certificates(folder):
    """A throw-away authority (ca.crt, and certd/ca.crt) and a server certificate of it."""
    os.makedirs(folder + '/certd')
    new_key = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes')
    run('openssl', 'req', '-x509', *new_key, '-days', '30', '-subj', '/CN=bench CA',
        '-keyout', folder + '/ca.key', '-out', folder + '/ca.crt', **QUIET)
    run('openssl', 'req', *new_key, '-subj', '/CN=bench',
        '-keyout', folder + '/server.key', '-out', folder + '/server.csr', **QUIET)
    with open(folder + '/names', 'w') as f:
        f.write('subjectAltName=DNS:localhost,IP:127.0.0.1,IP:198.18.1.2,IP:198.18.2.2\n')
    run('openssl', 'x509', '-req', '-in', folder + '/server.csr', '-CA', folder + '/ca.crt', '-CAkey', folder + '/ca.key',
        '-CAcreateserial', '-days', '30', '-extfile', folder + '/names', '-out', folder + '/server.crt', **QUIET)
    shutil.copy(folder + '/ca.crt', folder + '/certd/ca.crt')
    return folder


class Net:
    """
    Three network namespaces: the client's, joined by one slow link (tests/netlab/linkemu.c) to the
    source's and by another to the target's.  Needs root.  spec: RTT_MS:MBIT[:target-near].
    """
    SOURCE, TARGET = '198.18.1.2', '198.18.2.2'  # addresses for benchmarks, RFC 2544
    NEAR = (0.2, 1000)                           # ms and Mbit/s of a target in the same building

    def __init__(self, work, spec, congestion=None):
        rtt, mbit, *rest = spec.split(':')
        me = os.getpid()
        self.client, self.source, self.target = f'plc{me}', f'pls{me}', f'plt{me}'
        self.work, self.links = work, []
        program = compile_c('linkemu', work, beside=os.path.join(HERE, '..', '..', 'tests', 'netlab'))
        for namespace in (self.client, self.source, self.target):
            run('ip', 'netns', 'add', namespace)
            run('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
            if congestion:
                run('ip', 'netns', 'exec', namespace, 'sysctl', '-qw', f'net.ipv4.tcp_congestion_control={congestion}')
        near = 'target-near' in rest
        self.join(program, 1, self.source, float(rtt), float(mbit))
        self.join(program, 2, self.target, *(self.NEAR if near else (float(rtt), float(mbit))))

    def join(self, program, number, far, ms, mbit):
        queue = max(250_000, int(ms / 1000 * mbit * 1e6 / 8))  # bytes: what the link holds, at least
        settings = os.path.join(self.work, f'link{number}')
        with open(settings, 'w') as f:
            f.write(f'delay {int(ms * 500)}\nrate {int(mbit * 1e6 / 8)}\nqueue {queue}\n')
        link = subprocess.Popen([program, self.client, f'pl{number}', far, 'pl0', settings], stdout=subprocess.PIPE, text=True)
        self.links.append(link)
        if link.stdout.readline() != 'up\n':
            raise SystemExit('the link between the namespaces did not come up (root, and /dev/net/tun?)')
        for namespace, device, own, peer in ((self.client, f'pl{number}', 1, 2), (far, 'pl0', 2, 1)):
            run('ip', '-n', namespace, 'addr', 'add', f'198.18.{number}.{own}', 'peer', f'198.18.{number}.{peer}', 'dev', device)
            run('ip', '-n', namespace, 'link', 'set', device, 'up', 'txqueuelen', '5000')

    def prefix(self):
        return ['ip', 'netns', 'exec', self.client]

    def close(self):
        for link in self.links:
            link.terminate()
            link.wait()
        for namespace in (self.client, self.source, self.target):
            subprocess.run(['ip', 'netns', 'del', namespace], **QUIET)


def memory_of_group(group):
    """(bytes resident now, highest peak of one process), over the processes of a group."""
    now = peak = 0
    for d in os.listdir('/proc'):
        if not d.isdigit():
            continue
        try:
            with open(f'/proc/{d}/stat') as f:
                fields = f.read().rsplit(')', 1)[1].split()
            if int(fields[2]) != group:
                continue
            now += int(fields[21]) * PAGE
            with open(f'/proc/{d}/status') as f:
                found = re.search(r'VmHWM:\s+(\d+)', f.read())
            if found:
                peak = max(peak, int(found[1]) * 1024)
        except OSError:
            pass  # it has ended meanwhile
    return now, peak


def measure(command, env, timeout, log):
    """Runs a command to its end; returns code, wall and cpu seconds, and peak memory of its processes together."""
    peak, over = [0], threading.Event()

    def sample():
        wait = 0.01
        while not over.wait(wait):
            wait = min(SAMPLE_SECONDS, wait * 1.2)
            peak[0] = max(peak[0], *memory_of_group(process.pid))

    with open(log, 'w') as out:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        sampler = threading.Thread(target=sample)
        sampler.start()
        timer = threading.Timer(timeout, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            over.set()
            timer.cancel()
        wall = time.monotonic() - began
        sampler.join()
        process.returncode = os.waitstatus_to_exitcode(status)
    return {'code': process.returncode, 'wall': wall, 'cpu': usage.ru_utime + usage.ru_stime, 'memory': peak[0]}
