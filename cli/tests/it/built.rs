//! Plugins that are built for the tests, and the program.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proscenium-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Builds a source of the repository.
    pub fn build(&self, source: &str, as_name: &str, flags: &[&str]) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let library = self.path(as_name);
        let compiler = if source.ends_with(".cc") { ["c++", "-std=c++17"] } else { ["cc", "-std=c11"] };
        let built = Command::new(compiler[0])
            .args([compiler[1], "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-fvisibility=hidden", "-w"])
            .args(flags)
            .arg("-I")
            .arg(root.join("plugin-sdk/include"))
            .arg("-o")
            .args([&library, &root.join(source)])
            .output()
            .expect("there is a compiler");
        assert!(built.status.success(), "{source}: {}", String::from_utf8_lossy(&built.stderr));
        library
    }

    pub fn faulty(&self, fault: u32) -> PathBuf {
        self.build("cli/tests/plugins/faulty.c", &format!("libfaulty{fault}.so"), &[&format!("-DFAULT={fault}")])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the program printed.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

/// Runs it within a bound that no single limit of its own comes near.
pub fn proscenium(args: &[&str]) -> Ran {
    const LIMIT: Duration = Duration::from_secs(60);
    let mut child = Command::new(env!("CARGO_BIN_EXE_proscenium"))
        .args(args)
        .env_remove("PROSCENIUM_RUNNER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let read = |mut pipe: Box<dyn Read + Send>| {
        let (done, text) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            let _ = done.send(text);
        });
        text
    };
    let (stdout, stderr) = (read(Box::new(child.stdout.take().unwrap())), read(Box::new(child.stderr.take().unwrap())));
    let stdout = stdout.recv_timeout(LIMIT);
    if stdout.is_err() {
        child.kill().unwrap();
    }
    let code = child.wait().unwrap().code();
    Ran { stdout: stdout.expect("it ends within a minute"), stderr: stderr.recv_timeout(LIMIT).unwrap(), code }
}

pub fn verify(file: &Path, more: &[&str]) -> Ran {
    let args = [&["plugin", "verify", file.to_str().unwrap(), "--limit-ms", "400"], more].concat();
    proscenium(&args)
}
