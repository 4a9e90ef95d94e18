#!/bin/sh
# For packages, once a new program is on disk: puts it in the place of the one that runs, if one
# runs, without losing a request. What cannot be upgraded goes on as it is, and is told. Never
# fails: a package's own work is done.
unit=caddy.service

old_goes_on() {
    echo "caddy: $1; the old process goes on" >&2
    exit 0
}

if [ ! -d /run/systemd/system ]; then
    service caddy status >/dev/null 2>&1 || exit 0
    service caddy upgrade >/dev/null || old_goes_on 'not upgraded'
    exit 0
fi

systemctl is-active --quiet $unit || exit 0
why=$(/usr/local/bin/caddy -validate -conf /etc/caddy/Caddyfile 2>&1 >/dev/null) || {
    echo "$why" >&2
    old_goes_on 'the Caddyfile is not valid'
}
shown() { systemctl show -p "$1" $unit; }
old=$(shown MainPID) before=$(shown StatusText)
systemctl kill -s USR2 --kill-who=main $unit || old_goes_on 'not upgraded'
# A little longer than the server gives its successor.
tries=350
while [ $tries -gt 0 ]; do
    [ "$(shown MainPID)" = "$old" ] || exit 0
    now=$(shown StatusText)
    case $now in
    "$before") ;;
    *'the upgrade failed: '*) old_goes_on "not upgraded: ${now#*the upgrade failed: }" ;;
    esac
    sleep 0.1
    tries=$((tries - 1))
done
old_goes_on 'not upgraded in time'
