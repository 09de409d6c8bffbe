#!/usr/bin/env python3
"""
Measures how long it takes to have a corpus on a disk: as regmirror's store, in a docker-registry
(by `skopeo sync`), and as OCI layouts (by `skopeo copy`, one tag after the other).

  bench_store.py --corpus DIR --disk DIR [--rounds 7] [--out FILE.jsonl]

The source is a docker-registry in BENCH_STORE (a tmpfs keeps the disk out of it).  "cold" is the time
of the command; "durable" also counts the `sync -f` after it, when all of it is on the disk: regmirror
does that by itself, image by image.  Each result is checked: tags, and the size of all content.
"""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

import bench_peers
import lab
import ratios

# contestant -> the folder, below its own, of a repository's OCI layout; None: it is in the registry
LAYOUTS = {'store-regmirror': 'store/repos/{}/_layout', 'store-skopeo-registry': None, 'store-skopeo-oci': '{}'}
# skopeo turns Docker's images into OCI's on their way into a layout: other digests, the same layers
CONVERTS = {'store-skopeo-oci'}


def layout_lacks(corpus, folder, repository, converted):
    """What an OCI layout has not, of a repository of the corpus."""
    with open(os.path.join(folder, 'index.json')) as f:
        entries = json.load(f)['manifests']
    have = {e.get('annotations', {}).get('org.opencontainers.image.ref.name'): e['digest'] for e in entries}
    lacks = [tag for tag, digest in corpus['repos'][repository].items()
             if tag not in have or not converted and have[tag] != digest]
    wanted = {}
    for digest in corpus['repos'][repository].values():
        for manifest in [digest, *corpus['manifests'][digest]['m']]:
            if not converted:
                wanted[manifest] = corpus['manifests'][manifest]['size']
            # the configuration comes first, and is converted with its manifest
            blobs = corpus['manifests'][manifest]['b'][1 if converted else 0:]
            wanted.update((b, corpus['blobs'][b]) for b in blobs)
    for digest, size in wanted.items():
        path = os.path.join(folder, 'blobs', *digest.split(':'))
        if not os.path.exists(path) or os.path.getsize(path) != size:
            lacks.append(digest)
    return lacks


class StoreBench(bench_peers.Bench):
    def __init__(self, options, work, disk):
        super().__init__(options, work)
        self.disk = disk
        self.target = lab.Registry(disk, 'target')

    def complete(self, who):
        if LAYOUTS[who] is None:
            return self.corpus_tool(self.target, 'verify')
        folder = os.path.join(self.disk, 'own', LAYOUTS[who])
        lacks = [d for r in self.repositories for d in layout_lacks(self.corpus, folder.format(r), r, who in CONVERTS)]
        if lacks:
            print(f'   {who} lacks {lacks[:3]} and so on, {len(lacks)} in all', flush=True)
        return not lacks

    def contest(self, who, number, out):
        own = os.path.join(self.disk, 'own')
        shutil.rmtree(own, ignore_errors=True)
        os.mkdir(own)
        self.target.stop()
        self.target.start(wipe=True)
        lab.run('sync', '-f', self.disk)  # what the one before left behind is not this one's work
        env = {**self.environment(who, 'cold', '/dev/null'), 'DISK': own}
        self.source.mark()
        self.target.mark()
        command = [os.path.join(lab.HERE, 'contestants', who + '.sh')]
        measured = lab.measure(command, env, self.options.timeout, self.work + '/output')
        if measured['code'] == bench_peers.NOT_HERE:
            return False
        began = time.monotonic()
        lab.run('sync', '-f', self.disk)
        flush = time.monotonic() - began
        ok = measured['code'] == 0 and self.complete(who)
        if measured['code']:
            with open(self.work + '/output') as f:
                print(f'   exit code {measured["code"]}: {f.read()[-400:]}', flush=True)
        record = {'corpus': self.corpus['name'], 'mode': 'to a disk', 'who': who, 'round': number, **measured, 'ok': ok,
                  'source_requests': self.source.requests(), 'target_requests': self.target.requests()}
        for phase, wall in (('cold', measured['wall']), ('durable', measured['wall'] + flush)):
            out.write(json.dumps({**record, 'phase': phase, 'wall': wall}) + '\n')
        out.flush()
        print(f'{who:22} round {number} {"ok " if ok else "BAD"} wall {measured["wall"]:7.2f} s, and {flush:.2f} s to the disk',
              file=sys.stderr, flush=True)
        return True


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--corpus', required=True)
    p.add_argument('--disk', required=True, help='a folder on the disk')
    p.add_argument('--contestants', default=','.join(LAYOUTS))
    p.add_argument('--rounds', type=int, default=7)
    p.add_argument('--jobs', type=int, default=8)
    p.add_argument('--timeout', type=float, default=1800, help='seconds for one run')
    p.add_argument('--out', default='store.jsonl')
    options = p.parse_args()
    options.tls = options.net = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix='bench-store.', dir=os.environ.get('BENCH_STORE'))
    disk = tempfile.mkdtemp(prefix='bench-store.', dir=options.disk)
    bench = None
    try:
        bench = StoreBench(options, work, disk)
        bench.run()
    finally:
        if bench:
            bench.close()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(disk, ignore_errors=True)
    with open(options.out) as f:
        ratios.report([json.loads(line) for line in f], 'store-regmirror')


if __name__ == '__main__':
    main()
