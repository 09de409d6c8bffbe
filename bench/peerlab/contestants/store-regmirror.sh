#!/bin/sh
# `regmirror sync` into its store in $DISK
bin=$(command -v "${REGMIRROR_BIN:-regmirror}") || exit 77
cat > "$WORK/regmirror.yaml" <<YAML
state: $DISK
parallel: $JOBS
registries: { "$SRC": { tls: off, connections: $JOBS } }
upstreams: { up: { authority: "$SRC" } }
targets: { to: { store: true } }
sync: [ { name: all, from: up, to: [to], repositories: [$(paste -sd, "$REPOS_FILE")] } ]
YAML
exec "$bin" -q -c "$WORK/regmirror.yaml" sync
