#!/bin/bash
# Makes the RPM of a program that is built already.
# Usage: packaging/rpm/build.sh BINARY DIRECTORY [RELEASE]
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
release=${3:-1}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/Cargo.toml" | head -n 1)

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log
# Debian's rpm keeps its database elsewhere and knows no dist; neither matters to a build.
if ! rpmbuild -bb --define "_topdir $work" --define "_rpmdir $out" \
    --define '_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm' \
    --define "caddy_version $version" --define "caddy_release $release" \
    --define "caddy_tree $tree" --define "caddy_binary $binary" \
    "$tree/packaging/rpm/caddy.spec" >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
echo "$out/caddy-$version-$release.$(uname -m).rpm"
