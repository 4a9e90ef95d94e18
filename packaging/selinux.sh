#!/bin/sh
# For packages, where SELinux's tools are: gives the files of the server the types of a web server's
# and lets it open UDP 443, which the policy knows for TCP only. Without the labels it would run
# unconfined; with them its domain is httpd_t. Never fails: a package's own work is done.
# Usage: selinux add [1 at the first installation] | remove
command -v semanage >/dev/null 2>&1 || exit 0

# Type and path of each, as file_contexts has them. Older policies want the name /var/run and newer
# ones /run; semanage refuses the other.
contexts() {
    cat <<'END'
httpd_exec_t /usr/local/bin/caddy
httpd_config_t /etc/caddy(/.*)?
httpd_var_lib_t /var/lib/caddy(/.*)?
httpd_log_t /var/log/caddy(/.*)?
httpd_var_run_t /run/caddy(/.*)?
httpd_var_run_t /var/run/caddy(/.*)?
httpd_sys_content_t /usr/local/share/caddy/html(/.*)?
END
}

case $1 in
add)
    # One that is there already, an administrator's own too, stays as it is.
    contexts | while read -r type path; do
        semanage fcontext --add --type "$type" "$path" 2>/dev/null || :
    done
    semanage port --add --type http_port_t --proto udp 443 2>/dev/null || :
    # Upstreams and the CA. For the whole domain, so an administrator's later "off" stays.
    if [ "${2-}" = 1 ]; then
        setsebool -P httpd_can_network_connect on 2>/dev/null || :
    fi
    contexts | while read -r _ path; do
        path=${path%%(*}
        [ ! -e "$path" ] || restorecon -R "$path" 2>/dev/null || :
    done
    ;;
remove)
    # The boolean and the port may serve others by now.
    contexts | while read -r type path; do
        semanage fcontext --delete --type "$type" "$path" 2>/dev/null || :
    done
    ;;
*)
    echo "Usage: $0 add [1] | remove" >&2
    exit 2
    ;;
esac
exit 0
