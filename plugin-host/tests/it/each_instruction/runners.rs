//! The runner as it is shipped, and one of whose stores one is moved. Both are built here, since tests are built otherwise.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use proscenium_plugin_runner::wire::BUILD;

use crate::built::Folder;

const NAME: &str = "proscenium-runner";

/// What the runner is built of, but for packages of others.
const ROOMS: [&str; 3] = ["plugin-host/runner", "plugin-sdk", "shm-channel"];

/// A store is moved: the count that says that a batch is done is stored right before what the plugin has returned for it,
/// and no more right behind it. Storing it once more, where it belongs, changes nothing; the host is woken as before.
const MOVED: [(&str, &str, &str); 2] = [
    (
        "shm-channel/src/child_end.rs",
        "    /// Says that the order taken last is done, and wakes the host if it sleeps.",
        "    /// Says that the order taken last is done.\n\
         \x20   pub fn publish(&self) {\n\
         \x20       let done = (self.side.completed() + 1) as u32;\n\
         \x20       pages::answers(&self.answers).completed.store(done, Ordering::Release);\n\
         \x20   }\n\n",
    ),
    (
        "plugin-host/runner/src/serve.rs",
        "        // SAFETY: the block is mapped writable, and is ours until the order is completed.",
        "        self.channel.publish();\n",
    ),
];

/// From this tree, with the profile for releases.
pub fn shipped(to: &Folder) -> PathBuf {
    build(&root(), to)
}

/// The same, with [`MOVED`].
pub fn with_a_store_moved(to: &Folder) -> PathBuf {
    let moved = kept().join("moved");
    let from = root();
    for room in ROOMS {
        for file in files(&from.join(room)) {
            let name = file.strip_prefix(&from).unwrap().to_owned();
            let mut text = fs::read_to_string(&file).unwrap();
            for (of, before, added) in MOVED.iter().filter(|(of, ..)| Path::new(of) == name) {
                assert_eq!(text.matches(before).count(), 1, "{of} has changed: say anew which store is to be moved");
                text = text.replace(before, &format!("{added}{before}"));
            }
            write(&moved.join(name), &text);
        }
    }
    let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
    write(&moved.join("Cargo.toml"), &of_the_rooms(&manifest));
    write(&moved.join("Cargo.lock"), &fs::read_to_string(from.join("Cargo.lock")).unwrap());
    build(&moved, to)
}

/// The workspace's manifest, with what the runner is built of as its only members, and another version: by that cargo tells
/// what it builds of it from what it builds of this tree.
fn of_the_rooms(manifest: &str) -> String {
    let (workspace, _) = manifest.split_once("\n[package]\n").expect("the workspace comes first");
    let (head, rest) = workspace.split_once("members = [").expect("it has members");
    let (_, tail) = rest.split_once("]\n").expect("their list has an end");
    let version = |suffix: &str| format!("version = \"{}{suffix}\"", env!("CARGO_PKG_VERSION"));
    format!("{head}members = {ROOMS:?}\n{tail}\n").replace(&version(""), &version("-moved"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What is built is built once.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("each-instruction")
}

fn files(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// A file that is the same stays as old as it is.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn build(workspace: &Path, to: &Folder) -> PathBuf {
    let target = kept().join("target");
    fs::create_dir_all(&target).unwrap();
    // Both have one name there, and tests of another process may build the other one.
    let lock = File::create(kept().join("lock")).unwrap();
    lock.lock().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--offline", "--package", "proscenium-plugin-runner", "--bin", NAME]);
    cargo.arg("--message-format=json");
    cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml")).arg("--target-dir").arg(&target);
    // One with a store moved is to be taken for the host's like.
    cargo.env("PROSCENIUM_BUILD_AS", BUILD.to_string());
    // What this test is built with is not what releases are.
    let built = cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").output().unwrap();
    let (said, why) = (String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
    let program = said.split("\"executable\":\"").nth(1).and_then(|path| path.split('"').next());
    let program = program.filter(|_| built.status.success());
    let program = program.unwrap_or_else(|| panic!("{}: {why}{said}", workspace.display()));
    let runner = to.path().join(NAME);
    fs::copy(program, &runner).unwrap();
    runner
}
