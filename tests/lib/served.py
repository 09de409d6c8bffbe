"""The program's own registry, `regmirror serve`, as a process of a test."""
import http.client
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from client import Client

START_SECONDS = 20
STOP_SECONDS = 40


class Answer:
    """Of one request: status, headers (without regard to case), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def codes(self):
        """The codes of the errors in the body."""
        return [e['code'] for e in json.loads(self.body)['errors']]

    def __repr__(self):
        return f'{self.status} {dict(self.headers)} {self.body[:500]!r}'


class Served:
    """
    tls: a certs.Authority; mutual: clients may show a certificate of it; users: {name: password}.
    The state folder survives stop() and kill(); start() goes on with it.
    """

    def __init__(self, program, folder, env, tls=None, mutual=False, users=None, readonly=False, options=(), **serve):
        os.makedirs(folder, exist_ok=True)
        self.program, self.folder, self.env = program, folder, env
        self.tls, self.mutual, self.users, self.options = tls, mutual, users, list(options)
        self.state = os.path.join(folder, 'state')
        self.store = os.path.join(self.state, 'store')
        self.config = os.path.join(folder, 'serve.yaml')
        self.htpasswd = os.path.join(folder, 'htpasswd')
        self.process, self.host, self.lines, self.prefix = None, None, [], []
        settings = {'listen': '127.0.0.1:0', **{k.replace('_', '-'): v for k, v in serve.items()}}
        if readonly:
            settings['read-only'] = True
        if tls:
            settings['tls-cert'], settings['tls-key'] = tls.issue('served')
        if mutual:
            settings['client-ca'] = tls.ca
        if users:
            self.write_users(users)
            settings['htpasswd'] = self.htpasswd
        with open(self.config, 'w') as f:
            json.dump({'state': self.state, 'upstreams': {}, 'sync': [], 'serve': settings}, f)
        self.settings = settings

    def write_users(self, users):
        self.users = users
        made = [subprocess.run(['htpasswd', '-Bbn', '-C', '5', name, password], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip() for name, password in users.items()]
        with open(self.htpasswd, 'w') as f:
            f.write('\n'.join(made) + '\n')

    # ---- the process -------------------------------------------------------------------
    def start(self, **popen):
        self.process = subprocess.Popen(
            [*self.prefix, self.program, '--log=json', '-c', self.config, 'serve', *self.options], env=self.env, text=True,
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        first = queue.Queue()
        threading.Thread(target=lambda p: first.put(p.stdout.readline()), args=(self.process,), daemon=True).start()
        threading.Thread(target=self._read_log, args=(self.process,), daemon=True).start()
        try:
            line = first.get(timeout=START_SECONDS)
        except queue.Empty:
            line = ''
        if not line.startswith('listening on '):
            self.kill()
            raise AssertionError(f'the registry did not start: {line!r} {self.lines}')
        self.url = line.split()[-1]
        self.host = urllib.parse.urlsplit(self.url).netloc
        return self

    def _read_log(self, process):
        for line in process.stderr:
            self.lines.append(line)

    @property
    def log(self):
        """The lines of the log so far, as dicts."""
        return [json.loads(line) for line in list(self.lines)]

    def logged(self, which):
        """The first such line, which may come soon after what it is about."""
        until = time.monotonic() + 5
        while not (found := [line for line in self.log if which(line)]):
            assert time.monotonic() < until, self.lines[-3:]
            time.sleep(0.02)
        return found[0]

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """The exit code after SIGTERM."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'still running {STOP_SECONDS} s after SIGTERM')
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def pid(self):
        return self.process.pid

    # ---- talking to it -----------------------------------------------------------------
    def client(self, **more):
        if self.users and 'user' not in more:
            more['user'], more['password'] = next(iter(self.users.items()))
        return Client(self.url, ca=self.tls.ca if self.tls else None, **more)

    def connection(self, timeout=30, cert=None):
        """One connection, for several requests."""
        name, port = self.host.rsplit(':', 1)
        if not self.tls:
            return http.client.HTTPConnection(name, int(port), timeout=timeout)
        context = ssl.create_default_context(cafile=self.tls.ca)
        if cert:
            context.load_cert_chain(*cert)
        return http.client.HTTPSConnection(name, int(port), timeout=timeout, context=context)

    def ask(self, method, target, body=None, headers=None, connection=None, cert=None):
        """One request, without credentials but those in the headers; body may be an iterable: it goes out chunked."""
        own = connection or self.connection(cert=cert)
        try:
            chunked = body is not None and not isinstance(body, (bytes, str))
            own.request(method, target, body, headers or {}, encode_chunked=chunked)
            response = own.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            if not connection:
                own.close()

    def raw(self, data, timeout=10, half_close=False):
        """What comes back for these bytes until the server closes or is silent for the time-out."""
        name, port = self.host.rsplit(':', 1)
        with socket.create_connection((name, int(port)), timeout=timeout) as s:
            got = b''
            try:
                s.sendall(data)
                if half_close:
                    s.shutdown(socket.SHUT_WR)
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        return got
                    got += piece
            except (socket.timeout, ConnectionError):
                return got
