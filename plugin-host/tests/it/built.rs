//! Plugins that are built for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proscenium-host-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Builds `tests/plugins/<source>` with these definitions.
    pub fn build(&self, source: &str, as_name: &str, defines: &[&str]) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = self.0.join(as_name);
        let built = Command::new("cc")
            .args([
                "-std=c11",
                "-O2",
                "-D_GNU_SOURCE",
                "-shared",
                "-fPIC",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                "-Werror",
            ])
            .args(defines.iter().map(|define| format!("-D{define}")))
            .arg("-I")
            .arg(root.join("../plugin-sdk/include"))
            .arg("-o")
            .args([&library, &root.join("tests/plugins").join(source)])
            .output()
            .expect("there is a C compiler");
        assert!(built.status.success(), "{source}: {}", String::from_utf8_lossy(&built.stderr));
        library
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
