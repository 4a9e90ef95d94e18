#!/bin/bash
# Makes the source RPM: the tree as it is, the sources of all dependencies, and the spec.
# Usage: packaging/rpm/srpm.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "$1"
out=$(realpath "$1")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
umask 022

# The same files give the same archive.
pack() {
    tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --mtime="@$(git log -1 --format=%ct)" "$@"
}

# What git knows of and is still there.
git ls-files -z | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done >"$work/files"
pack --null --files-from="$work/files" --transform "s|^|caddy-$version/|" -c |
    gzip -9n >"$work/caddy-$version.tar.gz"

# The dependencies change less often than the tree.
cached=target/package/vendor-$(cat Cargo.lock packaging/vendor.py packaging/rpm/srpm.sh |
    sha256sum | cut -c1-16).tar.xz
if [ ! -e "$cached" ]; then
    mkdir -p target/package
    packaging/vendor.py "$work/vendor"
    pack -C "$work" -c vendor | xz -T0 -1 >"$work/vendor.tar.xz"
    rm -rf "$work/vendor" target/package/vendor-*.tar.xz
    mv "$work/vendor.tar.xz" "$cached"
fi
cp "$cached" "$work/caddy-$version-vendor.tar.xz"

log=$work/log
# What the build needs is asked for where it is built.
if ! rpmbuild -bs --nodeps --define "_sourcedir $work" --define "_srcrpmdir $out" \
    --define 'dist %{nil}' packaging/rpm/caddy.spec >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
sed -n 's/^Wrote: //p' "$log"
