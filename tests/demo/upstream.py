"""
Registries to try the program on: an authority with some images, a mirror that has the same, and,
when a third port is named, an empty one that may be a target.

    upstream.py FOLDER                          two on free ports, until the program is ended
    upstream.py FOLDER --ports 5001 5002 5003   three on these
    upstream.py FOLDER --detach                 returns when they are ready; FOLDER/pid ends them

Everything they keep is in FOLDER; FOLDER/hosts has their host:port, in the order above.
"""
import argparse
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

import images       # noqa: E402
import registries   # noqa: E402

NAMES = ('authority', 'mirror', 'empty')


def describe(corpus):
    """What the images are, in two lines."""
    tags = [f'{repository}:{tag}' for repository in corpus.tags for tag in corpus.tags[repository]]
    size = sum(map(len, corpus.blobs.values())) // 1024
    return (f'{len(tags)} tags, {len(corpus.manifests)} manifests, {len(corpus.blobs)} blobs, {size} KiB, '
            f'from files of this machine:\n{" ".join(tags)}')


def serve(folder, ports):
    """Runs the registries until a signal comes."""
    stop = threading.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: stop.set())
    corpus = images.ordinary()
    started = []
    try:
        for name, port in zip(NAMES, ports):
            started.append(registries.DockerRegistry(os.path.join(folder, name), port=port).start())
        for registry in started[:2]:
            corpus.push(registry.client())
        print(describe(corpus))
        for name, registry in zip(NAMES, started):
            print(f'{name:9} {registry.host}', flush=True)
        hosts = os.path.join(folder, 'hosts')
        with open(hosts + '.new', 'w') as f:
            f.write(''.join(f'{registry.host}\n' for registry in started))
        os.rename(hosts + '.new', hosts)
        stop.wait()
    finally:
        for registry in started:
            registry.stop()


def detach(folder, ports):
    """Starts this program again in the background; 0 when its registries are ready."""
    hosts, output = os.path.join(folder, 'hosts'), os.path.join(folder, 'output')
    if os.path.exists(hosts):
        os.unlink(hosts)
    with open(output, 'w') as out:
        child = subprocess.Popen([sys.executable, '-B', __file__, folder, '--ports', *map(str, ports)], start_new_session=True,
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    while not os.path.exists(hosts) and child.poll() is None:
        time.sleep(0.02)
    with open(output) as f:
        sys.stdout.write(f.read())
    if child.returncode is not None:
        return 1
    with open(os.path.join(folder, 'pid'), 'w') as f:
        f.write(f'{child.pid}\n')
    child.returncode = 0  # it is to outlive us
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder')
    p.add_argument('--ports', type=int, nargs='+', metavar='PORT', help='of authority, mirror and empty registry')
    p.add_argument('--detach', action='store_true')
    a = p.parse_args()
    folder = os.path.abspath(a.folder)
    os.makedirs(folder, exist_ok=True)
    ports = a.ports or [registries.free_port() for _ in NAMES[:2]]
    return detach(folder, ports) if a.detach else serve(folder, ports)


if __name__ == '__main__':
    sys.exit(main())
