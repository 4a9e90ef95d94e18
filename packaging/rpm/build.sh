#!/bin/bash
# Makes the RPM of a program that is built already, for the machine that it is built for; and
# that of its debug information, if it has any.
# Usage: packaging/rpm/build.sh BINARY DIRECTORY [RELEASE]
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
release=${3:-1}
machine=$("$tree/packaging/machine.sh" "$binary")
make -s -C "$tree" licences ARCH="$machine" >&2

case $(readelf -SW "$binary") in
*' .debug_info '*) debuginfo=--with ;;
*) debuginfo=--without ;;
esac

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log
# The program is no distribution's, so the name of none belongs in the release.
if ! rpmbuild -bb --target "$machine-linux" --with prebuilt "$debuginfo" debuginfo \
    --define "_topdir $work" --define "_rpmdir $out" --define 'dist %{nil}' \
    --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
    --define "caddy_release $release" --define "caddy_tree $tree" \
    --define "caddy_binary $binary" "$tree/packaging/rpm/caddy.spec" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
sed -n 's/^Wrote: //p' "$log" | sort -r
