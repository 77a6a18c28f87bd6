//! Where the program is that a plugin runs in.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use proscenium_plugin_runner::{CHILD, is_child, is_hooked};

/// Names the program when the configuration does not.
pub const RUNNER_VARIABLE: &str = "PROSCENIUM_RUNNER";

const NAME: &str = "proscenium-runner";

/// A program that can run a plugin, and how it is told to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Runner {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
}

/// There is none.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoRunner {
    /// The one that was named is not there.
    NotThere {
        /// The path.
        path: PathBuf,
        /// Who named it.
        named_by: &'static str,
    },
    /// None was named, none is beside the program, and the program itself cannot do it.
    Nowhere {
        /// Where one was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// This process runs a plugin itself.
    Nested,
}

impl fmt::Display for NoRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoRunner::NotThere { path, named_by } => {
                write!(f, "{}: no program is there, and {named_by} names it to run plugins", path.display())
            }
            NoRunner::Nowhere { looked_in } => {
                let looked_in: Vec<_> = looked_in.iter().map(|path| path.display().to_string()).collect();
                write!(
                    f,
                    "nothing to run a plugin in: call proscenium::enter() first in main (#[proscenium::main] does), or \
                     install {NAME} beside the program (looked for {}), or name it in {RUNNER_VARIABLE}",
                    looked_in.join(" and ")
                )
            }
            NoRunner::Nested => f.write_str(
                "this process runs a plugin itself, and starts none: host plugins in the program, not in a plugin",
            ),
        }
    }
}

impl std::error::Error for NoRunner {}

/// In this order: the configuration, the environment, beside the program, the program itself.
pub(crate) fn runner(configured: Option<&Path>) -> Result<Runner, NoRunner> {
    if is_child() {
        return Err(NoRunner::Nested);
    }
    let named = [
        (configured.map(Path::to_owned), "the plugin's spec"),
        (env::var_os(RUNNER_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from), RUNNER_VARIABLE),
    ];
    for (path, named_by) in named {
        if let Some(path) = path {
            return if path.is_file() { Ok(separate(path)) } else { Err(NoRunner::NotThere { path, named_by }) };
        }
    }
    let own = env::current_exe().unwrap_or_default();
    let beside = beside(&own);
    match beside.iter().find(|path| path.is_file()) {
        Some(path) => Ok(separate(path.clone())),
        // What runs, though its file may have been replaced or removed since. Not by `self`, which would be the guard.
        None if is_hooked() => Ok(separate(PathBuf::from(format!("/proc/{}/exe", std::process::id())))),
        None => Err(NoRunner::Nowhere { looked_in: beside }),
    }
}

fn separate(program: PathBuf) -> Runner {
    Runner { program, args: vec![CHILD.into()] }
}

/// Cargo puts tests and examples into folders below that of the programs.
fn beside(own: &Path) -> Vec<PathBuf> {
    let folder = own.parent().unwrap_or(Path::new("."));
    let is_cargos = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    let above = folder.parent().filter(|_| is_cargos);
    [Some(folder), above].into_iter().flatten().map(|folder| folder.join(NAME)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_finds_the_program_that_cargo_has_built_beside_its_folder() {
        let found = beside(Path::new("/t/debug/deps/it-123"));
        assert_eq!(found, [PathBuf::from("/t/debug/deps/proscenium-runner"), "/t/debug/proscenium-runner".into()]);
        assert_eq!(beside(Path::new("/usr/bin/shop")), [PathBuf::from("/usr/bin/proscenium-runner")]);
    }

    #[test]
    fn what_is_named_is_taken_or_missed_by_name() {
        let path = PathBuf::from("/nowhere/runner");
        let missed = runner(Some(&path)).unwrap_err();
        assert_eq!(missed, NoRunner::NotThere { path, named_by: "the plugin's spec" });
        assert!(missed.to_string().starts_with("/nowhere/runner: no program is there"), "{missed}");
        let own = env::current_exe().unwrap();
        assert_eq!(runner(Some(&own)).unwrap().program, own);
    }
}
