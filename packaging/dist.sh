#!/bin/bash
# Builds target/dist/ARCH/caddy for glibc 2.17 and kernel 4.4 (Amazon Linux 2016.09 and all later
# ones) with zig as the linker, and checks what came out. Its tools go to target/dist as well.
# Usage: packaging/dist.sh [ARCH]      x86_64 or aarch64; this machine's if not given
set -euo pipefail
cd "$(dirname "$0")/.."

glibc=2.17
zig=0.17.1
zigbuild=0.24.1
machine=${1:-$(uname -m)}
out=target/dist
target=$machine-unknown-linux-gnu

# What a bare build would say only after minutes, and in the words of the linker.
case $machine in
x86_64 | aarch64) ;;
*)
    echo "packaging/dist.sh: ARCH=$machine is not known: x86_64 or aarch64" >&2
    exit 2
    ;;
esac
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    echo "packaging/dist.sh: Rust has no standard library for $machine: rustup target add $target" >&2
    exit 1
fi

if ! "$out/zig/bin/cargo-zigbuild" --version 2>/dev/null | grep -qF "$zigbuild" ||
    ! "$out/zig/bin/python" -c 'import ziglang' 2>/dev/null; then
    python3 -m venv --clear "$out/zig"
    "$out/zig/bin/pip" install --quiet --disable-pip-version-check "ziglang==$zig" \
        "cargo-zigbuild==$zigbuild"
fi

# cargo-zigbuild finds `python -m ziglang` by itself. zig writes no build ID unless it is told to,
# and debuggers find a package's debug information by it.
PATH=$PWD/$out/zig/bin:$PATH
export RUSTFLAGS="${RUSTFLAGS-} -Clink-arg=-Wl,--build-id=sha1"
cargo zigbuild --release --locked --target "$target.$glibc" --target-dir "$out"
built=$out/$target/release/caddy
packaging/glibc.sh "$built" "$glibc"
mkdir -p "$out/$machine"
cp "$built" "$out/$machine/caddy"
if [ "$machine" = "$(uname -m)" ]; then "$out/$machine/caddy" -version; fi
