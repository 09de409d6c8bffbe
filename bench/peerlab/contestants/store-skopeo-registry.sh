#!/bin/sh
# `skopeo sync` of all repositories into the docker-registry on the disk
exec "$(dirname "$0")/skopeo-sync-yaml.sh"
