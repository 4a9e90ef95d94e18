#!/bin/bash
# Builds target/dist/caddy for glibc 2.17 and kernel 4.4 (Amazon Linux 2016.09 and all later ones)
# with zig as the linker, and checks what came out. Its tools go to target/dist as well.
set -euo pipefail
cd "$(dirname "$0")/.."

glibc=2.17
zig=0.17.1
zigbuild=0.24.1
machine=$(uname -m)
out=target/dist

if [ ! -x "$out/zig/bin/python" ] || ! "$out/zig/bin/python" -c 'import ziglang' 2>/dev/null; then
    python3 -m venv --clear "$out/zig"
    "$out/zig/bin/pip" install --quiet --disable-pip-version-check "ziglang==$zig"
fi
if [ ! -x "$out/tools/bin/cargo-zigbuild" ]; then
    cargo install --quiet cargo-zigbuild --version "$zigbuild" --locked --root "$out/tools"
fi

# cargo-zigbuild finds `python -m ziglang` by itself.
PATH=$PWD/$out/tools/bin:$PWD/$out/zig/bin:$PATH
cargo zigbuild --release --locked --target "$machine-unknown-linux-gnu.$glibc" --target-dir "$out"
built=$out/$machine-unknown-linux-gnu/release/caddy
packaging/glibc.sh "$built" "$glibc"
cp "$built" "$out/caddy"
"$out/caddy" -version
