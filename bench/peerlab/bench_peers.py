#!/usr/bin/env python3
"""
Measures mirror tools against two docker-registries on this machine.

  bench_peers.py run --corpus DIR [--contestants a,b] [--rounds 7] [--phases cold,noop,incr]
                     [--tls] [--net RTT_MS:MBIT[:target-near]] [--out FILE.jsonl]
  bench_peers.py report [--base NAME] [--kinds] FILE.jsonl...

For each round and contestant: the target is emptied, a cold sync, one with nothing to do, then
some tags move at the source (5 %), a sync of these, and the source is put back.  Every cold and
incr sync is verified: all tags, manifests and blobs.  The order of contestants changes by round.

BENCH_STORE: where the registries keep their data (a tmpfs keeps the disk out of it; default: the
temporary folder).  --net puts client, source and target into network namespaces joined by two
slow links (needs root, a C compiler and /dev/net/tun).
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import lab
import ratios

CORPUS_TOOL = [sys.executable, '-B', os.path.join(lab.HERE, 'make_corpus.py')]
NOT_HERE = 77  # a contestant's exit code: not installed on this machine


class Bench:
    def __init__(self, options, work):
        self.options, self.work = options, work
        with open(os.path.join(options.corpus, 'corpus.json')) as f:
            self.corpus = json.load(f)
        self.repositories = sorted(self.corpus['repos'])
        self.tls = lab.make_certificates(work + '/tls') if options.tls else None
        self.net = lab.Net(work, options.net, options.congestion) if options.net else None
        net = self.net
        self.source = lab.Registry(work, 'source', net.SOURCE if net else '127.0.0.1', self.tls, net and net.source)
        self.target = lab.Registry(work, 'target', net.TARGET if net else '127.0.0.1', self.tls, net and net.target)
        self.mode = ('https' if self.tls else 'http') + (f', {options.net} (ms:Mbit/s)' if net else ', loopback')
        self.floor = lab.compile_c('floor', work, '-lcrypto')
        with open(work + '/repositories', 'w') as f:
            f.write('\n'.join(self.repositories) + '\n')

    def corpus_tool(self, registry, verb, *args):
        """Runs make_corpus.py beside a registry; true when it is content."""
        ca = ['--cacert', self.tls + '/ca.crt'] if self.tls else []
        done = subprocess.run([*registry.prefix(), *CORPUS_TOOL, verb, self.options.corpus, registry.url, *args, *ca],
                              stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f'   {verb} failed: {done.stdout.strip()}', flush=True)
        return done.returncode == 0

    def environment(self, who, phase, plan):
        scratch = self.work + '/scratch'
        shutil.rmtree(scratch, ignore_errors=True)
        os.mkdir(scratch)
        state = f'{self.work}/state-{who}'
        if phase == 'cold':
            shutil.rmtree(state, ignore_errors=True)
        os.makedirs(state, exist_ok=True)
        env = {**os.environ, 'SRC': self.source.host, 'DST': self.target.host, 'TLS': '1' if self.tls else '0',
               'REPOS_FILE': self.work + '/repositories', 'PREFIX': self.repositories[0].split('/')[0],
               'WORK': scratch, 'HOME': scratch, 'STATE': state, 'JOBS': str(self.options.jobs),
               'FLOOR_BIN': self.floor, 'PLAN': plan}
        if self.tls:
            ca = self.tls + '/ca.crt'
            env.update(CA=ca, CERTDIR=self.tls + '/certd', SSL_CERT_FILE=ca, CURL_CA_BUNDLE=ca)
        return env

    def phase(self, who, phase, number):
        """One measured run; its record, or None when the contestant is not on this machine."""
        delta = ['--delta', str(number)] if phase == 'incr' else []
        plan = self.work + '/plan'
        with open(plan, 'w') as f:
            lab.run(*CORPUS_TOOL, 'plan', self.options.corpus, phase, *delta, stdout=f)
        env = self.environment(who, phase, plan)
        self.source.mark()
        self.target.mark()
        before = self.source.cpu(), self.target.cpu()
        command = [*(self.net.prefix() if self.net else []), os.path.join(lab.HERE, 'contestants', who + '.sh')]
        measured = lab.measure(command, env, self.options.timeout, self.work + '/output')
        if measured['code'] == NOT_HERE:
            return None
        ok = measured['code'] == 0
        if not ok:
            with open(self.work + '/output') as f:
                print(f'   exit code {measured["code"]}: {f.read()[-400:]}', flush=True)
        record = {'corpus': self.corpus['name'], 'mode': self.mode, 'who': who, 'phase': phase, 'round': number, **measured,
                  'source_cpu': self.source.cpu() - before[0], 'target_cpu': self.target.cpu() - before[1],
                  'source_requests': self.source.requests(), 'target_requests': self.target.requests()}
        if phase != 'noop':
            ok = self.corpus_tool(self.target, 'verify', *delta) and ok
        return {**record, 'ok': ok}

    def contest(self, who, number, out):
        """All phases of a round for one contestant; false when it is not on this machine."""
        self.target.stop()
        self.target.start(wipe=True)
        for phase in self.options.phases.split(','):
            if phase == 'incr':
                if number >= len(self.corpus['deltas']):
                    continue
                self.corpus_tool(self.source, 'push', '--delta', str(number))
            record = self.phase(who, phase, number)
            if record is None:
                return False
            print(f'{who:20} {phase:5} round {number} {"ok " if record["ok"] else "BAD"} wall {record["wall"]:7.2f} s, '
                  f'CPU {record["cpu"]:6.2f} s', file=sys.stderr, flush=True)
            out.write(json.dumps(record) + '\n')
            out.flush()
            if phase == 'incr':
                self.corpus_tool(self.source, 'push', '--restore', str(number))
        return True

    def run(self):
        self.source.start(wipe=True)
        if not self.corpus_tool(self.source, 'push'):
            raise SystemExit('the corpus could not be pushed to the source')
        contestants = self.options.contestants.split(',')
        with open(self.options.out, 'a') as out:
            for number in range(self.options.rounds):
                first = number % len(contestants)
                for who in contestants[first:] + contestants[:first]:
                    if not self.contest(who, number, out):
                        print(f'{who} is left out: not on this machine, or not in this mode', file=sys.stderr)
                        contestants = [c for c in contestants if c != who]

    def close(self):
        self.source.stop()
        self.target.stop()
        if self.net:
            self.net.close()


def run(options):
    work = tempfile.mkdtemp(prefix='bench-peers.', dir=os.environ.get('BENCH_STORE'))
    bench = None
    try:
        bench = Bench(options, work)
        bench.run()
    finally:
        if bench:
            bench.close()
        shutil.rmtree(work, ignore_errors=True)


def report(options):
    records = []
    for name in options.files:
        with open(name) as f:
            records += [json.loads(line) for line in f]
    ratios.report(records, options.base, options.kinds)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    s = p.add_subparsers(dest='verb', required=True)
    r = s.add_parser('run')
    r.add_argument('--corpus', required=True)
    r.add_argument('--contestants', default='floor,regmirror,skopeo-sync-yaml')
    r.add_argument('--rounds', type=int, default=7)
    r.add_argument('--phases', default='cold,noop,incr')
    r.add_argument('--tls', action='store_true')
    r.add_argument('--net', metavar='RTT_MS:MBIT')
    r.add_argument('--congestion', help='TCP congestion control in the namespaces (the kernel may refuse)')
    r.add_argument('--out', default='results.jsonl')
    r.add_argument('--jobs', type=int, default=8)
    r.add_argument('--timeout', type=float, default=900, help='seconds for one run')
    q = s.add_parser('report')
    q.add_argument('files', nargs='+')
    q.add_argument('--base', default='floor')
    q.add_argument('--kinds', action='store_true', help='requests by kind, too')
    options = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    {'run': run, 'report': report}[options.verb](options)


if __name__ == '__main__':
    main()
