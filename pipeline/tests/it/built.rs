//! Plugins that are built for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The plugin `mark`, in this version, in this folder.
pub fn mark(folder: &Path, version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = folder.join(format!("libmark-{version}.so"));
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
        .args([&library, &root.join("tests/plugins/mark.c")])
        .output()
        .expect("there is a C compiler");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}
