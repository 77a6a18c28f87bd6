//! The interface from both sides: layouts against the C compilers, plugins in C, C++ and Rust as a runner loads them,
//! and the script that builds them. What needs a compiler writes to cargo's folder for tests.
#![cfg(target_os = "linux")]

mod aggregation;
mod authors;
mod enrichment;
mod header;
mod layout;
mod panics;
mod runner;
mod script;
mod templates;
mod validation;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A folder of the tests' own.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What a command says; it must succeed, and have nothing to warn of.
pub fn quiet(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && err.is_empty(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

/// The script that builds plugins, with a folder of its own to build into.
pub fn script(to: &Path) -> Command {
    let mut command = Command::new(root().join("scripts/build/build_plugins.sh"));
    // No program that happens to be built takes over `verify`.
    command.env("PLUGINS_TO", to).env("CARGO_TARGET_DIR", to).env_remove("PROSCENIUM").env_remove("PLUGINS_FROM");
    command
}
