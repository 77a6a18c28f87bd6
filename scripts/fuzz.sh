#!/usr/bin/env bash
# Runs the fuzzers in fuzz/ from their corpora, one after the other.
#
#   scripts/fuzz.sh <seconds> [target ...]    so long each; all of them if none is named
#
# It does what cargo-fuzz does, by the flags of the rustc that there is, so nothing has to be installed but a C++ compiler, which
# libFuzzer is built by. rustc takes AddressSanitizer's flag only as one of its own kind (RUSTC_BOOTSTRAP). What is found lies
# in the target folder, below fuzz/found; what is learned below fuzz/learned, and is used the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?"scripts/fuzz.sh <seconds> [target ...]"}
shift
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/fuzz
# No more than so many inputs are kept from one run to the next.
most=4000

mkdir -p "$target/found" "$target/learned"
target=$(cd "$target" && pwd)
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(basename -s .rs -a fuzz/targets/*.rs)

# The same versions as everywhere, and libFuzzer's beside them; git ignores the copy.
[ fuzz/Cargo.lock -nt Cargo.lock ] || cp Cargo.lock fuzz/Cargo.lock
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address --cfg fuzzing $coverage" \
    "${CARGO:-cargo}" build --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$target" --bins

export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS:-}"
for name in "${targets[@]}"; do
    program=$target/$host/debug/$name
    [ -x "$program" ] || {
        echo "fuzz: there is no target '$name'; there are: $(basename -s .rs -a fuzz/targets/*.rs | tr '\n' ' ')" >&2
        exit 1
    }
    learned=$target/learned/$name
    mkdir -p "$learned"
    [ "$(find "$learned" -type f | wc -l)" -le "$most" ] || find "$learned" -type f -delete
    # The first folder is the one that it writes to. A longer input than those of the corpus finds nothing more.
    if ! "$program" -max_total_time="$seconds" -timeout=10 -max_len=1024 -print_final_stats=1 \
        -artifact_prefix="$target/found/$name-" "$learned" "fuzz/corpus/$name" >"$learned.log" 2>&1; then
        grep -m 1 -A 3 'panicked at' "$learned.log" >&2 || true
        grep -vE '^(#|INFO:|stat::)' "$learned.log" | tail -n 20 >&2
        echo "fuzz: $name has found something; again: $program <the file that is named above>" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$learned.log")
    seeds=$(find "fuzz/corpus/$name" -type f | wc -l)
    [ "${runs:-0}" -gt "$seeds" ] || {
        echo "fuzz: $name has done ${runs:-no} runs from $seeds inputs in $seconds s: that is no fuzzing; see $learned.log" >&2
        exit 1
    }
    echo "fuzz: $name: $runs inputs in $seconds s, and nothing found"
done
