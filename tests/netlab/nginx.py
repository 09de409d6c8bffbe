"""nginx as a registry that can be read: TLS 1.3, HTTP/1.1 or 2, GET, HEAD and Range."""
import os
import re
import subprocess
import time

import accesslog

START_SECONDS = 10
LOG = re.compile(r'^(?P<end>[\d.]+) (?P<seconds>[\d.]+) (?P<status>\d+) (?P<bytes>\d+) '
                 r'"(?P<method>\w+) (?P<path>\S+) [^"]*" "(?P<range>[^"]*)" (?P<address>\S+)$')

MAIN = '''
daemon off; master_process off; worker_processes 1; user root; pid {folder}/nginx.pid;
error_log {folder}/errors.log;
events {{ worker_connections 1024; }}
http {{
 log_format lab '$msec $request_time $status $body_bytes_sent "$request" "$http_range" $server_addr';
 access_log {folder}/access.log lab;
 sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000; keepalive_timeout 120; server_tokens off;
 client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
 uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
 ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
 ssl_session_tickets off; ssl_session_cache off;
 map_hash_max_size 65536; map_hash_bucket_size 512;
 types {{ {types} }}
 default_type application/octet-stream;
{zone}
{maps}
{servers}
}}
'''
# root: the tree.  Fixed answers stand in the main part, what is told apart by address in `more`.
SERVER = '''
 server {{
  listen {address}:{port} ssl{http2};
  root {root};
  if (-f {folder}/busy) {{ return 429; }}
  error_page 404 = @unknown;
  error_page 429 = @busy;
  location @unknown {{ internal; default_type application/json; return 404 '{unknown}'; }}
  location @busy {{
   internal; default_type application/json; add_header Retry-After "{retry_after}" always; return 429 '{busy}';
  }}
  location = /v2/ {{
   default_type application/json; add_header Docker-Distribution-Api-Version registry/2.0 always; return 200 '{{}}';
  }}
  {limit}
  location ~ ^/v2/.+/tags/list$ {{
   default_type application/json; try_files /tags/$tags =404;
  }}
  location ~ ^/v2/.+/manifests/ {{
   set $content $digest;  # while $uri is still that of the request
   add_header Docker-Content-Digest $content; try_files /manifests/$manifest =404;
  }}
  location ~ "^/v2/.+/blobs/sha256:(?<hex>[0-9a-f]+)$" {{
   {redirect_blobs}
   types {{ }}
   add_header Docker-Content-Digest sha256:$hex; try_files /blobs/$hex =404;
  }}
  location / {{ return 404; }}
 }}
'''


class Request:
    """One line of the log; times are seconds of the wall clock."""

    def __init__(self, found):
        self.end, self.seconds = float(found['end']), float(found['seconds'])
        self.method, self.path, self.range = found['method'], found['path'], found['range'].removeprefix('-')
        self.status, self.bytes, self.address = int(found['status']), int(found['bytes']), found['address']

    @property
    def kind(self):
        return accesslog.kind(self.method, self.path, self.status)

    def __repr__(self):
        return f'{self.method} {self.path} {self.range} {self.status} {self.bytes}'


class Server:
    """
    nginx over a tree.Tree, behind a command prefix that puts it into its namespace.
    limit: (requests a second, burst) for manifests and blobs, 429 above it.
    redirect: 'https://HOST[:PORT]' to which blobs are sent by 307; a server listens at `backend`, too.
    """

    def __init__(self, folder, tree, prefix, address, certificate, port=443, limit=None, retry_after=2, redirect=None,
                 backend=None, http2=True):
        self.folder, self.tree, self.prefix, self.address, self.port = folder, tree, prefix, address, port
        self.certificate, self.limit, self.retry_after = certificate, limit, retry_after
        self.redirect, self.backend, self.http2 = redirect, backend, http2
        self.process = None
        self.seen = 0
        os.makedirs(folder, exist_ok=True)

    def configuration(self):
        def server(address, port, to, limited):
            limit = f'limit_req zone=asked burst={self.limit[1]} nodelay; limit_req_status 429;' if limited and self.limit else ''
            return SERVER.format(
                folder=self.folder, root=self.tree.folder, address=address, port=port, http2=' http2' if self.http2 else '',
                retry_after=self.retry_after, unknown='{"errors":[{"code":"UNKNOWN","message":"not here"}]}',
                busy='{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', limit=limit,
                redirect_blobs=f'return 307 {to}$request_uri;' if to else '')
        servers = server(self.address, self.port, self.redirect, True)
        if self.backend:
            servers += server(*self.backend, None, False)
        certificate, key = self.certificate
        zone = f' limit_req_zone $server_addr zone=asked:1m rate={self.limit[0]}r/s;' if self.limit else ''
        return MAIN.format(folder=self.folder, certificate=certificate, key=key, types=self.tree.types(), zone=zone,
                           maps=self.tree.maps(), servers=servers)

    def start(self, spawn):
        """spawn(command, **options): how the laboratory starts what it has to end."""
        path = os.path.join(self.folder, 'nginx.conf')
        with open(path, 'w') as f:
            f.write(self.configuration())
        self.spawn = spawn
        self.process = spawn([*self.prefix, 'nginx', '-c', path, '-e', os.path.join(self.folder, 'errors.log')],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with open(os.path.join(self.folder, 'nginx.pid')) as f:
                    if f.read().strip() == str(self.process.pid):
                        return self
            except OSError:
                pass
            time.sleep(0.02)
        with open(os.path.join(self.folder, 'errors.log')) as f:
            raise RuntimeError('nginx did not start: ' + f.read()[-800:])

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def reload(self):
        """After changes of tags or manifests, or of settings; connections break."""
        self.stop()
        self.start(self.spawn)

    def busy(self, on=True):
        """Answers 429 with Retry-After to everything, from now on."""
        path = os.path.join(self.folder, 'busy')
        if on:
            open(path, 'w').close()
        elif os.path.exists(path):
            os.unlink(path)

    # ---- what was asked of it --------------------------------------------------------------
    def mark(self):
        """From here on requests() counts."""
        path = os.path.join(self.folder, 'access.log')
        self.seen = os.path.getsize(path) if os.path.exists(path) else 0

    def requests(self):
        path = os.path.join(self.folder, 'access.log')
        if not os.path.exists(path):
            return []
        with open(path) as f:
            f.seek(self.seen)
            return [Request(m) for m in map(LOG.match, f) if m]

    def blob_bytes(self):
        """Bytes of blobs that were sent since mark()."""
        return sum(r.bytes for r in self.requests() if r.method == 'GET' and '/blobs/' in r.path and r.status in (200, 206))
