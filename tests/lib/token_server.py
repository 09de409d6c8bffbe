"""
A token server for docker-registry's token authentication: signs JSON web tokens (RS256) with a
throw-away key whose certificate the registry trusts.
"""
import base64
import collections
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from certs import Authority

ISSUER = 'test issuer'
SERVICE = 'test registry'
REGISTRY_LEEWAY = 60  # seconds; docker-registry 2.8 takes a token for so long after its exp


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


class TokenServer:
    """
    users: {name: password}.  anonymous: actions that a client without credentials may have.
    lifetime: seconds for which the registry takes a token; told: expires_in as the client is told.
    requests: one (account or None, [scopes]) for each token handed out.
    """

    def __init__(self, folder, users=None, anonymous=('pull',), lifetime=300, told=None, tls=True, authority=None):
        self.users, self.anonymous = users or {}, set(anonymous)
        self.lifetime, self.told = lifetime, told
        self.authority = authority or Authority(os.path.join(folder, 'ca'))
        self.bundle, self.key = self.authority.issue('token-signer', rsa=True)
        with open(self.bundle) as f:
            self.certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(f.read())).decode()
        self.requests = []
        self.refused = 0
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = 60

            def do_GET(self):
                owner.answer(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.authority.issue('token-server'))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        port = self.server.server_address[1]
        self.realm = f"{'https' if tls else 'http'}://127.0.0.1:{port}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def registry_settings(self):
        """The auth section of docker-registry's configuration."""
        return {'token': {'realm': self.realm, 'service': SERVICE, 'issuer': ISSUER, 'rootcertbundle': self.bundle}}

    def counts(self):
        """Counter of tokens handed out by (account, scopes)."""
        return collections.Counter((account, tuple(scopes)) for account, scopes in self.requests)

    def sign(self, account, access):
        now = int(time.time())
        claims = {'iss': ISSUER, 'sub': account or '', 'aud': SERVICE, 'nbf': now - 2 * REGISTRY_LEEWAY,
                  'exp': now + self.lifetime - REGISTRY_LEEWAY, 'iat': now, 'jti': os.urandom(8).hex(), 'access': access}
        head = {'typ': 'JWT', 'alg': 'RS256', 'x5c': [self.certificate]}
        signed = _b64(json.dumps(head).encode()) + '.' + _b64(json.dumps(claims).encode())
        signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', self.key], input=signed.encode(),
                                   check=True, stdout=subprocess.PIPE).stdout
        return signed + '.' + _b64(signature)

    def _account(self, authorization):
        """(known, account): no credentials are known as None."""
        if not authorization:
            return True, None
        try:
            name, _, password = base64.b64decode(authorization.split()[1]).decode().partition(':')
        except (IndexError, ValueError):
            return False, None
        return self.users.get(name) == password, name

    def answer(self, handler):
        parts = urllib.parse.urlsplit(handler.path)
        query = urllib.parse.parse_qs(parts.query)
        known, account = self._account(handler.headers.get('Authorization'))
        if parts.path != '/token' or not known:
            self.refused += 1
            return self._send(handler, 401 if not known else 404, {'errors': [{'code': 'UNAUTHORIZED', 'message': 'no'}]})
        scopes = [s for many in query.get('scope', []) for s in many.split()]
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(':')[0], ':'.join(scope.split(':')[1:-1]), scope.split(':')[-1].split(',')
            granted = [a for a in actions if account or a in self.anonymous]
            if granted:
                access.append({'type': kind, 'name': name, 'actions': granted})
        self.requests.append((account, scopes))
        return self._send(handler, 200, {'token': self.sign(account, access), 'issued_at': time.strftime(
            '%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'expires_in': self.told if self.told is not None else self.lifetime})

    @staticmethod
    def _send(handler, status, value):
        data = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header('Content-Type', 'application/json')
        handler.send_header('Content-Length', str(len(data)))
        handler.end_headers()
        try:
            handler.wfile.write(data)
        except (OSError, socket.timeout):
            handler.close_connection = True
