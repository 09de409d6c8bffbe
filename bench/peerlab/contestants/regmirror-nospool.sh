#!/bin/sh
# large blobs are not kept on disk while they move
SPOOL=never exec "$(dirname "$0")/regmirror.sh"
