"""
A registry in memory that can be told to misbehave.

Without rules it is a well-behaved registry: pull, push in one PUT or in chunks, mounts, tags with
pages, deletes, anonymous, basic or bearer authentication, HTTP or HTTPS.  Rules attach the actions
of faults.py to requests:

    with Faulty(corpus=images.ordinary()) as source:
        source.rule(faults.flip_byte(100), 'GET', r'/blobs/', nth=2)
        ...
        assert source.counts()['GET blob'] == 12

Every request is recorded, with the Authorization that came with it and the Host it was sent to.
Run by hand it serves the ordinary images:  python3 tests/lib/faulty.py [PORT]
"""
import base64
import collections
import http.server
import json
import re
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

import accesslog
from client import Client
from storage import Problem, Storage

CHUNK = 64 * 1024         # bytes read or written at once
IDLE_SECONDS = 120        # a connection that is silent for so long is closed
ROUTES = [
    ('manifest', re.compile(r'/v2/(?P<repository>.+)/manifests/(?P<reference>[^/]+)$')),
    ('uploads', re.compile(r'/v2/(?P<repository>.+)/blobs/uploads/?$')),
    ('upload', re.compile(r'/v2/(?P<repository>.+)/blobs/uploads/(?P<reference>[^/]+)$')),
    ('blob', re.compile(r'/v2/(?P<repository>.+)/blobs/(?P<reference>[^/]+)$')),
    ('tags', re.compile(r'/v2/(?P<repository>.+)/tags/list$')),
    ('token', re.compile(r'/token$')),
    ('ping', re.compile(r'/v2/?$')),
]


class Cut(Exception):
    """The connection is to be reset at once."""


class Request:
    """
    One request as it came.  The body is read only by whoever asks for it, so a fault can answer or
    reset before; Expect: 100-continue is answered at that moment.
    """

    def __init__(self, handler):
        self.handler = handler
        self.method, self.target = handler.command, handler.path
        parts = urllib.parse.urlsplit(self.target)
        self.path = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = handler.headers
        self.host = self.headers.get('Host')
        self.authorization = self.headers.get('Authorization')
        self.connection = handler.client_address
        self.time = time.monotonic()
        self.status = None          # what was answered, once it was
        self.received = 0           # bytes of the body that were read
        self.body_limit = None      # reset the connection after so many bytes of the body
        self.body_rate = None       # bytes/s at which the body is read; None: as fast as it comes
        self.kind_of, self.repository, self.reference = 'other', None, None
        for name, pattern in ROUTES:
            m = pattern.match(self.path)
            if m:
                found = m.groupdict()
                self.kind_of, self.repository, self.reference = name, found.get('repository'), found.get('reference')
                break

    @property
    def kind(self):
        return accesslog.kind(self.method, self.target, self.status or 0)

    @property
    def chunked(self):
        return 'chunked' in self.headers.get('Transfer-Encoding', '').lower()

    @property
    def length(self):
        """Bytes of the body as announced; None when it is chunked."""
        return None if self.chunked else int(self.headers.get('Content-Length') or 0)

    @property
    def has_body(self):
        return self.chunked or self.length > 0

    def body(self):
        """Yields the body in pieces, as it comes."""
        if 'continue' in self.headers.get('Expect', '').lower() and self.has_body:
            self.handler.wfile.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        self.handler.body_was_read = True
        read = self.handler.rfile
        if not self.chunked:
            yield from self._pieces(self.length)
            return
        while True:
            size = int(read.readline().split(b';')[0] or b'0', 16)
            yield from self._pieces(size)
            read.readline()
            if size == 0:
                return

    def _pieces(self, size):
        while size:
            want = min(size, CHUNK)
            if self.body_limit is not None:
                want = min(want, self.body_limit - self.received)
                if want == 0:
                    raise Cut()
            data = self.handler.rfile.read1(want)
            if not data:
                raise Cut()
            self.received += len(data)
            size -= len(data)
            if self.body_rate:
                time.sleep(len(data) / self.body_rate)
            yield data


class Response:
    """What is to be sent; faults change it before it goes."""

    def __init__(self, status, body=b'', headers=None):
        self.status, self.body = status, body
        self.headers = dict(headers or {})
        self.cut_at = None        # close in an orderly way after so many bytes of the body
        self.reset_at = None      # reset the connection after so many bytes of the body
        self.stall_at = None      # send no more after so many bytes, and keep the connection
        self.stall_seconds = None  # None: until the server stops
        self.rate = None          # bytes/s
        self.close = False        # close after the answer

    @staticmethod
    def error(status, code, message, headers=None):
        text = json.dumps({'errors': [{'code': code, 'message': message}]}).encode()
        return Response(status, text, {'Content-Type': 'application/json', **(headers or {})})


class Rule:
    def __init__(self, action, method, path, nth, times, when):
        self.action = action
        self.method, self.path = re.compile(f'(?:{method})$'), re.compile(path)
        self.first = nth or 1
        self.last = self.first + times - 1 if times else (self.first if nth else None)
        self.when = when
        self.matched = 0          # requests that fitted method, path and condition
        self.fired = 0            # those at which the action ran

    def fires(self, request):
        if not self.method.match(request.method) or not self.path.search(request.target):
            return False
        if self.when and not self.when(request):
            return False
        self.matched += 1
        if self.matched < self.first or (self.last is not None and self.matched > self.last):
            return False
        self.fired += 1
        return True


class Faulty:
    """
    corpus: an images.Corpus to hold from the start.  storage: share another server's content.
    tls: a certs.Authority.  users: {name: password}.  auth: None, 'basic' or 'bearer'; with
    users, reading needs credentials too unless anonymous_pull.  token_seconds: life of a token.
    realm: another token URL than our own.  page_size: most tags in one answer.
    relative: Locations and Links without scheme and host.
    """

    def __init__(self, corpus=None, storage=None, tls=None, auth=None, users=None, anonymous_pull=False, realm=None,
                 token_seconds=300, page_size=None, relative=False, sparse=False, port=0):
        self.storage = storage or Storage(sparse)
        if corpus:
            corpus.load_into(self.storage)
        self.tls, self.auth, self.users, self.anonymous_pull = tls, auth, users or {}, anonymous_pull
        self.token_seconds, self.page_size, self.relative = token_seconds, page_size, relative
        self.lock = threading.Lock()
        self.rules, self.requests = [], []
        self.tokens = {}                                        # token -> (account, scopes, good until)
        self.authorization_seen = collections.defaultdict(set)  # Host header -> Authorization values
        self.open_requests = self.most_open = 0                 # requests being answered, now and at most
        self.open_connections = self.most_connections = 0       # the same of connections
        self.stopping = threading.Event()
        self.server = _Server(('127.0.0.1', port), self)
        self.port = self.server.server_address[1]
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls.issue(f'faulty-{self.port}'))
            self.server.context = context
        self.realm = realm or self.url + '/token'
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)
        self.thread.start()

    @property
    def host(self):
        return f'127.0.0.1:{self.port}'

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def client(self, **more):
        if self.users and 'user' not in more:
            more['user'], more['password'] = next(iter(self.users.items()))
        return Client(self.url, ca=self.tls.ca if self.tls else None, **more)

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.server.drop_connections()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    # ---- the script --------------------------------------------------------------------------
    def rule(self, action, method='.*', path='', nth=None, times=None, when=None):
        """
        Runs an action of faults.py at requests whose method and target fit these regular expressions
        (and for which when(request) is true): at each of them, or only at the nth (from 1), or at
        `times` of them from the nth on.  Later rules see what earlier ones made.
        """
        added = Rule(action, method, path, nth, times, when)
        with self.lock:
            self.rules.append(added)
        return added

    def clear_rules(self):
        with self.lock:
            self.rules = []

    # ---- what was asked of it ------------------------------------------------------------------
    def mark(self):
        """From here on requests, counts(), authorization_seen and the most at once count."""
        with self.lock:
            self.most_open, self.most_connections = self.open_requests, self.open_connections
            self.requests = []
            self.authorization_seen.clear()

    def counts(self):
        with self.lock:
            return collections.Counter(r.kind for r in self.requests)

    def asked(self, method='.*', path=''):
        """The recorded requests that fit, in order."""
        with self.lock:
            return [r for r in self.requests if re.fullmatch(method, r.method) and re.search(path, r.target)]

    def connected(self, change):
        with self.lock:
            self.open_connections += change
            self.most_connections = max(self.most_connections, self.open_connections)

    # ---- answering -------------------------------------------------------------------------------
    def handle(self, handler):
        request = Request(handler)
        with self.lock:
            self.requests.append(request)
            if request.authorization:
                self.authorization_seen[request.host].add(request.authorization)
            self.open_requests += 1
            self.most_open = max(self.most_open, self.open_requests)
            actions = [r.action for r in self.rules if r.fires(request)]
        try:
            response = None
            for a in actions:
                response = response or a.before(self, request)
            response = response or self.respond(request)
            for a in actions:
                response = a.after(self, request, response) or response
            request.status = response.status
            handler.send(request, response)
        finally:
            with self.lock:
                self.open_requests -= 1

    def respond(self, request):
        """The answer of a registry without faults."""
        try:
            if request.kind_of == 'token':
                return self._token(request)
            refused = self._authorize(request)
            if refused:
                return refused
            if request.kind_of == 'ping':
                return Response(200, b'{}', {'Content-Type': 'application/json'})
            name = f'_{request.method.lower()}_{request.kind_of}'
            serve = getattr(self, name.replace('_head_', '_get_'), None)
            if not serve:
                unknown = request.kind_of == 'other'
                return Response.error(404 if unknown else 405, 'UNSUPPORTED', 'the operation is unsupported')
            return serve(request)
        except Problem as p:
            return Response.error(p.status, p.code, p.message)

    def _where(self, path):
        return path if self.relative else self.url + path

    def _get_manifest(self, request):
        digest, media_type, data = self.storage.find_manifest(request.repository, request.reference)
        return Response(200, data, {'Content-Type': media_type, 'Docker-Content-Digest': digest})

    def _put_manifest(self, request):
        data = b''.join(request.body())
        digest = self.storage.put_manifest(request.repository, request.reference, request.headers.get('Content-Type'), data)
        return Response(201, b'', {'Location': self._where(f'/v2/{request.repository}/manifests/{digest}'),
                                   'Docker-Content-Digest': digest})

    def _delete_manifest(self, request):
        self.storage.delete_manifest(request.repository, request.reference)
        return Response(202)

    def _get_blob(self, request):
        data = self.storage.find_blob(request.repository, request.reference)
        headers = {'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': request.reference,
                   'Accept-Ranges': 'bytes'}
        asked = re.fullmatch(r'bytes=(\d+)-(\d*)', request.headers.get('Range', ''))
        if not asked or request.method == 'HEAD':
            return Response(200, data, headers)
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        if first >= len(data) or last < first:
            return Response(416, b'', {**headers, 'Content-Range': f'bytes */{len(data)}'})
        return Response(206, data[first:last + 1], {**headers, 'Content-Range': f'bytes {first}-{last}/{len(data)}'})

    def _get_tags(self, request):
        with self.storage.lock:
            tags = sorted(self.storage.tags.get(request.repository, {}))
        if not tags and not self.storage.manifests.get(request.repository):
            raise Problem(404, 'NAME_UNKNOWN', 'repository name not known to registry')
        rest = [t for t in tags if t > request.query.get('last', '')]
        most = min(int(request.query.get('n') or sys.maxsize), self.page_size or sys.maxsize)
        page, headers = rest[:most], {'Content-Type': 'application/json'}
        if page and len(rest) > len(page):
            query = urllib.parse.urlencode({'last': page[-1], 'n': len(page)})
            headers['Link'] = f'<{self._where(f"/v2/{request.repository}/tags/list?{query}")}>; rel="next"'
        return Response(200, json.dumps({'name': request.repository, 'tags': page}).encode(), headers)

    def _session(self, request, identifier, status):
        # Each answer names the upload by another URL, as docker-registry does: only the newest is right.
        state = secrets.token_urlsafe(6) + '%3D'
        size = len(self.storage.upload(request.repository, identifier))
        path = f'/v2/{request.repository}/blobs/uploads/{identifier}?_state={state}'
        return Response(status, b'', {'Location': self._where(path), 'Docker-Upload-UUID': identifier,
                                      'Range': f'0-{max(size - 1, 0)}'})

    def _post_uploads(self, request):
        for _ in request.body():
            pass
        digest = request.query.get('mount')
        if digest and self.storage.mount(request.repository, digest, request.query.get('from', '')):
            return Response(201, b'', {'Location': self._where(f'/v2/{request.repository}/blobs/{digest}'),
                                       'Docker-Content-Digest': digest})
        return self._session(request, self.storage.new_upload(request.repository), 202)

    def _receive(self, request):
        data = self.storage.upload(request.repository, request.reference)
        claimed = re.fullmatch(r'(\d+)-(\d+)', request.headers.get('Content-Range', ''))
        if claimed and int(claimed[1]) != len(data):
            raise Problem(416, 'RANGE_INVALID', f'the next byte is {len(data)}')
        for piece in request.body():
            data += piece

    def _patch_upload(self, request):
        self._receive(request)
        return self._session(request, request.reference, 202)

    def _put_upload(self, request):
        self._receive(request)
        digest = request.query.get('digest', '')
        self.storage.close_upload(request.repository, request.reference, digest)
        return Response(201, b'', {'Location': self._where(f'/v2/{request.repository}/blobs/{digest}'),
                                   'Docker-Content-Digest': digest})

    def _get_upload(self, request):
        return self._session(request, request.reference, 204)

    def _delete_upload(self, request):
        self.storage.upload(request.repository, request.reference)
        self.storage.uploads.pop(request.reference, None)
        return Response(204)

    # ---- who may -----------------------------------------------------------------------------------
    def challenge(self, request, more=''):
        """The WWW-Authenticate line for what this request needs."""
        if self.auth == 'basic':
            return 'Basic realm="test"'
        actions = 'pull' if request.method in ('GET', 'HEAD') and request.kind_of != 'upload' else 'pull,push'
        scope = f',scope="repository:{request.repository}:{actions}"' if request.repository else ''
        return f'Bearer realm="{self.realm}",service="faulty"{scope}{more}'

    def _account(self, authorization):
        try:
            name, _, password = base64.b64decode(authorization.split()[1]).decode().partition(':')
        except (IndexError, ValueError):
            return None
        return name if self.users.get(name) == password else None

    def _authorize(self, request):
        if not self.auth:
            return None
        given = request.authorization or ''
        reading = request.method in ('GET', 'HEAD') and request.kind_of not in ('ping', 'upload')
        if self.auth == 'basic':
            if given.startswith('Basic ') and self._account(given) or (reading and self.anonymous_pull):
                return None
        elif given.startswith('Bearer '):
            _, scopes, until = self.tokens.get(given[7:], (None, [], 0))
            if time.monotonic() < until and self._covers(scopes, request, 'pull' if reading else 'push'):
                return None
        return Response.error(401, 'UNAUTHORIZED', 'authentication required',
                              {'WWW-Authenticate': self.challenge(request)})

    @staticmethod
    def _covers(scopes, request, action):
        if not request.repository:
            return True
        return any(s.startswith(f'repository:{request.repository}:') and action in s.rsplit(':', 1)[1].split(',')
                   for s in scopes)

    def _token(self, request):
        account = self._account(request.authorization) if request.authorization else None
        if request.authorization and not account or not account and not self.anonymous_pull and self.users:
            return Response.error(401, 'UNAUTHORIZED', 'wrong credentials')
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.target).query)
        scopes = [s for many in query.get('scope', []) for s in many.split()]
        if not account and self.users:
            scopes = [s.rsplit(':', 1)[0] + ':pull' for s in scopes]
        token = secrets.token_urlsafe(16)
        self.tokens[token] = (account, scopes, time.monotonic() + self.token_seconds)
        answer = {'token': token, 'expires_in': max(1, int(self.token_seconds))}
        return Response(200, json.dumps(answer).encode(), {'Content-Type': 'application/json'})


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    block_on_close = False
    context = None

    def __init__(self, address, owner):
        self.owner = owner
        self.connections = set()
        super().__init__(address, _Handler)

    def process_request_thread(self, request, client_address):
        try:
            if self.context:                                # the handshake, in the connection's own thread
                request.settimeout(IDLE_SECONDS)
                request = self.context.wrap_socket(request, server_side=True)
        except OSError:
            self.shutdown_request(request)
            return
        self.owner.connected(1)
        self.connections.add(request)
        super().process_request_thread(request, client_address)
        self.connections.discard(request)
        self.owner.connected(-1)

    def drop_connections(self):
        for c in list(self.connections):
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):      # a client that went away is ordinary here
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    body_was_read = False

    def serve(self):
        self.body_was_read = False
        try:
            self.server.owner.handle(self)
        except Cut:
            self.reset()
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def handle_expect_100(self):
        return True                                         # Request.body says it, when it reads

    def log_message(self, *args):
        pass

    def reset(self):
        """Ends the connection with RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        socket.socket(fileno=self.connection.detach()).close()

    def send(self, request, response):
        body = b'' if response.status in (204, 304) else response.body
        self.send_response_only(response.status)
        headers = {**response.headers, 'Docker-Distribution-API-Version': 'registry/2.0'}
        if response.status != 204 and 'Content-Length' not in headers:
            headers['Content-Length'] = str(len(body))
        if response.close or (request.has_body and not self.body_was_read):
            headers['Connection'] = 'close'                 # the unread body would look like the next request
            self.close_connection = True
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if request.method == 'HEAD':
            return
        self.send_body(response, body)

    def send_body(self, response, body):
        end = min([len(body), *(x for x in (response.cut_at, response.reset_at, response.stall_at) if x is not None)])
        step = CHUNK if not response.rate else max(1, min(CHUNK, response.rate // 20))
        for i in range(0, end, step):
            piece = body[i:min(i + step, end)]
            self.wfile.write(piece)
            if response.rate and self.server.owner.stopping.wait(len(piece) / response.rate):
                break
        if response.stall_at is not None and end == response.stall_at:
            self.server.owner.stopping.wait(response.stall_seconds)
            if response.stall_seconds is not None:
                self.wfile.write(body[end:])
        elif response.reset_at is not None and end == response.reset_at:
            raise Cut()
        elif response.cut_at is not None and end == response.cut_at:
            self.close_connection = True


def main():
    import images
    with Faulty(corpus=images.ordinary(), port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == '__main__':
    main()
