"""
Sources behind links of their own, seen from one place: network namespaces, TUN devices, nginx.

    with Lab(SEED, [corpus], store) as lab:
        lab.run(['curl', '--cacert', lab.ca, 'https://a.test/v2/'])
        lab.link('c').set(mib_s=2)            # in mid-run
        lab.tree('b').spoil(digest, 1000)

Everything that is started ends with this process, also when it is killed; namespaces of laboratories
whose process is gone are swept away by the next one.  Needs root.
"""
import contextlib
import ctypes
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import certs
import nginx
import registries
import tree

MIB = 1 << 20
NETNS = '/run/netns'
NAMES = '/etc/netns'   # `ip netns exec` shows what is here as /etc
# What measuring the links taught: IP packets of 1500 bytes carry 1448 bytes of TCP's payload, and TLS
# costs 0.15 % of that; a queue below 3 times what the link holds loses packets, and +-20 % of the rate.
IP_OF_PAYLOAD = 1500 / 1448 * 1.003
QUEUE_OF_LINK = 3
QUEUE_LEAST = 256 << 10  # bytes
COLD_ROUND_TRIPS = 3     # TCP, TLS 1.3, the request
COLD_WORK_MS = 6         # of both ends, in a cold request
NICE = '-15'             # a link that waits for the processor is a slower link
DEVICE_QUEUE = '5000'    # packets
START_SECONDS = 10
SAMPLE_SECONDS = 0.01
TARGET_PORT = 5000
SMALL_TALK = 128 << 10   # bytes: handshakes and manifests, before the bulk begins
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
OWN_NAME = re.compile(r'^netlab(\d+)-')


@dataclasses.dataclass
class Source:
    """cold_ms: a request on a new TLS 1.3 connection; mib_s: goodput.  More for nginx: see nginx.Server."""
    name: str
    cold_ms: float
    mib_s: float
    backend: bool = False  # blobs are sent by 307 to another address behind the same link
    nginx: dict = dataclasses.field(default_factory=dict)

    @property
    def host(self):
        return self.name + '.test'

    @property
    def backend_host(self):
        return self.name + '-backend.test'

    @property
    def one_way_ms(self):
        return (self.cold_ms - COLD_WORK_MS) / COLD_ROUND_TRIPS / 2


SEED = (Source('origin', 892, 4.2), Source('a', 117, 18.6), Source('b', 203, 12.4), Source('c', 98, 20.1))


def pick(*names, sources=SEED):
    """Of the seed's sources, those of these names, in that order."""
    return [next(s for s in sources if s.name == n) for n in names]


def missing():
    """Why there can be no laboratory on this machine; None when there can."""
    if os.geteuid() != 0:
        return 'network namespaces need root'
    if not os.path.exists('/dev/net/tun'):
        return 'no /dev/net/tun'
    lacks = [p for p in ('ip', 'nginx', 'curl', 'openssl', 'docker-registry') if not shutil.which(p)]
    return f'not installed: {", ".join(lacks)} (make deps-netlab)' if lacks else None


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """Popen of something that ends when this process does, however it ends."""
    return subprocess.Popen(command, preexec_fn=die_with_parent, **{'stdin': subprocess.DEVNULL, **options})


def ip(*args):
    subprocess.run(['ip', *map(str, args)], check=True)


def remove_namespace(name):
    """With all processes in it."""
    done = subprocess.run(['ip', 'netns', 'pids', name], capture_output=True, text=True)
    for pid in done.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(['ip', 'netns', 'del', name], capture_output=True)
    shutil.rmtree(os.path.join(NAMES, name), ignore_errors=True)


def sweep(store=None):
    """Takes away what laboratories left behind whose process is gone."""
    for folder in (NETNS, NAMES, store):
        for name in os.listdir(folder) if folder and os.path.isdir(folder) else ():
            m = OWN_NAME.match(name)
            if m and not os.path.exists(f'/proc/{m[1]}'):
                if folder == store:
                    shutil.rmtree(os.path.join(store, name), ignore_errors=True)
                else:
                    remove_namespace(name)


class Link:
    """linkemu between the client's namespace and a source's."""

    def __init__(self, folder, program, client, far, number, source):
        self.path = os.path.join(folder, 'link')
        self.one_way_ms, self.mib_s, self.loss, self.jitter_ms = source.one_way_ms, source.mib_s, 0, 0
        self._write()
        self.process = spawn(['nice', '-n', NICE, program, client, f'l{number}', far, f'l{number}', self.path],
                             stdout=subprocess.PIPE, text=True)
        self._hear('up')

    def _hear(self, word):
        if self.process.stdout.readline() != word + '\n':
            raise RuntimeError('the link between the namespaces does not work')

    def _write(self):
        rate = self.mib_s * MIB * IP_OF_PAYLOAD
        queue = max(QUEUE_LEAST, QUEUE_OF_LINK * rate * 2 * self.one_way_ms / 1000)
        with open(self.path, 'w') as f:
            for name, value in (('delay', self.one_way_ms * 1000), ('rate', rate), ('queue', queue),
                                ('loss', self.loss * 1e6), ('jitter', self.jitter_ms * 1000)):
                f.write(f'{name} {round(value)}\n')

    def set(self, **changes):
        """mib_s, one_way_ms, jitter_ms; loss: 0 to 1."""
        for name, value in changes.items():
            getattr(self, name)
            setattr(self, name, value)
        self._write()
        self.process.send_signal(signal.SIGUSR1)
        self._hear('set')

    def black_hole(self):
        """Everything is lost from now on; nobody is told."""
        self.set(loss=1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def processor_times():
    """(idle, all), in ticks of all cores."""
    with open('/proc/stat') as f:
        fields = [int(n) for n in f.readline().split()[1:9]]
    return fields[3] + fields[4], sum(fields)


class Wire:
    """
    What arrives at the client while the block runs: span() and bytes() afterwards, and idle, the share
    of the processors that nobody wanted, in percent: near 0 the machine was measured, not the links.
    """

    def __init__(self, lab):
        self.lab, self.samples, self.over = lab, [], threading.Event()

    def __enter__(self):
        self.processors = processor_times()
        self.samples.append((time.monotonic(), self.lab.received()))
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.over.wait(SAMPLE_SECONDS):
            self.samples.append((time.monotonic(), self.lab.received()))

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()
        self.samples.append((time.monotonic(), self.lab.received()))
        idle, total = (now - before for now, before in zip(processor_times(), self.processors))
        self.idle = 100 * idle / max(1, total)

    def bytes(self):
        """{source: bytes of IP packets}"""
        first, last = self.samples[0][1], self.samples[-1][1]
        return {name: last[name] - first[name] for name in last}

    def span(self):
        """Seconds from the first to the last byte of the bulk."""
        sums = [(t, sum(r.values())) for t, r in self.samples]
        least, most = sums[0][1], sums[-1][1]
        began = [t for t, n in sums if n <= least + SMALL_TALK][-1]
        ended = [t for t, n in sums if n >= most - SMALL_TALK / 8][0]
        return ended - began


@dataclasses.dataclass
class Done:
    """How a command in the client's namespace ended."""
    command: list
    code: int
    stdout: str
    stderr: str
    seconds: float
    wire: Wire

    def ok(self):
        assert self.code == 0, f'{self}'
        return self

    def __str__(self):
        return f'{" ".join(self.command)}\nexit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}'


class Lab:
    """sources: Source; corpora: folders that all of them hold, as tree.Corpus; store: a folder, on a tmpfs if possible."""
    made = 0

    def __init__(self, sources, corpora, linkemu, store=None):
        self.sources, self.corpora, self.linkemu = list(sources), corpora, linkemu
        self.base = store or ('/dev/shm' if os.path.isdir('/dev/shm') else tempfile.gettempdir())
        Lab.made += 1
        self.prefix_of_names = f'netlab{os.getpid()}-{Lab.made}-'
        self.client = self.prefix_of_names + 'client'
        self.prefix = ['ip', 'netns', 'exec', self.client]
        self.links, self.servers, self.trees = {}, {}, {}
        self.processes, self.target, self.holder = [], None, None

    # ---- up and down -----------------------------------------------------------------------
    def __enter__(self):
        sweep(self.base)
        self.folder = tempfile.mkdtemp(prefix=self.prefix_of_names, dir=self.base)
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _up(self):
        authority = certs.Authority(os.path.join(self.folder, 'ca'))
        self.ca = authority.ca
        names = [n for s in self.sources for n in (s.host, s.backend_host)]
        certificate = authority.issue('lab', names)
        self._namespace(self.client)
        os.makedirs(os.path.join(NAMES, self.client))
        with open(os.path.join(NAMES, self.client, 'hosts'), 'w') as f:
            f.write('127.0.0.1 localhost\n')
            for i, s in enumerate(self.sources):
                f.write(f'198.18.{i}.2 {s.host}\n198.18.{i}.3 {s.backend_host}\n')
        self.holder = spawn([*self.prefix, 'sleep', 'infinity'])
        for i, s in enumerate(self.sources):
            self._source(i, s, certificate)
        self._wait_for_namespace()

    def _namespace(self, name):
        ip('netns', 'add', name)
        ip('-n', name, 'link', 'set', 'lo', 'up')
        # Otherwise the second connection to a source begins with what the first one learnt.
        subprocess.run(['ip', 'netns', 'exec', name, 'sysctl', '-qw', 'net.ipv4.tcp_no_metrics_save=1'], check=True)

    def _source(self, i, source, certificate):
        far = self.prefix_of_names + source.name
        folder = os.path.join(self.folder, source.name)
        os.makedirs(folder)
        self._namespace(far)
        self.links[source.name] = Link(folder, self.linkemu, self.client, far, i, source)
        for namespace, own in ((self.client, [1]), (far, [2, 3])):
            for n in own:
                ip('-n', namespace, 'addr', 'add', f'198.18.{i}.{n}/24', 'dev', f'l{i}')
            ip('-n', namespace, 'link', 'set', f'l{i}', 'up', 'txqueuelen', DEVICE_QUEUE)
        self.trees[source.name] = tree.Tree(os.path.join(folder, 'tree'), *self.corpora)
        behind = {'redirect': 'https://' + source.backend_host, 'backend': (f'198.18.{i}.3', 443)} if source.backend else {}
        server = nginx.Server(folder, self.trees[source.name], ['ip', 'netns', 'exec', far], f'198.18.{i}.2', certificate,
                              **behind, **source.nginx)
        self.servers[source.name] = server.start(spawn)

    def _wait_for_namespace(self):
        """Until `ip netns exec` has become the holder, its network is ours."""
        until = time.monotonic() + START_SECONDS
        while f'l{len(self.sources) - 1}' not in self._devices():
            if time.monotonic() > until:
                raise RuntimeError('the namespace of the client does not come up')
            time.sleep(0.02)

    def __exit__(self, *exc):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.communicate()
        for thing in [self.target, *self.servers.values(), *self.links.values()]:
            if thing:
                thing.stop()
        if self.holder:
            self.holder.kill()
            self.holder.wait()
        for name in os.listdir(NETNS) if os.path.isdir(NETNS) else ():
            if name.startswith(self.prefix_of_names):
                remove_namespace(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its parts -------------------------------------------------------------------------
    def source(self, name):
        return next(s for s in self.sources if s.name == name)

    def link(self, name):
        return self.links[name]

    def server(self, name):
        return self.servers[name]

    def tree(self, name):
        return self.trees[name]

    def sum_of_rates(self):
        """MiB/s of all sources together, as their links are now."""
        return sum(link.mib_s for link in self.links.values())

    def start_target(self):
        """An empty docker-registry beside the client, at 127.0.0.1:5000."""
        if self.target:
            self.target.wipe()
            return self.target
        self.target = registries.DockerRegistry(os.path.join(self.folder, 'target'), port=TARGET_PORT, prefix=self.prefix,
                                                spawn=spawn)
        return self.target.start()

    def mark(self):
        for s in self.servers.values():
            s.mark()

    def _devices(self):
        with open(f'/proc/{self.holder.pid}/net/dev') as f:
            rows = [line.split(':') for line in f if ':' in line]
        return {name.strip(): int(fields.split()[0]) for name, fields in rows}

    def received(self):
        """{source: bytes that came from it so far}, of IP packets."""
        devices = self._devices()
        return {s.name: devices[f'l{i}'] for i, s in enumerate(self.sources)}

    # ---- running things at the client --------------------------------------------------------
    def start(self, command, **options):
        process = spawn([*self.prefix, *map(str, command)], **options)
        self.processes.append(process)
        return process

    def run(self, command, timeout=600, at=None, **options):
        """
        Runs to the end.  at: (bytes, function), called with the seconds so far once so many bytes have
        arrived; that it was called is the caller's to check.
        """
        before = sum(self.received().values())
        with Wire(self) as wire, tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
            began = time.monotonic()
            process = self.start(command, stdout=out, stderr=err, **options)
            while process.poll() is None:
                if at and sum(self.received().values()) - before >= at[0]:
                    at[1](time.monotonic() - began)
                    at = None
                if time.monotonic() - began > timeout:
                    process.send_signal(signal.SIGABRT)
                    process.wait()
                time.sleep(SAMPLE_SECONDS)
            seconds = time.monotonic() - began
            out.seek(0)
            err.seek(0)
            done = Done([str(c) for c in command], process.returncode, out.read(), err.read(), seconds, wire)
        self.processes.remove(process)
        return done
