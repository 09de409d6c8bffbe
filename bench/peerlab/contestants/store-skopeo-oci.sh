#!/bin/sh
# `skopeo copy --all` of each tag into an OCI layout per repository in $DISK
command -v skopeo > /dev/null || exit 77
tags='import json, sys; print("\n".join(json.load(sys.stdin)["Tags"]))'
while read -r r; do
	mkdir -p "$DISK/$r"
	for tag in $(skopeo list-tags --tls-verify=false "docker://$SRC/$r" | python3 -c "$tags"); do
		skopeo copy -q --all --src-tls-verify=false "docker://$SRC/$r:$tag" "oci:$DISK/$r:$tag" || exit 1
	done
done < "$REPOS_FILE"
