"""
An upstream for the demonstration: two docker-registries that hold the same images, the authority
and a mirror of it.  Writes FOLDER/hosts (two lines) when both are ready; runs until it is ended.
"""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

import images       # noqa: E402
import registries   # noqa: E402


def main(folder):
    stop = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: stop.set())
    corpus = images.ordinary()
    print(f'{sum(map(len, corpus.tags.values()))} tags, {len(corpus.manifests)} manifests and {len(corpus.blobs)} blobs, '
          f'{sum(map(len, corpus.blobs.values())) // 1024} KiB, from files of this machine')
    with registries.DockerRegistry(os.path.join(folder, 'authority')) as authority, \
            registries.DockerRegistry(os.path.join(folder, 'mirror')) as mirror:
        for registry in (authority, mirror):
            corpus.push(registry.client())
            registry.mark()
        print(f'authority {authority.url}, mirror {mirror.url}', flush=True)
        ready = os.path.join(folder, 'hosts')
        with open(ready + '.new', 'w') as f:
            f.write(f'{authority.host}\n{mirror.host}\n')
        os.rename(ready + '.new', ready)
        stop.wait()


if __name__ == '__main__':
    main(sys.argv[1])
