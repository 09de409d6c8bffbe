#!/bin/sh -eu
# Installs those of the named Debian packages that are missing; asks for nothing when all are there.
missing=
for package in "$@"; do
	case $(dpkg-query -Wf '${db:Status-Abbrev}' "$package" 2>/dev/null) in
	ii*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
as=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "needs root or sudo to install:$missing" >&2; exit 1; }
	as=sudo
fi
$as apt-get update -q
# shellcheck disable=SC2086  # both are lists of words
$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
