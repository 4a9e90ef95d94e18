# Completion of caddy's flags for bash.

_caddy() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    case $previous in
    -conf | --conf | -pidfile | --pidfile | -ca | --ca)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    -log | --log)
        mapfile -t COMPREPLY < <(compgen -W 'stdout stderr syslog' -f -- "$current")
        return
        ;;
    -root | --root)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames
        return
        ;;
    -user | --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    -type | --type)
        mapfile -t COMPREPLY < <(compgen -W 'http' -- "$current")
        return
        ;;
    esac
    local flags='-agree -ca -catimeout -conf -cpu -daemon -email -grace -host -http-port -http2
        -https-port -log -pidfile -plugins -port -quic -quiet -revoke -root -type -user -validate
        -version'
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    fi
}
complete -F _caddy caddy
