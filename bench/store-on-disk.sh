#!/bin/bash
# Compares ways to have images on a disk: regmirror's store, `skopeo sync` into a docker-registry on
# that disk, and `skopeo copy` into OCI layouts, in turns.  Prints ratios.
#   store-on-disk.sh [--full] [--rounds N] [--keep FILE] [DIR]
# DIR is a folder on the disk (default: the current one).  Small (150 MB, 3 rounds) unless --full (3 GB, 7
# rounds).  --keep appends the measurements to FILE.  $REGMIRROR_BIN names the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scale=0.05 rounds=3 keep='' disk=.
while [ $# -gt 0 ]; do
	case $1 in
	--full) scale=1 rounds=7 ;;
	--rounds) rounds=$2 && shift ;;
	--keep) keep=$(realpath "$2") && shift ;;
	-*) sed -n '2,6s/^# //p' "$0" && exit 2 ;;
	*) disk=$1 ;;
	esac
	shift
done
case $(stat -f -c %T "$disk") in
tmpfs | ramfs) echo "$disk is in memory, not on a disk" >&2 && exit 2 ;;
esac
store=${BENCH_STORE:-/dev/shm}
work=$(mktemp -d "$store/regmirror-store.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export BENCH_STORE=$work REGMIRROR_BIN=${REGMIRROR_BIN:-$here/../build/bin/regmirror}

"$REGMIRROR_BIN" --version
skopeo --version
echo "$(nproc) cores, $(uname -sr), $(stat -f -c %T "$disk"), load $(cut -d ' ' -f 1 /proc/loadavg)"
"$here/peerlab/make_corpus.py" build kube "$work/corpus" --scale "$scale" > "$work/described"
"$here/peerlab/bench_store.py" --corpus "$work/corpus" --disk "$disk" --rounds "$rounds" --out "$work/results"
cat <<'TEXT'

Ratios are how many times regmirror's.  durable: until `sync -f` has returned, too.  CPU is the client's; that of
docker-registry, where it takes part, is not counted.
TEXT
[ -z "$keep" ] || cat "$work/results" >> "$keep"
