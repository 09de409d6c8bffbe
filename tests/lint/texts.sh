#!/bin/sh -u
# Scripts, manual pages and units say what they should.  Prints each offence; exits 1 if there is any.
bad=0
check() { "$@" || bad=1; }

scripts=$(grep -rlE '^#!/(usr/bin/env |bin/)(ba)?sh' .ci tests bench cmd 2>/dev/null | sort)
# shellcheck disable=SC2086  # lists of files
check shellcheck $scripts
for page in cmd/*/*.1 conf/*.5; do
	[ ! -e "$page" ] || check mandoc -Tlint -Wwarning "$page"
done
for f in $(find tests bench -name '*.py' | sort); do
	check python3 -B -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$f"
done
# The exposure of a unit, in tenths of 0 (none) to 10; what is left is the network that it needs.
if command -v systemd-analyze >/dev/null; then
	for unit in systemd/*.service; do
		report=$(systemd-analyze security --offline=true --threshold=15 "$unit" 2>&1) ||
			{ printf '%s: %s\n' "$unit" "$(printf '%s\n' "$report" | tail -n 1)"; bad=1; }
	done
fi
# Nothing may be true only on the machine where it was written.
here=$(git grep -nE '(^|[^a-z<>.])/(home|root|work|farm)/' -- . ':!tests/lint/texts.sh' 2>/dev/null)
[ -z "$here" ] || { printf '%s    <- a path of one machine\n' "$here"; bad=1; }
exit $bad
