#!/usr/bin/env bash
# Builds the plugins in `plugins/`: every *.c, *.cc, *.cpp, and every folder with a Cargo.toml. A file that is dropped in
# is built with no edit elsewhere.
#
#   scripts/build/build_plugins.sh all           what is new or newer than its library; the default
#   scripts/build/build_plugins.sh list          each source with its library, and whether that is there
#   scripts/build/build_plugins.sh clean         removes the libraries
#   scripts/build/build_plugins.sh verify FILE   whether a library is a plugin; exit 1 with the reason if it is not
#
# plugins/<name>.c becomes plugins/lib<name>.so. In the environment, each with its usual meaning: CC, CXX, CARGO,
# CARGO_TARGET_DIR; PLUGIN_CFLAGS is added to every call of the C and C++ compilers; PLUGINS_FROM and PLUGINS_TO are
# other folders for sources and libraries.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
from=${PLUGINS_FROM:-$root/plugins}
to=${PLUGINS_TO:-$from}
include=$root/plugin-sdk/include
# What only this script reads: what a library was made of, and cargo's folders.
work=${PLUGINS_TO:+$PLUGINS_TO/.build}
work=${work:-${CARGO_TARGET_DIR:-$root/target}/plugins}

strict=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual)
shared=(-O2 -fPIC -fvisibility=hidden -shared -Wl,-z,defs -Wl,-z,relro -Wl,-z,now)

say() { echo "plugins: $*"; }
fail() {
    echo "plugins: $*" >&2
    exit 1
}

# Every source, one a line: files, and folders with a Cargo.toml.
sources() {
    local path
    for path in "$from"/*.c "$from"/*.cc "$from"/*.cpp "$from"/*/Cargo.toml; do
        [ -f "$path" ] && echo "${path%/Cargo.toml}"
    done
    return 0
}

name_of() {
    local name
    name=$(basename "$1")
    if [ ! -d "$1" ]; then name=${name%.*}; fi
    echo "${name//-/_}"
}

library_of() { echo "$to/lib$(name_of "$1").so"; }

# Whether a library is as new as all that it was made of: the source, what that includes, and this script.
is_fresh() {
    local library=$1 made_of=$2 part
    [ -f "$library" ] && [ -f "$made_of" ] || return 1
    [ "$library" -nt "${BASH_SOURCE[0]}" ] || return 1
    for part in $(sed -e 's/^[^:]*://' -e 's/\\$//' "$made_of"); do
        [ -f "$part" ] && [ ! "$part" -nt "$library" ] || return 1
    done
}

# Puts a new library in the place of the old one in a single step: a process that has the old one open keeps it whole.
put() {
    mv -f "$1" "$2"
    say "built ${2#"$root"/}"
}

build_c() {
    local source=$1 library=$2 made_of new compiler
    made_of=$work/$(name_of "$source").d
    if is_fresh "$library" "$made_of"; then return 0; fi
    case $source in
    *.c) compiler=("${CC:-cc}" -std=c11 -Wstrict-prototypes) ;;
    *) compiler=("${CXX:-c++}" -std=c++17 -Wold-style-cast) ;;
    esac
    command -v "${compiler[0]}" >/dev/null || {
        echo "plugins: $source: there is no '${compiler[0]}'; run scripts/setup.sh plugins" >&2
        return 1
    }
    new=$library.new.$$
    # shellcheck disable=SC2086 # PLUGIN_CFLAGS is a list of words.
    if ! "${compiler[@]}" "${strict[@]}" "${shared[@]}" -I "$include" -MMD -MF "$made_of" ${PLUGIN_CFLAGS:-} \
        -o "$new" "$source" -lm; then
        rm -f "$new"
        return 1
    fi
    put "$new" "$library"
}

build_rust() {
    local folder=$1 library=$2 target built new
    target=$work/$(name_of "$folder")
    # cargo knows itself what is fresh.
    "${CARGO:-cargo}" build --quiet --release --lib --manifest-path "$folder/Cargo.toml" --target-dir "$target" || return 1
    built=("$target"/release/lib*.so)
    if [ "${#built[@]}" -ne 1 ] || [ ! -f "${built[0]}" ]; then
        echo "plugins: $folder: one library is wanted, and there is none or several in $target/release;" \
            'Cargo.toml needs [lib] crate-type = ["cdylib"]' >&2
        return 1
    fi
    if cmp -s "${built[0]}" "$library"; then return 0; fi
    new=$library.new.$$
    cp "${built[0]}" "$new"
    put "$new" "$library"
}

all() {
    local source library broken=() twice
    mkdir -p "$to" "$work"
    # Two at once would build the same things into the same folders.
    exec {lock}>"$work/lock"
    flock "$lock"
    twice=$(sources | while read -r source; do library_of "$source"; done | sort | uniq -d)
    [ -z "$twice" ] || fail "two sources would both become $twice; rename one"
    while read -r source <&3; do
        library=$(library_of "$source")
        if [ -d "$source" ]; then
            build_rust "$source" "$library" || broken+=("$source")
        else
            build_c "$source" "$library" || broken+=("$source")
        fi
    done 3< <(sources)
    [ "${#broken[@]}" -eq 0 ] || fail "these do not build, for the reasons above; the others are there: ${broken[*]}"
}

list() {
    local source library
    while read -r source; do
        library=$(library_of "$source")
        if [ -f "$library" ]; then
            echo "${source#"$root"/} -> ${library#"$root"/}"
        else
            echo "${source#"$root"/} -> ${library#"$root"/} (not built)"
        fi
    done < <(sources)
}

clean() {
    local source
    while read -r source; do rm -f "$(library_of "$source")"; done < <(sources)
    rm -rf "$work"
}

# The program that loads the library in a sandboxed child and tries it out, if it is built.
program() {
    local at
    for at in "${PROSCENIUM:-}" "${CARGO_TARGET_DIR:-$root/target}"/{release,debug}/proscenium; do
        if [ -n "$at" ] && [ -x "$at" ]; then
            echo "$at"
            return 0
        fi
    done
    return 1
}

# What can be told without loading it: the kind of file, the machine, the functions.
inspect() {
    local file=$1 header machine symbols wanted missing=()
    command -v readelf >/dev/null || fail "there is no 'readelf'; run scripts/setup.sh plugins"
    header=$(LC_ALL=C readelf -h "$file" 2>/dev/null) && grep -q 'Magic:' <<<"$header" ||
        fail "$file: no library at all (not an ELF file)"
    machine=$(sed -n 's/^ *Machine: *//p' <<<"$header")
    [ "$machine" = "$(LC_ALL=C readelf -h /proc/self/exe | sed -n 's/^ *Machine: *//p')" ] ||
        fail "$file: built for another machine: $machine"
    grep -q 'Type: *DYN' <<<"$header" || fail "$file: no shared library, but $(sed -n 's/^ *Type: *//p' <<<"$header"); link it with -shared"
    symbols=$(nm -D --defined-only "$file" 2>/dev/null | awk '$2 ~ /^[TWi]$/ { print $3 }') ||
        fail "$file: its symbols cannot be read; is it cut off?"
    for wanted in init_plugin process_batch cleanup_plugin get_plugin_info; do
        grep -qx "$wanted" <<<"$symbols" || missing+=("$wanted")
    done
    [ "${#missing[@]}" -eq 0 ] ||
        fail "$file: no plugin: missing ${missing[*]}; include proscenium_plugin.h, which exports them as plain C functions"
    if grep -qx export_state <<<"$symbols" && ! grep -qx import_state <<<"$symbols"; then
        fail "$file: export_state without import_state; both, or neither"
    elif grep -qx import_state <<<"$symbols" && ! grep -qx export_state <<<"$symbols"; then
        fail "$file: import_state without export_state; both, or neither"
    fi
    say "$file has what a plugin needs, for $machine; it was not loaded"
}

verify() {
    local with
    [ $# -eq 1 ] || fail "verify takes one file"
    [ -e "$1" ] || fail "$1: no such file"
    [ -f "$1" ] || fail "$1: no plain file"
    if with=$(program); then
        exec "$with" plugin verify "$1"
    fi
    inspect "$1"
}

case "${1:-all}" in
all) all ;;
list) list ;;
clean) clean ;;
verify)
    shift
    verify "$@"
    ;;
*) fail "'$1' is no word of mine; all, list, clean and 'verify FILE' are" ;;
esac
