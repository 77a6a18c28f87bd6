//! One group.
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{CgroupError, CgroupLimits, read, value_of, write};
use crate::sandbox::Status;

/// A group of its own for one plugin process. Dropping it leaves the folder; [`Cgroup::try_remove`] takes it away.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
    /// Those that are in force.
    limits: CgroupLimits,
    /// Why others are not.
    lacking: Option<String>,
}

/// Whose memory it was that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfMemory {
    /// The group was at its own limit.
    Own,
    /// The machine, or a group above, was.
    Above,
}

/// What the processes of a group take, and what they were refused. `None` where the kernel does not count it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Memory in use.
    pub memory_bytes: Option<u64>,
    /// The most that there ever was; since Linux 5.19.
    pub memory_peak_bytes: Option<u64>,
    /// Its limit.
    pub memory_limit_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Forks and threads that were refused at the limit.
    pub tasks_refused: Option<u64>,
    /// Their limit.
    pub tasks_limit: Option<u32>,
    /// How often all of them had to wait, because the CPU time of 100 ms was used up.
    pub throttled: Option<u64>,
}

impl Cgroup {
    /// The group of this folder, whoever has made it.
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limits: CgroupLimits::none(), lacking: None }
    }

    /// Makes the folder, and has these limits in force.
    pub(super) fn make(folder: PathBuf, limits: CgroupLimits, lacking: Option<String>) -> Result<Self, CgroupError> {
        fs::create_dir(&folder).map_err(|error| super::not_writable(&folder, error))?;
        let group = Self { folder, limits, lacking };
        for (file, text, must) in limits.files() {
            match write(&group.folder.join(file), &text) {
                Err(error) if must => {
                    // The first error is the one to tell.
                    let _ = fs::remove_dir(&group.folder);
                    return Err(error);
                }
                _ => (),
            }
        }
        Ok(group)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// For a process to be born there.
    ///
    /// # Errors
    /// The folder is gone, or the host has no descriptor left.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.folder)
    }

    /// As a layer of the sandbox: active if at least one of the limits that are wanted is in force.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.lacking {
            Some(why) if self.limits == CgroupLimits::none() => Status::NotAvailable(why.clone()),
            Some(why) => Status::Active(format!("{}; {why}", self.limits.extent())),
            None => Status::Active(self.limits.extent()),
        }
    }

    /// Puts a process there that runs; what it starts later is there too. The kernel waits for all processors then, which
    /// takes milliseconds.
    ///
    /// # Errors
    /// [`CgroupError::Failed`], for one if the process is gone.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        write(&self.folder.join("cgroup.procs"), &pid.to_string())
    }

    /// Ends all processes of the group, forks under way included.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] before Linux 5.14: then the guard's own means are what is left.
    pub fn kill(&self) -> Result<(), CgroupError> {
        match write(&self.folder.join("cgroup.kill"), "1") {
            Err(CgroupError::Failed { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Err(CgroupError::NotAvailable("cgroup.kill is not there (Linux 5.14 or later)".into()))
            }
            done => done,
        }
    }

    /// Whether the kernel has ended one of its processes for want of memory, which tells this from another SIGKILL.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] if the group has no memory controller, and then nobody knows.
    pub fn out_of_memory(&self) -> Result<Option<OutOfMemory>, CgroupError> {
        let why =
            |_| CgroupError::NotAvailable(self.lacking.clone().unwrap_or_else(|| "its memory is not counted".into()));
        let events = read(&self.folder.join("memory.events")).map_err(why)?;
        let count = |name| value_of(&events, name).unwrap_or(0);
        Ok(match (count("oom_kill"), count("oom")) {
            (0, _) => None,
            (_, 0) => Some(OutOfMemory::Above),
            _ => Some(OutOfMemory::Own),
        })
    }

    /// What its processes take. Five small files are read.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let text = |file| fs::read_to_string(self.folder.join(file)).ok();
        let number = |file| text(file)?.trim().parse().ok();
        Usage {
            memory_bytes: number("memory.current"),
            memory_peak_bytes: number("memory.peak"),
            memory_limit_bytes: self.limits.memory_bytes,
            tasks: number("pids.current"),
            tasks_refused: text("pids.events").and_then(|events| value_of(&events, "max")),
            tasks_limit: self.limits.tasks,
            throttled: text("cpu.stat").and_then(|events| value_of(&events, "nr_throttled")),
        }
    }

    /// Whether a process is left in it.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] if the folder is gone.
    pub fn is_populated(&self) -> Result<bool, CgroupError> {
        Ok(value_of(&read(&self.folder.join("cgroup.events"))?, "populated") == Some(1))
    }

    /// Takes the group away; false while a process is left in it.
    ///
    /// # Errors
    /// [`CgroupError::Failed`], and the folder is still there.
    pub fn try_remove(&self) -> Result<bool, CgroupError> {
        match fs::remove_dir(&self.folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(false),
            Err(error) => Err(CgroupError::Failed { at: self.folder.clone(), error }),
        }
    }
}
