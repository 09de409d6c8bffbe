"""
What a faulty registry can be told to do: the actions for Faulty.rule().

An action sees a request before it is served, and may answer it itself; and it sees the answer,
and may change it.  Each function below makes one action and says what it does to the client.
"""
import email.utils
import gzip
import time
import urllib.parse

from faulty import Cut, Response


class Action:
    """before(server, request) -> Response to send instead, or None; after(server, request, response) -> None, or another."""

    def __init__(self, before=None, after=None):
        self._before, self._after = before, after

    def before(self, server, request):
        return self._before(server, request) if self._before else None

    def after(self, server, request, response):
        return self._after(server, request, response) if self._after else None


def _change(function):
    """An action that changes a successful answer in place."""
    def after(server, request, response):
        if response.status < 300:
            function(response)
    return Action(after=after)


# ---- wrong content -----------------------------------------------------------------------------
def flip_byte(at=0):
    """The body has the right length and one wrong byte; at counts from the end when negative."""
    def change(r):
        if r.body:
            body = bytearray(r.body)
            body[at if -len(body) <= at < len(body) else 0] ^= 1
            r.body = bytes(body)
    return _change(change)


def replace_body(data, content_type=None):
    """Another body, consistent in itself; the other headers stay."""
    def change(r):
        r.body = data
        if content_type:
            r.headers['Content-Type'] = content_type
    return _change(change)


def resize(by):
    """A body that is longer or shorter by so many bytes, with a Content-Length that fits it."""
    def change(r):
        r.body = r.body + b'\0' * by if by >= 0 else r.body[:by]
    return _change(change)


def html(status=200):
    """A web page, as captive portals and broken proxies send."""
    return answer(status, b'<!DOCTYPE html><html><body>Sign in to go on</body></html>\n', {'Content-Type': 'text/html'})


def gzipped():
    """The body with Content-Encoding: gzip, whatever the client accepts."""
    def change(r):
        r.body = gzip.compress(r.body, mtime=0)
        r.headers['Content-Encoding'] = 'gzip'
    return _change(change)


# ---- broken transfers ----------------------------------------------------------------------------
def short_body(at):
    """The right Content-Length, but an orderly close after so many bytes."""
    return _change(lambda r: setattr(r, 'cut_at', at))


def reset(at=0):
    """A connection reset after so many bytes of the body."""
    return _change(lambda r: setattr(r, 'reset_at', at))


def reset_at_once():
    """A connection reset instead of any answer."""
    return cut_upload(0, even_without_body=True)


def stall(at=0, seconds=None):
    """Silence after so many bytes, the connection kept open; for some seconds, or until the server stops."""
    def change(r):
        r.stall_at, r.stall_seconds = at, seconds
    return _change(change)


def delay(seconds):
    """The answer comes late."""
    def before(server, request):
        server.stopping.wait(seconds)
    return Action(before)


def slow(rate):
    """The body comes at so many bytes a second."""
    return _change(lambda r: setattr(r, 'rate', rate))


def cut_upload(at=0, even_without_body=False):
    """A reset after so many bytes of the request's body; what came before is kept, as registries do."""
    def before(server, request):
        if even_without_body or (at == 0 and request.has_body):
            raise Cut()
        request.body_limit = at
    return Action(before)


def slow_upload(rate):
    """The request's body is read at so many bytes a second."""
    return Action(lambda server, request: setattr(request, 'body_rate', rate))


# ---- ranges --------------------------------------------------------------------------------------
def ignore_range():
    """A 200 with everything, to a request for a part."""
    def before(server, request):
        del request.headers['Range']
    return Action(before)


def content_range(text):
    """Another Content-Range, such as "bytes 0-99/100"; the body stays."""
    def after(server, request, response):
        if response.status == 206:
            response.headers['Content-Range'] = text
    return Action(after=after)


# ---- headers -------------------------------------------------------------------------------------
def header(name, value):
    """Sets a header of the answer (Content-Length too); None takes it away."""
    def after(server, request, response):
        response.headers.pop(name, None)
        if value is not None:
            response.headers[name] = value
    return Action(after=after)


def no_digest():
    """No Docker-Content-Digest."""
    return header('Docker-Content-Digest', None)


def upload_location(base):
    """The upload goes on at another host: base is scheme://host:port; path and query stay."""
    def after(server, request, response):
        if response.status == 202 and 'Location' in response.headers:
            parts = urllib.parse.urlsplit(response.headers['Location'])
            response.headers['Location'] = base + parts.path + ('?' + parts.query if parts.query else '')
    return Action(after=after)


# ---- other answers -------------------------------------------------------------------------------
def answer(status, body=b'', headers=None):
    """This answer, whatever was asked; the request is not served."""
    return Action(lambda server, request: Response(status, body, headers))


def fail(status, code='UNKNOWN', message='told to fail', headers=None):
    """An error in the registry's words."""
    return Action(lambda server, request: Response.error(status, code, message, headers))


def busy(status=429, seconds=1, date=False):
    """Too many requests (or 503), with Retry-After in seconds, as a date, or (None) without."""
    def before(server, request):
        headers = {}
        if seconds is not None:
            when = email.utils.formatdate(time.time() + seconds, usegmt=True) if date else str(seconds)
            headers['Retry-After'] = when
        return Response.error(status, 'TOOMANYREQUESTS', 'slow down', headers)
    return Action(before)


def redirect(to, status=307):
    """To another URL; {target} in it stands for the path and query that was asked for."""
    return Action(lambda server, request: Response(status, b'', {'Location': to.replace('{target}', request.target)}))


def unauthorized(challenge=None):
    """A 401 whatever the credentials; with the server's own challenge unless another is given."""
    def before(server, request):
        return Response.error(401, 'UNAUTHORIZED', 'authentication required',
                              {'WWW-Authenticate': challenge or server.challenge(request)})
    return Action(before)


def expire_tokens():
    """All tokens handed out so far stop being good, just before this request."""
    return Action(lambda server, request: server.tokens.clear())


# ---- targets -------------------------------------------------------------------------------------
def forget_blobs():
    """The repository loses all its blobs just before this request (then: MANIFEST_BLOB_UNKNOWN)."""
    def before(server, request):
        with server.storage.lock:
            server.storage.blobs[request.repository].clear()
    return Action(before)


def refuse_tag(status=400, code='TAG_INVALID', message='tag is immutable'):
    """Tags cannot be overwritten; manifests by digest and new tags pass."""
    def before(server, request):
        if request.kind_of == 'manifest' and request.method == 'PUT' and \
                request.reference in server.storage.tags[request.repository]:
            return Response.error(status, code, message)
        return None
    return Action(before)


def refuse_monolithic(status=405):
    """No PUT with the blob in it: only PATCH takes content."""
    def before(server, request):
        if request.kind_of == 'upload' and request.method == 'PUT' and request.has_body:
            return Response.error(status, 'UNSUPPORTED', 'use PATCH')
        return None
    return Action(before)


def meanwhile(function):
    """Calls function(server, request) before the request is served: for what no action here does."""
    def before(server, request):
        function(server, request)
    return Action(before)
