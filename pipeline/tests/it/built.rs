//! Plugins that are built for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The plugin `mark`, in this version, in this folder.
pub fn mark(folder: &Path, version: &str) -> PathBuf {
    build("mark", folder, version)
}

/// The plugin `stamp`, in this version, in this folder.
pub fn stamp(folder: &Path, version: &str) -> PathBuf {
    build("stamp", folder, version)
}

/// The plugin `twin`, in this version, in this folder.
pub fn twin(folder: &Path, version: &str) -> PathBuf {
    build("twin", folder, version)
}

fn build(name: &str, folder: &Path, version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = folder.join(format!("lib{name}-{version}.so"));
    let built = Command::new("cc")
        .args([
            "-std=c11",
            "-D_GNU_SOURCE",
            "-O2",
            "-shared",
            "-fPIC",
            "-fvisibility=hidden",
            "-Wall",
            "-Wextra",
            "-Werror",
        ])
        .arg(format!("-DVERSION=\"{version}\""))
        .arg("-I")
        .arg(root.join("../plugin-sdk/include"))
        .arg("-o")
        .args([&library, &root.join(format!("tests/plugins/{name}.c"))])
        .output()
        .expect("there is a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}
