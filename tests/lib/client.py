"""A small registry client for tests: pushes, reads back, and answers basic and bearer challenges."""
import base64
import http.client
import json
import re
import ssl
import urllib.parse

ACCEPT = ', '.join([
    'application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json', '*/*'])


class Refused(Exception):
    """The registry answered with a status that was not asked for."""

    def __init__(self, what, status, body):
        super().__init__(f'{what}: {status} {body[:300]!r}')
        self.status, self.body = status, body


class Client:
    def __init__(self, url, ca=None, user=None, password=None, cert=None):
        """url: http://host:port; ca: PEM file for https; cert: (certificate, key) for mutual TLS."""
        self.url = url.rstrip('/')
        self.user, self.password = user, password
        self.context = ssl.create_default_context(cafile=ca) if url.startswith('https:') else None
        if cert:
            self.context.load_cert_chain(*cert)
        self.headers = {}  # Authorization, once a challenge was answered

    # ---- one request -------------------------------------------------------------------
    def _once(self, method, url, body, headers):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == 'https' else http.client.HTTPConnection
        more = {'context': self.context} if parts.scheme == 'https' else {}
        connection = kind(parts.hostname, parts.port, timeout=60, **more)
        try:
            connection.request(method, parts.path + (f'?{parts.query}' if parts.query else ''), body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def _basic(self):
        return 'Basic ' + base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()

    def _answer(self, challenge, scopes):
        if challenge.lower().startswith('basic'):
            self.headers = {'Authorization': self._basic()}
            return
        given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        query = [('service', given.get('service', ''))] + [('scope', s) for s in (scopes or [given.get('scope', '')]) if s]
        status, _, body = self._once('GET', f"{given['realm']}?{urllib.parse.urlencode(query)}", None,
                                     {'Authorization': self._basic()} if self.user else {})
        if status != 200:
            raise Refused('token', status, body)
        answer = json.loads(body)
        self.headers = {'Authorization': 'Bearer ' + (answer.get('access_token') or answer['token'])}

    def request(self, method, target, body=None, headers=None, scopes=None):
        """(status, headers, body) of a path or whole URL; a first 401 is answered."""
        url = target if '://' in target else self.url + target
        status, answer, data = self._once(method, url, body, {**(headers or {}), **self.headers})
        if status == 401 and answer.get('WWW-Authenticate'):
            self._answer(answer['WWW-Authenticate'], scopes)
            status, answer, data = self._once(method, url, body, {**(headers or {}), **self.headers})
        return status, answer, data

    def expect(self, statuses, method, target, body=None, headers=None):
        status, answer, data = self.request(method, target, body, headers)
        if status not in statuses:
            raise Refused(f'{method} {target}', status, data)
        return status, answer, data

    # ---- reading -------------------------------------------------------------------------
    def get_manifest(self, repository, reference):
        """(digest header, media type, bytes)"""
        _, headers, data = self.expect([200], 'GET', f'/v2/{repository}/manifests/{reference}', headers={'Accept': ACCEPT})
        return headers.get('Docker-Content-Digest'), headers.get('Content-Type'), data

    def get_blob(self, repository, digest):
        return self.expect([200], 'GET', f'/v2/{repository}/blobs/{digest}')[2]

    def has_blob(self, repository, digest):
        return self.expect([200, 404], 'HEAD', f'/v2/{repository}/blobs/{digest}')[0] == 200

    def tags(self, repository):
        """All tags; [] when there is no such repository."""
        target, found = f'/v2/{repository}/tags/list', []
        while target:
            status, headers, data = self.expect([200, 404], 'GET', target)
            if status == 404:
                break
            found += json.loads(data).get('tags') or []
            link = re.match(r'<([^>]*)>', headers.get('Link') or '')
            target = urllib.parse.urljoin(self.url, link[1]) if link else None
        return found

    # ---- writing -------------------------------------------------------------------------
    def put_blob(self, repository, digest, data):
        if self.has_blob(repository, digest):
            return
        _, headers, _ = self.expect([202], 'POST', f'/v2/{repository}/blobs/uploads/', b'')
        where = urllib.parse.urljoin(self.url, headers['Location'])
        where += ('&' if '?' in where else '?') + 'digest=' + urllib.parse.quote(digest)
        self.expect([201], 'PUT', where, data, {'Content-Type': 'application/octet-stream'})

    def put_manifest(self, repository, reference, media_type, data):
        self.expect([201], 'PUT', f'/v2/{repository}/manifests/{reference}', data, {'Content-Type': media_type})

    def delete_manifest(self, repository, reference):
        self.expect([202], 'DELETE', f'/v2/{repository}/manifests/{reference}')


def differences(corpus, client, prefix='', repositories=None):
    """What of a corpus a registry does not hold byte for byte, as sentences; [] when all is there."""
    wrong = []
    for repository, tags in corpus.tags.items():
        if repositories is not None and repository not in repositories:
            continue
        name = prefix + repository
        for tag, digest in tags.items():
            manifests, blobs = corpus.reach(digest)
            for reference in [tag, *manifests]:
                expected = corpus.manifests[digest if reference == tag else reference][1]
                status, _, data = client.request('GET', f'/v2/{name}/manifests/{reference}', headers={'Accept': ACCEPT})
                if status != 200 or data != expected:
                    wrong.append(f'{name}: manifest {reference}: {status}, {len(data)} bytes')
            for b in blobs:
                status, _, data = client.request('GET', f'/v2/{name}/blobs/{b}')
                if status != 200 or data != corpus.blobs[b]:
                    wrong.append(f'{name}: blob {b}: {status}, {len(data)} bytes')
    return wrong
