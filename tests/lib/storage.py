"""What a registry holds, in memory: blobs, manifests, tags and running uploads, with the usual checks."""
import collections
import hashlib
import json
import re
import threading

MANIFEST_MAX = 4 << 20  # bytes, the least that a registry must take (distribution-spec, "Pushing Manifests")
DIGEST = re.compile(r'(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$')


class Problem(Exception):
    """A refusal as the distribution specification words it."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def digest_matches(digest, data):
    return DIGEST.match(digest) and hashlib.new(digest.split(':')[0], data).hexdigest() == digest.split(':')[1]


class Storage:
    """
    Several servers may share one Storage.  Content is linked to repositories: a blob that only
    another repository holds is absent, as in real registries.
    sparse: takes indexes whose children are missing.  tag_log: every move of a tag, in order.
    """

    def __init__(self, sparse=False):
        self.lock = threading.RLock()
        self.sparse = sparse
        self.content = {}                                  # digest -> bytes
        self.blobs = collections.defaultdict(set)          # repository -> digests
        self.manifests = collections.defaultdict(dict)     # repository -> {digest: media type}
        self.tags = collections.defaultdict(dict)          # repository -> {tag: digest}
        self.uploads = {}                                  # identifier -> (repository, bytearray)
        self.tag_log = []                                  # (repository, tag, digest)
        self.serial = 0

    # ---- filling it from a test ------------------------------------------------------------
    def add_image(self, corpus, repository, tag, digest):
        """An image of an images.Corpus, unchecked: what is missing in the corpus is missing here."""
        with self.lock:
            todo = [digest]
            while todo:
                d = todo.pop()
                if d not in corpus.manifests or d in self.manifests[repository]:
                    continue
                self.manifests[repository][d], self.content[d] = corpus.manifests[d]
                try:
                    below, blobs = corpus.children(d)
                except (ValueError, KeyError, AttributeError, TypeError):
                    below, blobs = [], []                  # not a manifest at all, on purpose
                todo += below
                for b in blobs:
                    if b in corpus.blobs:
                        self.content[b] = corpus.blobs[b]
                        self.blobs[repository].add(b)
            self.tags[repository][tag] = digest

    def forget(self, digest, repository=None):
        """Loses a blob or manifest, in one repository or in all."""
        with self.lock:
            for name in [repository] if repository else [*self.blobs, *self.manifests]:
                self.blobs[name].discard(digest)
                self.manifests[name].pop(digest, None)

    def wipe(self):
        with self.lock:
            for part in (self.content, self.blobs, self.manifests, self.tags, self.uploads):
                part.clear()

    def missing(self, repository, digest):
        """Digests below and with this manifest that the repository does not hold; foreign layers are not missed."""
        with self.lock:
            if digest not in self.manifests[repository]:
                return [digest]
            value = json.loads(self.content[digest])
            gone = [d for m in value.get('manifests') or [] for d in self.missing(repository, m['digest'])]
            gone += [b['digest'] for b in [value.get('config'), *(value.get('layers') or [])]
                     if b and not b.get('urls') and b['digest'] not in self.blobs[repository]]
            return gone

    def check(self):
        """Every tag that points at missing or wrong content, as sentences: [] is what a mirror owes."""
        wrong = []
        with self.lock:
            for repository, tags in self.tags.items():
                for tag, digest in tags.items():
                    wrong += [f'{repository}:{tag} lacks {d}' for d in self.missing(repository, digest)]
                for d in [*self.blobs[repository], *self.manifests[repository]]:
                    if not digest_matches(d, self.content[d]):
                        wrong.append(f'{repository}: {d} has other content')
        return wrong

    # ---- what requests do --------------------------------------------------------------------
    def find_manifest(self, repository, reference):
        with self.lock:
            digest = reference if ':' in reference else self.tags[repository].get(reference)
            if digest not in self.manifests[repository]:
                raise Problem(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
            return digest, self.manifests[repository][digest], self.content[digest]

    def find_blob(self, repository, digest):
        with self.lock:
            if not DIGEST.match(digest):
                raise Problem(400, 'DIGEST_INVALID', 'provided digest did not parse')
            if digest not in self.blobs[repository]:
                raise Problem(404, 'BLOB_UNKNOWN', 'blob unknown to registry')
            return self.content[digest]

    def put_manifest(self, repository, reference, media_type, data):
        if len(data) > MANIFEST_MAX:
            raise Problem(413, 'MANIFEST_INVALID', 'manifest too large')
        digest = 'sha256:' + hashlib.sha256(data).hexdigest()
        if ':' in reference:
            if not digest_matches(reference, data):
                raise Problem(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content')
            digest = reference
        try:
            value = json.loads(data)
            children = [m['digest'] for m in value.get('manifests') or []]
            blobs = [b['digest'] for b in [value.get('config'), *(value.get('layers') or [])] if b and not b.get('urls')]
        except (ValueError, KeyError, AttributeError, TypeError) as e:
            raise Problem(400, 'MANIFEST_INVALID', f'manifest invalid: {e}') from e
        with self.lock:
            gone = [b for b in blobs if b not in self.blobs[repository]]
            if not self.sparse:
                gone += [m for m in children if m not in self.manifests[repository]]
            if gone:
                raise Problem(400, 'MANIFEST_BLOB_UNKNOWN', f'blob unknown to registry: {gone[0]}')
            self.content[digest] = data
            self.manifests[repository][digest] = media_type
            if ':' not in reference:
                self.tags[repository][reference] = digest
                self.tag_log.append((repository, reference, digest))
        return digest

    def delete_manifest(self, repository, reference):
        with self.lock:
            if ':' not in reference:
                if not self.tags[repository].pop(reference, None):
                    raise Problem(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
                return
            self.find_manifest(repository, reference)
            del self.manifests[repository][reference]
            self.tags[repository] = {t: d for t, d in self.tags[repository].items() if d != reference}

    def mount(self, repository, digest, source):
        """True when the blob is in the source repository, and now also in this one."""
        with self.lock:
            if digest not in self.blobs[source]:
                return False
            self.blobs[repository].add(digest)
            return True

    def new_upload(self, repository):
        with self.lock:
            self.serial += 1
            identifier = f'upload-{self.serial}'
            self.uploads[identifier] = (repository, bytearray())
            return identifier

    def upload(self, repository, identifier):
        """The bytes that arrived so far; appending to them is receiving."""
        found = self.uploads.get(identifier)
        if not found or found[0] != repository:
            raise Problem(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry')
        return found[1]

    def close_upload(self, repository, identifier, digest):
        data = bytes(self.upload(repository, identifier))
        if not digest_matches(digest, data):
            self.uploads.pop(identifier, None)
            raise Problem(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content')
        with self.lock:
            self.uploads.pop(identifier, None)
            self.content[digest] = data
            self.blobs[repository].add(digest)
