//! A process that shuts itself in and then does one thing.
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_plugin_runner::sandbox::{Layer, Sandbox};

const ACT: &str = "PROSCENIUM_ACT";
const SANDBOX: &str = "PROSCENIUM_SANDBOX";
const ARGUMENT: &str = "PROSCENIUM_ARGUMENT";
const FOLDER: &str = "PROSCENIUM_FOLDER";

/// What a child does. It calls `shut_in` between what it prepares and what it is tried by; the errno of the latter, or 0.
pub type Act = fn(cell: &Cell) -> i32;

/// What a child is given.
pub struct Cell {
    /// What the parent says besides: an address, a port, a path.
    pub argument: String,
    /// The one with `lib` and `work`.
    pub folder: PathBuf,
    sandbox: Option<Sandbox>,
}

impl Cell {
    /// Shuts the process in, if it is to be, and writes the report. How long it took.
    pub fn shut_in(&self) -> Duration {
        self.shut_in_as(|_| ())
    }

    /// The same with a sandbox that the act makes.
    pub fn shut_in_as(&self, change: impl FnOnce(&mut Sandbox)) -> Duration {
        if let Some(sandbox) = &self.sandbox {
            let mut sandbox = sandbox.clone();
            change(&mut sandbox);
            let begun = Instant::now();
            // SAFETY: a constructor runs in the only thread, and nobody has kept a pointer into the environment.
            let report = unsafe { sandbox.apply() };
            let took = begun.elapsed();
            print!("{report}");
            std::io::stdout().flush().unwrap();
            return took;
        }
        Duration::ZERO
    }
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum End {
    Done,
    Errno(i32),
    Signal(i32),
}

/// How it ended, and what it wrote, the report first.
#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    pub text: String,
}

impl Outcome {
    pub fn is_active(&self, layer: Layer) -> bool {
        self.text.lines().any(|line| {
            let rest = line.strip_prefix(layer.name()).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with("active"))
        })
    }
}

/// In CI every layer must be there; elsewhere what a missing one would refuse is left out.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

/// A folder for one child: `lib`, `work`, and whatever a test puts beside them.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sandbox-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("work")).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Has a child do it, shut in or not.
pub fn run(act: &str, is_shut_in: bool, argument: &str) -> Outcome {
    run_in(&Folder::new(), act, is_shut_in, argument)
}

pub fn run_in(folder: &Folder, act: &str, is_shut_in: bool, argument: &str) -> Outcome {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(ACT, act)
        .env(SANDBOX, if is_shut_in { "on" } else { "off" })
        .env(ARGUMENT, argument)
        .env(FOLDER, &folder.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let end = match (output.status.code(), output.status.signal()) {
        (Some(0), _) => End::Done,
        (Some(errno), _) => End::Errno(errno),
        (None, signal) => End::Signal(signal.unwrap()),
    };
    Outcome { end, text }
}

/// The constructor: an ordinary run of the tests goes on to `main`.
extern "C" fn on_start() {
    let Ok(act) = std::env::var(ACT) else { return };
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let is_shut_in = std::env::var(SANDBOX).unwrap() == "on";
    let cell = Cell {
        argument: std::env::var(ARGUMENT).unwrap(),
        sandbox: is_shut_in.then(|| Sandbox::new(folder.join("lib"), folder.join("work"))),
        folder,
    };
    let errno = crate::acts::named(&act)(&cell);
    let _ = std::io::stdout().flush();
    // SAFETY: it does not return, and nothing is left to be done.
    unsafe { libc::_exit(errno) }
}

#[used]
// SAFETY: the section holds pointers to functions that the loader calls before `main`; this is one.
#[unsafe(link_section = ".init_array")]
static ON_START: extern "C" fn() = on_start;
