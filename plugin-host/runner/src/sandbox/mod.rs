//! The walls around a plugin, put up by the process itself before it loads the library, whose constructors are hostile.
//!
//! ```text
//!   Sandbox::apply ─▶ folder ─▶ environment ─▶ limits ─▶ no_new_privs ─▶ landlock ─▶ capabilities ─▶ seccomp ─▶ Report
//! ```
//!
//! seccomp comes last, since it forbids what the others need. `docs/sandbox.md` says what each layer stops and what
//! none of them does.
//!
//! ```
//! use proscenium_plugin_runner::sandbox::{Layer, Sandbox};
//!
//! # std::fs::create_dir_all("/tmp/proscenium-doc/lib")?;
//! # std::fs::create_dir_all("/tmp/proscenium-doc/work")?;
//! let mut sandbox = Sandbox::new("/tmp/proscenium-doc/lib", "/tmp/proscenium-doc/work");
//! sandbox.grants.read.push("/etc/localtime".into());
//! sandbox.grants.syscalls.push("memfd_create".parse()?);
//! sandbox.limits.data_bytes = Some(256 << 20);
//! // SAFETY: the first thing that `main` does: one thread, and no pointer into the environment.
//! let report = unsafe { sandbox.apply() };
//! print!("{report}");
//! assert!(report.is_active(Layer::ResourceLimits));
//! assert!(std::fs::File::open("/etc/passwd").is_err() || !report.is_active(Layer::Landlock));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod filter_core;
mod grants;
mod landlock;
mod learn;
mod limits;
mod policy_core;
mod report;
mod seccomp;
mod surroundings;
mod syscalls;

use std::path::PathBuf;

pub use grants::Grants;
pub use learn::{Learned, learned};
pub use limits::Limits;
pub use report::{Layer, Report, Status};
pub use syscalls::{Syscall, UnknownSyscall};

use policy_core::Facts;
use serde::{Deserialize, Serialize};

/// What happens to a call that is not granted. In both cases it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// It fails.
    #[default]
    Enforce,
    /// It fails and is noted: [`learned`] lists the grants that it would have needed. For trying a plugin out: each
    /// refused call and each opened file costs two switches to a thread that takes the notes.
    Learn,
}

/// All that the walls around one plugin depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// What it may do besides computing.
    pub grants: Grants,
    /// The limits of its process.
    pub limits: Limits,
    /// The private copy of the library and its siblings, to be read.
    pub library_folder: PathBuf,
    /// An empty folder to be in. It may not be read or written unless that is granted ([`Grants::work_dir`]).
    pub working_folder: PathBuf,
    /// What happens to what is not granted.
    pub mode: Mode,
}

impl Sandbox {
    /// With nothing granted, the default limits, and nothing noted.
    pub fn new(library_folder: impl Into<PathBuf>, working_folder: impl Into<PathBuf>) -> Self {
        Self {
            grants: Grants::default(),
            limits: Limits::default(),
            library_folder: library_folder.into(),
            working_folder: working_folder.into(),
            mode: Mode::default(),
        }
    }

    /// Shuts this process in, for good. A layer that cannot be put up does not keep the others from being tried; whether
    /// to go on without it is the caller's to say, by the report.
    ///
    /// # Safety
    /// The calling thread is the only one of the process, and nobody keeps a pointer into the environment.
    pub unsafe fn apply(&self) -> Report {
        let mut report = Report::default();
        report.add(Layer::WorkingFolder, surroundings::working_folder(&self.working_folder));
        // SAFETY: one thread, no kept pointers: what our caller promises.
        report.add(Layer::Environment, Ok(unsafe { surroundings::environment() }));
        report.add(Layer::ResourceLimits, self.limits.apply());
        report.add(Layer::NoNewPrivileges, surroundings::no_new_privileges());
        let guarded = landlock::apply(&self.grants, &self.library_folder, &self.working_folder);
        let facts = Facts {
            pid: std::process::id(),
            files_are_guarded: guarded.is_ok(),
            signals_are_guarded: guarded.as_ref().is_ok_and(|guarded| guarded.signals),
            learning: self.mode == Mode::Learn,
        };
        report.add(Layer::Landlock, guarded.map(|guarded| guarded.extent));
        report.add(Layer::Capabilities, surroundings::capabilities());
        report.add(Layer::Seccomp, seccomp::apply(&self.grants, facts));
        report
    }
}
