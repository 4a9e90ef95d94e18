#!/bin/bash
# Fuzzes each target, or the one that TARGET names, for RUNS inputs or SECONDS_EACH seconds. What
# was learnt stays in target/fuzz/corpus; what broke a promise is in target/fuzz/found.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-20000}
seconds=${SECONDS_EACH:-0}
longest=${LONGEST:-1024}

# What cargo-fuzz asks of rustc: coverage for libFuzzer, which stable compilers give as well. With
# a target named, build scripts and macros go without.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares"
# The server's own versions of what it is built from.
cp Cargo.lock fuzz/Cargo.lock
cargo clippy --quiet --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host" \
    -- -D warnings
cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host"
fuzz=target/fuzz/$host/release/fuzz

broken=()
for target in ${TARGET:-$($fuzz)}; do
    corpus=target/fuzz/corpus/$target
    found=target/fuzz/found/$target-
    log=target/fuzz/$target.log
    mkdir -p "$corpus" target/fuzz/found
    # One input takes milliseconds; one that takes a minute shows a loop, on a busy machine too.
    if FUZZ_TARGET=$target FUZZ_SEEDS=$corpus "$fuzz" "$corpus" -artifact_prefix="$found" \
        -runs="$runs" -max_total_time="$seconds" -max_len="$longest" -timeout=60 \
        -rss_limit_mb=1024 -print_final_stats=1 2>"$log"; then
        printf '%-18s %10s runs\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: //p' "$log")"
    else
        printf '%-18s broken: see %s and %s*\n' "$target" "$log" "$found"
        broken+=("$target")
    fi
done
[ ${#broken[@]} -eq 0 ]
