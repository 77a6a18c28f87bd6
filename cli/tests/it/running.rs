//! A pipeline that runs in a process of its own, as a user runs it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::built::{Folder, Ran};

/// No single wait of a test's comes near.
const LIMIT: Duration = Duration::from_secs(60);

/// The repository's plugins, each as `plugins/lib<name>.so` in a folder. They are built once for all tests.
pub fn plugins(folder: &Folder) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    fs::create_dir_all(&built).unwrap();
    let lock = File::create(built.join("lock")).unwrap();
    lock.lock().unwrap();
    let made = Command::new(root.join("scripts/build/build_plugins.sh"))
        .arg("all")
        .env("PLUGINS_TO", &built)
        .env("CARGO_TARGET_DIR", built.join("target"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let to = folder.path("plugins");
    fs::create_dir_all(&to).unwrap();
    for name in ["validation", "enrichment", "aggregation"] {
        let library = format!("lib{name}.so");
        fs::copy(built.join(&library), to.join(&library)).unwrap();
    }
}

/// Runs the program in a folder, to its end.
pub fn done(folder: &Folder, args: &[&str]) -> Ran {
    let mut running = Running::start(folder, args, &[]);
    drop(running.child.stdin.take());
    let (stdout, stderr) = (running.stdout.rest(), running.stderr.rest());
    Ran { stdout, stderr, code: running.code() }
}

/// Lines as they come.
pub struct Lines(Receiver<String>);

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(lines)
    }

    /// The next so many.
    #[track_caller]
    pub fn next(&self, count: usize) -> Vec<String> {
        let until = Instant::now() + LIMIT;
        let mut lines = Vec::new();
        while lines.len() < count {
            match self.0.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(why) => panic!("{why} after {} of {count} lines, the last: {:?}", lines.len(), lines.last()),
            }
        }
        lines
    }

    /// All up to one with this in it.
    #[track_caller]
    pub fn until(&self, text: &str) -> Vec<String> {
        let until = Instant::now() + LIMIT;
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains(text)) {
            match self.0.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(why) => panic!("{why}: no `{text}` in {lines:#?}"),
            }
        }
        lines
    }

    /// All up to the end, as a text.
    #[track_caller]
    pub fn rest(&self) -> String {
        let until = Instant::now() + LIMIT;
        let mut text = String::new();
        loop {
            match self.0.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => text.extend([&*line, "\n"]),
                Err(mpsc::RecvTimeoutError::Disconnected) => return text,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {text}"),
            }
        }
    }
}

pub struct Running {
    pub child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Running {
    pub fn start(folder: &Folder, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_proscenium"))
            .args(args)
            .current_dir(folder.path(""))
            .env_remove("PROSCENIUM_RUNNER")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn write(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// In one step, as an editor does.
pub fn replace(path: &Path, text: &str) {
    let new: PathBuf = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

pub fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))
}
