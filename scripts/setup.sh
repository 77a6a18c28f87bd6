#!/usr/bin/env bash
# Sees to what the build and the tests need from the system. It says what it installs and why, and does nothing when
# everything is there.
#
#   scripts/setup.sh          what `make lab` and `make tour` need: cargo and a C compiler
#   scripts/setup.sh bench    the same, and what the peers in `make bench` run on: Erlang, Elixir and Python
#   scripts/setup.sh plugins  the same, and a C++ compiler: plugins are written in C, C++ and Rust
#   scripts/setup.sh oracle   the same, and OTP's sources: the tests compare supervisors with OTP's own
set -euo pipefail

rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
updated=no
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Runs a command as root: as it is, or by sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "'$*' needs root; run it as root, or install sudo, then come back"
    fi
}

# get <Debian package> <why>
get() {
    command -v apt-get >/dev/null || fail "there is no apt-get here; install the counterpart of Debian's '$1' by hand: $2"
    echo "setup: installing the package '$1' with apt-get: $2"
    if [ "$updated" = no ]; then
        as_root apt-get update -qq
        updated=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# need <command> <Debian package> <why>
need() {
    if ! command -v "$1" >/dev/null; then
        get "$2" "$3"
        command -v "$1" >/dev/null || fail "'$2' is installed, and there is still no '$1' in PATH ($PATH)"
    fi
}

links_c() {
    printf 'int main(void) { return 0; }\n' | cc -x c -o "$scratch/linked" - 2>/dev/null
}

# at_least <have> <want>: versions by number.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

if ! command -v cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        fail 'cargo is installed, but not in PATH; run: . "$HOME/.cargo/env"'
    fi
    fail "there is no cargo; install Rust $rust_version or later from https://rustup.rs, then open a new shell"
fi
have=$(rustc --version | cut -d ' ' -f 2)
at_least "$have" "$rust_version" || fail "rustc is $have, and $rust_version is the oldest that will do; run: rustup update"

# Rust links every program by way of the C compiler, and with the C library's start-up files.
need cc gcc "Rust links programs with the C compiler"
links_c || get libc6-dev "the C compiler is there, but has nothing to link a program with"
links_c || fail "cc cannot build an empty program; see: echo 'int main(void) { return 0; }' | cc -x c -o /tmp/a.out -"

links_cpp() {
    printf '#include <string>\nint main() { return static_cast<int>(std::string().size()); }\n' |
        c++ -x c++ -o "$scratch/linked" - 2>/dev/null
}

for_plugins() {
    need c++ g++ "plugins may be written in C++"
    links_cpp || get g++ "the C++ compiler is there, but not the library that comes with it"
    links_cpp || fail "c++ cannot build a small program; see: echo 'int main() { return 0; }' | c++ -x c++ -o /tmp/a.out -"
    need readelf binutils "a plugin's kind, machine and functions are looked at before it is loaded"
}

for_bytewax() {
    need python3 python3 "the bench compares with bytewax, which it brings itself, from PyPI"
    has_venv || get python3-venv "bytewax gets a virtual environment of its own"
    has_venv
}

has_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

case "${1:-}" in
"") ;;
plugins) for_plugins ;;
bench)
    need erl erlang-base "the bench compares with the BEAM, measured in the same run"
    # Without these the bench has all other columns; it says why one is missing.
    (need mix elixir "the bench compares with Broadway, which it brings itself, from hex.pm") ||
        echo "setup: no Elixir, so the bench has no column of Broadway"
    (for_bytewax) || echo "setup: no Python with venv, so the bench has no column of bytewax"
    ;;
oracle)
    for_plugins
    need erlc erlang-base "supervisors are compared with OTP's own, on a real Erlang"
    stdlib=$(erl -noinput -eval 'io:format("~s", [code:lib_dir(stdlib)]), halt().')
    [ -f "$stdlib/src/supervisor.erl" ] || get erlang-src "the comparison runs OTP's supervisor.erl on a virtual clock"
    [ -f "$stdlib/src/supervisor.erl" ] || fail "'erlang-src' is installed, and there is still no $stdlib/src/supervisor.erl"
    ;;
*) fail "'$1' is no word of mine; there is none, 'bench', 'plugins' and 'oracle'" ;;
esac

if ! cargo nextest --version >/dev/null 2>&1; then
    echo "setup: no cargo-nextest, so the tests run with 'cargo test', which does as well but more slowly." \
        "For the quicker one: cargo install cargo-nextest --locked"
fi
