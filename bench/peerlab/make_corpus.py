#!/usr/bin/env python3
"""
Deterministic corpora of container images.

  make_corpus.py build kube  DIR [--scale F] [--versions N] [--seed S] [--deltas K]
  make_corpus.py build wide  DIR [--repos N] [--tags N] ...
  make_corpus.py build huge  DIR [--bytes N]
  make_corpus.py push  DIR URL [--delta K | --restore K] [-j N] [--cacert F]
  make_corpus.py plan DIR cold|noop|incr [--delta K]   what floor.c is to move (plans know the answer)
  make_corpus.py verify DIR URL [--delta K] [--cacert F]   every tag, manifest and blob is there

DIR becomes an OCI layout (oci-layout, index.json, blobs/sha256/*) plus corpus.json:
  repos     {repo: {tag: digest}}          what a mirror must hold
  deltas    [{repo: {tag: digest}}, ...]   tags that move (5 % by default) in delta K
  manifests {digest: {mt, size, m: [child digests], b: [blob digests]}}
  blobs     {digest: size}
Layers are gzip files that decompress to a tar whose sha256 is the config's diff_id.
They are assembled from a pool of independently deflated 256 KiB blocks (full flush
between blocks), so a 3 GB corpus takes seconds while each layer is a valid stream
of ~2.6:1 data.  push uses the registry HTTP API, mounting blobs already pushed.
"""
import argparse
import base64
import concurrent.futures as cf
import hashlib
import http.client
import json
import math
import os
import random
import ssl
import struct
import sys
import threading
import urllib.parse
import zlib

OCI = dict(
    index='application/vnd.oci.image.index.v1+json',
    man='application/vnd.oci.image.manifest.v1+json',
    cfg='application/vnd.oci.image.config.v1+json',
    layer='application/vnd.oci.image.layer.v1.tar+gzip',
)
DOCK = dict(
    index='application/vnd.docker.distribution.manifest.list.v2+json',
    man='application/vnd.docker.distribution.manifest.v2+json',
    cfg='application/vnd.docker.container.image.v1+json',
    layer='application/vnd.docker.image.rootfs.diff.tar.gzip',
)
PLATS = [('amd64', None), ('arm64', None), ('arm', 'v7'), ('ppc64le', None), ('s390x', None)]
BLOCK = 256 * 1024  # bytes, before compression
POOL_BLOCKS = 64


def sha(b):
    return 'sha256:' + hashlib.sha256(b).hexdigest()


_pool = None


def pool(seed):
    """[(raw bytes, deflated bytes ending on a full flush)]"""
    global _pool
    if _pool is None:
        _pool = []
        for i in range(POOL_BLOCKS):
            r = random.Random(f'{seed}/pool/{i}')
            words = [r.randbytes(48) for _ in range(64)]
            parts, n = [], 0
            while n < BLOCK:
                p = r.randbytes(48) if r.random() < 0.36 else r.choice(words)
                parts.append(p)
                n += len(p)
            raw = b''.join(parts)[:BLOCK]
            _pool.append((raw, deflate(raw, 6)))
    return _pool


def deflate(raw, level, last=False):
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return c.compress(raw) + c.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def tarhdr(name, size, mode=0o755):
    h = bytearray(512)
    h[0 : len(name)] = name.encode()
    h[100:108] = b'%07o\0' % mode
    h[108:116] = h[116:124] = b'0000000\0'
    h[124:136] = b'%011o\0' % size
    h[136:148] = b'%011o\0' % 1700000000
    h[148:156] = b' ' * 8
    h[156:157] = b'0'
    h[257:265] = b'ustar\x0000'
    h[148:156] = b'%06o\0 ' % sum(h)
    return bytes(h)


def pad512(n):
    return b'\0' * (-n % 512)


def write_layer(out, seed, key, size, stored=False):
    """-> (digest, size, diff_id); about `size` compressed bytes, written under out/blobs."""
    r = random.Random(f'{seed}/{key}')
    tmp = os.path.join(out, 'tmp.' + hashlib.sha256(key.encode()).hexdigest())
    hz, hu = hashlib.sha256(), hashlib.sha256()
    crc = usize = zsize = 0
    f = open(tmp, 'wb')

    def emit(z):
        nonlocal zsize
        f.write(z)
        hz.update(z)
        zsize += len(z)

    def add(raw, z=None, last=False):
        nonlocal crc, usize
        hu.update(raw)
        crc = zlib.crc32(raw, crc)
        usize += len(raw)
        emit(deflate(raw, 6, last) if z is None else z)

    emit(b'\x1f\x8b\x08\0\0\0\0\0\0\xff')
    uniq = r.randbytes(24).hex().encode() + b'\n'
    add(tarhdr('etc/build-id', len(uniq), 0o644) + uniq + pad512(len(uniq)))
    name = 'usr/local/bin/' + key.replace('/', '_').replace(':', '_')[-60:]
    if stored:  # incompressible, stored deflate blocks
        add(tarhdr(name, size))
        left = size
        while left:
            raw = r.randbytes(min(left, 1 << 20))
            left -= len(raw)
            add(raw, deflate(raw, 0))
        add(pad512(size) + b'\0' * 1024, last=True)
    elif size >= 64 * 1024:
        p = pool(seed)
        avg = sum(len(z) for _, z in p) / len(p)
        n = max(1, round(size / avg))
        add(tarhdr(name, n * BLOCK))
        for _ in range(n):
            add(*p[r.randrange(POOL_BLOCKS)])
        add(b'\0' * 1024, last=True)
    else:  # small: incompressible body of that size
        body = r.randbytes(max(32, int(size)))
        add(tarhdr(name, len(body)) + body + pad512(len(body)) + b'\0' * 1024, last=True)
    emit(struct.pack('<II', crc & 0xFFFFFFFF, usize & 0xFFFFFFFF))
    f.close()
    d = 'sha256:' + hz.hexdigest()
    os.rename(tmp, os.path.join(out, 'blobs/sha256', d[7:]))
    return d, zsize, 'sha256:' + hu.hexdigest()


def _wl(a):
    return write_layer(*a)


class Corpus:
    def __init__(self, out, seed):
        self.out, self.seed = out, seed
        os.makedirs(out + '/blobs/sha256', exist_ok=True)
        self.specs, self.layers = {}, {}
        self.images = []  # (repo, tag, style, {plat: [layer keys]}, delta or None)
        self.man, self.blobs = {}, {}
        self.repos, self.deltas, self.manlen = {}, [], {}

    def layer(self, key, size, stored=False):
        self.specs.setdefault(key, (self.out, self.seed, key, int(size), stored))
        return key

    def image(self, repo, tag, style, plats, delta=None):
        self.images.append((repo, tag, style, plats, delta))

    def alias(self, repo, tag, of):
        self.images.append((repo, tag, None, of, None))

    def put(self, b):
        d = sha(b)
        with open(f'{self.out}/blobs/sha256/{d[7:]}', 'wb') as f:
            f.write(b)
        return d

    def finish(self, name):
        with cf.ProcessPoolExecutor(os.cpu_count()) as ex:
            keys = list(self.specs)
            for k, v in zip(keys, ex.map(_wl, [self.specs[k] for k in keys], chunksize=4)):
                self.layers[k] = v
        for repo, tag, style, plats, delta in self.images:
            if style is None:
                self.repos[repo][tag] = self.repos[repo][plats]
                continue
            entries = []
            for (arch, var), keys in plats.items():
                ls = [self.layers[k] for k in keys]
                plat = {'architecture': arch, 'os': 'linux', **({'variant': var} if var else {})}
                cfg = json.dumps(
                    {
                        **plat,
                        'created': '2024-01-01T00:00:00Z',
                        'config': {
                            'Entrypoint': ['/' + repo.split('/')[-1]],
                            'Env': ['PATH=/usr/local/bin:/bin'],
                            'Labels': {'tag': tag, 'delta': str(delta)},
                        },
                        'history': [{'created': '2024-01-01T00:00:00Z', 'created_by': 'COPY ' + k} for k in keys],
                        'rootfs': {'type': 'layers', 'diff_ids': [l[2] for l in ls]},
                    },
                    indent=1,
                ).encode()
                cd = self.put(cfg)
                self.blobs[cd] = len(cfg)
                for l in ls:
                    self.blobs[l[0]] = l[1]
                m = json.dumps(
                    {
                        'schemaVersion': 2,
                        'mediaType': style['man'],
                        'config': {'mediaType': style['cfg'], 'digest': cd, 'size': len(cfg)},
                        'layers': [{'mediaType': style['layer'], 'digest': l[0], 'size': l[1]} for l in ls],
                    },
                    indent=3,
                ).encode()
                md = self.put(m)
                self.man[md] = {'mt': style['man'], 'size': len(m), 'm': [], 'b': [cd] + [l[0] for l in ls]}
                entries.append({'mediaType': style['man'], 'digest': md, 'size': len(m), 'platform': plat})
            ix = json.dumps({'schemaVersion': 2, 'mediaType': style['index'], 'manifests': entries}, indent=3).encode()
            d = self.put(ix)
            self.man[d] = {'mt': style['index'], 'size': len(ix), 'm': [e['digest'] for e in entries], 'b': []}
            if delta is None:
                self.repos.setdefault(repo, {})[tag] = d
            else:
                while len(self.deltas) <= delta:
                    self.deltas.append({})
                self.deltas[delta].setdefault(repo, {})[tag] = d
        with open(self.out + '/oci-layout', 'w') as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        idx = [
            {
                'mediaType': self.man[d]['mt'],
                'digest': d,
                'size': self.man[d]['size'],
                'annotations': {'org.opencontainers.image.ref.name': f'{r}:{t}'},
            }
            for r in self.repos
            for t, d in self.repos[r].items()
        ]
        with open(self.out + '/index.json', 'w') as f:
            json.dump({'schemaVersion': 2, 'mediaType': OCI['index'], 'manifests': idx}, f)
        with open(self.out + '/corpus.json', 'w') as f:
            json.dump(
                {'name': name, 'repos': self.repos, 'deltas': self.deltas, 'manifests': self.man, 'blobs': self.blobs},
                f,
            )
        live = reach(self, self.repos)
        print(
            json.dumps(
                {
                    'corpus': name,
                    'repos': len(self.repos),
                    'tags': sum(map(len, self.repos.values())),
                    'manifests': len(live[0]),
                    'blobs': len(live[1]),
                    'unique_bytes': sum(self.blobs[b] for b in live[1]),
                    'delta_tags': [sum(map(len, d.values())) for d in self.deltas],
                    'delta_bytes': [sum(self.blobs[b] for b in reach(self, d)[1] - live[1]) for d in self.deltas],
                }
            )
        )


def reach(c, repos):
    man = c.man if isinstance(c, Corpus) else c['manifests']
    ms, bs = set(), set()
    for tags in repos.values():
        for d in tags.values():
            for m in [d] + man[d]['m']:
                ms.add(m)
                bs.update(man[m]['b'])
    return ms, bs


def pick(c, fraction, k, seed):
    tags = [(i[0], i[1]) for i in c.images if i[2] is not None and i[4] is None]
    n = max(1, math.ceil(fraction * len(c.images)))
    return set(random.Random(f'{seed}/delta/{k}').sample(tags, min(n, len(tags))))


def build_kube(a):
    c = Corpus(a.dir, a.seed)
    MB = 1e6 * a.scale
    comps = [  # repo, style, binary layers (MB), base
        ('kube-apiserver', DOCK, [28.0], 'runner'),
        ('kube-controller-manager', DOCK, [25.0], 'runner'),
        ('kube-scheduler', DOCK, [17.0], 'runner'),
        ('kube-proxy', DOCK, [22.0, 6.0], 'debian'),
        ('etcd', DOCK, [40.0, 25.0, 20.0], 'static'),
        ('coredns', OCI, [15.0], 'static'),
        ('pause', DOCK, [0.3], None),
    ]
    shared = [0.0013, 0.08, 0.54, 0.0003, 0.0002, 0.0002, 0.0003, 0.013]  # arch-independent files

    def mk(name, style, sizes, base, v, delta=None):
        plats = {}
        for arch, var in PLATS:
            ks = []
            if base in ('static', 'runner'):
                ks += [c.layer(f'distroless/{v // 2}/f{i}', max(150, s * MB)) for i, s in enumerate(shared)]
                ks += [c.layer(f'distroless/{v // 2}/base/{arch}', 1.4 * MB)]
                if base == 'runner':
                    ks.append(c.layer(f'go-runner/{v}/{arch}', 0.9 * MB))
            elif base == 'debian':
                ks.append(c.layer(f'debian-base/{v // 2}/{arch}', 4.0 * MB))
            r = random.Random(f'{name}{arch}')
            ks += [
                c.layer(
                    f'{name}/{v}/{i}/{arch}' + (f'/d{delta}' if delta is not None else ''),
                    s * MB * (0.95 + 0.1 * r.random()),
                )
                for i, s in enumerate(sizes)
            ]
            plats[(arch, var)] = ks
        tag = {'etcd': f'3.5.{10 + v}-0', 'coredns': f'v1.11.{v}', 'pause': f'3.{8 + v}'}.get(name, f'v1.30.{v}')
        c.image('k8s/' + name, tag, style, plats, delta)
        return 'k8s/' + name, tag

    who = {}
    for v in range(a.versions):
        for comp in comps:
            who[mk(*comp, v)] = (comp, v)
    for k in range(a.deltas):
        for rt in sorted(pick(c, a.fraction, k, a.seed)):
            mk(*who[rt][0], who[rt][1], delta=k)
    c.finish(f'kube scale={a.scale} versions={a.versions} seed={a.seed}')


def build_wide(a):
    c = Corpus(a.dir, a.seed)
    nb = 20
    per = a.tags // a.repos

    def mk(i, t, delta=None):
        plats = {}
        for arch, var in PLATS[: a.platforms]:
            g = i % nb
            ks = [
                c.layer(f'base/{g // 4}/{arch}', 20000),
                c.layer(f'base/{g}/{arch}', 12000),
                c.layer('base/all', 3000),
                c.layer(f'repo{i}/{arch}', 6000),
                c.layer(f'repo{i}/{t}/{arch}' + (f'/d{delta}' if delta is not None else ''), 2000),
            ]
            plats[(arch, var)] = ks
        c.image(f'wide/w{i:02d}', f'v1.{t}.0', OCI if i % 2 else DOCK, plats, delta)

    who = {}
    for i in range(a.repos):
        t = n = 0
        while n < per:  # every fifth tag is an alias of the one before it
            mk(i, t)
            who[(f'wide/w{i:02d}', f'v1.{t}.0')] = (i, t)
            n += 1
            if t % 4 == 3 and n < per:
                c.alias(f'wide/w{i:02d}', f'v1.{t}', f'v1.{t}.0')
                n += 1
            t += 1
    for k in range(a.deltas):
        for rt in sorted(pick(c, a.fraction, k, a.seed)):
            mk(*who[rt], delta=k)
    c.finish(f'wide repos={a.repos} tags={a.tags} platforms={a.platforms} seed={a.seed}')


def build_huge(a):
    c = Corpus(a.dir, a.seed)
    c.image(
        'huge/model', 'v1', OCI, {('amd64', None): [c.layer('huge/base', 2e6), c.layer('huge/blob', a.bytes, True)]}
    )
    c.finish(f'huge bytes={a.bytes} seed={a.seed}')


class Client:
    """One keep-alive connection."""

    def __init__(self, url, cacert):
        u = urllib.parse.urlparse(url)
        if u.scheme == 'https':
            self.c = http.client.HTTPSConnection(u.hostname, u.port, context=ssl.create_default_context(cafile=cacert))
        else:
            self.c = http.client.HTTPConnection(u.hostname, u.port)
        self.auth = {}
        if u.username:
            self.auth = {'Authorization': 'Basic ' + base64.b64encode(f'{u.username}:{u.password}'.encode()).decode()}

    def req(self, method, path, body=None, **hdr):
        h = {k.replace('_', '-'): v for k, v in hdr.items()}
        self.c.request(method, path, body, {**self.auth, **h})
        r = self.c.getresponse()
        data = r.read()
        return r.status, r.headers, data


def run_threads(n, url, cacert, jobs, fn):
    tl = threading.local()

    def one(j):
        if not hasattr(tl, 'c'):
            tl.c = Client(url, cacert)
        return fn(tl.c, *j)

    with cf.ThreadPoolExecutor(n) as ex:
        return list(ex.map(one, jobs))


def push(a):
    c = json.load(open(a.dir + '/corpus.json'))
    want = c['repos']
    if a.delta is not None:
        want = c['deltas'][a.delta]
    if a.restore is not None:
        want = {r: {t: c['repos'][r][t] for t in ts} for r, ts in c['deltas'][a.restore].items()}
    M = c['manifests']

    def blob(cl, repo, d, frm):
        if frm:
            s, h, _ = cl.req('POST', f'/v2/{repo}/blobs/uploads/?mount={d}&from={frm}', Content_Length='0')
            if s == 201:
                return
        else:
            s, h, _ = cl.req('POST', f'/v2/{repo}/blobs/uploads/', Content_Length='0')
        assert s == 202, (s, repo, d)
        loc = urllib.parse.urlparse(h['Location'])
        with open(f'{a.dir}/blobs/sha256/{d[7:]}', 'rb') as f:
            s, _, b = cl.req(
                'PUT',
                f'{loc.path}?{loc.query}{"&" if loc.query else ""}digest={d}',
                f,
                Content_Length=str(c['blobs'][d]),
                Content_Type='application/octet-stream',
            )
        assert s == 201, (s, b)

    def man(cl, repo, ref, d):
        s, _, b = cl.req(
            'PUT',
            f'/v2/{repo}/manifests/{ref}',
            open(f'{a.dir}/blobs/sha256/{d[7:]}', 'rb').read(),
            Content_Type=M[d]['mt'],
        )
        assert s in (200, 201), (s, b)

    home, first, mount, leaf, idx = {}, [], [], [], []
    for repo, tags in want.items():
        ms, bs = reach(c, {repo: tags})
        for b in sorted(bs):
            if b in home:
                mount.append((repo, b, home[b]))
            else:
                home[b] = repo
                first.append((repo, b, None))
        tagged = set(tags.values())
        leaf += [(repo, m, m) for m in sorted(ms) if not M[m]['m'] and m not in tagged]
        idx += [(repo, t, d) for t, d in tags.items()]
    if a.restore is not None:
        first, mount, leaf = [], [], []
    first.sort(key=lambda x: -c['blobs'][x[1]])
    run_threads(a.j, a.url, a.cacert, first, blob)
    run_threads(a.j, a.url, a.cacert, mount, blob)
    run_threads(a.j, a.url, a.cacert, leaf, man)
    run_threads(a.j, a.url, a.cacert, idx, man)
    print(f'pushed {len(first)} blobs, {len(mount)} mounts, {len(leaf)} manifests, {len(idx)} tags')


def plan(a):
    c = json.load(open(a.dir + '/corpus.json'))
    M, o = c['manifests'], []
    now = {r: dict(t) for r, t in c['repos'].items()}
    moved = c['deltas'][a.delta] if a.delta is not None else {}
    for r, t in moved.items():
        now[r].update(t)
    heads = [f'{x} {r} {t}' for r, ts in now.items() for t in ts for x in 'SD']
    if a.phase == 'noop':
        return print('\n'.join(heads))
    want = now if a.phase == 'cold' else moved
    have = {r: reach(c, {r: t})[1] for r, t in c['repos'].items()} if a.phase == 'incr' else {}
    home = {b: r for r, bs in have.items() for b in bs}
    first, mount, leaf, idx = [], [], [], []
    for r, ts in want.items():
        ms, bs = reach(c, {r: ts})
        for b in sorted(bs - have.get(r, set())):
            if b in home:
                mount.append(f'M {r} {b} {home[b]}')
            else:
                home[b] = r
                first.append((c['blobs'][b], f'B {r} {r} {b} {c["blobs"][b]}'))
        leaf += [f'P {r} {m} {m} {M[m]["mt"]}' for m in sorted(ms) if not M[m]['m'] and m not in ts.values()]
        idx += [f'P {r} {t} {d} {M[d]["mt"]}' for t, d in ts.items()]
    stages = [[l for _, l in sorted(first, reverse=True)], mount, leaf, idx]
    if a.phase == 'incr':
        stages.insert(0, heads)
    print('\n-\n'.join('\n'.join(x) for x in stages if x))


def verify(a):
    c = json.load(open(a.dir + '/corpus.json'))
    want = {r: dict(t) for r, t in c['repos'].items()}
    if a.delta is not None:
        for r, t in c['deltas'][a.delta].items():
            want[r].update(t)
    M, bad = c['manifests'], []
    acc = ', '.join([OCI['index'], OCI['man'], DOCK['index'], DOCK['man']])

    def man(cl, repo, ref, d):
        s, h, _ = cl.req('HEAD', f'/v2/{repo}/manifests/{ref}', Accept=acc)
        if s != 200 or h['Docker-Content-Digest'] != d:
            bad.append((repo, ref, s, h['Docker-Content-Digest']))

    def blob(cl, repo, d):
        s, h, _ = cl.req('HEAD', f'/v2/{repo}/blobs/{d}')
        if s != 200 or int(h['Content-Length']) != c['blobs'][d]:
            bad.append((repo, d, s))

    mj, bj = [], []
    for r, tags in want.items():
        ms, bs = reach(c, {r: tags})
        mj += [(r, t, d) for t, d in tags.items()] + [(r, m, m) for m in ms]
        bj += [(r, b) for b in bs]
    run_threads(a.j, a.url, a.cacert, mj, man)
    run_threads(a.j, a.url, a.cacert, bj, blob)
    print(f'verified {len(mj)} manifest refs, {len(bj)} blobs, {len(bad)} bad')
    for b in bad[:5]:
        print('  bad', b)
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(dest='cmd', required=True)
    b = s.add_parser('build')
    b.add_argument('kind', choices=['kube', 'wide', 'huge'])
    b.add_argument('dir')
    b.add_argument('--scale', type=float, default=1.0)
    b.add_argument('--versions', type=int, default=3)
    b.add_argument('--seed', default='1')
    b.add_argument('--deltas', type=int, default=3)
    b.add_argument('--fraction', type=float, default=0.05)
    b.add_argument('--repos', type=int, default=50)
    b.add_argument('--tags', type=int, default=2000)
    b.add_argument('--platforms', type=int, default=2)
    b.add_argument('--bytes', type=int, default=2 << 30)
    q = s.add_parser('plan')
    q.add_argument('dir')
    q.add_argument('phase')
    q.add_argument('--delta', type=int)
    for n in ('push', 'verify'):
        q = s.add_parser(n)
        q.add_argument('dir')
        q.add_argument('url')
        q.add_argument('--delta', type=int)
        q.add_argument('--restore', type=int)
        q.add_argument('-j', type=int, default=8)
        q.add_argument('--cacert')
    a = p.parse_args()
    if a.cmd == 'build':
        {'kube': build_kube, 'wide': build_wide, 'huge': build_huge}[a.kind](a)
    else:
        sys.exit({'push': push, 'verify': verify, 'plan': plan}[a.cmd](a))


if __name__ == '__main__':
    main()
