#!/bin/sh
# Copies a program without its debug information. Symbols stay, for the backtrace of a panic.
# Usage: packaging/strip.sh BINARY COPY
set -eu
machine=$("$(dirname "$0")/machine.sh" "$1")
# binutils know this machine only.
if [ "$machine" = "$(uname -m)" ]; then
    objcopy --strip-debug "$1" "$2"
elif command -v eu-strip >/dev/null; then
    eu-strip --strip-debug -o "$2" "$1"
else
    echo "packaging/strip.sh: a program for $machine needs eu-strip: install elfutils" >&2
    exit 1
fi
