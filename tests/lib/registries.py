"""Starts and stops Debian's docker-registry on free ports of the loopback interface."""
import collections
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import accesslog
from client import Client

START_SECONDS = 20
STOP_SECONDS = 10


def free_port(address='127.0.0.1'):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


class DockerRegistry:
    """
    tls: a certs.Authority; mutual: clients must show a certificate of it.
    users: {name: password} for htpasswd; token: a TokenServer.
    One folder holds configuration, log and storage; stop() leaves it, start() goes on with it.
    prefix: of the command, to run it in a network namespace; spawn: instead of Popen.
    """

    def __init__(self, folder, tls=None, mutual=False, users=None, token=None, readonly=False, delete=False, port=None,
                 prefix=(), spawn=subprocess.Popen):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.tls, self.mutual, self.users, self.token = folder, tls, mutual, users, token
        self.readonly, self.delete, self.prefix, self.spawn = readonly, delete, list(prefix), spawn
        self.port = port or free_port()
        self.data = os.path.join(folder, 'data')
        self.log_path = os.path.join(folder, 'access.log')
        self.process = None
        self.seen = 0

    @property
    def host(self):
        return f'127.0.0.1:{self.port}'

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def client(self, **more):
        """A test client; with the first user's credentials unless told otherwise."""
        users = self.users or (self.token.users if self.token else None)
        if users and 'user' not in more:
            more['user'], more['password'] = next(iter(users.items()))
        if self.mutual and 'cert' not in more:
            more['cert'] = self.tls.issue('client')
        return Client(self.url, ca=self.tls.ca if self.tls else None, **more)

    def _settings(self):
        maintenance = {'uploadpurging': {'enabled': False}, 'readonly': {'enabled': self.readonly}}
        settings = {
            'version': '0.1',
            'log': {'level': 'error', 'accesslog': {'disabled': False}},
            'storage': {'cache': {'blobdescriptor': 'inmemory'}, 'filesystem': {'rootdirectory': self.data},
                        'delete': {'enabled': self.delete}, 'maintenance': maintenance},
            'http': {'addr': self.host, 'secret': 'test'},
            # The default takes only layers' urls of known hosts: none would mean no foreign layers at all.
            'validation': {'manifests': {'urls': {'allow': ['.*']}}},
        }
        if self.tls:
            certificate, key = self.tls.issue('registry')
            settings['http']['tls'] = {'certificate': certificate, 'key': key}
            if self.mutual:
                settings['http']['tls']['clientcas'] = [self.tls.ca]
        if self.users:
            path = os.path.join(self.folder, 'htpasswd')
            lines = [subprocess.run(['htpasswd', '-Bbn', name, password], check=True, text=True,
                                    stdout=subprocess.PIPE).stdout.strip() for name, password in self.users.items()]
            with open(path, 'w') as f:
                f.write('\n'.join(lines) + '\n')
            settings['auth'] = {'htpasswd': {'realm': 'test', 'path': path}}
        if self.token:
            settings['auth'] = self.token.registry_settings()
        return settings

    def start(self):
        os.makedirs(self.data, exist_ok=True)
        path = os.path.join(self.folder, 'config.json')
        with open(path, 'w') as f:
            json.dump(self._settings(), f, indent=1)
        errors = os.path.join(self.folder, 'errors.log')
        with open(self.log_path, 'a') as out, open(errors, 'a') as err:
            self.process = self.spawn([*self.prefix, 'docker-registry', 'serve', path], stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=err, cwd=self.folder)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if self._answers():
                return self
            time.sleep(0.02)
        self.stop()
        with open(errors) as f:
            raise RuntimeError('docker-registry did not start: ' + f.read()[-800:])

    def _answers(self):
        if self.prefix:
            ask = f'import socket; socket.create_connection(("127.0.0.1", {self.port}), 1)'
            return subprocess.run([*self.prefix, sys.executable, '-c', ask], capture_output=True).returncode == 0
        try:
            socket.create_connection(('127.0.0.1', self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def wipe(self):
        """Loses all content, behind everybody's back."""
        running = self.process is not None
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        if running:
            self.start()

    def restart(self, **changes):
        """Stops, changes settings such as readonly, and starts again on the same storage and port."""
        self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        return self.start()

    # ---- what was asked of it ------------------------------------------------------------
    def mark(self):
        """From here on requests() counts."""
        self.seen = os.path.getsize(self.log_path)

    def requests(self):
        """Counter of the requests since mark(), by kind."""
        if not os.path.exists(self.log_path):
            return collections.Counter()
        with open(self.log_path) as f:
            f.seek(self.seen)
            return accesslog.count(f)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
