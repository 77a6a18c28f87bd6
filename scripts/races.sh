#!/usr/bin/env bash
# Runs both ends of the channel as threads of one process under ThreadSanitizer.
#
# The standard library has to be instrumented as well, so it is built from its sources (the component rust-src, which is
# installed where rustup can). Where they cannot be had, valgrind's drd looks instead: it knows locks and threads, but
# no atomics, so it only sees what goes through the pool's lock.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/races
# A race detector does not see what assembly does: foreign memory is copied by atomic words.
words="--cfg proscenium_words"
# What a detector can see: threads over the same addresses. Two ends with mappings of their own are strangers to it.
sides="--lib races::"
pool="--test it pool::"

sources() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]
}

if ! sources && command -v rustup >/dev/null; then
    echo "races: installing rust-src with rustup: ThreadSanitizer needs a standard library built for it"
    rustup component add rust-src || true
fi
if sources; then
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread $words" CARGO_TARGET_DIR="$target"
    export TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}"
    for part in "$sides" "$pool"; do
        # shellcheck disable=SC2086 # each is several words
        ${CARGO:-cargo} test -Zbuild-std --target "$host" -p proscenium-shm-channel --all-features $part
    done
elif command -v valgrind >/dev/null; then
    echo "races: no sources of the standard library; valgrind's drd looks at the pool alone"
    export RUSTFLAGS="$words" CARGO_TARGET_DIR="$target"
    program=$(${CARGO:-cargo} test -p proscenium-shm-channel --all-features --test it --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    valgrind --tool=drd --error-exitcode=1 --quiet "$program" pool:: --test-threads=1
else
    echo "races: neither the sources of the standard library (rustup component add rust-src) nor valgrind are there" >&2
    exit 1
fi
