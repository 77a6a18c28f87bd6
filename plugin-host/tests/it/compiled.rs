//! The tests' plugins, by the C compiler. The tests under AddressSanitizer take this file, too.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// Builds `tests/plugins/<source>` as `library`, with these flags besides.
pub fn compile(source: &str, library: &Path, flags: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
        .args(flags)
        .arg("-I")
        .arg(root.join("../plugin-sdk/include"))
        .arg("-o")
        .args([library, &root.join("tests/plugins").join(source)])
        .output()
        .expect("there is a C compiler");
    assert!(built.status.success(), "{source}: {}", String::from_utf8_lossy(&built.stderr));
}
