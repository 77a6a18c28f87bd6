#!/usr/bin/env bash
# Runs the plugins' process and the plugins under AddressSanitizer, and those in C and C++ under UndefinedBehaviorSanitizer
# too, through the host as it is: plugin-host/tests/asan.
#
# There is one sanitizer in the process, the runner's, which is linked into it and comes with rustc. Plugins are built for it
# and bring none of their own: their calls are bound to the runner's when they are loaded. rustc takes the flag for it only
# as one of its own kind (RUSTC_BOOTSTRAP), so nothing else has to be installed. Rust's standard library is as it always is.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "asan: $*" >&2
    exit 1
}

host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/asan
mkdir -p "$target/plugins"
target=$(cd "$target" && pwd)
runtime=("$(rustc --print target-libdir)"/librustc*_rt.asan.a)
[ -f "${runtime[0]}" ] ||
    fail "rustc has no AddressSanitizer for $host in $(rustc --print target-libdir); install Rust by rustup, which brings one"

# A report is the end, by a signal that the host sees as a crash. Leaks are not looked for: that takes ptrace, and a process
# beside this one. Places are told as library and offset: naming functions takes a program that reads all libraries.
cat >"$target/options.c" <<'END'
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "abort_on_error=1:detect_leaks=0:symbolize=0:detect_stack_use_after_return=1"; }
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1:symbolize=0"; }
END
cc -c -o "$target/options.o" "$target/options.c"

# -rdynamic: for the plugins' calls. libstdc++ is there from the beginning, since the sanitizer looks for what throws
# exceptions once, and that is before a plugin in C++ is loaded.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR="$target" \
    "${CARGO:-cargo}" rustc --target "$host" -p proscenium-plugin-runner --bin proscenium-runner -- \
    -Clink-arg=-rdynamic -Clink-arg="$target/options.o" -Clink-arg=-Wl,--no-as-needed -Clink-arg=-lstdc++

# gcc would link the libraries of its own sanitizers into a plugin; here it finds empty ones.
for name in asan ubsan; do
    printf '!<arch>\n' >"$target/lib$name.a"
done
# object-size is told by the other sanitizer, and better; vptr takes a part of the library that rustc does not bring.
export PLUGIN_CFLAGS="-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=object-size,vptr \
-fno-sanitize-recover=all -L$target -Wl,-z,undefs"
export PLUGINS_TO=$target/plugins
if ! cmp -s "${BASH_SOURCE[0]}" "$target/built-by"; then
    rm -f "$PLUGINS_TO"/*.so
    cp "${BASH_SOURCE[0]}" "$target/built-by"
fi
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" scripts/build/build_plugins.sh all

export ASAN_PLUGINS=$PLUGINS_TO PROSCENIUM_RUNNER=$target/$host/debug/proscenium-runner
# The features of `make test`, so that what that has built is not built again.
"${CARGO:-cargo}" test --workspace --all-features --test asan -- --nocapture
