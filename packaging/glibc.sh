#!/bin/bash
# Checks that a binary needs no library but a glibc of the given version.
# Usage: packaging/glibc.sh BINARY [VERSION]
set -euo pipefail

binary=$1
most=${2:-2.17}
# The libraries of every glibc of that age. libgcc_s is a separate package.
libraries='libc|libm|libpthread|libdl|librt|libutil|ld-linux-x86-64|ld-linux-aarch64'

needed=$(objdump -p "$binary" | awk '$1 == "NEEDED" { print $2 }')
strange=$(grep -vE "^($libraries)\.so\.[0-9]+$" <<<"$needed" || :)
if [ -n "$strange" ]; then
    echo "$binary needs libraries other than glibc: ${strange//$'\n'/ }" >&2
    exit 1
fi

versions=$(objdump -T "$binary" | grep -oE 'GLIBC_[0-9.]+' | sort -uV)
if [ -z "$versions" ]; then
    echo "$binary: no versioned symbol found; is it a dynamically linked program?" >&2
    exit 1
fi
newest=$(tail -n 1 <<<"$versions")
if [ "$(printf '%s\nGLIBC_%s\n' "$newest" "$most" | sort -V | tail -n 1)" != "GLIBC_$most" ]; then
    echo "$binary needs $newest, newer than GLIBC_$most, for:" >&2
    objdump -T "$binary" | awk -v newest="$newest" 'index($0, newest) { print "  " $NF }' >&2
    exit 1
fi
other=$(objdump -T "$binary" | grep -oE '\(?(GCC|GLIBCXX|CXXABI|LIBUNWIND)_[0-9.]+' | sort -u || :)
if [ -n "$other" ]; then
    echo "$binary needs symbols of other libraries: ${other//$'\n'/ }" >&2
    exit 1
fi
echo "$binary: needs at most $newest, and no library other than glibc"
