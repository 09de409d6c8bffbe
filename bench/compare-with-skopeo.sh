#!/bin/bash
# Repeats the comparison with `skopeo sync` on this machine: images from one docker-registry on
# loopback to another, by both, in turns.  Prints ratios; wall times of one machine say little.
#   compare-with-skopeo.sh [--full] [--rounds N] [--keep FILE]
# Small (150 MB, 3 rounds: a minute or two) unless --full (3 GB, 7 rounds: half an hour).  --keep appends the
# measurements to FILE, for `bench/peerlab/bench_peers.py report FILE`.  $REGMIRROR_BIN names the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scale=0.05 rounds=3 keep=
while [ $# -gt 0 ]; do
	case $1 in
	--full) scale=1 rounds=7 ;;
	--rounds) rounds=$2 && shift ;;
	--keep) keep=$(realpath "$2") && shift ;;
	*) sed -n '2,6s/^# //p' "$0" && exit 2 ;;
	esac
	shift
done
# In a tmpfs the disk has no part in it: 3 times the corpus must fit.
store=${BENCH_STORE:-/dev/shm}
work=$(mktemp -d "$store/regmirror-compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export BENCH_STORE=$work REGMIRROR_BIN=${REGMIRROR_BIN:-$here/../build/bin/regmirror}

"$REGMIRROR_BIN" --version
skopeo --version
echo "$(nproc) cores, $(uname -sr), load $(cut -d ' ' -f 1 /proc/loadavg)"
"$here/peerlab/make_corpus.py" build kube "$work/corpus" --scale "$scale" --deltas "$rounds" > "$work/described"
"$here/peerlab/bench_peers.py" run --corpus "$work/corpus" --rounds "$rounds" --out "$work/results" \
	--contestants floor,regmirror,skopeo-sync-yaml
"$here/peerlab/bench_peers.py" report --base regmirror "$work/results"
cat <<'TEXT'

cold: an empty target; noop: the same again; incr: after 5 % of the tags have moved.  Ratios are how many times
regmirror's; below 1 is less.  CPU is the client's, MiB its peak memory, src req and dst req are its requests.
floor is told what to copy, and only moves and hashes the bytes.  The registries run on the same cores.
TEXT
[ -z "$keep" ] || cat "$work/results" >> "$keep"
