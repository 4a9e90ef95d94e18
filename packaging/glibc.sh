#!/bin/bash
# Checks that a binary, of whatever machine, needs no library but a glibc of the given version.
# Usage: packaging/glibc.sh BINARY [VERSION]
set -euo pipefail

binary=$1
most=${2:-2.17}
# The libraries of every glibc of that age. libgcc_s is a separate package.
libraries='libc|libm|libpthread|libdl|librt|libutil|ld-linux-x86-64|ld-linux-aarch64'

needed=$(readelf -dW "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p')
strange=$(grep -vE "^($libraries)\.so\.[0-9]+$" <<<"$needed" || :)
if [ -n "$strange" ]; then
    echo "$binary needs libraries other than glibc: ${strange//$'\n'/ }" >&2
    exit 1
fi

# Undefined symbols and the versions that they ask for: "clock_gettime GLIBC_2.17".
symbols=$(readelf --dyn-syms -W "$binary" |
    awk '$7 == "UND" && split($8, part, "@") > 1 { print part[1], part[length(part)] }')
newest=$(awk '{ print $2 }' <<<"$symbols" | grep '^GLIBC_[0-9]' | sort -uV | tail -n 1 || :)
if [ -z "$newest" ]; then
    echo "$binary: no versioned symbol found; is it a dynamically linked program?" >&2
    exit 1
fi
if [ "$(printf '%s\nGLIBC_%s\n' "$newest" "$most" | sort -V | tail -n 1)" != "GLIBC_$most" ]; then
    echo "$binary needs $newest, newer than GLIBC_$most, for:" >&2
    awk -v newest="$newest" '$2 == newest { print "  " $1 }' <<<"$symbols" >&2
    exit 1
fi
other=$(awk '{ print $2 }' <<<"$symbols" | grep -v '^GLIBC_[0-9]' | sort -u || :)
if [ -n "$other" ]; then
    echo "$binary needs symbols of other libraries: ${other//$'\n'/ }" >&2
    exit 1
fi
echo "$binary: needs at most $newest, and no library other than glibc"
