"""`regmirror serve` and bad input, bad networks, bad disks: the API's error, and nothing lost."""
import os
import random
import re
import socket
import threading
import time

import pytest

import disks
import images
from images import digest_of
from test_serve import BLOB, begin, image, put, put_manifest

CRLF = b'\r\n'


@pytest.fixture
def served(make_served):
    return make_served()


def alive(server):
    return server.ask('GET', '/readyz').status == 200


def status_of(raw):
    """The status of the first answer in raw bytes; None: there is none."""
    found = re.match(rb'HTTP/1\.[01] (\d{3})', raw)
    return int(found[1]) if found else None


# ---- names and requests -------------------------------------------------------------------

@pytest.mark.parametrize('path', [
    '/v2/../../etc/passwd', '/v2/..%2F..%2Fetc/blobs/uploads/', '/v2/a/../b/manifests/x', '/v2/a//b/tags/list',
    '/v2/A/tags/list', '/v2/a%00b/tags/list', '/v2/./tags/list', '/v2/a/blobs/uploads/../../x', '/v2/-a/tags/list',
    '/v2/a/manifests/..', '/v2/a/blobs/sha256:../../x', '/v2/a/blobs/uploads/%2e%2e%2findex.db',
    '/v2/' + 'a' * 256 + '/tags/list', '/v2/a/manifests/' + 'x' * 129, '/v2/_layout/tags/list', '/v2/a/%ff/tags/list',
    '/v2/a/manifests/sha256:' + 'G' * 64])
def test_names_that_are_none_are_refused(served, path):
    before = sorted(os.listdir(served.state))
    for method in ('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH'):
        answer = served.ask(method, path, b'{}' if method in ('PUT', 'POST', 'PATCH') else None)
        assert 400 <= answer.status < 500, (method, answer)
        # What the listener refuses never reaches the API.
        assert method == 'HEAD' or answer.headers['Content-Type'] == 'text/plain' or answer.codes
    assert sorted(os.listdir(served.state)) == before and alive(served)


def test_headers_have_a_limit(served):
    assert served.ask('GET', '/v2/', headers={'X-Long': 'x' * 4096}).status == 200
    for headers in ({'X-Long': 'x' * 40000}, {f'X-{i}': 'x' * 100 for i in range(400)}):
        raw = served.raw(b'GET /v2/ HTTP/1.1\r\nHost: x\r\n' +
                         b''.join(f'{k}: {v}\r\n'.encode() for k, v in headers.items()) + CRLF)
        assert status_of(raw) in (431, 413, 414, None), raw[:100]
    assert status_of(served.raw(b'GET /v2/' + b'a' * 70000 + b' HTTP/1.1\r\nHost: x\r\n\r\n')) in (414, 431, None)
    assert alive(served)


@pytest.mark.parametrize('head', [
    b'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', b'Content-Length: 4\r\nContent-Length: 5\r\n',
    b'Transfer-Encoding: gzip, chunked\r\n', b'Transfer-Encoding: xchunked\r\n', b'Content-Length: -1\r\n',
    b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', b'Host: other\r\nContent-Length: 0\r\n'])
def test_two_readings_of_one_request_are_refused_and_the_connection_ends(served, head):
    smuggled = b'GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n\r\n'
    raw = served.raw(b'POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n' + head + CRLF + b'0\r\n\r\n' + smuggled, timeout=3)
    statuses = {int(n) for n in re.findall(rb'HTTP/1\.1 (\d{3})', raw)}
    assert statuses and statuses <= {400, 501}, raw      # not 404: the second request was not heard
    assert alive(served)


def test_a_tls_hello_and_noise_on_the_plain_port_harm_nobody(served):
    for data in (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(500), bytes(range(256)) * 10, b'\r\n\r\n', b''):
        assert status_of(served.raw(data, timeout=2, half_close=True)) in (400, None)
    assert alive(served)


def test_plain_words_on_the_tls_port_harm_nobody(make_served, authority):
    server = make_served(tls=authority)
    server.raw(b'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n', timeout=2, half_close=True)
    assert alive(server)


# ---- uploads --------------------------------------------------------------------------------

def test_a_client_that_goes_away_leaves_what_it_sent(served):
    where = begin(served)
    name, port = served.host.rsplit(':', 1)
    with socket.create_connection((name, int(port))) as s:
        s.sendall(f'PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BLOB)}\r\n\r\n'.encode() + BLOB[:50000])
        time.sleep(0.5)
    until = time.monotonic() + 10
    while (status := served.ask('GET', where)).status != 204:
        assert status.status == 409 and time.monotonic() < until, status
        time.sleep(0.05)
    have = int(status.headers['Range'].split('-')[1]) + 1
    assert 0 < have <= 50000
    digest = digest_of(BLOB)
    answer = served.ask('PATCH', where, BLOB[have:], {'Content-Range': f'{have}-{len(BLOB) - 1}'})
    assert answer.status == 202
    assert served.ask('PUT', f'{where}?digest={digest}', b'').status == 201
    assert served.ask('GET', f'/v2/team/web/blobs/{digest}').body == BLOB


def test_a_second_writer_is_refused_and_the_first_goes_on(served):
    where, digest = begin(served), digest_of(BLOB)
    first = served.connection()
    first.putrequest('PATCH', where)
    first.putheader('Content-Length', str(len(BLOB)))
    first.endheaders()
    first.send(BLOB[:50000])
    time.sleep(0.3)
    for method in ('PATCH', 'PUT', 'GET', 'DELETE'):
        answer = served.ask(method, f'{where}?digest={digest}', b'z' * 100 if method[0] == 'P' else None)
        assert answer.status == 409 and answer.codes == ['BLOB_UPLOAD_INVALID'], (method, answer)
    first.send(BLOB[50000:])
    assert first.getresponse().status == 202
    first.close()
    assert served.ask('PUT', f'{where}?digest={digest}', b'').status == 201


@pytest.mark.parametrize('body', [
    b'5\r\nhello\r\n', b'zz\r\nhello\r\n0\r\n\r\n', b'5\r\nhelloworld\r\n0\r\n\r\n', b'ffffffffffffffffff\r\n',
    b'-5\r\nhello\r\n0\r\n\r\n'])
def test_a_chunked_body_that_is_broken_is_no_upload(served, body):
    where = begin(served)
    digest = digest_of(b'hello')
    raw = served.raw(f'PUT {where}?digest={digest} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'.encode() + body,
                     timeout=2, half_close=True)
    assert status_of(raw) in (400, 413, None), raw[:200]
    assert served.ask('HEAD', f'/v2/team/web/blobs/{digest}').status == 404 and alive(served)


def test_absurd_lengths_are_refused_before_a_byte_comes(served):
    for method, path in (('PATCH', begin(served)), ('PUT', '/v2/a/manifests/x')):
        raw = served.raw(f'{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {2 ** 50}\r\n\r\n'.encode(), timeout=3)
        assert status_of(raw) == 413, raw[:200]


def test_a_slow_client_is_cut_off_and_others_do_not_notice(served):
    name, port = served.host.rsplit(':', 1)
    slow = [socket.create_connection((name, int(port))) for _ in range(20)]
    for s in slow:
        s.sendall(b'GET /v2/ HTTP/1.1\r\nHo')
    begun = time.monotonic()
    for _ in range(50):
        assert served.ask('GET', '/v2/').status == 200
    assert time.monotonic() - begun < 5
    for s in slow:
        s.close()


# ---- disks ----------------------------------------------------------------------------------

def test_a_full_disk_is_said_and_loses_nothing(make_served, tmp_path):
    if os.geteuid() != 0:
        pytest.skip('a small file system needs root')
    server = make_served(start=False)
    os.makedirs(server.state)
    disk = disks.Disk(server.state, 12 * 1024 * 1024)
    try:
        server.start()
        kept = put(server, BLOB)
        where, big = begin(server), os.urandom(16 * 1024 * 1024)
        try:
            answer = server.ask('PUT', f'{where}?digest={digest_of(big)}', big)
            assert answer.status == 507 and answer.codes == ['UNAVAILABLE'], answer
        except ConnectionError:
            pass        # it answered before all was sent
        assert server.ask('GET', f'/v2/team/web/blobs/{kept}').body == BLOB
        server.ask('DELETE', where)
        put(server, os.urandom(100000))     # there is room again
        assert server.stop() == 0
    finally:
        server.kill()
        disk.end()


def test_a_damaged_blob_is_no_answer(served):
    digest = put(served, BLOB)
    path = os.path.join(served.store, 'blobs/sha256', digest.split(':')[1])
    os.chmod(path, 0o644)
    os.truncate(path, 100)
    answer = served.ask('GET', f'/v2/team/web/blobs/{digest}')
    assert answer.status >= 400 and answer.codes
    assert served.logged(lambda line: digest.split(':')[1] in line.get('msg', ''))['level'] == 'error'


# ---- kill -9 ----------------------------------------------------------------------------------

def pusher(server, seed, acknowledged, over):
    """Images, one after the other; what was acknowledged is noted after the answer."""
    rng = random.Random(seed)
    for n in range(1000):
        data, repository = rng.randbytes(rng.randrange(1, 200000)), f'kill/{seed}'
        try:
            put(server, data, repository)
            acknowledged.append((repository, 'blobs', digest_of(data), data))
            digest, manifest = image(server, repository, annotations={'n': str(n)})
            assert put_manifest(server, manifest, f't{n}', repository).status == 201
            acknowledged.append((repository, 'manifests', f't{n}', manifest))
        except (OSError, AssertionError, ValueError, images.json.JSONDecodeError) as e:
            if not over.is_set():
                acknowledged.append(e)
            return
        except Exception as e:          # http.client's, when the process dies in mid-answer
            if not over.is_set():
                acknowledged.append(e)
            return


@pytest.mark.parametrize('after', [0.05, 0.2, 0.5, 0.9])
def test_kill_9_loses_nothing_that_was_acknowledged(served, after):
    acknowledged, over = [], threading.Event()
    threads = [threading.Thread(target=pusher, args=(served, seed, acknowledged, over)) for seed in range(6)]
    for t in threads:
        t.start()
    time.sleep(after)
    over.set()
    served.kill()
    for t in threads:
        t.join()
    served.start()
    assert not [e for e in acknowledged if isinstance(e, Exception)]
    for repository, kind, reference, data in acknowledged:
        assert served.ask('GET', f'/v2/{repository}/{kind}/{reference}').body == data
