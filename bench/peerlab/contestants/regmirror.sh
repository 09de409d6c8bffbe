#!/bin/sh
# `regmirror sync`: one rule for all repositories, all tags.  The variants set what is used below.
bin=$(command -v "${REGMIRROR_BIN:-regmirror}") || exit 77
tls=off ca=
[ "$TLS" = 0 ] || { tls=on ca=", ca: $CA"; }
cat > "$WORK/regmirror.yaml" <<YAML
state: $STATE
parallel: $JOBS
${SPOOL:+spool: { from: $SPOOL \}}
registries:
  "$SRC": { tls: $tls$ca, connections: $JOBS }
  "$DST": { tls: $tls$ca, connections: $JOBS }
upstreams: { up: { authority: "$SRC" } }
targets: { to: { registry: "$DST" } }
sync:
  - { name: all, from: up, to: [to], immutable: ${IMMUTABLE:-none}, repositories: [$(paste -sd, "$REPOS_FILE")] }
YAML
exec "$bin" -q -c "$WORK/regmirror.yaml" sync
