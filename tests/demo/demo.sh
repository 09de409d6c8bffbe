#!/bin/bash
# Shows the main job on this machine: an upstream and a mirror of it, one sync into the store, what
# was copied, and images read back by a program that is not ours.  Called by `make demo`; uses
# free ports of the loopback interface and one temporary folder, and leaves neither.
set -euo pipefail
cd "$(dirname "$0")/../.."
regmirror=${REGMIRROR:-$PWD/build/bin/regmirror}
python=${PYTHON:-python3}
work=$(mktemp -d "${TMPDIR:-/tmp}/regmirror-demo.XXXXXX")
upstream=
export HOME=$work # nothing of the caller's is read: no docker credentials, no caches
unset REGMIRROR_CONFIG DOCKER_CONFIG JOURNAL_STREAM

finish() {
	status=$?
	[ -z "$upstream" ] || { kill "$upstream" 2>/dev/null; wait "$upstream"; } || true
	chmod -R u+w "$work"
	rm -rf "$work"
	[ "$status" -eq 0 ] || echo "demo: failed (exit code $status)" >&2
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*"; }
# Runs regmirror; of its log only the last line is shown, the summary, unless it fails.
run() {
	echo "\$ regmirror $*"
	if ! "$regmirror" "$@" 2> "$work/log"; then
		cat "$work/log" >&2
		return 1
	fi
	tail -n 1 "$work/log"
}
skopeo() { TMPDIR=$work command skopeo --insecure-policy "$@"; }
sha256() { sha256sum | cut -d ' ' -f 1; }

step 'An upstream with multi-platform images (gzip and zstd layers), and a mirror of it'
"$python" -B tests/demo/upstream.py "$work/upstream" > "$work/described" &
upstream=$!
until [ -e "$work/upstream/hosts" ]; do
	kill -0 "$upstream" || exit 1
	sleep 0.1
done
cat "$work/described"
{ read -r authority; read -r mirror; } < "$work/upstream/hosts"

step 'The configuration'
tee "$work/regmirror.yaml" <<YAML
state: $work/state
registries:
  $authority: { tls: off }
  $mirror: { tls: off }
upstreams:
  demo: { authority: $authority, mirrors: [ { host: "$mirror" } ] }
targets:
  box: { store: true, prefix: demo }
sync:
  - name: everything
    from: demo
    to: [box]
    repositories: [team/web, team/worker, tools/packer, tools/single]
YAML
export REGMIRROR_CONFIG=$work/regmirror.yaml

step 'The first run copies everything'
run sync

step 'The second run has nothing to do'
run sync

step 'What is remembered'
run status

step 'skopeo reads images back from the store, without regmirror'
for image in team/web:v1.1.0 tools/packer:v2.0.0; do
	layout=$work/state/store/repos/demo/${image%:*}/_layout
	stored=$(skopeo inspect --raw "oci:$layout:${image##*:}" | sha256)
	original=$(skopeo inspect --raw --tls-verify=false "docker://$authority/$image" | sha256)
	printf '%s\n  upstream  sha256:%s\n  store     sha256:%s\n' "$image" "$original" "$stored"
	[ "$stored" = "$original" ]
	rm -rf "$work/back"
	skopeo copy -q --all "oci:$layout:${image##*:}" "dir:$work/back"
	# dir: names each blob by its digest, without the algorithm.
	for blob in "$work"/back/*; do
		name=${blob##*/}
		[ "${#name}" -ne 64 ] || [ "$(sha256 < "$blob")" = "$name" ]
	done
done
printf '\nThe digests are equal, and skopeo copied every manifest and layer back out of the store.\n'
