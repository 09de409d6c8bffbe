"""The laboratory itself: a test that fails here says nothing about the program."""
import http.client
import os
import shutil
import socket
import subprocess
import time

import pytest

import client
import faults
import images

POLICY = ['--insecure-policy']


def skopeo(*args):
    done = subprocess.run(['skopeo', *POLICY, *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tls_options(side, server, folder):
    """skopeo's options to trust a registry, and to show it credentials."""
    options = []
    if server.tls:
        shutil.copy(server.tls.ca, folder / 'ca.crt')
        options = [f'--{side}-cert-dir', str(folder)]
    else:
        options = [f'--{side}-tls-verify=false']
    users = server.users or (getattr(server, 'token', None) and server.token.users)
    if users:
        options += [f'--{side}-creds', ':'.join(next(iter(users.items())))]
    return options


def skopeo_round_trip(server, corpus, folder):
    """skopeo pushes an image, and reads the same bytes back."""
    layout, back, trust = folder / 'layout', folder / 'back', folder / 'trust'
    for d in (layout, trust):
        d.mkdir()
    corpus.write_layout(str(layout), 'team/web')
    skopeo('copy', '-q', '--all', *tls_options('dest', server, trust), f'oci:{layout}:v1.0.0',
           f'docker://{server.host}/copied/web:v1')
    skopeo('copy', '-q', '--all', *tls_options('src', server, trust), f'docker://{server.host}/copied/web:v1', f'dir:{back}')
    digest = corpus.tags['team/web']['v1.0.0']
    assert images.digest_of((back / 'manifest.json').read_bytes()) == digest
    for d in [x for part in corpus.reach(digest) for x in part]:
        name = d.split(':')[1]
        data = [p.read_bytes() for p in (back / name, back / f'{name}.manifest.json') if p.exists()]
        assert d == digest or images.digest_of(data[0]) == d


@pytest.mark.parametrize('options', [
    {}, {'relative': True}, {'auth': 'basic', 'users': {'u': 'p:w'}}, {'auth': 'bearer', 'users': {'u': 'p'}}], ids=str)
@pytest.mark.parametrize('secure', [False, True], ids=['http', 'https'])
def test_skopeo_pushes_to_and_pulls_from_the_scripted_registry(make_faulty, authority, corpus, tmp_path, secure, options):
    server = make_faulty(tls=authority if secure else None, **options)
    skopeo_round_trip(server, corpus, tmp_path)
    assert server.storage.check() == []


@pytest.mark.parametrize('kind', ['plain', 'tls', 'htpasswd', 'token'])
def test_skopeo_pushes_to_and_pulls_from_docker_registry(make_registry, make_token_server, authority, corpus, tmp_path, kind):
    options = {'plain': {}, 'tls': {'tls': authority}, 'htpasswd': {'tls': authority, 'users': {'u': 'p:w'}}}.get(kind)
    if kind == 'token':
        tokens = make_token_server(users={'u': 'p'})
        options = {'tls': authority, 'token': tokens}
    registry = make_registry(**options)
    skopeo_round_trip(registry, corpus, tmp_path)
    assert registry.requests()['PUT manifest tag'] == 1
    if kind == 'token':
        assert ('u', ('repository:copied/web:pull,push',)) in tokens.counts() or \
            ('u', ('repository:copied/web:push,pull',)) in tokens.counts(), tokens.counts()


def test_docker_registry_takes_the_ordinary_and_the_peculiar(source, corpus, peculiar):
    assert client.differences(corpus, source.client()) == []
    peculiar.push(source.client())
    assert client.differences(peculiar, source.client()) == []


def test_scripted_registry_takes_sha512_too(make_faulty):
    corpus = images.peculiar()
    server = make_faulty()
    corpus.push(server.client())
    assert client.differences(corpus, server.client()) == []
    assert server.storage.check() == []


def test_builds_of_a_corpus_are_equal(corpus):
    assert images.ordinary().manifests == corpus.manifests


def test_layers_hold_what_their_diff_ids_say(corpus):
    layer = images.Layer(images.licences(1), 'zstd')
    tar = subprocess.run(['zstd', '-dc'], input=layer.data, check=True, stdout=subprocess.PIPE).stdout
    assert images.digest_of(tar) == layer.diff_id


def test_umoci_unpacks_an_image(corpus, tmp_path):
    (tmp_path / 'layout').mkdir()
    c = images.Corpus()
    c.tag('one', 'v1', c.image([images.Layer(images.licences(2))]))
    c.write_layout(str(tmp_path / 'layout'), 'one')
    subprocess.run(['umoci', 'raw', 'unpack', '--rootless', '--image', f'{tmp_path}/layout:v1', str(tmp_path / 'root')], check=True,
                   capture_output=True)
    assert os.listdir(tmp_path / 'root/usr/share/common-licenses')


def test_docker_registry_refuses_a_sparse_index(target):
    c = images.Corpus()
    kept, left = c.image([images.Layer(images.licences(1))]), c.image([], 'linux/arm64')
    index = c.index([kept, left])
    del c.manifests[left['digest']]
    to = target.client()
    for digest in [kept['digest']]:
        for b in c.reach(digest)[1]:
            to.put_blob('sparse', b, c.blobs[b])
        to.put_manifest('sparse', digest, *c.manifests[digest])
    with pytest.raises(client.Refused) as refused:
        to.put_manifest('sparse', 'v1', *c.manifests[index['digest']])
    assert refused.value.status == 400


def test_mutual_tls_refuses_a_client_without_certificate(make_registry, authority):
    registry = make_registry(tls=authority, mutual=True)
    assert registry.client().tags('none') == []
    with pytest.raises(OSError):
        registry.client(cert=()).tags('none')


def test_requests_are_counted_by_kind(source, make_faulty, corpus):
    server = make_faulty(corpus=corpus)
    for registry in (source, server):
        registry.mark()
        c = registry.client()
        digest = c.get_manifest('team/web', 'v1.0.0')[0]
        c.get_manifest('team/web', digest)
        c.has_blob('team/web', 'sha256:' + '0' * 64)
        c.tags('team/web')
        counts = registry.requests() if registry is source else registry.counts()
        assert counts == {'GET manifest tag': 1, 'GET manifest digest': 1, 'HEAD blob 404': 1, 'tags/list': 1}


# ---- faults --------------------------------------------------------------------------------------
class Blob:
    """A scripted registry that holds one blob, and a way to fetch it that shows what came."""

    def __init__(self, make_faulty, **options):
        self.corpus = images.Corpus()
        self.data = bytes(range(256)) * 40
        blob = self.corpus.blob(self.data)
        empty = self.corpus.blob(b'{}', images.OCI_EMPTY)
        self.corpus.tag('one', 'v1', self.corpus.manifest(
            {'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST, 'config': empty, 'layers': [blob]}))
        self.server = make_faulty(corpus=self.corpus, **options)
        self.path = f'/v2/one/blobs/{blob["digest"]}'

    def get(self, timeout=5, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=timeout)
        try:
            connection.request('GET', self.path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@pytest.fixture
def blob(make_faulty):
    return Blob(make_faulty)


def test_rules_fire_at_the_nth_request_only(blob):
    rule = blob.server.rule(faults.fail(500), 'GET', '/blobs/', nth=2)
    assert [blob.get()[0] for _ in range(3)] == [200, 500, 200]
    assert (rule.matched, rule.fired) == (3, 1)


def test_rules_fire_for_a_number_of_times(blob):
    blob.server.rule(faults.busy(), 'GET', '/blobs/', times=2)
    assert [blob.get()[0] for _ in range(3)] == [429, 429, 200]


def test_flip_byte_changes_one_byte(blob):
    blob.server.rule(faults.flip_byte(-1))
    assert blob.get()[2] == blob.data[:-1] + bytes([blob.data[-1] ^ 1])


def test_short_body_claims_the_whole_length(blob):
    blob.server.rule(faults.short_body(100))
    with pytest.raises(http.client.IncompleteRead) as e:
        blob.get()
    assert (len(e.value.partial), e.value.expected) == (100, len(blob.data) - 100)


def test_reset_breaks_the_connection(blob):
    blob.server.rule(faults.reset(100))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        blob.get()
    blob.server.clear_rules()
    blob.server.rule(faults.reset_at_once())
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        blob.get()


def test_stall_keeps_the_connection_open(blob):
    blob.server.rule(faults.stall(100))
    with pytest.raises(socket.timeout):
        blob.get(timeout=0.5)


def test_slow_takes_its_time(blob):
    blob.server.rule(faults.slow(len(blob.data) * 2))
    began = time.monotonic()
    assert blob.get()[2] == blob.data
    assert 0.4 < time.monotonic() - began < 2


def test_ranges_are_served_ignored_and_misstated(blob):
    status, headers, data = blob.get(Range='bytes=100-')
    assert (status, headers['Content-Range'], data) == (206, f'bytes 100-10239/{len(blob.data)}', blob.data[100:])
    blob.server.rule(faults.content_range('bytes 0-5/6'))
    assert blob.get(Range='bytes=100-')[1]['Content-Range'] == 'bytes 0-5/6'
    blob.server.rule(faults.ignore_range())
    assert blob.get(Range='bytes=100-')[0] == 200


def test_retry_after_is_seconds_or_a_date(blob):
    blob.server.rule(faults.busy(seconds=7), nth=1)
    blob.server.rule(faults.busy(status=503, seconds=7, date=True), nth=2)
    assert blob.get()[1]['Retry-After'] == '7'
    status, headers, _ = blob.get()
    assert status == 503 and headers['Retry-After'].endswith('GMT')


def test_other_answers(blob):
    for action, expected in [(faults.html(), 200), (faults.redirect('file:///etc/passwd'), 307), (faults.unauthorized(), 401),
                             (faults.gzipped(), 200), (faults.resize(-3), 200)]:
        blob.server.clear_rules()
        blob.server.rule(action)
        status, headers, data = blob.get()
        assert status == expected and data != blob.data
        assert len(data) == int(headers['Content-Length'])


def test_expired_tokens_are_refused(make_faulty):
    b = Blob(make_faulty, auth='bearer', users={'u': 'p'})
    c = b.server.client()
    assert c.request('GET', b.path)[0] == 200
    b.server.rule(faults.expire_tokens(), nth=1)
    assert c.request('GET', b.path)[0] == 200
    assert len(b.server.asked('GET', '/token')) == 2
    assert len(b.server.authorization_seen[b.server.host]) == 3     # two tokens, and basic at the realm


def test_uploads_can_be_cut_and_told_to_go_elsewhere(make_faulty, corpus):
    other = make_faulty()
    server = make_faulty(storage=other.storage)
    server.rule(faults.upload_location(other.url), 'POST', '/uploads/')
    corpus.push(server.client(), ['tools/single'])
    assert other.asked('PUT', '/uploads/') and not server.asked('PUT', '/uploads/')
    server.clear_rules()
    server.rule(faults.cut_upload(1000), 'PUT', '/uploads/')
    with pytest.raises(OSError):
        server.client().put_blob('x', images.digest_of(b'y' * 5000), b'y' * 5000)
    assert [len(data) for _, data in server.storage.uploads.values()] == [1000]


def test_targets_forget_and_refuse(make_faulty, corpus):
    for action, code in [(faults.forget_blobs(), 'MANIFEST_BLOB_UNKNOWN'), (faults.refuse_monolithic(), 'UNSUPPORTED')]:
        server = make_faulty()
        server.rule(action, 'PUT')
        with pytest.raises(client.Refused, match=code):
            corpus.push(server.client(), ['tools/single'])
    server = make_faulty(corpus=corpus)
    server.rule(faults.refuse_tag(409), 'PUT', '/manifests/')
    with pytest.raises(client.Refused, match='409'):
        corpus.push(server.client(), ['tools/single'])


def test_chunks_must_follow_each_other(make_faulty):
    server = make_faulty()
    c = server.client()
    data = b'0123456789'
    where = c.expect([202], 'POST', '/v2/x/blobs/uploads/', b'')[1]['Location']
    where = c.expect([202], 'PATCH', where, data[:4], {'Content-Range': '0-3'})[1]['Location']
    assert c.request('PATCH', where, data[5:], {'Content-Range': '5-9'})[0] == 416
    headers = c.expect([204], 'GET', where)[1]
    assert headers['Range'] == '0-3'
    where = c.expect([202], 'PATCH', headers['Location'], data[4:], {'Content-Range': '4-9'})[1]['Location']
    c.expect([201], 'PUT', where + '&digest=' + images.digest_of(data))
    assert c.get_blob('x', images.digest_of(data)) == data


def test_check_finds_tags_that_point_at_missing_content(make_faulty, corpus):
    server = make_faulty(corpus=corpus)
    assert server.storage.check() == []
    server.storage.forget(corpus.reach(corpus.tags['tools/single']['v3'])[1][0])
    assert any('tools/single:v3 lacks' in line for line in server.storage.check())


def test_hostile_manifests_have_the_size_asked_for():
    data = images.hostile_manifest(4 << 20)
    assert (4 << 20) - 64 < len(data) <= 4 << 20
    assert images.hostile_manifest(1000, 'a') != images.hostile_manifest(1000, 'b')
