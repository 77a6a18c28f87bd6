//! Plugins that are built for the tests.

use std::path::{Path, PathBuf};

use crate::compiled::compile;

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
        let library = self.0.join(as_name);
        let defines = defines.iter().map(|define| format!("-D{define}"));
        compile(source, &library, ["-O2".to_owned()].into_iter().chain(defines));
        library
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
