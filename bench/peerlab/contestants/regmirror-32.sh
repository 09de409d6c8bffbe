#!/bin/sh
# 32 transfers and connections at once
JOBS=32 exec "$(dirname "$0")/regmirror.sh"
