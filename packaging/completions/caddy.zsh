#compdef caddy
# Completion of caddy's flags in zsh.

_arguments -S \
    '-agree[agree to the terms of the CA]' \
    '-alt-svc-port[port of HTTP/3 that Alt-Svc tells browsers]:port' \
    '-ca[URL of the ACME directory]:URL:_urls' \
    '-catimeout[timeout of a request to the CA]:duration' \
    '-conf[the Caddyfile, or stdin]:Caddyfile:_files' \
    '-control[control socket to open, or to use]:file:_files' \
    '-convert[print a configuration of nginx or of Caddy 2 as a Caddyfile]:file:_files' \
    '-cpu[share of the processors, or number of workers]:N% or N' \
    '-daemon[go to the background when the ports are open]' \
    '-disable-http-challenge[no ACME HTTP-01]' \
    '-disable-tls-alpn-challenge[no ACME TLS-ALPN-01]' \
    '-email[e-mail address of the account with the CA]:address' \
    '-fleet[Redis server by which machines share certificates]:URL' \
    '-fleet-key[with -fleet\: file with the key of all machines]:file:_files' \
    '-fleet-listen[with -fleet\: UDP address for packets of other machines]:address' \
    '-grace[how long a stop waits for requests in flight]:duration' \
    '-help[print the flags]' \
    '-host[host of sites that name none]:host:_hosts' \
    '-http-port[port of http:// sites]:port' \
    '-http2[HTTP/2 (on)]' \
    '-https-port[port of https:// sites]:port' \
    '-fmt[print the Caddyfile in its usual form]' \
    '-overwrite[with -fmt\: rewrite the Caddyfile in place]' \
    '-json[with -status or -quic-report: print JSON]' \
    '-log[where the process log goes]:log:{ _alternative "files\:file\:_files" "words\:word\:(stdout stderr syslog)" }' \
    '-log-format[format of the process log]:format:(text json)' \
    '-log-roll-compress[gzip rolled process logs (on)]' \
    '-log-roll-mb[megabytes at which the process log is rolled]:megabytes' \
    '-log-timestamps[date and time in the process log (on)]' \
    '-pidfile[file to write the process ID to]:file:_files' \
    '-plugins[list what is built in]' \
    '-port[port of sites that name none]:port' \
    '-qlog[directory for qlog files of HTTP/3 connections]:directory:_files -/' \
    '-qlog-from[clients that qlog records]:ranges' \
    '-qlog-sample[share of connections that qlog records]:1/N' \
    '-quic[HTTP/3 on every TLS listener (on)]' \
    '-quic-congestion[congestion controller of HTTP/3]:name:(bbr cubic)' \
    '-quiet[print nothing at start]' \
    '-reload[have the running service reload]' \
    '-revoke[host whose certificate is revoked]:host:_hosts' \
    '-root[root of sites that name none]:directory:_files -/' \
    '-quic-report[print whether HTTP/3 pays off for the visitors of the running service]' \
    '-svg[with -quic-report: print an SVG image]' \
    '-status[print the status of the running service]' \
    '-tcp-congestion[congestion control of TCP]:name:($(</proc/sys/net/ipv4/tcp_allowed_congestion_control))' \
    '-type[server type]:type:(http)' \
    '-user[user to become once the ports are open]:user:_users' \
    '-validate[check the Caddyfile and exit]' \
    '-version[print the version]' \
    '*:line of the default site'
