#!/bin/bash
# Installs what the bench of roads needs: the peers, Chromium, and roadlink, which is built here.
# Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

benches/peers/setup.sh --without-h3load
command -v chromium >/dev/null || tests/setup.sh
cargo build --quiet --release --manifest-path benches/road/link/Cargo.toml --target-dir target/roadlink
