#!/bin/bash
# Lays out what an image of a program is built from, for this machine's architecture; with TAG it
# also builds the image, by buildah, podman or docker, whichever is there. No registry is asked.
# Usage: packaging/container/build.sh BINARY DIRECTORY [TAG]
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "$1")
machine=$("$tree/packaging/machine.sh" "$binary")
if [ "$machine" != "$(uname -m)" ]; then
    echo "packaging/container/build.sh: this machine has no libraries for $machine" >&2
    exit 1
fi
authorities=/etc/ssl/certs/ca-certificates.crt
[ -e "$authorities" ] || authorities=/etc/pki/tls/certs/ca-bundle.crt
if [ ! -e "$authorities" ]; then
    echo "packaging/container/build.sh: no certificate authorities: install ca-certificates" >&2
    exit 1
fi

rm -rf "$2"
mkdir -p "$2/data" "$2/root/etc/ssl/certs" "$2/root/etc/caddy" "$2/root/tmp"
out=$(realpath "$2")
umask 022
cp "$tree/packaging/container/Containerfile" "$out/"
"$tree/packaging/strip.sh" "$binary" "$out/program"
install -D -m 0755 "$out/program" "$out/root/usr/bin/caddy"
rm "$out/program"
# Where the program looks for them; the loader is named by its own path.
ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
    install -D -m 0755 "$library" "$out/root$library"
done
install -D -m 0644 "$authorities" "$out/root/etc/ssl/certs/ca-certificates.crt"
install -D -m 0644 "$tree/packaging/default/index.html" "$out/root/usr/share/caddy/html/index.html"
sed 's|/usr/local|/usr|g' "$tree/packaging/default/Caddyfile" >"$out/root/etc/caddy/Caddyfile"
chmod 0644 "$out/root/etc/caddy/Caddyfile"
chmod 1777 "$out/root/tmp"
chmod 0700 "$out/data"
echo 'caddy:x:998:998:Caddy web server:/data:/sbin/nologin' >"$out/root/etc/passwd"
echo 'caddy:x:998:' >"$out/root/etc/group"

[ -n "${3-}" ] || exit 0
for tool in buildah podman docker; do
    if command -v "$tool" >/dev/null; then
        "$tool" build -t "$3" -f "$out/Containerfile" "$out"
        exit
    fi
done
echo 'packaging/container/build.sh: an image needs buildah, podman or docker' >&2
exit 1
