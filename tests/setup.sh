#!/bin/bash
# Installs what the tests need: Debian packages, aioquic in .venv, rustfmt and clippy.
# Safe to run again: what is there already is left alone, and then nothing goes to the network.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# One "program package" pair a line.
readonly NEEDS='
curl curl
nginx nginx-light
chromium chromium
pgrep procps
openssl openssl
'
# nginx and friends live in sbin, which an ordinary user's PATH lacks.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "tests/setup.sh: need root or sudo for: $*" >&2
        return 1
    fi
}

debian_packages() {
    local program package missing=()
    while read -r program package; do
        if [ -n "$program" ] && ! command -v "$program" >/dev/null; then
            missing+=("$package")
        fi
    done <<<"$NEEDS"
    # The module comes with every python3; pip inside a new environment needs this one.
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "tests/setup.sh: installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

python_packages() {
    if .venv/bin/python -c 'import aioquic' 2>/dev/null; then
        return 0
    fi
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check 'aioquic==1.*'
}

rust_components() {
    local missing=()
    cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
    [ "${#missing[@]}" -eq 0 ] || rustup component add "${missing[@]}"
}

debian_packages
python_packages
rust_components
