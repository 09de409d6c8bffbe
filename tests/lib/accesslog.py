"""Names the kinds of requests that a registry gets, so that tests can count them."""
import collections
import re

# docker-registry's access log is Apache's combined format: host - user [time] "request" status bytes ...
LINE = re.compile(r'^(\S+) \S+ \S+ \[[^]]*\] "(\w+) (\S+) HTTP/[\d.]+" (\d+) (\d+)')


def kind(method, target, status):
    """One short name for a request: "HEAD manifest tag", "GET blob", "POST upload", "GET blob 404"."""
    path, _, query = target.partition('?')
    if path.rstrip('/') == '/v2':
        return 'ping'
    if path.endswith('/tags/list'):
        return 'tags/list'
    failed = f' {status}' if status >= 400 else ''
    if '/referrers/' in path:
        return f'{method} referrers{failed}'
    if '/blobs/uploads/' in path:
        if method == 'POST' and 'mount=' in query:
            return 'POST mount hit' if status == 201 else 'POST mount miss'
        return f'{method} upload{failed}'
    if '/blobs/' in path:
        return f'{method} blob{failed}'
    if '/manifests/' in path:
        by = 'digest' if re.search(r'/manifests/sha(256|512)(:|%3A)', path, re.I) else 'tag'
        return f'{method} manifest {by}{failed}'
    return f'{method} other{failed}'


def count(lines):
    """Counter of kinds over the lines of an access log; other lines are passed over."""
    counts = collections.Counter()
    for line in lines:
        m = LINE.match(line)
        if m:
            counts[kind(m[2], m[3], int(m[4]))] += 1
    return counts
