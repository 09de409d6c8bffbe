"""
Kills the program at a chosen moment, and looks at what it left: killer.c preloaded, and a view of
the store that shares no code with the program.
"""
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


class Killer:
    """env(at=N) is the environment in which a run dies right before its N-th event; counted() are those of the last that lived."""

    def __init__(self, folder, state):
        self.library = os.path.join(folder, 'killer.so')
        self.count_path = os.path.join(folder, 'killer.count')
        self.state = os.path.realpath(state)
        subprocess.run(['gcc', '-O1', '-shared', '-fPIC', '-o', self.library, os.path.join(HERE, 'killer.c'), '-ldl'], check=True)

    def env(self, at=0, everything=False):
        if os.path.exists(self.count_path):
            os.unlink(self.count_path)
        # A sanitizer's library wants to be the first one, and is not.
        return {'LD_PRELOAD': self.library, 'KILLER_FOLDER': self.state, 'KILLER_AT': str(at), 'KILLER_COUNT': self.count_path,
                'KILLER_ALL': '1' if everything else None,
                'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}

    def counted(self):
        with open(self.count_path) as f:
            return int(f.read())


def was_killed(code):
    return code == -signal.SIGKILL


class StoreView:
    """What <state>/store says by its index, by its layouts and by its files."""

    def __init__(self, state):
        self.path = os.path.join(state, 'store')

    def blob(self, digest):
        """The bytes, or None."""
        try:
            with open(os.path.join(self.path, 'blobs', *digest.split(':')), 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return None

    def blobs(self):
        """Digests of the blobs that the index has: what has a file and no row yet was not acknowledged."""
        return {digest_text(digest) for digest, in rows(self.path, 'index.db', 'blob', 'SELECT digest FROM blob')}

    def files(self):
        folder = os.path.join(self.path, 'blobs')
        return {f'{algorithm}:{name}' for algorithm in (os.listdir(folder) if os.path.isdir(folder) else [])
                for name in os.listdir(os.path.join(folder, algorithm))}

    def tags(self):
        """{(repository, tag): digest} of index.db."""
        found = rows(self.path, 'index.db', 'tag', 'SELECT r.name, t.name, b.digest FROM tag t'
                     ' JOIN repo r ON r.id = t.repo JOIN blob b ON b.id = t.blob')
        return {(repository, tag): digest_text(digest) for repository, tag, digest in found}

    def layout_tags(self):
        """The same of the layouts' index.json."""
        found = {}
        top = os.path.join(self.path, 'repos')
        for folder, names, _ in os.walk(top):
            if '_layout' not in names:
                continue
            names.remove('_layout')
            path = os.path.join(folder, '_layout', 'index.json')
            if os.path.exists(path):
                with open(path) as f:
                    for m in json.load(f)['manifests']:
                        found[os.path.relpath(folder, top), m['annotations']['org.opencontainers.image.ref.name']] = m['digest']
        return found

    def check(self):
        """As storage.Storage.check(): sentences about tags that point at missing or wrong content."""
        wrong = []
        for (repository, tag), digest in [*self.tags().items(), *self.layout_tags().items()]:
            wrong += [f'{repository}:{tag} lacks {d}' for d in self.missing(digest)]
        wrong += [f'{digest} has no file' for digest in self.blobs() - self.files()]
        for digest in self.files():
            data = self.blob(digest)
            if hashlib.new(digest.split(':')[0], data).hexdigest() != digest.split(':')[1]:
                wrong.append(f'{digest} has other content')
        return wrong

    def missing(self, digest):
        data = self.blob(digest)
        if data is None:
            return [digest]
        value = json.loads(data)
        gone = [d for m in value.get('manifests') or [] for d in self.missing(m['digest'])]
        return gone + [b['digest'] for b in [value.get('config'), *(value.get('layers') or [])]
                       if b and self.blob(b['digest']) is None]

    def holds(self, corpus):
        """Sentences about tags of the corpus that the store or its layouts do not have as they should be."""
        wanted = {(repository, tag): digest for repository, tags in corpus.tags.items() for tag, digest in tags.items()}
        return [f'{name} of {where} is {found.get(name)}' for where, found in (('index', self.tags()), ('layout', self.layout_tags()))
                for name, digest in wanted.items() if found.get(name) != digest]


def digest_text(value):
    """A digest as the databases hold it: a byte for the algorithm, then the hash."""
    return f"{'sha256' if len(value) == 33 else 'sha512'}:{value[1:].hex()}"


def _open_copy(folder, name):
    """A database as a crash would leave it, in a copy: looking at the real one would check it in."""
    copy = os.path.join(folder, name + '-copy')
    shutil.rmtree(copy, ignore_errors=True)
    os.mkdir(copy)
    for part in (name, name + '-wal'):
        if os.path.exists(os.path.join(folder, part)):
            shutil.copy(os.path.join(folder, part), copy)
    return sqlite3.connect(os.path.join(copy, name)), copy


def rows(folder, name, wanted_table, sql):
    """Rows of a database; none when there is no such table (yet)."""
    if not os.path.exists(os.path.join(folder, name)):
        return []
    db, copy = _open_copy(folder, name)
    try:
        if not db.execute('SELECT 1 FROM sqlite_master WHERE name = ?', [wanted_table]).fetchall():
            return []
        return db.execute(sql).fetchall()
    finally:
        db.close()
        shutil.rmtree(copy)


def moves(state):
    """The journal: moves of release sets that were begun and not ended."""
    return rows(state, 'state.db', 'move', 'SELECT repository, tag FROM move')


def published(state):
    """[(repository, tag, digest)] that the state believes to be at the target."""
    found = rows(state, 'state.db', 'tag', 'SELECT p.repository, t.name, t.published FROM tag t JOIN place p ON p.id = t.place')
    return [(repository, tag, digest_text(digest)) for repository, tag, digest in found]
