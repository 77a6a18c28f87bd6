//! The same plugin in two versions, from `stamp.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder for the libraries, which goes when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("hot-swap-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Builds `libstamp_<version>.so`.
    pub fn build(&self, version: &str) -> std::io::Result<PathBuf> {
        let library = self.0.join(format!("libstamp_{version}.so"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden"]).arg(format!("-DVERSION=\"{version}\""));
        compiler.arg("-I").arg(root.join("plugin-sdk/include")).arg("-o").arg(&library);
        let built = compiler.arg(root.join("examples/hot_swap/stamp.c")).status()?;
        assert!(built.success(), "the plugin does not build");
        Ok(library)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
