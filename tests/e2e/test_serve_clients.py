"""`regmirror serve` and the programs that people use: skopeo, podman, containerd, umoci, Docker's dialect, itself."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse

import pytest

import images
import setups
from client import Client, differences
from images import digest_of

USERS = {'ci': 'right horse'}
CREDS = 'ci:right horse'
TOOL_SECONDS = 120


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f'{name} is not installed')


def tool(*args, env=None, code=0):
    result = subprocess.run([str(a) for a in args], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=TOOL_SECONDS, env={**os.environ, **(env or {})})
    assert code is None or result.returncode == code, f'{args}\n{result.stdout}'
    return result.stdout


@pytest.fixture
def secured(make_served, authority):
    return make_served(tls=authority, users=USERS)


@pytest.fixture
def certs_folder(tmp_path, authority):
    """For --cert-dir: the authority alone."""
    folder = tmp_path / 'certs'
    folder.mkdir()
    shutil.copy(authority.ca, folder / 'ca.crt')
    return folder


# ---- skopeo ------------------------------------------------------------------------------

@pytest.mark.parametrize('repository,tag', [('team/web', 'v1.0.0'), ('tools/packer', 'v2.0.0')])
def test_skopeo_pushes_and_pulls_over_tls_with_a_password(secured, certs_folder, corpus, tmp_path, repository, tag):
    need('skopeo')
    layout = tmp_path / 'layout'
    corpus.write_layout(str(layout), repository)
    there = f'docker://{secured.host}/copies/x:{tag}'
    tool('skopeo', 'copy', '--all', '--preserve-digests', '--dest-cert-dir', certs_folder, '--dest-creds', CREDS,
         f'oci:{layout}:{tag}', there)
    raw = tool('skopeo', 'inspect', '--raw', '--cert-dir', certs_folder, there)
    assert raw.encode() == corpus.manifests[corpus.tags[repository][tag]][1]
    tool('skopeo', 'copy', '--all', '--src-cert-dir', certs_folder, there, f'dir:{tmp_path}/back')     # anonymous
    for digest in corpus.reach(corpus.tags[repository][tag])[1]:
        assert (tmp_path / 'back' / digest.split(':')[1]).read_bytes() == corpus.blobs[digest]
    assert json.loads(tool('skopeo', 'list-tags', '--cert-dir', certs_folder, there.rsplit(':', 1)[0]))['Tags'] == [tag]
    refused = tool('skopeo', 'copy', '--dest-cert-dir', certs_folder, '--dest-creds', 'ci:wrong', f'oci:{layout}:{tag}',
                   there, code=None)
    assert 'unauthorized' in refused.lower()
    tool('skopeo', 'delete', '--cert-dir', certs_folder, '--creds', CREDS, there)
    assert secured.client().tags('copies/x') == []


def test_umoci_reads_the_stores_layout_after_a_push(make_served, corpus, tmp_path):
    need('umoci')
    served = make_served(corpus=corpus)
    layout = os.path.join(served.store, 'repos/team/web/_layout')
    wanted, until = sorted(corpus.tags['team/web']), time.monotonic() + 10
    while not os.path.exists(layout) or sorted(tool('umoci', 'ls', '--layout', layout).split()) != wanted:
        assert time.monotonic() < until, os.listdir(served.store)
        time.sleep(0.1)
    index = json.loads(open(os.path.join(layout, 'index.json')).read())
    assert {m['digest'] for m in index['manifests']} == set(corpus.tags['team/web'].values())


@pytest.fixture
def short_folder():
    """Paths of sockets, and podman's runroot, must be short."""
    with tempfile.TemporaryDirectory(prefix='rm') as folder:
        yield folder


# ---- podman ------------------------------------------------------------------------------

def test_podman_pushes_and_pulls(secured, certs_folder, tmp_path, short_folder):
    need('podman')
    env = {'XDG_RUNTIME_DIR': short_folder, 'TMPDIR': str(tmp_path)}
    policy = tmp_path / 'policy.json'
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def podman(*args, **more):
        return tool('podman', '--root', tmp_path / 'storage', '--runroot', os.path.join(short_folder, 'r'), '--storage-driver',
                    'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', *args, env=env, **more)

    works = podman('info', code=None)
    if 'graphDriverName' not in works:
        pytest.skip(f'podman does not run here: {works.strip()[-200:]}')
    layout, tag, one = tmp_path / 'layout', 'v1', images.Corpus()
    one.tag('x', tag, one.image([images.Layer({'hello': b'of one layer\n'})]))
    one.write_layout(str(layout), 'x')
    there = f'{secured.host}/from/podman:{tag}'
    try:
        pulled = podman('pull', '--signature-policy', policy, f'oci:{layout}:{tag}', code=None)
        name = pulled.strip().splitlines()[-1]
        if not all(c in '0123456789abcdef' for c in name):
            pytest.skip(f'podman cannot unpack layers here: {pulled.strip()[-200:]}')
        podman('push', '--signature-policy', policy, '--cert-dir', certs_folder, '--creds', CREDS, name, f'docker://{there}')
        assert secured.client().tags('from/podman') == [tag]
        podman('rmi', '-f', name)
        podman('pull', '--signature-policy', policy, '--cert-dir', certs_folder, there)
        assert there in podman('images', '--format', '{{.Repository}}:{{.Tag}}')
    finally:
        podman('rmi', '-a', '-f', code=None)


# ---- containerd --------------------------------------------------------------------------

@pytest.fixture
def containerd(tmp_path, short_folder):
    """ctr(*args), with a daemon of its own."""
    need('containerd', 'ctr')
    address = os.path.join(short_folder, 'c.sock')
    config = tmp_path / 'containerd.toml'
    config.write_text(f'version = 2\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n'
                      f'[grpc]\n  address = "{address}"\n'
                      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n')
    log = open(tmp_path / 'containerd.log', 'w')
    process = subprocess.Popen(['containerd', '-c', str(config)], stdout=log, stderr=subprocess.STDOUT)

    def ctr(*args, **more):
        return tool('ctr', '-a', address, *args, **more)

    until = time.monotonic() + 15
    while process.poll() is None and 'Server' not in ctr('version', code=None) and time.monotonic() < until:
        time.sleep(0.2)
    if process.poll() is not None or 'Server' not in ctr('version', code=None):
        process.kill()
        pytest.skip('containerd does not run here: ' + (tmp_path / 'containerd.log').read_text()[-300:])
    yield ctr
    process.terminate()
    process.wait()
    log.close()


def test_containerd_pulls_through_hosts_toml_with_ns(secured, containerd, corpus, authority, tmp_path):
    corpus.push(secured.client(), ['team/web'])
    hosts = tmp_path / 'hosts' / 'registry.example'
    hosts.mkdir(parents=True)
    (hosts / 'hosts.toml').write_text(
        f'server = "https://registry.example"\n[host."{secured.url}"]\n'
        f'  capabilities = ["pull", "resolve"]\n  ca = "{authority.ca}"\n')
    containerd('content', 'fetch', '--hosts-dir', hosts.parent, '--all-platforms', 'registry.example/team/web:v1.0.0')
    manifests, blobs = corpus.reach(corpus.tags['team/web']['v1.0.0'])
    listed = containerd('content', 'ls', '-q').split()
    assert set(manifests) | set(blobs) <= set(listed)
    assert secured.logged(lambda line: 'containerd' in line.get('agent', ''))


# ---- Docker's dialect, as guides to its engine describe it ----------------------------------

def test_a_push_in_dockers_words(secured, corpus):
    """Ping, HEAD, POST, PATCH chunked without Content-Range, PUT without a body, HEAD, PUT of the manifest."""
    client = secured.client()
    status, headers, _ = Client(secured.url, ca=secured.tls.ca)._once('GET', secured.url + '/v2/', None, {})
    assert status == 401 and headers['WWW-Authenticate'].startswith('Basic ')
    digest = corpus.tags['tools/packer']['v2.0.0']
    manifests, blobs = corpus.reach(digest)
    auth = {'Authorization': client._basic()}
    for blob in blobs:
        data = corpus.blobs[blob]
        assert secured.ask('HEAD', f'/v2/d/x/blobs/{blob}', headers=auth).status == 404
        answer = secured.ask('POST', f'/v2/d/x/blobs/uploads/?from=d%2Fother&mount={urllib.parse.quote(blob)}', b'', auth)
        assert answer.status == 202
        parts = (data[i:i + 32768] for i in range(0, len(data), 32768))
        answer = secured.ask('PATCH', answer.headers['Location'], parts, auth)
        assert answer.status == 202
        first, last = (int(n) for n in answer.headers['Range'].split('-'))      # "%d-%d", or a push fails
        assert (first, last) == (0, len(data) - 1)
        where = answer.headers['Location'] + '?digest=' + urllib.parse.quote(blob, safe='')
        assert secured.ask('PUT', where, b'', {**auth, 'Content-Type': 'application/octet-stream'}).status == 201
        head = secured.ask('HEAD', f'/v2/d/x/blobs/{blob}', headers=auth)
        assert (head.status, head.headers['Content-Length']) == (200, str(len(data)))
    for m in [*[m for m in manifests if m != digest], digest]:
        media_type, data = corpus.manifests[m]
        reference = 'v2.0.0' if m == digest else m
        answer = secured.ask('PUT', f'/v2/d/x/manifests/{reference}', data, {**auth, 'Content-Type': media_type})
        assert (answer.status, answer.headers['Docker-Content-Digest']) == (201, m)


# ---- itself --------------------------------------------------------------------------------

def test_sync_publishes_to_it_and_copies_from_it(run, secured, source, target, corpus):
    assert run('sync', config=setups.configuration(source, [secured])).ok()
    assert differences(corpus, secured.client()) == []
    again = run('sync', config=setups.configuration(source, [secured])).ok()
    assert again.report['totals']['bytes'] == 0
    shutil.rmtree(run.state)
    assert run('sync', config=setups.configuration(secured, [target], credentials=False) | {
        'registries': {secured.host: {'ca': secured.tls.ca}, target.host: {'tls': 'off'}}}).ok()
    assert differences(corpus, target.client()) == []


def test_peculiar_content_goes_in_and_out(run, make_served, make_faulty):
    peculiar = images.peculiar(sha512=False)    # a PUT by tag does not say by which algorithm
    source, through = make_faulty(), make_served()
    peculiar.load_into(source.storage)
    run('sync', config=setups.configuration(source, [through])).ok()
    assert differences(peculiar, through.client()) == []


def test_what_sync_puts_into_the_store_is_served_at_once(run, make_served, source, corpus):
    served = make_served()
    run('sync', options=('--state', served.state), config=setups.configuration(source, ['store'])).ok()
    assert differences(corpus, served.client()) == []
