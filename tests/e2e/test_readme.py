"""
The README's commands do what it shows.

In README.md, a `sh` block behind the line `<!-- run -->` is run, all of them in one shell and one
fresh folder that has build/bin and tests as the source tree has; the `text` block behind it is what
it prints.  Compared is what is the same on every machine: digests, times, sizes and ports are not.  Of a
table of `bench`, which is cut into several where columns get wide, each cell is compared by itself.

    python3 -B tests/e2e/test_readme.py    writes the real output into README.md
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, 'lib'))

import registries   # noqa: E402

README = os.path.join(os.path.dirname(TESTS), 'README.md')
PROGRAM = os.environ.get('REGMIRROR') or os.path.join(os.path.dirname(TESTS), 'build', 'bin', 'regmirror')
TOUR_PORTS = ('5001', '5002', '5003')
SECONDS = 60
BLOCK = re.compile(r'<!-- run -->\n```sh\n(?P<commands>.*?)```\n```text\n(?P<output>.*?)```\n', re.S)
MARK = '@@ block'
# What `bench` says only of a machine that had other work, or of a request that happened to wait.
BY_CHANCE = re.compile(r'^warning: this machine is .*\n(?:  .*\n)*', re.M)
BY_CHANCE_COLUMNS = ('bufferbloat', 'loaded p90')
MEASURED = re.compile(r'latency|throughput|warm|p90|rtt|cold|fetch|dns|tcp|tls|request')
RANKS = ('small', 'bulk')

# What differs from machine to machine, or from run to run, and what stands for it.
UNSTABLE = [
    (r'sha256:[0-9a-f]{64}|\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b', 'DIGEST'),
    (r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', 'TIME'),
    (r'\b[\d.]+ ?(B|KiB|MiB)(?!\w)', 'SIZE'),
    (r'\bbytes=\d+', 'bytes=SIZE'),
    (r'\bin [\d.]+ ?(ms|s)\b', 'in SECONDS'),
    (r'\b\d+ rounds, [\d.]+ ?m?s\b(, stopped before its end)?', 'ROUNDS, SECONDS'),    # of a benchmark; it has a time to keep
    (r'(?m)TIME +(?:-|[\d.]+) +(?:-|[\d.]+)( +\d+ +\d+)$', r'TIME RATE LATENCY\1'),     # of a source, by `status`
    (r'[ \t]+', ' '),
]


def blocks():
    with open(README) as f:
        return list(BLOCK.finditer(f.read()))


def run_all(found, folder, ports):
    """Runs all blocks in a shell, with other ports than the README's; returns the output of each, with the README's."""
    os.makedirs(os.path.join(folder, 'build', 'bin'))
    os.symlink(os.path.abspath(PROGRAM), os.path.join(folder, 'build', 'bin', 'regmirror'))
    os.symlink(TESTS, os.path.join(folder, 'tests'))
    script = ''.join(f'{b["commands"]}echo "{MARK}"\n' for b in found)
    for told, real in ports.items():
        script = script.replace(told, real)
    env = {k: v for k, v in os.environ.items() if not k.startswith('REGMIRROR') and k not in ('DOCKER_CONFIG', 'JOURNAL_STREAM')}
    env.update(HOME=folder, LC_ALL='C.UTF-8')
    try:
        done = subprocess.run(['bash', '-c', script], cwd=folder, env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    finally:
        stop_registries(os.path.join(folder, 'build', 'tour', 'pid'))
    output = done.stdout
    for told, real in ports.items():
        output = output.replace(real, told)
    return output.split(MARK + '\n')[:-1]


def stop_registries(pid_file):
    """Ends what a tour that broke off has left."""
    if os.path.exists(pid_file):
        with open(pid_file) as f:
            subprocess.run(['kill', f.read().strip()], check=False)


def cells(line):
    return re.split(r'  +', line.strip())


def cell(column, text):
    """Of a figure only whether there is one, and whether it is a bound."""
    if column in RANKS:
        return re.sub(r'^\d+=?$', 'RANK', text)
    return re.sub(r'[\d.]+$', 'FIGURE', text) if MEASURED.search(column) else text


def without_tables(text):
    """Tables of sources by `bench`, as a line for each cell: "localhost:5001, integrity: OK"."""
    columns = None
    for line in text.splitlines():
        if line.startswith('source  '):
            columns = cells(line)
        elif columns and line:
            source, *values = cells(line)
            assert len(values) == len(columns) - 1, line
            yield from (f'{source}, {c}: {cell(c, v)}' for c, v in zip(columns[1:], values) if c not in BY_CHANCE_COLUMNS)
        else:
            columns = None
            yield line


def stable(text):
    """
    The part that is to be equal.  Images of one run are published in any order, and which of two that share
    a blob is said to have fetched it differs as well: lines are compared as a set.
    """
    text = '\n'.join(without_tables(BY_CHANCE.sub('', text)))
    text = re.sub(r'\n  (?=\S)', ' ', text)      # a long line goes on so
    for pattern, name in UNSTABLE:
        text = re.sub(pattern, name, text)
    return sorted(line.strip() for line in text.splitlines() if line)


def test_the_commands_of_the_readme_print_what_it_shows(tmp_path):
    found = blocks()
    assert found, 'README.md has no block to run'
    outputs = run_all(found, str(tmp_path), {p: str(registries.free_port()) for p in TOUR_PORTS})
    for block, output in zip(found, outputs):
        assert stable(output) == stable(block['output']), f'after\n{block["commands"]}it printed\n{output}'
    assert len(outputs) == len(found), outputs[-1:]


def test_the_readme_links_to_files_that_are_there():
    with open(README) as f:
        links = re.findall(r'\]\(([^)#]+)', f.read())
    assert links
    missing = [link for link in links if not os.path.exists(os.path.join(os.path.dirname(README), link))]
    assert not missing


def write_readme():
    """Puts the real output below the commands."""
    folder = tempfile.mkdtemp(prefix='regmirror-readme.')
    try:
        found = blocks()
        outputs = iter(run_all(found, folder, {p: p for p in TOUR_PORTS}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with open(README) as f:
        text = f.read()
    text = BLOCK.sub(lambda b: f'<!-- run -->\n```sh\n{b["commands"]}```\n```text\n{BY_CHANCE.sub("", next(outputs))}```\n', text)
    with open(README, 'w') as f:
        f.write(text)


if __name__ == '__main__':
    write_readme()
