#!/bin/sh
# Run by packages after they have installed a new program: replaces the running one, if any,
# without losing a request. If that fails, it prints a message and the old one keeps running. It
# always exits with 0, as the package itself is installed.
unit=caddy.service

keep_old() {
    echo "caddy: $1; the old process keeps running" >&2
    exit 0
}

if [ ! -d /run/systemd/system ]; then
    service caddy status >/dev/null 2>&1 || exit 0
    service caddy upgrade >/dev/null || keep_old 'the upgrade failed'
    exit 0
fi

systemctl is-active --quiet $unit || exit 0
why=$(/usr/local/bin/caddy -validate -conf /etc/caddy/Caddyfile 2>&1 >/dev/null) || {
    echo "$why" >&2
    keep_old 'the Caddyfile is not valid'
}
shown() { systemctl show -p "$1" $unit; }
old=$(shown MainPID) before=$(shown StatusText)
systemctl kill -s USR2 --kill-who=main $unit || keep_old 'the upgrade failed'
# A little longer than the server waits for the new process.
tries=350
while [ $tries -gt 0 ]; do
    [ "$(shown MainPID)" = "$old" ] || exit 0
    now=$(shown StatusText)
    case $now in
    "$before") ;;
    *'the upgrade failed: '*) keep_old "the upgrade failed: ${now#*the upgrade failed: }" ;;
    esac
    sleep 0.1
    tries=$((tries - 1))
done
keep_old 'the upgrade timed out'
