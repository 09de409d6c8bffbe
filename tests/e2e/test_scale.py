"""100,000 tags: what is planned stays within promise 6, and what is known costs listings only."""
import http.server
import json
import os
import re
import sqlite3
import threading
import time

import pytest

import conftest
import crash
import images
import setups

TAGS = 100_000
FIXED_KIB, EACH_KIB = 16 * 1024, 1            # promise 6: 16 MiB, and 1 KiB for each planned tag
SANITIZERS = (b'__asan_init', b'__tsan_init')


class Lister:
    """A registry that only lists: TAGS versions of one repository, in pages."""

    def __init__(self):
        self.tags = sorted(f'v{i // 10000}.{i // 100 % 100}.{i % 100}' for i in range(TAGS))
        self.tls = self.users = None
        self.asked = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                owner.answer(self)

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(('127.0.0.1', 0), Handler)
        self.host = f'127.0.0.1:{self.server.server_address[1]}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        path, _, query = handler.path.partition('?')
        self.asked.append(path)
        headers, status, data = {'Content-Type': 'application/json'}, 200, b'{}'
        if path.endswith('/tags/list'):
            values = dict(x.split('=') for x in query.split('&') if x)
            first = int(values.get('last', 0))
            n = min(int(values.get('n', 10000)), 10000)
            data = json.dumps({'name': 'many/app', 'tags': self.tags[first:first + n]}).encode()
            if first + n < TAGS:
                headers['Link'] = f'<{path}?n={n}&last={first + n}>; rel="next"'
        elif path != '/v2/':
            status, data = 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
        handler.send_response_only(status)
        for name, value in {**headers, 'Content-Length': len(data)}.items():
            handler.send_header(name, str(value))
        handler.end_headers()
        if handler.command != 'HEAD':
            handler.wfile.write(data)


@pytest.fixture
def lister():
    server = Lister()
    yield server
    server.stop()


def measured(process):
    """
    (exit code, KiB of the largest resident set, output) once it ended.  The kernel's figure in rusage will not do: it
    counts what pytest had when it forked.
    """
    output, most = [], 0
    readers = [threading.Thread(target=lambda f=f: output.append(f.read())) for f in (process.stdout, process.stderr)]
    for r in readers:
        r.start()
    while process.poll() is None:
        with open(f'/proc/{process.pid}/status') as f:
            found = re.search(r'VmHWM:\s*(\d+) kB', f.read())
        most = max(most, int(found[1])) if found else most
        time.sleep(0.005)
    for r in readers:
        r.join()
    return process.returncode, most, ''.join(output)


def within_promise(kib):
    with open(conftest.PROGRAM, 'rb') as f:
        program = f.read()
    return any(s in program for s in SANITIZERS) or kib <= FIXED_KIB + EACH_KIB * TAGS


def remember_all(run, lister, make_faulty):
    """The state as if all tags had been published: a run that copies one, and its row 100,000 times."""
    c = images.Corpus()
    c.tag('many/app', lister.tags[0], c.image([images.Layer({'x': b'y'})]))
    first = make_faulty(corpus=c)
    target = make_faulty()
    copied = setups.configuration(first, [target])
    run('sync', config=copied).ok()
    with sqlite3.connect(os.path.join(run.state, 'state.db')) as db:
        db.execute("UPDATE place SET target = replace(target, ?, ?)", [target.host, lister.host])
        db.execute('UPDATE tag SET authority = replace(authority, ?, ?)', [first.host, lister.host])
        columns = [row[1] for row in db.execute('PRAGMA table_info(tag)')]
        others = [x for x in columns if x != 'name']
        row = db.execute(f'SELECT {", ".join(others)} FROM tag').fetchone()
        db.executemany(f'INSERT INTO tag (name, {", ".join(others)}) VALUES (?{", ?" * len(others)})',
                       [(t, *row) for t in lister.tags[1:]])
    db.close()


def test_a_plan_of_100000_complete_tags_is_small_and_asks_for_nothing_but_listings(run, lister, make_faulty):
    config = setups.configuration(lister, [lister], repositories=['many/app'], immutable='semver')
    remember_all(run, lister, make_faulty)
    for command in (['sync'], ['plan'], ['plan', '--json']):
        lister.asked.clear()
        begin = time.monotonic()
        code, kib, output = measured(run.start(*command, config=config))
        assert code == 0, output[-2000:]
        print(f'{command[0]}: {kib} KiB, {time.monotonic() - begin:.1f} s')
        assert set(lister.asked) <= {'/v2/', '/v2/many/app/tags/list'}
        assert within_promise(kib), f'{" ".join(command)}: {kib} KiB'
        if '--json' in command:
            rows = json.loads(output[output.index('[\n'):output.rindex(']') + 1])
            assert len(rows) == TAGS and {x['state'] for x in rows} == {'complete'}
    assert len(crash.published(run.state)) == TAGS


def test_literal_tags_ask_for_no_listing_at_the_source(run, lister, make_faulty):
    config = setups.configuration(lister, ['store'], repositories=['many/app'], tags=lister.tags[:3])
    r = run('plan', config=config)
    assert '/v2/many/app/tags/list' not in lister.asked, r
