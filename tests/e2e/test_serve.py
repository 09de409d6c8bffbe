"""`regmirror serve`: every endpoint of the distribution API, by a scripted client."""
import hashlib
import json
import re
import signal
import socket
import tempfile
import time
import urllib.parse

import pytest

import images
from images import digest_of

OCTETS = {'Content-Type': 'application/octet-stream'}
BLOB = bytes(range(256)) * 400      # 102,400 bytes
INDEX_TYPE = images.OCI_INDEX


@pytest.fixture
def served(make_served):
    return make_served()


@pytest.fixture
def holding(make_served, corpus):
    return make_served(corpus=corpus)


def begin(server, repository='team/web', query='', headers=None):
    """The session's Location."""
    answer = server.ask('POST', f'/v2/{repository}/blobs/uploads/{query}', b'', headers)
    assert answer.status == 202, answer
    assert answer.headers['Location'].startswith(f'/v2/{repository}/blobs/uploads/')
    assert answer.headers['Range'] == '0-0' and answer.headers['Content-Length'] == '0'
    return answer.headers['Location']


def put(server, data, repository='team/web', algorithm='sha256'):
    digest = digest_of(data, algorithm)
    answer = server.ask('PUT', f'{begin(server, repository)}?digest={digest}', data, OCTETS)
    assert answer.status == 201, answer
    return digest


def image(server, repository='team/web', **fields):
    """A manifest whose blobs are there: (digest, bytes)."""
    config, layer = b'{}', BLOB
    for data in (config, layer):
        put(server, data, repository)
    manifest = images.to_json({
        'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST,
        'config': {'mediaType': images.OCI_CONFIG, 'digest': digest_of(config), 'size': len(config)},
        'layers': [{'mediaType': images.OCI_LAYER, 'digest': digest_of(layer), 'size': len(layer)}], **fields})
    return digest_of(manifest), manifest


def put_manifest(server, data, reference, repository='team/web', media_type=images.OCI_MANIFEST, query=''):
    return server.ask('PUT', f'/v2/{repository}/manifests/{reference}{query}', data, {'Content-Type': media_type})


# ---- the base, and what belongs to no repository ---------------------------------------

def test_the_base_says_that_the_api_is_here(served):
    for path in ('/v2/', '/v2'):
        answer = served.ask('GET', path)
        assert (answer.status, answer.body) == (200, b'{}')
        assert answer.headers['Docker-Distribution-Api-Version'] == 'registry/2.0'
    head = served.ask('HEAD', '/v2/')
    assert (head.status, head.headers['Content-Length'], head.body) == (200, '2', b'')


def test_unknown_paths_and_methods_get_the_errors_of_the_api(served):
    for method, path, status, code in [
            ('GET', '/', 404, 'UNSUPPORTED'), ('GET', '/v1/', 404, 'UNSUPPORTED'), ('GET', '/v2/x', 404, None),
            ('POST', '/v2/', 405, 'UNSUPPORTED'), ('PATCH', '/v2/a/manifests/x', 405, 'UNSUPPORTED'),
            ('PROPFIND', '/v2/a/tags/list', 405, 'UNSUPPORTED')]:
        answer = served.ask(method, path)
        assert answer.status == status, (method, path, answer)
        assert code is None or answer.codes == [code]


def test_health_is_told_without_credentials(make_served, authority):
    server = make_served(users={'u': 'secret'}, tls=authority)
    assert server.ask('GET', '/healthz').status == 200
    assert server.ask('GET', '/readyz').status == 200
    metrics = server.ask('GET', '/metrics')
    assert metrics.status == 200 and metrics.headers['Content-Type'].startswith('text/plain; version=0.0.4')
    assert b'regmirror_http_requests_total{route="healthz",class="2xx"} 1\n' in metrics.body


# ---- pull -------------------------------------------------------------------------------

def test_manifests_are_served_as_they_are_by_tag_and_digest(holding, corpus):
    for repository, tags in corpus.tags.items():
        for tag, digest in tags.items():
            media_type, data = corpus.manifests[digest]
            for reference in (tag, digest):
                path = f'/v2/{repository}/manifests/{reference}'
                got, head = holding.ask('GET', path), holding.ask('HEAD', path)
                assert (got.status, got.body) == (200, data)
                assert (head.status, head.body) == (200, b'')
                for answer in (got, head):
                    assert answer.headers['Content-Type'] == media_type
                    assert answer.headers['Content-Length'] == str(len(data))
                    assert answer.headers['Docker-Content-Digest'] == digest
                    assert answer.headers['ETag'] == f'"{digest}"'


def test_what_did_not_change_is_not_sent_again(holding, corpus):
    digest = corpus.tags['team/web']['latest']
    blob = corpus.reach(digest)[1][0]
    for path, etag in ((f'/v2/team/web/manifests/latest', digest), (f'/v2/team/web/blobs/{blob}', blob)):
        for value in (f'"{etag}"', f'W/"{etag}"', f'"x", "{etag}"', '*'):
            answer = holding.ask('GET', path, headers={'If-None-Match': value})
            assert (answer.status, answer.body) == (304, b''), value
            assert answer.headers['ETag'] == f'"{etag}"'
        assert holding.ask('GET', path, headers={'If-None-Match': '"other"'}).status == 200


def test_blobs_are_served_whole_and_in_parts(holding, corpus):
    digest = max(corpus.reach(corpus.tags['team/web']['latest'])[1], key=lambda b: len(corpus.blobs[b]))
    data, path = corpus.blobs[digest], f'/v2/team/web/blobs/{digest}'
    n = len(data)
    whole = holding.ask('GET', path)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers['Accept-Ranges'] == 'bytes' and whole.headers['Docker-Content-Digest'] == digest
    assert whole.headers['Content-Type'] == 'application/octet-stream'
    assert 'max-age=' in whole.headers['Cache-Control']
    head = holding.ask('HEAD', path, headers={'Range': 'bytes=0-9'})
    assert (head.status, head.body, head.headers['Content-Length']) == (200, b'', str(n))
    for asked, first, last in [('0-0', 0, 0), ('5-99', 5, 99), (f'{n - 1}-', n - 1, n - 1), ('-7', n - 7, n - 1),
                               (f'10-{n + 5}', 10, n - 1), (f'-{n + 5}', 0, n - 1)]:
        part = holding.ask('GET', path, headers={'Range': f'bytes={asked}'})
        assert (part.status, part.body) == (206, data[first:last + 1]), asked
        assert part.headers['Content-Range'] == f'bytes {first}-{last}/{n}'
        assert part.headers['Content-Length'] == str(last - first + 1)
    for asked in (f'{n}-', f'{n + 3}-{n + 9}', '-0'):
        refused = holding.ask('GET', path, headers={'Range': f'bytes={asked}'})
        assert (refused.status, refused.codes) == (416, ['RANGE_INVALID']), asked
        assert refused.headers['Content-Range'] == f'bytes */{n}'
    for asked in ('bytes=0-3,8-9', 'lines=0-3', 'bytes=x'):      # several, and what is no range: all of it
        assert holding.ask('GET', path, headers={'Range': asked}).body == data


def test_what_is_not_here_is_said_to_be_unknown(holding, corpus):
    nothing = digest_of(b'nothing')
    blob = corpus.reach(corpus.tags['team/web']['latest'])[1][0]
    for path, code in [('/v2/team/web/manifests/nope', 'MANIFEST_UNKNOWN'),
                       (f'/v2/team/web/manifests/{nothing}', 'MANIFEST_UNKNOWN'),
                       ('/v2/no/such/manifests/latest', 'MANIFEST_UNKNOWN'),
                       (f'/v2/team/web/blobs/{nothing}', 'BLOB_UNKNOWN'),
                       ('/v2/no/such/tags/list', 'NAME_UNKNOWN'),
                       (f'/v2/no/such/blobs/{blob}', 'BLOB_UNKNOWN')]:     # not linked to that repository
        answer = holding.ask('GET', path)
        assert (answer.status, answer.codes) == (404, [code]), path
        assert holding.ask('HEAD', path).status == 404


def test_names_may_hold_the_words_of_the_api(served):
    for repository in ('blobs/uploads', 'a/manifests/b', 'tags/list', 'v2', 'referrers/x/blobs'):
        digest, manifest = image(served, repository)
        assert put_manifest(served, manifest, 'v1', repository).status == 201
        assert served.ask('GET', f'/v2/{repository}/manifests/v1').body == manifest
        assert json.loads(served.ask('GET', f'/v2/{repository}/tags/list').body)['tags'] == ['v1']


def test_digests_may_be_escaped(served):
    digest = put(served, BLOB)
    assert served.ask('GET', '/v2/team/web/blobs/' + digest.replace(':', '%3A')).body == BLOB


# ---- push of blobs ---------------------------------------------------------------------

def check_blob(server, digest, data, repository='team/web'):
    answer = server.ask('GET', f'/v2/{repository}/blobs/{digest}')
    assert (answer.status, answer.body) == (200, data)


@pytest.mark.parametrize('algorithm', ['sha256', 'sha512'])
def test_a_blob_is_pushed_whole(served, algorithm):
    digest = digest_of(BLOB, algorithm)
    answer = served.ask('PUT', f'{begin(served)}?digest={urllib.parse.quote(digest, safe="")}', BLOB, OCTETS)
    assert answer.status == 201, answer
    assert answer.headers['Location'] == f'/v2/team/web/blobs/{digest}'
    assert answer.headers['Docker-Content-Digest'] == digest
    check_blob(served, digest, BLOB)


@pytest.mark.parametrize('data', [BLOB, b''], ids=['some', 'none'])
def test_a_blob_is_pushed_by_one_post(served, data):
    digest = digest_of(data)
    answer = served.ask('POST', f'/v2/team/web/blobs/uploads/?digest={digest}', data, OCTETS)
    assert (answer.status, answer.headers['Location']) == (201, f'/v2/team/web/blobs/{digest}')
    check_blob(served, digest, data)


def pieces(data, n):
    for at in range(0, len(data), n):
        yield data[at:at + n]


def test_a_blob_is_streamed_without_a_length_as_docker_does(served):
    digest, where = digest_of(BLOB), begin(served)
    answer = served.ask('PATCH', where, pieces(BLOB, 7000))
    assert answer.status == 202, answer
    assert answer.headers['Range'] == f'0-{len(BLOB) - 1}' and answer.headers['Docker-Upload-UUID']
    assert served.ask('PUT', answer.headers['Location'] + f'?digest={digest}', b'').status == 201
    check_blob(served, digest, BLOB)


def test_a_blob_is_pushed_in_chunks_and_gone_on_with(served):
    digest, where, done = digest_of(BLOB), begin(served), 0
    for chunk in (BLOB[:1], BLOB[1:30000], BLOB[30000:70001]):
        headers = {**OCTETS, 'Content-Range': f'{done}-{done + len(chunk) - 1}'}
        answer = served.ask('PATCH', where, chunk, headers)
        done += len(chunk)
        assert (answer.status, answer.headers['Range']) == (202, f'0-{done - 1}')
        where = answer.headers['Location']
        status = served.ask('GET', where)
        assert (status.status, status.headers['Range'], status.body) == (204, f'0-{done - 1}', b'')
    last = {**OCTETS, 'Content-Range': f'{done}-{len(BLOB) - 1}'}
    assert served.ask('PUT', f'{where}?digest={digest}', BLOB[done:], last).status == 201
    check_blob(served, digest, BLOB)
    assert served.ask('GET', where).codes == ['BLOB_UPLOAD_UNKNOWN']


def test_a_chunk_that_does_not_fit_is_refused_and_the_session_goes_on(served):
    digest, where = digest_of(BLOB), begin(served)
    assert served.ask('PATCH', where, BLOB[:1000], {'Content-Range': '0-999'}).status == 202
    for method, first, last in [('PATCH', 0, 999), ('PATCH', 999, 1998), ('PATCH', 1001, 2000), ('PATCH', 5000, 5999),
                                ('PUT', 1001, 2000)]:
        target = where + (f'?digest={digest}' if method == 'PUT' else '')
        answer = served.ask(method, target, BLOB[first:last + 1], {'Content-Range': f'{first}-{last}'})
        assert answer.status == 416, (method, first, answer)
        assert answer.headers['Range'] == '0-999'
        assert served.ask('GET', where).headers['Range'] == '0-999'
    for value, n in [('1000-1009', 9), ('1000-1009', 11), ('1009-1000', 10), ('x-y', 10), ('1000-', 10)]:
        answer = served.ask('PATCH', where, b'z' * n, {'Content-Range': value})
        assert answer.status in (400, 416), (value, answer)
        assert served.ask('GET', where).headers['Range'] == '0-999'
    assert served.ask('PUT', f'{where}?digest={digest}', BLOB[1000:]).status == 201
    check_blob(served, digest, BLOB)


def test_a_wrong_digest_is_never_published(served):
    wrong = digest_of(b'other')
    for answer in (served.ask('PUT', f'{begin(served)}?digest={wrong}', BLOB),
                   served.ask('POST', f'/v2/team/web/blobs/uploads/?digest={wrong}', BLOB)):
        assert (answer.status, answer.codes) == (400, ['DIGEST_INVALID'])
    for digest in (wrong, digest_of(BLOB)):
        assert served.ask('HEAD', f'/v2/team/web/blobs/{digest}').status == 404
    for query in ('', '?digest=sha256:baddigeststring', '?digest=md5:0123', '?digest='):
        where = begin(served)
        answer = served.ask('PUT', where + query, BLOB)
        assert (answer.status, answer.codes) == (400, ['DIGEST_INVALID']), query
        assert served.ask('GET', where).status == 204      # nothing was taken, the session is there


def test_a_session_may_be_for_an_algorithm(served):
    digest = digest_of(BLOB, 'sha512')
    where = begin(served, query='?digest-algorithm=sha512')
    assert served.ask('PUT', f'{where}?digest={digest}', BLOB).status == 201
    answer = served.ask('POST', '/v2/team/web/blobs/uploads/?digest-algorithm=md5', b'')
    assert (answer.status, answer.codes) == (400, ['DIGEST_INVALID'])


def test_a_session_is_cancelled(served):
    where = begin(served)
    assert served.ask('PATCH', where, BLOB).status == 202
    assert served.ask('DELETE', where).status == 204
    for method in ('GET', 'PATCH', 'PUT', 'DELETE'):
        answer = served.ask(method, f'{where}?digest={digest_of(BLOB)}', b'')
        assert (answer.status, answer.codes) == (404, ['BLOB_UPLOAD_UNKNOWN'])


def test_a_session_belongs_to_its_repository(served):
    where = begin(served, 'team/web')
    answer = served.ask('PATCH', where.replace('team/web', 'team/other'), BLOB)
    assert answer.codes == ['BLOB_UPLOAD_UNKNOWN']


def test_a_blob_is_mounted_from_a_repository_that_has_it(served):
    digest = put(served, BLOB, 'from/here')
    for query in (f'?mount={digest}&from=from/here', f'?mount={urllib.parse.quote(digest, safe="")}'):
        answer = served.ask('POST', f'/v2/to{len(query)}/blobs/uploads/{query}', b'')
        assert (answer.status, answer.headers['Location']) == (201, f'/v2/to{len(query)}/blobs/{digest}')
        check_blob(served, digest, BLOB, f'to{len(query)}')
    for query in (f'?mount={digest}&from=no/such', f'?mount={digest_of(b"x")}&from=from/here',
                  f'?mount={digest_of(b"x")}'):
        where = begin(served, 'later', query)              # an ordinary session, which works
        assert served.ask('PUT', f'{where}?digest={digest}', BLOB).status == 201


# ---- push of manifests ------------------------------------------------------------------

def test_a_manifest_is_pushed_by_tag_and_by_digest(served):
    digest, manifest = image(served)
    for reference in ('v1', digest):
        answer = put_manifest(served, manifest, reference)
        assert answer.status == 201, answer
        assert answer.headers['Docker-Content-Digest'] == digest
        assert answer.headers['Location'] == f'/v2/team/web/manifests/{digest}'
        assert 'OCI-Subject' not in answer.headers
    assert json.loads(served.ask('GET', '/v2/team/web/tags/list').body)['tags'] == ['v1']


def test_one_put_sets_several_tags(served):
    digest, manifest = image(served)
    tags = [f't{i}' for i in range(12)]
    answer = put_manifest(served, manifest, digest, query='?' + '&'.join(f'tag={t}' for t in tags))
    assert answer.status == 201 and answer.headers.get_all('OCI-Tag') == tags
    assert json.loads(served.ask('GET', '/v2/team/web/tags/list').body)['tags'] == sorted(tags)
    assert put_manifest(served, manifest, digest, query='?tag=-x').codes == ['TAG_INVALID']


def test_sha512_is_as_good_as_sha256(served):
    _, manifest = image(served)
    digest = digest_of(manifest, 'sha512')
    answer = put_manifest(served, manifest, digest, query='?tag=long')
    assert (answer.status, answer.headers['Docker-Content-Digest']) == (201, digest)
    for reference in (digest, 'long'):
        got = served.ask('GET', f'/v2/team/web/manifests/{reference}')
        assert (got.body, got.headers['Docker-Content-Digest']) == (manifest, digest)


def test_a_manifest_that_is_wrong_is_refused(served):
    digest, manifest = image(served)
    for data, media_type, reference, code in [
            (manifest, images.OCI_MANIFEST, digest_of(b'other'), 'DIGEST_INVALID'),
            (manifest, images.OCI_INDEX, 'v1', 'MANIFEST_INVALID'),
            (b'', images.OCI_MANIFEST, 'v1', 'MANIFEST_INVALID'),
            (b'{"schemaVersion": 2', images.OCI_MANIFEST, 'v1', 'MANIFEST_INVALID'),
            (b'{"schemaVersion": 2, "a": 1, "a": 2}', images.OCI_MANIFEST, 'v1', 'MANIFEST_INVALID'),
            (manifest, images.OCI_MANIFEST, 'sha256:baddigeststring', 'DIGEST_INVALID')]:
        answer = put_manifest(served, data, reference, media_type=media_type)
        assert (answer.status, answer.codes) == (400, [code]), answer
    assert served.ask('HEAD', '/v2/team/web/manifests/v1').status == 404


def test_a_manifest_names_all_that_it_lacks(served):
    missing = [digest_of(bytes([n])) for n in range(3)]
    put(served, b'{}')
    manifest = images.to_json({
        'schemaVersion': 2, 'mediaType': images.OCI_MANIFEST,
        'config': {'mediaType': images.OCI_CONFIG, 'digest': digest_of(b'{}'), 'size': 2},
        'layers': [{'mediaType': images.OCI_LAYER, 'digest': d, 'size': 1} for d in missing]})
    answer = put_manifest(served, manifest, 'v1')
    assert answer.status == 404 and answer.codes == ['MANIFEST_BLOB_UNKNOWN'] * 3
    assert [e['detail']['digest'] for e in json.loads(answer.body)['errors']] == missing
    assert served.ask('HEAD', '/v2/team/web/manifests/v1').status == 404


def test_an_index_may_lack_children_only_where_that_is_allowed(make_served):
    strict, sparse = make_served(), make_served(sparse=True)
    for server in (strict, sparse):
        digest, manifest = image(server)
        assert put_manifest(server, manifest, digest).status == 201
        index = images.to_json({'schemaVersion': 2, 'mediaType': INDEX_TYPE, 'manifests': [
            {'mediaType': images.OCI_MANIFEST, 'digest': d, 'size': n}
            for d, n in ((digest, len(manifest)), (digest_of(b'absent'), 6))]})
        answer = put_manifest(server, index, 'multi', media_type=INDEX_TYPE)
        if server is strict:
            assert answer.codes == ['MANIFEST_BLOB_UNKNOWN']
        else:
            assert answer.status == 201 and server.ask('GET', '/v2/team/web/manifests/multi').body == index


def test_a_manifest_of_4_mib_is_taken_and_a_larger_one_is_not(served):
    filling = {str(n): 'x' * 10000 for n in range(418)}
    _, small = image(served, annotations={**filling, 'padding': ''})
    limit = 4 * 1024 * 1024
    for size, expected in ((limit, 201), (limit + 1, 413)):
        _, manifest = image(served, annotations={**filling, 'padding': 'x' * (size - len(small))})
        assert len(manifest) == size
        assert put_manifest(served, manifest, 'big').status == expected
        answer = served.ask('PUT', '/v2/team/web/manifests/chunked', pieces(manifest, 60000),
                            {'Content-Type': images.OCI_MANIFEST})
        assert answer.status == expected


# ---- lists ------------------------------------------------------------------------------

def pages(server, path, key):
    """All pages by their Links."""
    found = []
    while path:
        answer = server.ask('GET', path)
        assert answer.status == 200, answer
        found.append(json.loads(answer.body)[key])
        link = re.fullmatch(r'<(/v2/[^>]*)>; rel="next"', answer.headers.get('Link', ''))
        path = link[1] if link else None
    return found


def test_tags_are_listed_in_order_and_page_by_page(served):
    digest, manifest = image(served)
    tags = ['B', 'a', 'b', 'b.1', 'c', 'v1', 'v10', 'v2']
    for tag in reversed(tags):
        assert put_manifest(served, manifest, tag).status == 201
    path = '/v2/team/web/tags/list'
    whole = served.ask('GET', path)
    assert json.loads(whole.body) == {'name': 'team/web', 'tags': tags} and 'Link' not in whole.headers
    assert pages(served, path + '?n=3', 'tags') == [tags[:3], tags[3:6], tags[6:]]
    assert pages(served, path + '?n=8', 'tags') == [tags]
    assert pages(served, path + '?last=b', 'tags') == [tags[3:]]
    assert pages(served, path + '?n=2&last=bb', 'tags') == [['c', 'v1'], ['v10', 'v2']]
    assert pages(served, path + '?n=0', 'tags') == [[]]
    assert served.ask('GET', path + '?n=-1').codes == ['PAGINATION_NUMBER_INVALID']


def test_the_catalog_lists_repositories(holding, corpus):
    names = sorted(corpus.tags)
    assert pages(holding, '/v2/_catalog', 'repositories') == [names]
    assert sum(pages(holding, '/v2/_catalog?n=1', 'repositories'), []) == names


def test_referrers_are_listed_with_type_and_annotations(served):
    subject, manifest = image(served)
    path = f'/v2/team/web/referrers/{subject}'
    empty = served.ask('GET', path)
    assert empty.status == 200 and json.loads(empty.body)['manifests'] == []
    assert put_manifest(served, manifest, 'v1').status == 201
    named = {'mediaType': images.OCI_MANIFEST, 'digest': subject, 'size': len(manifest)}
    expected = {}
    for kind in ('application/vnd.example.sbom', 'application/vnd.example.signature+json'):
        d, m = image(served, subject=named, artifactType=kind, annotations={'org.example.kind': kind})
        answer = put_manifest(served, m, d)
        assert (answer.status, answer.headers['OCI-Subject']) == (201, subject)
        expected[d] = {'mediaType': images.OCI_MANIFEST, 'digest': d, 'size': len(m), 'artifactType': kind,
                       'annotations': {'org.example.kind': kind}}
    d, m = image(served, subject=named)     # its type is its config's
    assert put_manifest(served, m, d).status == 201
    expected[d] = {'mediaType': images.OCI_MANIFEST, 'digest': d, 'size': len(m), 'artifactType': images.OCI_CONFIG}
    got = served.ask('GET', path)
    assert got.headers['Content-Type'] == INDEX_TYPE and 'OCI-Filters-Applied' not in got.headers
    listed = json.loads(got.body)
    assert (listed['schemaVersion'], listed['mediaType']) == (2, INDEX_TYPE)
    assert {m['digest']: m for m in listed['manifests']} == expected
    kind = 'application/vnd.example.signature+json'
    got = served.ask('GET', f'{path}?artifactType={urllib.parse.quote(kind, safe="")}')
    assert got.headers['OCI-Filters-Applied'] == 'artifactType'
    assert [m['artifactType'] for m in json.loads(got.body)['manifests']] == [kind]
    assert served.ask('GET', '/v2/team/web/referrers/sha256:bad').status == 400
    never = served.ask('GET', f'/v2/never/was/referrers/{subject}')
    assert (never.status, json.loads(never.body)['manifests']) == (200, [])


def test_many_referrers_come_in_pages(served):
    subject, manifest = image(served)
    assert put_manifest(served, manifest, 'v1').status == 201
    named, expected = {'mediaType': images.OCI_MANIFEST, 'digest': subject, 'size': len(manifest)}, []
    kind = 'application/vnd.example.sbom+json'
    for n in range(60):
        d, m = image(served, subject=named, artifactType=kind, annotations={'n': str(n), 'text': 'x' * 50000})
        assert put_manifest(served, m, d).status == 201
        expected.append(d)
    for query in ('', '?artifactType=' + urllib.parse.quote(kind, safe='')):
        found = pages(served, f'/v2/team/web/referrers/{subject}{query}', 'manifests')
        assert len(found) == 2
        assert sorted(m['digest'] for page in found for m in page) == sorted(expected)
    assert pages(served, f'/v2/team/web/referrers/{subject}?artifactType=application/x.other', 'manifests') == [[]]


def test_a_list_of_referrers_under_a_tag_is_joined_to_them(served):
    """What clients keep where they find no such API (distribution-spec, "Referrers Tag Schema")."""
    subject, manifest = image(served)
    assert put_manifest(served, manifest, 'v1').status == 201
    d, m = image(served, annotations={'old': 'yes'})
    assert put_manifest(served, m, d).status == 201
    entry = {'mediaType': images.OCI_MANIFEST, 'digest': d, 'size': len(m), 'artifactType': 'application/x.old'}
    index = images.to_json({'schemaVersion': 2, 'mediaType': INDEX_TYPE, 'manifests': [entry]})
    assert put_manifest(served, index, subject.replace(':', '-'), media_type=INDEX_TYPE).status == 201
    assert json.loads(served.ask('GET', f'/v2/team/web/referrers/{subject}').body)['manifests'] == [entry]


# ---- deletes ----------------------------------------------------------------------------

def test_what_is_deleted_is_gone_at_once(served):
    digest, manifest = image(served)
    for tag in ('v1', 'v2', 'v3'):
        assert put_manifest(served, manifest, tag).status == 201
    layer = digest_of(BLOB)
    needed = served.ask('DELETE', f'/v2/team/web/blobs/{layer}')
    assert (needed.status, needed.codes) == (405, ['UNSUPPORTED'])
    assert served.ask('DELETE', '/v2/team/web/manifests/v1').status == 202
    assert served.ask('HEAD', '/v2/team/web/manifests/v1').status == 404
    assert served.ask('HEAD', f'/v2/team/web/manifests/{digest}').status == 200
    assert served.ask('DELETE', f'/v2/team/web/manifests/{digest}').status == 202
    for reference in (digest, 'v2', 'v3'):
        assert served.ask('HEAD', f'/v2/team/web/manifests/{reference}').status == 404
    assert json.loads(served.ask('GET', '/v2/team/web/tags/list').body)['tags'] == []
    assert served.ask('DELETE', f'/v2/team/web/blobs/{layer}').status == 202
    assert served.ask('HEAD', f'/v2/team/web/blobs/{layer}').status == 404
    for path, code in [('manifests/v1', 'MANIFEST_UNKNOWN'), (f'manifests/{digest}', 'MANIFEST_UNKNOWN'),
                       (f'blobs/{layer}', 'BLOB_UNKNOWN')]:
        answer = served.ask('DELETE', f'/v2/team/web/{path}')
        assert (answer.status, answer.codes) == (404, [code])
    put(served, BLOB)      # and can be pushed again
    assert put_manifest(served, manifest, 'v1').status == 201


# ---- who may ----------------------------------------------------------------------------

def basic(user, password):
    import base64
    return {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()}


def test_anybody_pulls_and_known_users_push(make_served, authority, corpus):
    server = make_served(users={'ci': 'right horse'}, tls=authority, corpus=corpus)
    assert server.ask('GET', '/v2/team/web/manifests/latest').status == 200
    assert server.ask('GET', '/v2/team/web/manifests/latest', headers=basic('', '')).status == 200
    for method, path in [('GET', '/v2/'), ('POST', '/v2/x/blobs/uploads/'), ('PUT', '/v2/x/manifests/v1'),
                         ('DELETE', '/v2/team/web/manifests/latest')]:
        for headers in ({}, basic('ci', 'wrong'), basic('nobody', 'right horse'), {'Authorization': 'Basic !'},
                        {'Authorization': 'Bearer x'}):
            answer = server.ask(method, path, b'', headers)
            assert (answer.status, answer.codes) == (401, ['UNAUTHORIZED']), (method, path, headers)
            assert answer.headers['WWW-Authenticate'] == 'Basic realm="regmirror"'
    assert server.ask('GET', '/v2/', headers=basic('ci', 'right horse')).status == 200
    assert server.ask('POST', '/v2/x/blobs/uploads/', b'', basic('ci', 'right horse')).status == 202
    assert server.ask('GET', '/v2/team/web/manifests/latest', headers=basic('ci', 'wrong')).status == 401
    assert not any('right horse' in line or 'Basic' in line for line in server.lines)


def test_a_client_certificate_is_as_good_as_a_password(make_served, authority):
    server = make_served(mutual=True, tls=authority)
    assert server.ask('GET', '/v2/').status == 200
    refused = server.ask('POST', '/v2/x/blobs/uploads/', b'')
    assert (refused.status, refused.codes) == (403, ['DENIED'])
    assert server.ask('POST', '/v2/x/blobs/uploads/', b'', cert=authority.issue('robot')).status == 202
    assert server.logged(lambda line: line.get('status') == 202)['user'] == 'robot'


def test_users_and_certificate_are_read_again(make_served, authority):
    server = make_served(users={'old': 'one password'}, tls=authority)
    server.write_users({'new': 'another one'})
    tls = server.settings['tls-cert']
    before = authority.issue('served')      # the same files, another key
    assert before[0] == tls
    held = server.connection()
    assert server.ask('GET', '/v2/', headers=basic('old', 'one password'), connection=held).status == 200
    server.signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while server.ask('GET', '/v2/', headers=basic('new', 'another one')).status != 200:
        assert time.monotonic() < until, server.lines
        time.sleep(0.05)
    assert server.ask('GET', '/v2/', headers=basic('old', 'one password')).status == 401
    assert server.ask('GET', '/healthz', connection=held).status == 200     # the connection lives on
    import ssl
    with open(tls) as f:
        current = ssl.PEM_cert_to_DER_cert(f.read())
    connection = server.connection()
    connection.connect()
    assert connection.sock.getpeercert(binary_form=True) == current


def test_a_read_only_registry_takes_nothing(make_served, corpus):
    server = make_served(corpus=corpus)
    server.stop()
    server.options = ['--read-only']
    server.start()
    for method, path in [('POST', '/v2/x/blobs/uploads/'), ('PUT', '/v2/team/web/manifests/latest'),
                         ('PATCH', '/v2/x/blobs/uploads/0123'), ('DELETE', '/v2/team/web/manifests/latest')]:
        answer = server.ask(method, path, b'')
        assert (answer.status, answer.codes) == (405, ['UNSUPPORTED']), path
    assert server.ask('GET', '/v2/team/web/manifests/latest').status == 200


# ---- the process ------------------------------------------------------------------------

def test_each_request_is_a_line_of_the_log(holding):
    holding.ask('GET', '/v2/team/web/manifests/latest', headers={'User-Agent': 'a "test"\n'[:-1]})
    line = holding.logged(lambda line: line.get('agent') == 'a "test"')
    assert (line['method'], line['path'], line['status']) == ('GET', '/v2/team/web/manifests/latest', 200)
    assert line['peer'] == '127.0.0.1' and line['user'] == '-' and line['out'] > 100 and line['complete'] == 'true'


def test_a_stop_lets_a_request_end(served):
    where = begin(served)
    connection = served.connection()
    connection.putrequest('PATCH', where)
    connection.putheader('Content-Length', str(len(BLOB)))
    connection.endheaders()
    connection.send(BLOB[:50000])
    time.sleep(0.3)
    served.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert served.process.poll() is None
    connection.send(BLOB[50000:])
    assert connection.getresponse().status == 202
    connection.close()
    assert served.process.wait(10) == 0


def test_a_session_survives_a_restart(served):
    digest, where = digest_of(BLOB), begin(served)
    assert served.ask('PATCH', where, BLOB[:60000]).status == 202
    assert served.stop() == 0
    served.start()
    assert served.ask('GET', where).headers['Range'] == '0-59999'
    assert served.ask('PUT', f'{where}?digest={digest}', BLOB[60000:]).status == 201
    check_blob(served, digest, BLOB)


def test_systemd_hands_over_the_socket_and_hears_when_it_is_ready(make_served, tmp_path):
    server = make_served(start=False)
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.settimeout(10)
    with tempfile.TemporaryDirectory(prefix='rm') as folder, socket.create_server(('127.0.0.1', 0)) as listener:
        told.bind(f'{folder}/notify')
        server.env = {**server.env, 'NOTIFY_SOCKET': f'{folder}/notify', 'LISTEN_FDS': '1'}
        # The third descriptor, and the process' own number: what systemd sees to.
        server.prefix = ['bash', '-c', f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec "$@"', 'bash']
        server.start(pass_fds=[listener.fileno()])
        assert server.host == f'127.0.0.1:{listener.getsockname()[1]}'
        assert told.recv(4096).decode().startswith('READY=1\nSTATUS=listening on http://127.0.0.1:')
        assert server.ask('GET', '/v2/').status == 200
        server.signal(signal.SIGHUP)
        assert told.recv(4096).decode().startswith('RELOADING=1\nMONOTONIC_USEC=')
        assert told.recv(4096).decode().startswith('READY=1\n')
        server.signal(signal.SIGTERM)
        assert told.recv(4096) == b'STOPPING=1\n'
        assert server.process.wait(10) == 0
        # The socket lives on: whoever connects now waits for the next one.
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass
    told.close()


def test_what_is_wrong_at_the_start_is_said(make_served, run, tmp_path):
    taken = make_served()
    for args, code, text in [(['--listen', taken.host], 1, 'in use'), (['--listen', 'nowhere'], 2, 'nowhere'),
                             (['operand'], 2, 'no operands')]:
        result = run('serve', *args)
        assert result.code == code and text in result.stderr, result
    (tmp_path / 'bad').write_text('no colon\n')
    result = run('serve', '--listen', '127.0.0.1:0', config={
        'upstreams': {}, 'sync': [], 'serve': {'htpasswd': str(tmp_path / 'bad')}})
    assert result.code == 2 and 'bad' in result.stderr, result
