//! The program that a plugin runs in is the host's like, or it is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proscenium_plugin_host::{Plugin, StartError};
use proscenium_plugin_runner::wire::BUILD;

use crate::built::Folder;

/// This test can run plugins itself, and so can a copy.
fn copy(folder: &Path, name: &str, build: u64) -> PathBuf {
    let mut program = fs::read(std::env::current_exe().unwrap()).unwrap();
    let (own, other) = (BUILD.to_le_bytes(), build.to_le_bytes());
    let found: Vec<_> = program.windows(8).enumerate().filter(|(_, word)| *word == own).map(|(at, _)| at).collect();
    assert!(!found.is_empty(), "it knows its build");
    found.into_iter().for_each(|at| program[at..at + 8].copy_from_slice(&other));
    let path = folder.join(name);
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn a_runner_of_other_sources_is_refused_by_its_name_with_what_to_do() {
    let folder = Folder::new("runner");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let look =
        async |runner: PathBuf| Plugin::new(&library).runner(runner).start_limit(Duration::from_secs(20)).look().await;
    look(copy(folder.path(), "same", BUILD)).await.unwrap();
    let other = copy(folder.path(), "other", !BUILD);
    let error = look(other.clone()).await.unwrap_err();
    assert!(matches!(&error, StartError::OtherRunner { program } if *program == other), "{error}");
    let want = format!("{}: this runner and its host are of different builds", other.display());
    assert!(error.to_string().starts_with(&want) && error.to_string().contains("install it anew"), "{error}");
    assert!(error.is_final());
}
