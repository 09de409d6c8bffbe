"""
The content of seeded corpora: what images of certain shapes look like on the wire.

Layers are gzip files that decompress to a tar whose sha256 is the config's diff_id.  They are put
together from a pool of separately deflated 256 KiB blocks (a full flush between blocks), so a
corpus of 3 GB takes seconds, while each layer is a valid stream of data that shrinks to about 40 %.
The same seed and options give the same digests everywhere.
"""
import concurrent.futures
import functools
import hashlib
import json
import math
import os
import random
import struct
import zlib

INDEX = 'application/vnd.oci.image.index.v1+json'
OCI = {
    'index': INDEX,
    'manifest': 'application/vnd.oci.image.manifest.v1+json',
    'config': 'application/vnd.oci.image.config.v1+json',
    'layer': 'application/vnd.oci.image.layer.v1.tar+gzip',
}
DOCKER = {
    'index': 'application/vnd.docker.distribution.manifest.list.v2+json',
    'manifest': 'application/vnd.docker.distribution.manifest.v2+json',
    'config': 'application/vnd.docker.container.image.v1+json',
    'layer': 'application/vnd.docker.image.rootfs.diff.tar.gzip',
}
PLATFORMS = [('amd64', None), ('arm64', None), ('arm', 'v7'), ('ppc64le', None), ('s390x', None)]
CREATED = '2024-01-01T00:00:00Z'
MODIFIED = 1700000000       # seconds since 1970, of the files in layers
MB = 1e6

POOL_BLOCKS = 64
BLOCK = 256 * 1024          # bytes, before compression
WORD = 48                   # bytes of which blocks are made
NEW_WORDS = 0.36            # share of words that do not repeat: sets how well a block shrinks
SMALL = 64 * 1024           # bytes: smaller layers do not shrink at all
TAR_BLOCK = 512
TAR_END = b'\0' * 2 * TAR_BLOCK
GZIP_HEAD = b'\x1f\x8b\x08\0\0\0\0\0\0\xff'


def digest_of(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


def deflate(raw, level, last=False):
    """One piece of a raw deflate stream; it ends on a byte, so pieces can be put behind each other."""
    c = zlib.compressobj(level, zlib.DEFLATED, -15)
    return c.compress(raw) + c.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


@functools.lru_cache(maxsize=1)
def pool(seed):
    """[(raw block, deflated block)]"""
    blocks = []
    for i in range(POOL_BLOCKS):
        r = random.Random(f'{seed}/pool/{i}')
        words = [r.randbytes(WORD) for _ in range(64)]
        parts, size = [], 0
        while size < BLOCK:
            parts.append(r.randbytes(WORD) if r.random() < NEW_WORDS else r.choice(words))
            size += WORD
        raw = b''.join(parts)[:BLOCK]
        blocks.append((raw, deflate(raw, 6)))
    return blocks


def tar_header(name, size, mode=0o755):
    h = bytearray(TAR_BLOCK)
    h[0:len(name)] = name.encode()
    h[100:108] = b'%07o\0' % mode
    h[108:116] = h[116:124] = b'0000000\0'
    h[124:136] = b'%011o\0' % size
    h[136:148] = b'%011o\0' % MODIFIED
    h[148:156] = b' ' * 8
    h[156:157] = b'0'
    h[257:265] = b'ustar\x0000'
    h[148:156] = b'%06o\0 ' % sum(h)
    return bytes(h)


def tar_padding(size):
    return b'\0' * (-size % TAR_BLOCK)


class LayerWriter:
    """A gzip file written piece by piece, with the digests of both sides."""

    def __init__(self, f):
        self.f = f
        self.outer, self.inner = hashlib.sha256(), hashlib.sha256()
        self.crc = self.raw_size = self.size = 0
        self.emit(GZIP_HEAD)

    def emit(self, data):
        self.f.write(data)
        self.outer.update(data)
        self.size += len(data)

    def add(self, raw, deflated=None, last=False):
        self.inner.update(raw)
        self.crc = zlib.crc32(raw, self.crc)
        self.raw_size += len(raw)
        self.emit(deflate(raw, 6, last) if deflated is None else deflated)

    def finish(self):
        self.emit(struct.pack('<II', self.crc & 0xFFFFFFFF, self.raw_size & 0xFFFFFFFF))
        return 'sha256:' + self.outer.hexdigest(), self.size, 'sha256:' + self.inner.hexdigest()


def write_layer(blobs, seed, key, size, stored):
    """A layer of about size bytes in the folder blobs; returns its digest, size and diff_id."""
    r = random.Random(f'{seed}/{key}')
    unfinished = os.path.join(blobs, 'unfinished.' + hashlib.sha256(key.encode()).hexdigest())
    name = 'usr/local/bin/' + key.replace('/', '_').replace(':', '_')[-60:]
    with open(unfinished, 'wb') as f:
        w = LayerWriter(f)
        unique = r.randbytes(24).hex().encode() + b'\n'
        w.add(tar_header('etc/build-id', len(unique), 0o644) + unique + tar_padding(len(unique)))
        if stored:  # does not shrink, and is not tried
            w.add(tar_header(name, size))
            left = size
            while left:
                raw = r.randbytes(min(left, 1 << 20))
                left -= len(raw)
                w.add(raw, deflate(raw, 0))
            w.add(tar_padding(size) + TAR_END, last=True)
        elif size >= SMALL:
            blocks = pool(seed)
            average = sum(len(deflated) for _, deflated in blocks) / len(blocks)
            count = max(1, round(size / average))
            w.add(tar_header(name, count * BLOCK))
            for _ in range(count):
                w.add(*blocks[r.randrange(POOL_BLOCKS)])
            w.add(TAR_END, last=True)
        else:
            body = r.randbytes(max(32, int(size)))
            w.add(tar_header(name, len(body)) + body + tar_padding(len(body)) + TAR_END, last=True)
        digest, written, diff_id = w.finish()
    os.rename(unfinished, os.path.join(blobs, digest.split(':')[1]))
    return digest, written, diff_id


def reach(manifests, repositories):
    """(manifests, blobs) that the tags of repositories name, also by way of indexes."""
    found, blobs = set(), set()
    for tags in repositories.values():
        for digest in tags.values():
            for m in [digest, *manifests[digest]['m']]:
                found.add(m)
                blobs.update(manifests[m]['b'])
    return found, blobs


class Builder:
    """Collects images and layers, then makes all of them."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.blob_folder = os.path.join(folder, 'blobs', 'sha256')
        os.makedirs(self.blob_folder, exist_ok=True)
        self.wanted = {}                          # layer key -> arguments of write_layer()
        self.layers = {}                          # layer key -> (digest, size, diff_id)
        self.images = []                          # (repository, tag, style, {platform: [layer keys]}, delta or None)
        self.manifests, self.blobs = {}, {}
        self.repositories, self.deltas = {}, []

    # ---- what there is to be -----------------------------------------------------------
    def layer(self, key, size, stored=False):
        self.wanted.setdefault(key, (self.blob_folder, self.seed, key, int(size), stored))
        return key

    def image(self, repository, tag, style, platforms, delta=None):
        """delta: the image is what the tag moves to in that delta."""
        self.images.append((repository, tag, style, platforms, delta))

    def alias(self, repository, tag, of):
        self.images.append((repository, tag, None, of, None))

    def some_tags(self, fraction, delta):
        """Tags that move in a delta, in order."""
        tags = [(repository, tag) for repository, tag, style, _, of_delta in self.images
                if style is not None and of_delta is None]
        count = max(1, math.ceil(fraction * len(self.images)))
        return sorted(random.Random(f'{self.seed}/delta/{delta}').sample(tags, min(count, len(tags))))

    # ---- making it -----------------------------------------------------------------------
    def put(self, value, indent):
        """Writes a JSON document; returns its digest and size."""
        data = json.dumps(value, indent=indent).encode()
        digest = digest_of(data)
        with open(os.path.join(self.blob_folder, digest.split(':')[1]), 'wb') as f:
            f.write(data)
        return digest, len(data)

    def make_layers(self):
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as executor:
            arguments = zip(*self.wanted.values())
            self.layers = dict(zip(self.wanted, executor.map(write_layer, *arguments, chunksize=4)))

    def make_manifest(self, repository, tag, style, platform, keys, delta):
        """One platform's manifest; returns its entry in the index."""
        layers = [self.layers[k] for k in keys]
        config, config_size = self.put({
            **platform, 'created': CREATED,
            'config': {'Entrypoint': ['/' + repository.split('/')[-1]], 'Env': ['PATH=/usr/local/bin:/bin'],
                       'Labels': {'tag': tag, 'delta': str(delta)}},
            'history': [{'created': CREATED, 'created_by': 'COPY ' + k} for k in keys],
            'rootfs': {'type': 'layers', 'diff_ids': [diff_id for _, _, diff_id in layers]}}, 1)
        self.blobs[config] = config_size
        self.blobs.update((digest, size) for digest, size, _ in layers)
        manifest, size = self.put({
            'schemaVersion': 2, 'mediaType': style['manifest'],
            'config': {'mediaType': style['config'], 'digest': config, 'size': config_size},
            'layers': [{'mediaType': style['layer'], 'digest': digest, 'size': size} for digest, size, _ in layers]}, 3)
        self.manifests[manifest] = {'mt': style['manifest'], 'size': size, 'm': [],
                                    'b': [config] + [digest for digest, _, _ in layers]}
        return {'mediaType': style['manifest'], 'digest': manifest, 'size': size, 'platform': platform}

    def make_image(self, repository, tag, style, platforms, delta):
        """Makes a multi-platform image; returns the digest of its index."""
        entries = []
        for (architecture, variant), keys in platforms.items():
            platform = {'architecture': architecture, 'os': 'linux', **({'variant': variant} if variant else {})}
            entries.append(self.make_manifest(repository, tag, style, platform, keys, delta))
        index, size = self.put({'schemaVersion': 2, 'mediaType': style['index'], 'manifests': entries}, 3)
        self.manifests[index] = {'mt': style['index'], 'size': size, 'm': [e['digest'] for e in entries], 'b': []}
        return index

    def finish(self, name):
        """Makes everything; returns a description of it."""
        self.make_layers()
        for repository, tag, style, platforms, delta in self.images:
            if style is None:
                self.repositories[repository][tag] = self.repositories[repository][platforms]
                continue
            digest = self.make_image(repository, tag, style, platforms, delta)
            if delta is None:
                self.repositories.setdefault(repository, {})[tag] = digest
                continue
            while len(self.deltas) <= delta:
                self.deltas.append({})
            self.deltas[delta].setdefault(repository, {})[tag] = digest
        self.write_indexes(name)
        return self.describe(name)

    def write_indexes(self, name):
        entries = [{'mediaType': self.manifests[digest]['mt'], 'digest': digest, 'size': self.manifests[digest]['size'],
                    'annotations': {'org.opencontainers.image.ref.name': f'{repository}:{tag}'}}
                   for repository, tags in self.repositories.items() for tag, digest in tags.items()]
        for path, value in (
                ('oci-layout', {'imageLayoutVersion': '1.0.0'}),
                ('index.json', {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': entries}),
                ('corpus.json', {'name': name, 'repos': self.repositories, 'deltas': self.deltas,
                                 'manifests': self.manifests, 'blobs': self.blobs})):
            with open(os.path.join(self.folder, path), 'w') as f:
                json.dump(value, f)

    def describe(self, name):
        manifests, blobs = reach(self.manifests, self.repositories)
        return {
            'corpus': name, 'repositories': len(self.repositories), 'tags': sum(map(len, self.repositories.values())),
            'manifests': len(manifests), 'blobs': len(blobs), 'bytes': sum(self.blobs[b] for b in blobs),
            'delta_tags': [sum(map(len, d.values())) for d in self.deltas],
            'delta_bytes': [sum(self.blobs[b] for b in reach(self.manifests, d)[1] - blobs) for d in self.deltas]}


# ---- shapes ------------------------------------------------------------------------------
def own_key(key, delta):
    return key if delta is None else f'{key}/d{delta}'


KUBE = [  # repository, style, sizes of its own layers (MB), what it is based on
    ('kube-apiserver', DOCKER, [28.0], 'runner'),
    ('kube-controller-manager', DOCKER, [25.0], 'runner'),
    ('kube-scheduler', DOCKER, [17.0], 'runner'),
    ('kube-proxy', DOCKER, [22.0, 6.0], 'debian'),
    ('etcd', DOCKER, [40.0, 25.0, 20.0], 'static'),
    ('coredns', OCI, [15.0], 'static'),
    ('pause', DOCKER, [0.3], None),
]
# Layers of the distroless base that all architectures share, MB.
KUBE_SHARED = [0.0013, 0.08, 0.54, 0.0003, 0.0002, 0.0002, 0.0003, 0.013]


def kube_tag(name, version):
    return {'etcd': f'3.5.{10 + version}-0', 'coredns': f'v1.11.{version}',
            'pause': f'3.{8 + version}'}.get(name, f'v1.30.{version}')


def kube_image(b, scale, component, version, delta=None):
    name, style, sizes, base = component
    mb = MB * scale
    platforms = {}
    for architecture, variant in PLATFORMS:
        keys = []
        if base in ('static', 'runner'):
            keys += [b.layer(f'distroless/{version // 2}/f{i}', max(150, s * mb)) for i, s in enumerate(KUBE_SHARED)]
            keys.append(b.layer(f'distroless/{version // 2}/base/{architecture}', 1.4 * mb))
        if base == 'runner':
            keys.append(b.layer(f'go-runner/{version}/{architecture}', 0.9 * mb))
        if base == 'debian':
            keys.append(b.layer(f'debian-base/{version // 2}/{architecture}', 4.0 * mb))
        r = random.Random(f'{name}{architecture}')
        keys += [b.layer(own_key(f'{name}/{version}/{i}/{architecture}', delta), s * mb * (0.95 + 0.1 * r.random()))
                 for i, s in enumerate(sizes)]
        platforms[(architecture, variant)] = keys
    b.image('k8s/' + name, kube_tag(name, version), style, platforms, delta)


def kube(b, scale, versions, deltas, fraction):
    """As the images of Kubernetes are: few, large, five platforms, shared bases."""
    of_tag = {}
    for version in range(versions):
        for component in KUBE:
            kube_image(b, scale, component, version)
            of_tag['k8s/' + component[0], kube_tag(component[0], version)] = (component, version)
    for delta in range(deltas):
        for tag in b.some_tags(fraction, delta):
            kube_image(b, scale, *of_tag[tag], delta)


def wide_image(b, platforms, number, version, delta=None):
    group = number % 20
    layers = {}
    for architecture, variant in PLATFORMS[:platforms]:
        layers[(architecture, variant)] = [
            b.layer(f'base/{group // 4}/{architecture}', 20000), b.layer(f'base/{group}/{architecture}', 12000),
            b.layer('base/all', 3000), b.layer(f'repo{number}/{architecture}', 6000),
            b.layer(own_key(f'repo{number}/{version}/{architecture}', delta), 2000)]
    b.image(f'wide/w{number:02d}', f'v1.{version}.0', OCI if number % 2 else DOCKER, layers, delta)


def wide(b, repositories, tags, platforms, deltas, fraction):
    """Many small images; every fifth tag is an alias of the one before it."""
    of_tag = {}
    for number in range(repositories):
        version = made = 0
        while made < tags // repositories:
            wide_image(b, platforms, number, version)
            of_tag[f'wide/w{number:02d}', f'v1.{version}.0'] = (number, version)
            made += 1
            if version % 4 == 3 and made < tags // repositories:
                b.alias(f'wide/w{number:02d}', f'v1.{version}', f'v1.{version}.0')
                made += 1
            version += 1
    for delta in range(deltas):
        for tag in b.some_tags(fraction, delta):
            wide_image(b, platforms, *of_tag[tag], delta)


def huge(b, size):
    """One image with one very large layer."""
    b.image('huge/model', 'v1', OCI, {('amd64', None): [b.layer('huge/base', 2e6), b.layer('huge/blob', size, True)]})
