#!/bin/bash
# Counts instructions: installs valgrind and gungraun's runner, builds as the server is built, and
# keeps what was counted in target/bench/micro.txt. Patterns behind it choose benches: run.sh '*parse*'
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=target/bench/tools
version=$(sed -n 's/^gungraun = "=\(.*\)"$/\1/p' benches/micro/Cargo.toml)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

if ! command -v valgrind >/dev/null; then
    echo 'benches/micro/run.sh: installing valgrind'
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends valgrind
fi
if [ "$($tools/bin/gungraun-runner --version 2>/dev/null | grep -o '[0-9.]*$')" != "$version" ]; then
    echo "benches/micro/run.sh: installing gungraun-runner $version"
    cargo install --quiet gungraun-runner --version "$version" --root $tools
fi

# The server's own versions of what it is built from.
cp Cargo.lock benches/micro/Cargo.lock
export GUNGRAUN_RUNNER=$PWD/$tools/bin/gungraun-runner
# Else it keeps what it counted beside the sources.
export GUNGRAUN_HOME=$PWD/target/bench/gungraun
cargo bench --quiet --manifest-path benches/micro/Cargo.toml --target-dir target -- "$@" |
    tee target/bench/micro.new
[ $# -gt 0 ] || mv target/bench/micro.new target/bench/micro.txt
