#!/bin/bash
# Serves examples/quic-proxy/Caddyfile and says how to see HTTP/3 in a browser.
set -euo pipefail
cd "$(dirname "$0")/../.."

binary=${CADDY:-target/release/caddy}
url=https://localhost:8443/

# The fingerprint of the served key, in the form of Chrome's flag.
fingerprint() {
    openssl s_client -connect localhost:8443 -servername localhost </dev/null 2>/dev/null |
        openssl x509 -pubkey -noout | openssl pkey -pubin -outform der |
        openssl dgst -sha256 -binary | openssl enc -base64
}

answers() {
    (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null
}

explain() {
    local spki=
    for _ in $(seq 100); do
        sleep 0.1
        # Ended, or never started: it has said why.
        kill -0 $$ 2>/dev/null || return 0
        answers && break
    done
    spki=$(fingerprint 2>/dev/null) || spki='the key fingerprint (needs openssl)'
    cat <<TEXT

The existing site:      http://localhost:8080/
The same over HTTP/3:   $url

Any browser opens it once you accept the self-signed certificate, over HTTP/2: browsers use
HTTP/3 only with a certificate that they trust. To see HTTP/3 in Chrome or Chromium, start it
with the key of this run:

  chromium --user-data-dir=/tmp/caddy-quic-proxy \\
    --origin-to-force-quic-on=localhost:8443 \\
    --ignore-certificate-errors-spki-list=$spki \\
    $url

The page names its protocol. So does the column "Protocol" of the network panel (F12): h3.
Stop with Ctrl-C.

TEXT
}

# Where another program answers already, the start fails and says so.
answers || explain &
exec "$binary" -conf=examples/quic-proxy/Caddyfile -quic "$@"
