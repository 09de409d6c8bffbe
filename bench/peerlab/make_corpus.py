#!/usr/bin/env python3
"""
Makes corpora of container images, and puts them into registries.

  make_corpus.py build kube DIR [--scale F] [--versions N]     3 GB: 21 tags, 5 platforms
  make_corpus.py build wide DIR [--repos N] [--tags N]         many small images
  make_corpus.py build huge DIR [--bytes N]                    one layer
  make_corpus.py push DIR URL [--delta K | --restore K] [-j N] [--cacert FILE]
  make_corpus.py verify DIR URL [--delta K] [--cacert FILE]    every tag, manifest and blob is there
  make_corpus.py plan DIR cold|noop|incr [--delta K]           what floor.c is to do

DIR becomes an OCI layout (oci-layout, index.json, blobs/sha256/*) and has corpus.json:
  repos      {repository: {tag: digest}}         what a mirror must hold
  deltas     [{repository: {tag: digest}}, ...]  tags that move (5 % of them) in delta K
  manifests  {digest: {mt: media type, size, m: [child digests], b: [config digest, layer digests...]}}
  blobs      {digest: size}
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import ssl
import sys
import threading
import urllib.parse

import corpora

ACCEPT = ', '.join([corpora.OCI['index'], corpora.OCI['manifest'], corpora.DOCKER['index'], corpora.DOCKER['manifest']])


class Registry:
    """A client with a connection for each thread."""

    def __init__(self, url, ca, threads):
        self.url, self.ca, self.threads = urllib.parse.urlparse(url), ca, threads
        self.local = threading.local()

    def connection(self):
        if not hasattr(self.local, 'connection'):
            host, port = self.url.hostname, self.url.port
            if self.url.scheme == 'https':
                context = ssl.create_default_context(cafile=self.ca)
                self.local.connection = http.client.HTTPSConnection(host, port, context=context)
            else:
                self.local.connection = http.client.HTTPConnection(host, port)
        return self.local.connection

    def ask(self, method, path, body=None, **headers):
        """(status, headers)"""
        c = self.connection()
        c.request(method, path, body, {k.replace('_', '-'): v for k, v in headers.items()})
        answer = c.getresponse()
        answer.read()
        return answer.status, answer.headers

    def expect(self, statuses, method, path, body=None, **headers):
        status, answer = self.ask(method, path, body, **headers)
        if status not in statuses:
            raise SystemExit(f'{method} {path}: {status}')
        return answer

    def for_all(self, function, jobs):
        with concurrent.futures.ThreadPoolExecutor(self.threads) as executor:
            for _ in executor.map(lambda job: function(*job), jobs):
                pass


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, 'corpus.json')) as f:
            c = json.load(f)
        self.repositories, self.deltas, self.manifests, self.blobs = c['repos'], c['deltas'], c['manifests'], c['blobs']

    def path(self, digest):
        return os.path.join(self.folder, 'blobs', *digest.split(':'))

    def after(self, delta):
        """Repositories once the tags of a delta have moved."""
        now = {repository: dict(tags) for repository, tags in self.repositories.items()}
        for repository, tags in self.moved(delta).items():
            now[repository].update(tags)
        return now

    def moved(self, delta):
        return {} if delta is None else self.deltas[delta]

    def reach(self, repositories):
        return corpora.reach(self.manifests, repositories)

    def stages(self, wanted, there):
        """
        What copying means, in order: blobs [(repository, digest)], mounts [(repository, digest, from)],
        manifests [(repository, digest)] and tags [(repository, tag, digest)].  there: {repository: blobs}.
        """
        home = {b: repository for repository, blobs in there.items() for b in blobs}
        blobs, mounts, manifests, tags = [], [], [], []
        for repository, of_tag in wanted.items():
            below, needed = self.reach({repository: of_tag})
            for b in sorted(needed - there.get(repository, set())):
                if b in home:
                    mounts.append((repository, b, home[b]))
                else:
                    home[b] = repository
                    blobs.append((repository, b))
            manifests += [(repository, m) for m in sorted(below)
                          if not self.manifests[m]['m'] and m not in of_tag.values()]
            tags += [(repository, tag, digest) for tag, digest in of_tag.items()]
        blobs.sort(key=lambda blob: -self.blobs[blob[1]])
        return blobs, mounts, manifests, tags


def build(a):
    b = corpora.Builder(a.dir, a.seed)
    if a.kind == 'kube':
        corpora.kube(b, a.scale, a.versions, a.deltas, a.fraction)
        name = f'kube scale={a.scale} versions={a.versions}'
    elif a.kind == 'wide':
        corpora.wide(b, a.repos, a.tags, a.platforms, a.deltas, a.fraction)
        name = f'wide repos={a.repos} tags={a.tags} platforms={a.platforms}'
    else:
        corpora.huge(b, a.bytes)
        name = f'huge bytes={a.bytes}'
    print(json.dumps(b.finish(f'{name} seed={a.seed}')))
    return 0


def push(a):
    c = Corpus(a.dir)
    registry = Registry(a.url, a.cacert, a.j)

    def put_blob(repository, digest):
        answer = registry.expect([202], 'POST', f'/v2/{repository}/blobs/uploads/', Content_Length='0')
        location = urllib.parse.urlparse(answer['Location'])
        query = f'{location.query}&digest={digest}' if location.query else f'digest={digest}'
        with open(c.path(digest), 'rb') as f:
            registry.expect([201], 'PUT', f'{location.path}?{query}', f, Content_Length=str(c.blobs[digest]),
                            Content_Type='application/octet-stream')

    def mount(repository, digest, origin):
        answer = registry.ask('POST', f'/v2/{repository}/blobs/uploads/?mount={digest}&from={origin}', Content_Length='0')
        if answer[0] != 201:
            put_blob(repository, digest)

    def put_manifest(repository, reference, digest=None):
        digest = digest or reference
        with open(c.path(digest), 'rb') as f:
            registry.expect([200, 201], 'PUT', f'/v2/{repository}/manifests/{reference}', f.read(),
                            Content_Type=c.manifests[digest]['mt'])

    wanted = c.repositories if a.delta is None else c.deltas[a.delta]
    if a.restore is not None:
        wanted = {repository: {tag: c.repositories[repository][tag] for tag in tags}
                  for repository, tags in c.deltas[a.restore].items()}
    blobs, mounts, manifests, tags = c.stages(wanted, {})
    if a.restore is not None:  # the content is still there
        blobs, mounts, manifests = [], [], []
    registry.for_all(put_blob, blobs)
    registry.for_all(mount, mounts)
    registry.for_all(put_manifest, manifests)
    registry.for_all(put_manifest, tags)
    print(f'pushed {len(blobs)} blobs, {len(mounts)} mounts, {len(manifests)} manifests, {len(tags)} tags')
    return 0


def plan(a):
    c = Corpus(a.dir)
    now = c.after(a.delta)
    heads = [f'{side} {repository} {tag}' for repository, tags in now.items() for tag in tags for side in 'SD']
    if a.phase == 'noop':
        print('\n'.join(heads))
        return 0
    wanted, there = now, {}
    if a.phase == 'incr':
        wanted = c.moved(a.delta)
        there = {repository: c.reach({repository: tags})[1] for repository, tags in c.repositories.items()}
    blobs, mounts, manifests, tags = c.stages(wanted, there)
    stages = [heads] if a.phase == 'incr' else []
    stages += [
        [f'B {repository} {repository} {digest} {c.blobs[digest]}' for repository, digest in blobs],
        [f'M {repository} {digest} {origin}' for repository, digest, origin in mounts],
        [f'P {repository} {digest} {digest} {c.manifests[digest]["mt"]}' for repository, digest in manifests],
        [f'P {repository} {tag} {digest} {c.manifests[digest]["mt"]}' for repository, tag, digest in tags]]
    print('\n-\n'.join('\n'.join(lines) for lines in stages if lines))
    return 0


def verify(a):
    c = Corpus(a.dir)
    registry = Registry(a.url, a.cacert, a.j)
    bad = []

    def manifest(repository, reference, digest):
        status, headers = registry.ask('HEAD', f'/v2/{repository}/manifests/{reference}', Accept=ACCEPT)
        if status != 200 or headers['Docker-Content-Digest'] != digest:
            bad.append(f'{repository}:{reference}: {status}, {headers["Docker-Content-Digest"]}')

    def blob(repository, digest):
        status, headers = registry.ask('HEAD', f'/v2/{repository}/blobs/{digest}')
        if status != 200 or int(headers['Content-Length']) != c.blobs[digest]:
            bad.append(f'{repository}@{digest}: {status}')

    references, blobs = [], []
    for repository, tags in c.after(a.delta).items():
        manifests, needed = c.reach({repository: tags})
        references += [(repository, tag, digest) for tag, digest in tags.items()]
        references += [(repository, m, m) for m in manifests]
        blobs += [(repository, b) for b in needed]
    registry.for_all(manifest, references)
    registry.for_all(blob, blobs)
    print(f'verified {len(references)} references and {len(blobs)} blobs, {len(bad)} bad', *bad[:5], sep='\n  ')
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(dest='verb', required=True)
    b = s.add_parser('build')
    b.add_argument('kind', choices=['kube', 'wide', 'huge'])
    b.add_argument('dir')
    b.add_argument('--seed', default='1')
    b.add_argument('--scale', type=float, default=1.0, help='of the sizes of layers (kube)')
    b.add_argument('--versions', type=int, default=3, help='tags of each repository (kube)')
    b.add_argument('--repos', type=int, default=50, help='(wide)')
    b.add_argument('--tags', type=int, default=2000, help='(wide)')
    b.add_argument('--platforms', type=int, default=2, help='(wide)')
    b.add_argument('--bytes', type=int, default=2 << 30, help='(huge)')
    b.add_argument('--deltas', type=int, default=3, help='how many there are')
    b.add_argument('--fraction', type=float, default=0.05, help='of the tags, that move in a delta')
    q = s.add_parser('plan')
    q.add_argument('dir')
    q.add_argument('phase', choices=['cold', 'noop', 'incr'])
    q.add_argument('--delta', type=int)
    for verb in ('push', 'verify'):
        q = s.add_parser(verb)
        q.add_argument('dir')
        q.add_argument('url')
        q.add_argument('--delta', type=int)
        q.add_argument('--restore', type=int)
        q.add_argument('-j', type=int, default=8, help='requests at once')
        q.add_argument('--cacert')
    a = p.parse_args()
    sys.exit({'build': build, 'push': push, 'verify': verify, 'plan': plan}[a.verb](a))


if __name__ == '__main__':
    main()
