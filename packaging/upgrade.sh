#!/bin/sh
# Run by packages after they have installed a new program: replaces the running ones, if any,
# without losing a request. If that fails, it prints a message and the old one keeps running. It
# always exits with 0, as the package itself is installed.
script=/etc/rc.d/init.d/caddy
[ -x "$script" ] || script=/etc/init.d/caddy

# Instance $1, or the usual one.
upgrade() {
    CADDY_INSTANCE=$1 "$script" status >/dev/null 2>&1 || return
    CADDY_INSTANCE=$1 "$script" upgrade >/dev/null ||
        echo "caddy${1:+-$1}: the upgrade failed; the old process keeps running" >&2
}

upgrade ''
if [ -d /run/systemd/system ]; then
    names=$(systemctl list-units --no-legend --plain --state=active 'caddy@*.service' 2>/dev/null |
        sed -n 's/^caddy@\(.*\)\.service .*/\1/p')
else
    names=$(find "${script%/*}" -name 'caddy-*' | sed 's/.*caddy-//')
fi
for name in $names; do
    upgrade "$name"
done
exit 0
