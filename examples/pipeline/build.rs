//! A folder for everything, and the plugins: two of `plugins/`, and `scoring.c` in three builds.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Goes when it is dropped, with all that is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("proscenium-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Plugins {
    pub validation: PathBuf,
    pub enrichment: PathBuf,
    pub scoring: PathBuf,
    /// A newer version, which gives other scores.
    pub newer: PathBuf,
    /// One that crashes as soon as it is started.
    pub broken: PathBuf,
}

impl Plugins {
    /// All compilers run at once.
    pub fn build(to: &Folder) -> Result<Self> {
        let scoring = "examples/pipeline/scoring.c";
        let made = [
            compile(to, "c++", "plugins/validation.cc", "validation", &["-std=c++17"]),
            compile(to, "cc", "plugins/enrichment.c", "enrichment", &[]),
            compile(to, "cc", scoring, "scoring", &["-DVERSION=\"1.0.0\""]),
            compile(to, "cc", scoring, "scoring-2", &["-DVERSION=\"2.0.0\""]),
            compile(to, "cc", scoring, "scoring-3", &["-DVERSION=\"3.0.0\"", "-DBROKEN"]),
        ];
        let [validation, enrichment, scoring, newer, broken] = made.map(|compiled| compiled?.finish());
        Ok(Self { validation: validation?, enrichment: enrichment?, scoring: scoring?, newer: newer?, broken: broken? })
    }
}

struct Compiled {
    library: PathBuf,
    compiler: std::process::Child,
}

fn compile(to: &Folder, compiler: &str, source: &str, name: &str, flags: &[&str]) -> Result<Compiled> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = to.at(&format!("lib{name}.so"));
    let mut command = Command::new(compiler);
    command.args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden"]).args(flags).arg("-I");
    command.arg(root.join("plugin-sdk/include")).arg("-o").args([&library, &root.join(source)]).arg("-lm");
    let missing = |why| Error::other(format!("there is no `{compiler}` ({why}); run scripts/setup.sh plugins"));
    Ok(Compiled { library, compiler: command.spawn().map_err(missing)? })
}

impl Compiled {
    fn finish(mut self) -> Result<PathBuf> {
        let status = self.compiler.wait()?;
        let name = self.library.display();
        if status.success() { Ok(self.library) } else { Err(Error::other(format!("{name} was not built: {status}"))) }
    }
}
