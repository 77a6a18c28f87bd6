//! The plugins that are measured, and a program in C: `peers/*.c`, compiled once in a run, as their authors would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::options::target_dir;

const FLAGS: [&str; 7] = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I"];

/// `peers/<name>.c` as a plugin: the path of its library.
pub fn plugin(name: &'static str) -> Result<PathBuf, Failure> {
    compiled(name, ".so", &["-shared", "-fPIC", "-fvisibility=hidden"])
}

/// `peers/<name>.c` as a program: its path.
pub fn program(name: &'static str) -> Result<PathBuf, Failure> {
    compiled(name, "", &[])
}

fn compiled(name: &'static str, ending: &str, flags: &[&str]) -> Result<PathBuf, Failure> {
    static DONE: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = target_dir()?.join("bench");
    let file = folder.join(format!("{name}{ending}"));
    if done.contains(&name) {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new("cc")
        .args(FLAGS)
        .arg(root.join("../plugin-sdk/include"))
        .args(flags)
        .arg("-o")
        .args([&file, &root.join("peers").join(format!("{name}.c"))])
        .status();
    if !built.map_err(|error| format!("cc: {error}; `scripts/setup.sh plugins` installs a C compiler"))?.success() {
        return Err(format!("cc refused peers/{name}.c").into());
    }
    done.push(name);
    Ok(file)
}
