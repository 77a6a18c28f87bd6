//! The one thread that traces: it lets a plugin's process go by single instructions, and kills it between two of them.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::fs;
use std::sync::mpsc;

use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::sync::oneshot;

/// `int3`.
const TRAP: u64 = 0xCC;
const FUTEX: u64 = 202;

/// Only the thread that has seized a process may trace it: what it does, in turn.
pub struct Tracer(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Tracer {
    pub fn new() -> Tracer {
        let (jobs, next) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        std::thread::spawn(move || next.into_iter().for_each(|job| job()));
        Tracer(jobs)
    }

    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, awaited) = oneshot::channel();
        self.0.send(Box::new(move || drop(answer.send(job())))).expect("the thread lives as long as this");
        awaited.await.expect("the thread does not panic")
    }
}

/// Why a process could not be traced to where it was to be killed.
#[derive(Debug)]
pub enum Lost {
    /// Nobody may trace here.
    Forbidden(Errno),
    Failed(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Forbidden(error) => write!(f, "PTRACE_SEIZE is not allowed here: {error}"),
            Lost::Failed(text) => f.write_str(text),
        }
    }
}

fn failed(what: &str) -> impl Fn(Errno) -> Lost {
    move |error| Lost::Failed(format!("{what}: {error}"))
}

/// An instruction: the file that it is of, and where in that file. The same in each process.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Place {
    pub file: String,
    pub at: u64,
}

/// An instruction on the way: the one at this place, when the process comes there for so many times.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Instruction {
    pub place: Place,
    pub nth: u32,
}

/// What was mapped from a file.
#[derive(Clone)]
struct Mapped {
    from: u64,
    to: u64,
    offset: u64,
    file: String,
}

/// A process that was stopped while it slept, waiting for a batch. Its way begins there, and ends at the second call of the
/// plugin's `process_batch`; a call on the way counts as one instruction.
#[derive(Clone)]
pub struct Held {
    pid: Pid,
    /// Its `process_batch`.
    call: u64,
    /// The word in which it says how many orders are done.
    completed: u64,
    /// What stands there at the beginning.
    before: u32,
    maps: Vec<Mapped>,
}

/// The whole way of a process.
#[derive(Debug)]
pub struct Way {
    /// Before each of them a process can be killed.
    pub instructions: Vec<Instruction>,
    /// Behind how many of them it had said that the first batch was done.
    pub done: usize,
}

/// A process that was killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Killed {
    /// It came to where it was to be killed, and not to its end before.
    pub is_there: bool,
    /// The batches that it had said were done.
    pub done: u32,
}

impl Held {
    /// Seizes it, and stops it in its sleep.
    pub fn new(pid: u32, call: u64) -> Result<Held, Lost> {
        let pid = Pid::from_raw(pid as i32);
        // Nothing that is traced outlives this thread.
        ptrace::seize(pid, ptrace::Options::PTRACE_O_EXITKILL).map_err(|error| match error {
            Errno::EPERM | Errno::ENOSYS => Lost::Forbidden(error),
            error => failed("PTRACE_SEIZE")(error),
        })?;
        let maps = mapped(pid)?;
        let words = maps.iter().find(|mapped| mapped.file == "memfd:proscenium-fronts" && mapped.offset == 0);
        let words = words.ok_or_else(|| Lost::Failed("it has not mapped its own words".into()))?;
        let mut held = Held { pid, call, completed: words.from, before: 0, maps };
        held.stop_in_its_sleep()?;
        held.before = held.completed()?;
        Ok(held)
    }

    fn stop_in_its_sleep(&self) -> Result<(), Lost> {
        loop {
            ptrace::interrupt(self.pid).map_err(failed("PTRACE_INTERRUPT"))?;
            match self.wait()? {
                WaitStatus::PtraceEvent(..) => {}
                other => return Err(Lost::Failed(format!("it was to stop: {other:?}"))),
            }
            if self.registers()?.orig_rax == FUTEX {
                return Ok(());
            }
            ptrace::cont(self.pid, None).map_err(failed("PTRACE_CONT"))?;
            std::thread::yield_now();
        }
    }

    /// Takes notes of its whole way, and kills it at the end.
    pub fn note(self) -> Result<Way, Lost> {
        let mut way = Way { instructions: Vec::new(), done: 0 };
        let mut times = HashMap::<Place, u32>::new();
        self.walk(|held, at| {
            let place = held.place(at);
            let nth = times.entry(place.clone()).or_default();
            *nth += 1;
            way.instructions.push(Instruction { place, nth: *nth });
            if held.done()? == 0 {
                way.done = way.instructions.len();
            }
            Ok(false)
        })?;
        Ok(way)
    }

    /// Kills it when it comes to this instruction, before that is done.
    pub fn kill_before(self, instruction: Instruction) -> Result<Killed, Lost> {
        let Instruction { place, nth } = instruction;
        let mapped = self.maps.iter().find(|mapped| mapped.file == place.file && mapped.has(place.at));
        let address = mapped.map(|mapped| mapped.from + (place.at - mapped.offset));
        let mut times = 0;
        self.walk(|_, at| {
            times += u32::from(Some(at) == address);
            Ok(times == nth)
        })
    }

    /// Goes until it is to be killed, or the way ends.
    fn walk(self, is_to_die: impl FnMut(&Held, u64) -> Result<bool, Lost>) -> Result<Killed, Lost> {
        let walked = self.walk_on(is_to_die);
        if walked.is_err() {
            // Only when its tracer has seen it end does its parent hear of it.
            let _ = kill(self.pid, Signal::SIGKILL); // It may have ended.
            while matches!(self.wait(), Ok(status) if !matches!(status, WaitStatus::Signaled(..) | WaitStatus::Exited(..)))
            {
            }
        }
        walked
    }

    fn walk_on(&self, mut is_to_die: impl FnMut(&Held, u64) -> Result<bool, Lost>) -> Result<Killed, Lost> {
        let mut calls = 0;
        loop {
            let at = self.registers()?.rip;
            let is_there = is_to_die(self, at)?;
            if is_there || at == self.call && calls > 0 {
                let done = self.done()?;
                self.kill()?;
                return Ok(Killed { is_there, done });
            }
            if at == self.call {
                self.step_over_the_call()?;
                calls += 1;
            } else {
                ptrace::step(self.pid, None).map_err(failed("PTRACE_SINGLESTEP"))?;
                self.trapped()?;
            }
        }
    }

    fn kill(&self) -> Result<(), Lost> {
        kill(self.pid, Signal::SIGKILL).map_err(failed("SIGKILL"))?;
        match self.wait()? {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ok(()),
            other => Err(Lost::Failed(format!("it was killed: {other:?}"))),
        }
    }

    /// To its return, by a breakpoint there.
    fn step_over_the_call(&self) -> Result<(), Lost> {
        let back = self.read(self.registers()?.rsp)?;
        let word = self.read(back)?;
        self.write(back, word & !0xFF | TRAP)?;
        ptrace::cont(self.pid, None).map_err(failed("PTRACE_CONT"))?;
        self.trapped()?;
        self.write(back, word)?;
        let mut registers = self.registers()?;
        if registers.rip != back + 1 {
            return Err(Lost::Failed(format!("it was to return to {back:#x}, and is at {:#x}", registers.rip)));
        }
        registers.rip = back;
        ptrace::setregs(self.pid, registers).map_err(failed("PTRACE_SETREGS"))
    }

    fn trapped(&self) -> Result<(), Lost> {
        match self.wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(()),
            other => Err(Lost::Failed(format!("it was to go on: {other:?}"))),
        }
    }

    fn wait(&self) -> Result<WaitStatus, Lost> {
        waitpid(self.pid, Some(WaitPidFlag::__WALL)).map_err(failed("waitpid"))
    }

    fn registers(&self) -> Result<user_regs_struct, Lost> {
        ptrace::getregs(self.pid).map_err(failed("PTRACE_GETREGS"))
    }

    fn read(&self, at: u64) -> Result<u64, Lost> {
        Ok(ptrace::read(self.pid, at as *mut c_void).map_err(failed("PTRACE_PEEKDATA"))? as u64)
    }

    fn write(&self, at: u64, word: u64) -> Result<(), Lost> {
        ptrace::write(self.pid, at as *mut c_void, word as i64).map_err(failed("PTRACE_POKEDATA"))
    }

    fn completed(&self) -> Result<u32, Lost> {
        Ok(self.read(self.completed)? as u32)
    }

    fn done(&self) -> Result<u32, Lost> {
        Ok(self.completed()?.wrapping_sub(self.before))
    }

    fn place(&self, address: u64) -> Place {
        let mapped = self.maps.iter().find(|mapped| (mapped.from..mapped.to).contains(&address));
        let (file, at) = mapped.map_or(("?", address), |of| (of.file.as_str(), address - of.from + of.offset));
        Place { file: file.to_owned(), at }
    }
}

impl Mapped {
    fn has(&self, at: u64) -> bool {
        (self.offset..self.offset + (self.to - self.from)).contains(&at)
    }
}

fn mapped(pid: Pid) -> Result<Vec<Mapped>, Lost> {
    let failed = |error: &dyn fmt::Display| Lost::Failed(format!("the maps of process {pid}: {error}"));
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(|error| failed(&error))?;
    let number = |text: &str| u64::from_str_radix(text, 16).map_err(|error| failed(&error));
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (range, offset) = (words.first().unwrap_or(&""), words.get(2).unwrap_or(&""));
        let (from, to) = range.split_once('-').unwrap_or_default();
        let file = words.get(5).and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
        Ok(Mapped { from: number(from)?, to: number(to)?, offset: number(offset)?, file })
    };
    maps.lines().map(line).collect()
}
