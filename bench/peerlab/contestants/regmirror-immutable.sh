#!/bin/sh
# tags that are versions never move: only listings are asked for again (the phase incr moves some: leave it out)
IMMUTABLE=semver exec "$(dirname "$0")/regmirror.sh"
