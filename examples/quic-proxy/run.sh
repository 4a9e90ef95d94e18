#!/bin/bash
# Serves examples/quic-proxy/Caddyfile and says how to see HTTP/3 in a browser. Where another program
# has one of its ports, the next free one is used.
set -euo pipefail
cd "$(dirname "$0")/../.."

binary=${CADDY:-target/quick/caddy}
config=examples/quic-proxy/Caddyfile

# Whether something answers on the port.
answers() {
    (exec 3<>"/dev/tcp/localhost/$1") 2>/dev/null
}

free_port() {
    local port=$1
    while answers "$port"; do
        port=$((port + 1))
    done
    echo "$port"
}

plain=$(free_port 8080)
tls=$(free_port 8443)
url=https://localhost:$tls/

# The fingerprint of the served key, in the form of Chrome's flag.
fingerprint() {
    openssl s_client -connect "localhost:$tls" -servername localhost </dev/null 2>/dev/null |
        openssl x509 -pubkey -noout | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -binary | openssl enc -base64
}

explain() {
    local spki=
    for _ in $(seq 100); do
        sleep 0.1
        # Ended, or never started: it has said why.
        kill -0 $$ 2>/dev/null || return 0
        answers "$tls" && break
    done
    spki=$(fingerprint 2>/dev/null) || spki='the key fingerprint (needs openssl)'
    cat <<TEXT

The existing site:      http://localhost:$plain/
The same over HTTP/3:   $url

Any browser opens it once you accept the self-signed certificate, over HTTP/2: browsers use
HTTP/3 only with a certificate that they trust. To see HTTP/3 in Chrome or Chromium, start it
with the key of this run:

  chromium --user-data-dir=/tmp/caddy-quic-proxy \\
    --origin-to-force-quic-on=localhost:$tls \\
    --ignore-certificate-errors-spki-list=$spki \\
    $url

Why, and what a company with its own CA can do: docs/company-ca.md.

The page names its protocol. So does the column "Protocol" of the network panel (F12): h3.
Stop with Ctrl-C.

TEXT
}

explain &
if [ "$plain $tls" = '8080 8443' ]; then
    exec "$binary" -conf="$config" -quic "$@"
fi
exec "$binary" -conf=stdin -quic "$@" < <(sed "s/:8080/:$plain/; s/:8443/:$tls/" "$config")
