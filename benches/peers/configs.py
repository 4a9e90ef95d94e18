"""The configuration of every peer, written for one `Setup`.

The same rules for all: one worker unless the case says otherwise, connections to the origin kept
and reused, `X-Forwarded-For` appended, no access log unless asked for, idle connections kept for
an hour, no cap on requests per connection, no temporary files for bodies.
"""

import os

from setup import hosts

KEPT = 512  # idle connections to the origin, more than any case has requests in flight
IDLE = 3600  # seconds
LEVEL = 6  # of gzip
TYPES = "text/html"
FIELD = ("X-Bench", "measured")


def nginx(place, setup, quic=False):
    header = f"add_header {FIELD[0]} {FIELD[1]};" if setup.log_and_header else ""
    # As its guide to QUIC has it.
    alt_svc = f"add_header Alt-Svc '{_alt_svc(place)}';" if quic else ""
    log = f"{place.home}/access.log combined buffer=64k flush=1s" if setup.log_and_header else "off"
    gzip = f"gzip on; gzip_comp_level {LEVEL}; gzip_proxied any;" if setup.gzip else ""
    serve = (
        f"root {place.www}; open_file_cache max=100;"
        if setup.static
        else """proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
                proxy_set_header Host $host; proxy_max_temp_file_size 0;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"""
    )
    sites = []
    for number, name in enumerate(hosts(setup)):
        options = "" if number else " default_server reuseport backlog=4096"
        http2, over_udp = "http2", ""
        if quic:
            first = "" if number else " default_server reuseport"
            http2, over_udp = "", f"listen {place.address}:{place.port} quic{first}; http2 on;"
        sites.append(f"""
    server {{
        listen {place.address}:{place.port} ssl {http2}{options}; {over_udp} server_name {name};
        ssl_certificate {place.cert}; ssl_certificate_key {place.key};
        location / {{ {serve} {header} {alt_svc} }}
    }}""")
    text = f"""
daemon off; worker_processes {setup.workers}; worker_rlimit_nofile 65536; user root;
pid {place.home}/nginx.pid; error_log {place.home}/nginx-error.log;
events {{ worker_connections 16384; }}
http {{
    access_log {log}; sendfile on; tcp_nopush on; {gzip}
    types {{ text/html html; application/octet-stream bin; }} default_type application/octet-stream;
    keepalive_timeout {IDLE}; keepalive_requests 1000000000;
    server_names_hash_max_size 65536; server_names_hash_bucket_size 64;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m; ssl_session_tickets on;
    client_body_buffer_size 256k; proxy_request_buffering off; client_max_body_size 64m;
    client_body_temp_path {place.home}/nginx-body; proxy_temp_path {place.home}/nginx-proxy;
    upstream origin {{
        server 127.0.0.1:{place.origin_port};
        keepalive {KEPT}; keepalive_requests 1000000000; keepalive_timeout {IDLE};
    }}
    {"quic_gso on; http3_max_concurrent_streams 256;" if quic else ""}
    {"".join(sites)}
}}
"""
    return {"nginx.conf": text}


def _alt_svc(place):
    """Without it, Chromium requests six images at a time over HTTP/3."""
    return f'h3=":{place.port}"; ma=86400'


def nginx_quic(place, setup):
    return nginx(place, setup, quic=True)


def haproxy(place, setup, quic=False):
    log = "log stdout format raw local0" if setup.log_and_header else ""
    # As its guide to QUIC has it.
    alt_svc = f"http-response set-header Alt-Svc '{_alt_svc(place)}'" if quic else ""
    option = "log global\n    option httplog" if setup.log_and_header else ""
    header = f"http-response set-header {FIELD[0]} {FIELD[1]}" if setup.log_and_header else ""
    gzip = "" if not setup.gzip else f"compression algo gzip\n    compression type {TYPES}"
    level = "" if not setup.gzip else f"tune.comp.maxlevel {LEVEL}"
    bbr, over_udp = "", ""
    if quic:
        bbr = "expose-experimental-directives"
        over_udp = f"bind quic4@{place.address}:{place.port} ssl crt {place.both} alpn h3"
        over_udp += " quic-cc-algo bbr"
    text = f"""
global
    nbthread {setup.workers}
    maxconn 15000
    no strict-limits
    {log}
    {level}
    {bbr}
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client {IDLE}s
    timeout server {IDLE}s
    timeout http-keep-alive {IDLE}s
    option http-keep-alive
    option forwardfor
    {option}
frontend tls
    bind {place.address}:{place.port} ssl crt {place.both} alpn h2,http/1.1 backlog 4096
    {over_udp}
    {gzip}
    {header}
    {alt_svc}
    default_backend origin
backend origin
    http-reuse always
    server origin 127.0.0.1:{place.origin_port} pool-max-conn -1
"""
    return {"haproxy.cfg": text}


def haproxy_quic(place, setup):
    return haproxy(place, setup, quic=True)


def h2o(place, setup):
    log = f"access-log: {place.home}/access.log" if setup.log_and_header else ""
    header = f'header.set: "{FIELD[0]}: {FIELD[1]}"' if setup.log_and_header else ""
    gzip = f"compress: {{gzip: {LEVEL}}}" if setup.gzip else ""
    # As root it would become nobody, who may not read what root has written.
    user = "user: root" if os.geteuid() == 0 else ""
    serve = (
        f"file.dir: {place.www}"
        if setup.static
        else f'proxy.reverse.url: "http://127.0.0.1:{place.origin_port}/"'
    )
    text = f"""
num-threads: {setup.workers}
max-connections: 30000
{user}
pid-file: {place.home}/h2o.pid
error-log: {place.home}/h2o-error.log
http1-request-timeout: {IDLE}
http2-idle-timeout: {IDLE}
proxy.timeout.keepalive: {IDLE * 1000}
proxy.timeout.io: 60000
proxy.preserve-host: ON
file.mime.setdefaulttype: application/octet-stream
{gzip}
{log}
{header}
listen:
  host: 127.0.0.1
  port: {place.port}
  ssl:
    certificate-file: {place.cert}
    key-file: {place.key}
    minimum-version: TLSv1.2
hosts:
  "localhost:{place.port}":
    paths:
      "/":
        {serve}
"""
    return {"h2o.conf": text}


def caddy(place, setup):
    """Caddy 2."""
    log = f"log {{\n output file {place.home}/access.log\n }}" if setup.log_and_header else ""
    header = f"header {FIELD[0]} {FIELD[1]}" if setup.log_and_header else ""
    gzip = f"encode {{\n gzip {LEVEL}\n }}" if setup.gzip else ""
    serve = (
        f"root * {place.www}\n file_server"
        if setup.static
        else f"""reverse_proxy 127.0.0.1:{place.origin_port} {{
        transport http {{
            keepalive_idle_conns {KEPT}
            keepalive_idle_conns_per_host {KEPT}
        }}
    }}"""
    )
    sites = [
        f"""
https://{name}:{place.port} {{
    bind {place.address}
    tls {place.cert} {place.key}
    {log}
    {header}
    {gzip}
    {serve}
}}
"""
        for name in hosts(setup)
    ]
    options = f"""
{{
    admin off
    auto_https disable_redirects
    http_port {place.spare_port}
    https_port {place.port}
    storage file_system {place.home}/storage
}}
"""
    return {"Caddyfile": options + "".join(sites)}


def ours(place, setup):
    """This project's Caddyfile, of which Caddy 1 reads the same."""
    lines = [
        f"bind {place.address}",
        f"tls {place.cert} {place.key}",
        f"timeouts {{\n idle {IDLE}s\n }}",
    ]
    if setup.log_and_header:
        lines += [f"log / {place.home}/access.log", f"header / {FIELD[0]} {FIELD[1]}"]
    if setup.gzip:
        lines.append(f"gzip {{\n level {LEVEL}\n }}")
    if setup.static:
        lines.append(f"root {place.www}")
    else:
        lines.append(f"proxy / 127.0.0.1:{place.origin_port} {{\n transparent\n keepalive {KEPT}\n }}")
    lines += _more(setup.directives - 1)
    body = "\n    ".join(lines)
    sites = [f"https://{name}:{place.port} {{\n    {body}\n}}\n" for name in hosts(setup)]
    return {"Caddyfile": "".join(sites)}


def _more(count):
    """Directives that look at a request and leave it alone."""
    kinds = [
        "redir /old-{n} /new-{n}",
        "rewrite /from-{n} /to-{n}",
        "header /part-{n} X-Part {n}",
        "status 404 /hidden-{n}",
        "proxy /api-{n} 127.0.0.1:9",
    ]
    return [kinds[n % len(kinds)].format(n=n) for n in range(count)]
