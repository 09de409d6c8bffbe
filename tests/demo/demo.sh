#!/bin/bash
# Shows the main job on this machine: an upstream and a mirror of it, one sync into the store, what
# was copied, and an image read back by a program that is not ours.  Called by `make demo`; uses
# free ports of the loopback interface and one temporary folder, and leaves neither.
set -euo pipefail
cd "$(dirname "$0")/../.."
regmirror=${REGMIRROR:-$PWD/build/bin/regmirror}
python=${PYTHON:-python3}
work=$(mktemp -d "${TMPDIR:-/tmp}/regmirror-demo.XXXXXX")
upstream=

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
# skopeo keeps its caches where everything else here is.
skopeo() { HOME=$work TMPDIR=$work command skopeo --insecure-policy "$@"; }
sha256() { sha256sum | cut -d ' ' -f 1; }

step 'Images with real layers (gzip and zstd), in an upstream and in a mirror of it'
"$python" -B tests/demo/upstream.py "$work" &
upstream=$!
until [ -e "$work/hosts" ]; do
	kill -0 "$upstream" || exit 1
	sleep 0.1
done
{ read -r authority; read -r mirror; } < "$work/hosts"

step 'The configuration'
tee "$work/regmirror.yaml" <<YAML
state: $work/state
registries:
  $authority: { tls: off }
  $mirror: { tls: off }
upstreams:
  demo:
    authority: $authority
    mirrors: [ { host: "$mirror" } ]
targets:
  box: { store: true, prefix: demo }
sync:
  - name: everything
    from: demo
    to: [box]
    repositories: [team/web, team/worker, tools/packer, tools/single]
YAML

step 'regmirror sync'
"$regmirror" -c "$work/regmirror.yaml" sync --report "$work/report.json"

step 'The same again: nothing is left to do'
"$regmirror" -c "$work/regmirror.yaml" sync

step 'regmirror status'
"$regmirror" -c "$work/regmirror.yaml" status

step 'skopeo reads images back from the store, without regmirror'
for image in team/web:v1.1.0 tools/packer:v2.0.0; do
	layout=$work/state/store/repos/demo/${image%:*}/_layout
	stored=$(skopeo inspect --raw "oci:$layout:${image##*:}" | sha256)
	original=$(skopeo inspect --raw --tls-verify=false "docker://$authority/$image" | sha256)
	echo "$image: sha256:$stored in the store, sha256:$original upstream"
	[ "$stored" = "$original" ]
	rm -rf "$work/back"
	skopeo copy -q --all "oci:$layout:${image##*:}" "dir:$work/back"
done
echo
echo 'Done: every manifest and layer was read back, and is what the upstream has.'
