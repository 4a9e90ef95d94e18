# Completion of caddy's flags in bash.

_caddy() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    -conf | --conf | -convert | --convert | -control | --control | -fleet-key | --fleet-key | -pidfile | --pidfile)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    -log | --log)
        mapfile -t COMPREPLY < <(compgen -f -W 'stdout stderr syslog' -- "$current")
        return
        ;;
    -log-format | --log-format)
        mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current")
        return
        ;;
    -root | --root | -qlog | --qlog)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    -user | --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    -quic-congestion | --quic-congestion)
        mapfile -t COMPREPLY < <(compgen -W 'bbr cubic' -- "$current")
        return
        ;;
    -tcp-congestion | --tcp-congestion)
        mapfile -t COMPREPLY < <(compgen -W "$(cat /proc/sys/net/ipv4/tcp_allowed_congestion_control)" -- "$current")
        return
        ;;
    -type | --type)
        mapfile -t COMPREPLY < <(compgen -W 'http' -- "$current")
        return
        ;;
    esac
    case $current in
    -*)
        mapfile -t COMPREPLY < <(compgen -W '-agree -ca -catimeout -conf -control -convert -cpu -daemon
            -alt-svc-port -disable-http-challenge -disable-tls-alpn-challenge -email -fleet -fleet-key -fleet-listen -fmt -grace -help -host -http-port
            -http2 -https-port -json -log -log-format -log-roll-compress -log-roll-mb -log-timestamps -overwrite -pidfile
            -plugins -port -qlog -qlog-from -qlog-sample -quic -quic-congestion -quic-report -quiet -reload -revoke -root -status -svg -tcp-congestion -type -user
            -validate -version' -- "$current")
        ;;
    esac
}

complete -o filenames -F _caddy caddy
