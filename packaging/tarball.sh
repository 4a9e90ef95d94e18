#!/bin/bash
# Makes the archive to unpack by hand: the program, its documentation and init/, whose README says how
# to install them.
# Usage: packaging/tarball.sh BINARY DIRECTORY
set -euo pipefail
tree=$(cd "$(dirname "$0")/.." && pwd)
machine=$("$tree/packaging/machine.sh" "$1")
make -s -C "$tree" licences ARCH="$machine" >&2
mkdir -p "$2"
out=$(realpath "$2")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/Cargo.toml" | head -n 1)

root=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$root"' EXIT
umask 022
chmod 0755 "$root"
"$tree/packaging/strip.sh" "$1" "$root/caddy"
chmod 0755 "$root/caddy"
cd "$tree"
cp packaging/archive/README.txt "$root/README.txt"
cp CHANGELOG.md "$root/CHANGES.txt"
cat LICENSE "target/package/$machine/LICENSES" >"$root/LICENSES.txt"
install -d "$root/init/linux-sysv" "$root/init/linux-systemd" "$root/init/linux-openrc"
install -m 0644 packaging/archive/init.README "$root/init/README"
install -m 0755 init.d/caddy "$root/init/linux-sysv/caddy"
install -m 0644 packaging/sysconfig/caddy "$root/init/linux-sysv/sysconfig"
install -m 0644 systemd/* "$root/init/linux-systemd/"
sed -f packaging/instance.sed systemd/caddy.service >"$root/init/linux-systemd/caddy@.service"
install -m 0755 openrc/caddy "$root/init/linux-openrc/caddy"
install -m 0644 packaging/logrotate/caddy "$root/init/logrotate"
install -m 0644 packaging/default/Caddyfile packaging/default/index.html "$root/init/"
install -m 0644 packaging/man/* packaging/completions/* "$root/init/"
install -m 0644 packaging/firewalld/caddy.xml "$root/init/firewalld.xml"
install -m 0755 packaging/selinux.sh "$root/init/selinux"
cp -R docs "$root/docs"

archive=$out/caddy-$version-linux-$machine.tar.gz
tar -C "$root" --owner=0 --group=0 --sort=name -czf "$archive" caddy README.txt CHANGES.txt \
    LICENSES.txt docs init
echo "$archive"
