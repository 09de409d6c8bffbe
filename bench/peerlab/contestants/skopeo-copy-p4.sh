#!/bin/sh
# the usual loop: list tags, `skopeo copy --all` per tag, four at a time
command -v skopeo > /dev/null || exit 77
verify=true
[ "$TLS" = 1 ] || verify=false
tags='import json, sys; print("\n".join(f"{sys.argv[1]}:{t}" for t in json.load(sys.stdin)["Tags"]))'
while read -r r; do
	skopeo list-tags --tls-verify=$verify "docker://$SRC/$r" | python3 -c "$tags" "$r"
done < "$REPOS_FILE" > "$WORK/refs"
xargs -P "${COPIES:-4}" -I{} skopeo copy -q --all --src-tls-verify=$verify --dest-tls-verify=$verify \
	"docker://$SRC/{}" "docker://$DST/{}" < "$WORK/refs"
