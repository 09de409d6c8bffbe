"""
Makes container images with real layers, and puts them into registries and OCI layouts.

A Corpus holds content by digest: blobs, manifests with their media types, and the tags of
repositories.  Nothing is random and no clock is read, so two builds from the same files have
the same digests.  Layers are tars of files of this machine (licences, small programs), gzip or
zstd compressed; configs name the right diff_ids.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar'
DOCKER_FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
OCTETS = 'application/octet-stream'

STYLES = {
    'oci': {'index': OCI_INDEX, 'manifest': OCI_MANIFEST, 'config': OCI_CONFIG,
            'layers': {'gzip': OCI_LAYER + '+gzip', 'zstd': OCI_LAYER + '+zstd', 'none': OCI_LAYER}},
    'docker': {'index': DOCKER_LIST, 'manifest': DOCKER_MANIFEST, 'config': DOCKER_CONFIG,
               'layers': {'gzip': DOCKER_LAYER + '.gzip', 'zstd': DOCKER_LAYER + '.zstd', 'none': DOCKER_LAYER}},
}
CREATED = '2024-01-01T00:00:00Z'
CREATED_EPOCH = 1704067200  # the same moment, seconds since 1970


def digest_of(data, algorithm='sha256'):
    return f'{algorithm}:{hashlib.new(algorithm, data).hexdigest()}'


def to_json(value):
    return json.dumps(value, indent=2).encode()


def platform_of(text):
    """'linux/arm/v7' as the object that an index entry holds."""
    os_name, architecture, *variant = text.split('/')
    return {'architecture': architecture, 'os': os_name, **({'variant': variant[0]} if variant else {})}


def tar_of(entries):
    """An uncompressed tar of {path in the layer: bytes, or path of a file on this machine}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(entries):
            data = entries[name]
            mode = 0o644
            if isinstance(data, str):
                mode = 0o755 if os.access(data, os.X_OK) else 0o644
                with open(data, 'rb') as f:
                    data = f.read()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(data), mode, CREATED_EPOCH
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def licences(count=3, skip=0):
    """Entries for a layer: some of this machine's licence texts, the same for every architecture."""
    folder = '/usr/share/common-licenses'
    names = sorted(n for n in os.listdir(folder) if os.path.isfile(f'{folder}/{n}'))
    return {f'usr/share/common-licenses/{n}': f'{folder}/{n}' for n in names[skip:skip + count]}


def programs(*names):
    """Entries for a layer: programs of this machine by name; those that are not there are left out."""
    return {f'usr/bin/{n}': f'/usr/bin/{n}' for n in names if os.path.isfile(f'/usr/bin/{n}')}


class Layer:
    """One compressed layer: data, its digest, and the digest of the tar inside (diff_id)."""

    def __init__(self, entries, compression='gzip', algorithm='sha256'):
        tar = tar_of(entries)
        self.compression = compression
        self.diff_id = digest_of(tar)
        if compression == 'gzip':
            self.data = gzip.compress(tar, 6, mtime=0)
        elif compression == 'zstd':
            self.data = subprocess.run(['zstd', '-q', '-3', '-c'], input=tar, check=True,
                                       stdout=subprocess.PIPE).stdout
        else:
            self.data = tar
        self.digest = digest_of(self.data, algorithm)


class Corpus:
    def __init__(self):
        self.blobs = {}      # digest -> bytes
        self.manifests = {}  # digest -> (media type, bytes)
        self.tags = {}       # repository -> {tag: digest}

    # ---- content -------------------------------------------------------------------
    def blob(self, content, media_type=OCTETS, algorithm='sha256', **more):
        """Adds a blob; returns its descriptor, with more fields when given."""
        digest = digest_of(content, algorithm)
        self.blobs[digest] = content
        return {'mediaType': media_type, 'digest': digest, 'size': len(content), **more}

    def manifest(self, value, media_type=OCI_MANIFEST, algorithm='sha256'):
        """Adds a manifest or index, given as bytes or as a value; returns its descriptor."""
        data = value if isinstance(value, bytes) else to_json(value)
        digest = digest_of(data, algorithm)
        self.manifests[digest] = (media_type, data)
        return {'mediaType': media_type, 'digest': digest, 'size': len(data)}

    def tag(self, repository, tag, descriptor):
        self.tags.setdefault(repository, {})[tag] = descriptor['digest']
        return descriptor

    # ---- images --------------------------------------------------------------------
    def image(self, layers, platform='linux/amd64', style='oci', algorithm='sha256', foreign=(), **fields):
        """
        One image of these Layers; returns its descriptor, with the platform.
        foreign: descriptors of layers that are fetched elsewhere (with urls), put first.
        """
        types = STYLES[style]
        config = {**platform_of(platform), 'created': CREATED, 'config': {'Env': ['PATH=/usr/bin:/bin']},
                  'rootfs': {'type': 'layers', 'diff_ids': [f['diff_id'] for f in foreign] + [x.diff_id for x in layers]},
                  'history': [{'created': CREATED, 'created_by': 'COPY files'} for _ in [*foreign, *layers]]}
        entries = [{k: v for k, v in f.items() if k != 'diff_id'} for f in foreign]
        for x in layers:
            self.blobs[x.digest] = x.data
            entries.append({'mediaType': types['layers'][x.compression], 'digest': x.digest, 'size': len(x.data)})
        descriptor = self.manifest(
            {'schemaVersion': 2, 'mediaType': types['manifest'],
             'config': self.blob(to_json(config), types['config'], algorithm), 'layers': entries, **fields},
            types['manifest'], algorithm)
        return {**descriptor, 'platform': platform_of(platform)}

    def index(self, children, style='oci', algorithm='sha256', **fields):
        media_type = STYLES[style]['index']
        return self.manifest({'schemaVersion': 2, 'mediaType': media_type, 'manifests': children, **fields},
                             media_type, algorithm)

    def multi(self, repository, tag, platforms=('linux/amd64', 'linux/arm64', 'linux/arm/v7'), style='oci',
              compression='gzip', shared=None, salt=''):
        """
        A tagged multi-platform image: a layer that all platforms share, and one of its own each.
        salt makes the own layers different from those of another call.
        """
        shared = shared or Layer(licences(), compression)
        children = []
        for p in platforms:
            own = Layer({'etc/os-release': '/etc/os-release', 'etc/image': f'{repository}:{tag} {p} {salt}\n'.encode(),
                         **programs('true', 'env')}, compression)
            children.append(self.image([shared, own], p, style))
        return self.tag(repository, tag, self.index(children, style))

    def artifact(self, artifact_type='application/vnd.example.thing', data=None, subject=None):
        """An artifact of a type that nobody knows, with the empty config; data None: the empty layer too."""
        empty = self.blob(b'{}', OCI_EMPTY, data='e30=')
        layer = empty if data is None else self.blob(data, 'application/vnd.example.data')
        return self.manifest({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'artifactType': artifact_type,
                              'config': empty, 'layers': [layer], **({'subject': subject} if subject else {})})

    def foreign_layer(self, url='http://127.0.0.1:9/layer'):
        """A descriptor of a non-distributable layer that is in no registry, with its diff_id for image()."""
        layer = Layer({'Windows/notepad.exe': b'not for redistribution'})
        return {'mediaType': DOCKER_FOREIGN, 'digest': layer.digest, 'size': len(layer.data), 'urls': [url],
                'diff_id': layer.diff_id}

    # ---- walking ---------------------------------------------------------------------
    def children(self, digest):
        """Digests of the manifests and of the blobs that this manifest names directly; foreign layers left out."""
        value = json.loads(self.manifests[digest][1])
        manifests = [m['digest'] for m in value.get('manifests', [])]
        blobs = [b['digest'] for b in [value.get('config'), *value.get('layers', [])] if b and not b.get('urls')]
        return manifests, blobs

    def reach(self, digest):
        """(manifests children first, blobs) below and with this digest, each once."""
        manifests, blobs = {}, {}

        def visit(d):
            if d in manifests:
                return
            below, own = self.children(d)
            for child in below:
                visit(child)
            blobs.update(dict.fromkeys(own))
            manifests[d] = None
        visit(digest)
        return list(manifests), list(blobs)

    # ---- out -------------------------------------------------------------------------
    def push(self, client, repositories=None):
        """Puts every tag, and what it needs, into the registry behind a client.Client."""
        for repository, tags in self.tags.items():
            if repositories is not None and repository not in repositories:
                continue
            done = set()
            for tag, digest in tags.items():
                manifests, blobs = self.reach(digest)
                for b in blobs:
                    if b not in done:
                        client.put_blob(repository, b, self.blobs[b])
                        done.add(b)
                for m in manifests:
                    if m not in done:
                        client.put_manifest(repository, m, *self.manifests[m])
                        done.add(m)
                client.put_manifest(repository, tag, *self.manifests[digest])

    def load_into(self, storage):
        """Puts all of it straight into a faulty.Storage, without checks: also what no registry would take."""
        for repository, tags in self.tags.items():
            for tag, digest in tags.items():
                storage.add_image(self, repository, tag, digest)

    def write_layout(self, folder, repository):
        """Writes one repository as an OCI layout: skopeo reads oci:FOLDER:TAG."""
        entries, written = [], set()
        for tag, digest in self.tags[repository].items():
            manifests, blobs = self.reach(digest)
            written.update((m, self.manifests[m][1]) for m in manifests)
            written.update((b, self.blobs[b]) for b in blobs)
            media_type, data = self.manifests[digest]
            entries.append({'mediaType': media_type, 'digest': digest, 'size': len(data),
                            'annotations': {'org.opencontainers.image.ref.name': tag}})
        for digest, data in written:
            path = os.path.join(folder, 'blobs', *digest.split(':'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as f:
                f.write(data)
        with open(os.path.join(folder, 'oci-layout'), 'w') as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        with open(os.path.join(folder, 'index.json'), 'wb') as f:
            f.write(to_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries}))


def ordinary():
    """A corpus of what registries hold every day: multi-platform, both styles, gzip and zstd, shared layers."""
    c = Corpus()
    base = Layer(licences(4))
    c.multi('team/web', 'v1.0.0', shared=base)
    c.multi('team/web', 'v1.1.0', shared=base)
    c.tags['team/web']['latest'] = c.tags['team/web']['v1.1.0']
    c.multi('team/worker', 'v1.0.0', style='docker', shared=base)
    c.multi('tools/packer', 'v2.0.0', compression='zstd', platforms=('linux/amd64', 'linux/arm64'))
    c.tag('tools/single', 'v3', c.image([base, Layer({'single': b'one platform only\n'})], style='docker'))
    return c


def peculiar(sha512=True):
    """A corpus of what the specifications allow and clients forget."""
    c = Corpus()
    base = Layer(licences(2))
    c.tag('odd/artifact', 'v1', c.artifact(data=b'payload of an unknown type'))
    c.tag('odd/artifact', 'empty', c.artifact())
    c.tag('odd/zero', 'v1', c.manifest({
        'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': c.blob(b'{}', OCI_EMPTY),
        'layers': [c.blob(b'', 'application/vnd.example.nothing')]}))
    c.tag('odd/nested', 'v1', c.index([c.index([c.image([base])]), c.image([base], 'linux/arm64')]))
    c.tag('odd/untyped', 'v1', c.manifest({
        'schemaVersion': 2, 'config': c.blob(b'{"os":"linux","architecture":"amd64"}', OCI_CONFIG), 'layers': []}))
    c.tag('odd/foreign', 'v1', c.image([base], 'windows/amd64', 'docker', foreign=[c.foreign_layer()]))
    c.tag('odd/noplatform', 'v1', c.index([{k: v for k, v in c.image([base]).items() if k != 'platform'}]))
    c.tag('odd/nolayers', 'v1', c.image([]))
    if sha512:
        layer = Layer({'long': b'digests\n'}, algorithm='sha512')
        c.tag('odd/sha512', 'v1', c.index([c.image([layer], algorithm='sha512')], algorithm='sha512'))
    return c


def hostile_manifest(size, seed=''):
    """A well-formed manifest of about size bytes that costs a parser the most: many small objects."""
    head = to_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': {
        'mediaType': OCI_EMPTY, 'digest': digest_of(b'{}'), 'size': 2}, 'seed': seed})[:-2]
    one = b'{"a":[{}]},'
    return head + b',"layers":[],"x":[' + one * ((size - len(head) - 40) // len(one)) + b'0]}'
