//! The processor that a plugin's process works on: any, or the one of who gives it a batch.
//!
//! The process is known by its number. Once it has ended, the number is free for others; but numbers are given out in turn,
//! and the host hears of the end within a millisecond, so that nobody else has it while this looks at it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Links that /proc shows for the threads of a process that has one.
const LINKS_OF_ONE: u64 = 3;

#[derive(Debug)]
pub(crate) struct Seat {
    process: Option<Pid>,
    shared: Option<Shared>,
}

/// Where its thread is, and where it may be by itself.
#[derive(Debug)]
struct Shared {
    cpu: usize,
    anywhere: CpuSet,
}

impl Seat {
    pub(crate) fn of(pid: u32) -> Seat {
        Seat { process: pid.try_into().ok().and_then(Pid::from_raw), shared: None }
    }

    /// From now on the process runs where the caller does.
    ///
    /// # Errors
    /// It is as it was: it has several threads, it may not run here, or the system forbids it.
    pub(crate) fn share(&mut self) -> io::Result<()> {
        let process = self.process.ok_or(io::ErrorKind::NotFound)?;
        let cpu = sched_getcpu();
        let anywhere = match &self.shared {
            Some(shared) if shared.cpu == cpu => return Ok(()),
            Some(shared) => shared.anywhere,
            None if !self.is_single() => return Err(io::ErrorKind::ResourceBusy.into()),
            None => sched_getaffinity(Some(process))?,
        };
        if cpu >= CpuSet::MAX_CPU || !anywhere.is_set(cpu) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        sched_setaffinity(Some(process), &only(cpu))?;
        self.shared = Some(Shared { cpu, anywhere });
        Ok(())
    }

    /// Whether the process runs where the caller does.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.cpu == sched_getcpu())
    }

    /// From now on it runs where it likes, with the threads that it has started meanwhile: they are where it was.
    pub(crate) fn leave(&mut self) {
        let Some(Shared { anywhere, .. }) = self.shared.take() else { return };
        let threads = self.threads().and_then(|folder| fs::read_dir(folder).ok());
        for entry in threads.into_iter().flatten().flatten() {
            let thread = entry.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            // Each that was started here is on the processor that it was then; one that may run on several has seen to it by
            // itself, and one that has ended needs no place.
            if thread.is_some_and(|of| sched_getaffinity(Some(of)).is_ok_and(|set| set.count() == 1)) {
                let _ = sched_setaffinity(thread, &anywhere);
            }
        }
    }

    /// Whether the process has no other thread than the one that works on batches.
    pub(crate) fn is_single(&self) -> bool {
        self.threads().and_then(|folder| fs::metadata(folder).ok()).is_some_and(|folder| folder.nlink() == LINKS_OF_ONE)
    }

    fn threads(&self) -> Option<PathBuf> {
        Some(format!("/proc/{}/task", self.process?.as_raw_nonzero()).into())
    }
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}
