#!/bin/bash
# Makes the Debian package of a program that is built already, for the machine that it is built for.
# DEBFULLNAME and DEBEMAIL name the maintainer, as for Debian's own tools.
# Usage: packaging/deb/build.sh BINARY DIRECTORY
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/Cargo.toml" | head -n 1)
arch=$("$tree/packaging/machine.sh" "$binary")
case $arch in
x86_64) machine=amd64 ;;
aarch64) machine=arm64 ;;
*) exit 1 ;;
esac
make -s -C "$tree" licences ARCH="$arch" >&2
maintainer="${DEBFULLNAME:-The caddy project} <${DEBEMAIL:-caddy@caddy.invalid}>"

root=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$root"' EXIT
umask 022
chmod 0755 "$root"
make -s -C "$tree" install BINARY="$binary" DESTDIR="$root" PREFIX=/usr SETTINGS=default
share=$root/usr/share doc=$root/usr/share/doc/caddy
install -d "$share/lintian/overrides"
install -m 0644 "$tree/packaging/deb/lintian-overrides" "$share/lintian/overrides/caddy"
# Names and forms that Debian's policy asks for.
rm "$doc/LICENSE"
install -m 0644 "$tree/packaging/deb/copyright" "$doc/copyright"
mv "$doc/CHANGELOG.md" "$doc/changelog"
cat >"$doc/changelog.Debian" <<END
caddy ($version-1) unstable; urgency=medium

  * See changelog.gz for what changes for users.

 -- $maintainer  $(git -C "$tree" log -1 --format=%cD)
END
chmod 0644 "$doc/changelog.Debian"
gzip -9n "$share"/man/man?/* "$doc/changelog" "$doc/changelog.Debian"
# Run level 2 is Debian's usual one.
sed -i -e 's/^# Default-Start: .*/# Default-Start: 2 3 4 5/' \
    -e 's/^# Default-Stop: .*/# Default-Stop: 0 1 6/' "$root/etc/init.d/caddy"

# The oldest glibc that has all its symbols.
glibc=$(readelf --dyn-syms -W "$binary" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1)
install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: caddy
Version: $version-1
Architecture: $machine
Maintainer: $maintainer
Section: httpd
Priority: optional
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: adduser, libc6 (>= ${glibc#GLIBC_})
Recommends: logrotate
Provides: httpd
Installed-Size: $(du -sk "$root" | cut -f1)
Description: Web server that puts existing sites on HTTP/3
 Caddy serves and proxies web sites over HTTP/1.1, HTTP/2 and HTTP/3, as a
 Caddyfile says. It runs as a service with an account of its own, under SysV
 init and under systemd.
END
printf '%s\n' /etc/caddy/Caddyfile /etc/default/caddy /etc/init.d/caddy /etc/logrotate.d/caddy \
    >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 0755 "$tree/packaging/deb/$script" "$root/DEBIAN/$script"
done

package=$out/caddy_$version-1_$machine.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
echo "$package"
