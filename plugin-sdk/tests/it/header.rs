//! The header compiles without a warning wherever it is promised to, and its helpers do what they say.
use std::fs;
use std::process::{Command, id};

use crate::{folder, quiet, root};

const STRICT: &[&str] =
    &["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wcast-qual", "-Werror"];
const STRICT_C: &[&str] = &["-Wstrict-prototypes", "-Wmissing-prototypes"];
const STRICT_CPP: &[&str] = &["-Wold-style-cast", "-Wuseless-cast", "-Wzero-as-null-pointer-constant"];

fn compiles(compiler: &str, language: &str, standard: &str, more: &[&str]) {
    for extra in [None, Some("-DPSC_NO_MSGPACK")] {
        let mut command = Command::new(compiler);
        command.arg(format!("-std={standard}")).args(STRICT).args(more).args(extra);
        command.args(["-O2", "-fsyntax-only", "-x", language]);
        quiet(command.arg(root().join("plugin-sdk/include/proscenium_plugin.h")));
    }
}

#[test]
fn the_header_has_no_warning_in_c() {
    for standard in ["c11", "c17"] {
        compiles("cc", "c", standard, STRICT_C);
    }
}

#[test]
fn the_header_has_no_warning_in_cpp() {
    for standard in ["c++17", "c++20"] {
        compiles("c++", "c++", standard, STRICT_CPP);
    }
}

/// A C program with the checks on the helpers, under the sanitizers of undefined behaviour and of addresses.
#[test]
fn the_helpers_of_the_header_do_what_they_say() {
    let folder = folder(&format!("header-{}", id()));
    let program = folder.join("checks");
    let mut command = Command::new("cc");
    command.args(["-std=gnu11", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I"]);
    command.arg(root().join("plugin-sdk/include")).arg("-o").arg(&program);
    quiet(command.arg(root().join("plugin-sdk/tests/it/header.c")));
    // What runs the tests may preload something of its own, which AddressSanitizer would complain of.
    quiet(Command::new(&program).env("ASAN_OPTIONS", "verify_asan_link_order=0"));
    fs::remove_dir_all(folder).unwrap();
}
