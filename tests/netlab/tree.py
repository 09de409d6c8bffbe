"""
What a source holds: a folder that nginx serves as a registry, and ways to make it wrong.

Corpora are folders as bench/peerlab/make_corpus.py builds them (blobs/sha256/*, corpus.json); a Tree
links to their content, so that many sources hold 3 GB once.  Only what is changed is copied.
"""
import hashlib
import json
import os
import random
import shutil

import images

NOBODY = '0' * 64  # the name of no manifest
PIECE = 16 << 20    # bytes that random makes at once: it has a limit
SCHEMA = {'schemaVersion': 2}


def hex_of(digest):
    return digest.split(':')[1]


class Corpus:
    """A folder with corpus.json."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, 'corpus.json')) as f:
            value = json.load(f)
        self.tags, self.manifests, self.blobs = value['repos'], value['manifests'], value['blobs']

    def path(self, digest):
        return os.path.join(self.folder, 'blobs', 'sha256', hex_of(digest))

    def bytes(self):
        """Of the blobs that tags need, each once."""
        need = {b for tags in self.tags.values() for d in tags.values()
                for m in [d, *self.manifests[d]['m']] for b in self.manifests[m]['b']}
        return sum(self.blobs[b] for b in need)

    def layers(self, repository, tag):
        """Digests of the layers of a tag's first image, largest first."""
        digest = self.tags[repository][tag]
        while self.manifests[digest]['m']:
            digest = self.manifests[digest]['m'][0]
        return sorted(self.manifests[digest]['b'][1:], key=lambda b: -self.blobs[b])


class Samples:
    """A small corpus of images whose layers are of given sizes; write() makes the folder."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.corpus = images.Corpus()

    def _bytes(self, n):
        return b''.join(self.random.randbytes(min(PIECE, n - at)) for at in range(0, n, PIECE))

    def image(self, repository, tag, sizes, platforms=('linux/amd64',)):
        """A multi-platform image with layers of so many random bytes, for each platform."""
        c, children = self.corpus, []
        for platform in platforms:
            layers = [c.blob(self._bytes(n), 'application/vnd.oci.image.layer.v1.tar') for n in sizes]
            config = c.blob(images.to_json({
                **images.platform_of(platform), 'config': {},
                'rootfs': {'type': 'layers', 'diff_ids': [x['digest'] for x in layers]}}), images.OCI_CONFIG)
            children.append({**c.manifest({**SCHEMA, 'mediaType': images.OCI_MANIFEST, 'config': config, 'layers': layers},
                                          images.OCI_MANIFEST), 'platform': images.platform_of(platform)})
        c.tag(repository, tag, c.index(children))
        return self

    def write(self, folder):
        c = self.corpus
        os.makedirs(os.path.join(folder, 'blobs', 'sha256'))
        content = {**c.blobs, **{d: data for d, (_, data) in c.manifests.items()}}
        for digest, data in content.items():
            with open(os.path.join(folder, 'blobs', 'sha256', hex_of(digest)), 'wb') as f:
                f.write(data)
        manifests = {}
        for digest, (media_type, data) in c.manifests.items():
            below, blobs = c.children(digest)
            manifests[digest] = {'mt': media_type, 'size': len(data), 'm': below, 'b': blobs}
        with open(os.path.join(folder, 'corpus.json'), 'w') as f:
            json.dump({'name': 'samples', 'repos': c.tags, 'deltas': [], 'manifests': manifests,
                       'blobs': {d: len(data) for d, data in c.blobs.items()}}, f)
        return Corpus(folder)


class Tree:
    """
    The registry of one source.  folder is its own; corpora say what it holds.  The faults change
    what it serves at once, also while it is asked: files are put in place by renaming, but new tags
    and manifests need Server.reload().
    """

    def __init__(self, folder, *corpora):
        self.folder = folder
        self.tags, self.manifests, self.blobs = {}, {}, {}
        for c in corpora:
            self.tags.update({r: dict(tags) for r, tags in c.tags.items()})
            self.manifests.update({d: (m['mt'], c.path(d)) for d, m in c.manifests.items()})
            self.blobs.update({d: c.path(d) for d in c.blobs})
        self.own = os.path.join(folder, 'own')
        for d in ('blobs', 'manifests', 'tags', 'own'):
            os.makedirs(os.path.join(folder, d), exist_ok=True)
        self.write()

    # ---- faults --------------------------------------------------------------------------
    def spoil(self, digest, offset, length=1, every=1):
        """One bit of every so many bytes of a stretch of a blob is wrong here."""
        copy = os.path.join(self.own, hex_of(digest))
        shutil.copyfile(self.blobs[digest], copy)
        with open(copy, 'r+b') as f:
            for at in range(offset, offset + length, every):
                f.seek(at)
                byte = f.read(1)
                f.seek(at)
                f.write(bytes([byte[0] ^ 1]))
        self.blobs[digest] = copy
        self._link(copy, os.path.join(self.folder, 'blobs', hex_of(digest)))

    def lose(self, digest):
        """A blob or manifest is not here."""
        if self.blobs.pop(digest, None):
            os.unlink(os.path.join(self.folder, 'blobs', hex_of(digest)))
        self.manifests.pop(digest, None)
        self.write()

    def retag(self, repository, tag, digest):
        """A tag says something else here."""
        self.tags[repository][tag] = digest
        self.write()

    def reencode(self, repository, tag):
        """The index of a tag was read and written again: the same children, another digest.  Returns it."""
        was = self.tags[repository][tag]
        media_type, path = self.manifests.pop(was)
        with open(path) as f:
            data = json.dumps(json.load(f), indent=7).encode()
        digest = 'sha256:' + hashlib.sha256(data).hexdigest()
        copy = os.path.join(self.own, hex_of(digest))
        with open(copy, 'wb') as f:
            f.write(data)
        self.manifests[digest] = media_type, copy
        self.retag(repository, tag, digest)
        return digest

    # ---- files ---------------------------------------------------------------------------
    @staticmethod
    def _link(to, path):
        os.symlink(to, path + '.new')
        os.rename(path + '.new', path)

    def _extension(self, media_type):
        return 'm' + hashlib.sha256(media_type.encode()).hexdigest()[:8]

    def write(self):
        for digest, path in self.blobs.items():
            name = os.path.join(self.folder, 'blobs', hex_of(digest))
            if not os.path.lexists(name):
                self._link(path, name)
        for digest, (media_type, path) in self.manifests.items():
            name = os.path.join(self.folder, 'manifests', f'{hex_of(digest)}.{self._extension(media_type)}')
            if not os.path.lexists(name):
                self._link(path, name)
        for repository, tags in self.tags.items():
            with open(os.path.join(self.folder, 'tags', repository.replace('/', ' ')), 'w') as f:
                json.dump({'name': repository, 'tags': sorted(tags)}, f)

    def maps(self):
        """nginx: which file answers for a manifest, and what the headers say."""
        answers = {}
        for repository, tags in self.tags.items():
            known = {**tags, **{d: d for d in self.manifests}}
            answers.update({f'/v2/{repository}/manifests/{reference}': digest for reference, digest in known.items()
                            if digest in self.manifests})
        files = {path: f'{hex_of(d)}.{self._extension(self.manifests[d][0])}' for path, d in answers.items()}

        def table(variable, values, other):
            lines = '\n'.join(f'  "{k}" "{v}";' for k, v in values.items())
            return f'map $uri ${variable} {{\n  default "{other}";\n{lines}\n}}\n'
        lists = {f'/v2/{r}/tags/list': r.replace('/', ' ') for r in self.tags}
        return table('manifest', files, NOBODY) + table('digest', answers, '') + table('tags', lists, NOBODY)

    def types(self):
        """nginx: media types by extension."""
        return ' '.join(f'{t} {self._extension(t)};' for t in sorted({t for t, _ in self.manifests.values()}))
