//! How a plugin's process has ended.

use std::fmt;
use std::sync::Arc;

use proscenium_plugin_runner::wire::{LastWord, Phase};
use proscenium_runtime::Exit;

/// SIGKILL.
pub(crate) const KILL: i32 = 9;
/// SIGSTOP: a process that it has stopped does not end of it, but is ended for what it does not do any more.
pub(crate) const STOP: i32 = 19;

/// What kind of end it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Class {
    /// By a signal that is a fault of the code: SIGSEGV, SIGABRT, SIGILL and their like.
    Crash(i32),
    /// By SIGKILL, SIGTERM or another signal that somebody has sent, and not this host. By SIGSTOP (19): it was stopped,
    /// and ended by this host when its time was up.
    Killed(i32),
    /// By the kernel, because it was at the memory limit of its own control group; [`EndReport::memory`] has the numbers.
    OutOfMemory,
    /// It ended by itself without being asked, with this code.
    Exit(i32),
    /// A call took longer than it may, and it was ended for that.
    Timeout,
    /// It wrote nonsense into shared memory, or on a channel, and was ended for that.
    Violation,
    /// The plugin said that this process is beyond use.
    Fatal,
    /// It has closed the channel to its host.
    Channel,
}

impl Class {
    /// By a signal that this host has not sent. The last word tells a fault from a signal that another process has sent: if
    /// that is a lie, it is as if the plugin had killed itself, which it can.
    pub(crate) fn of_signal(signal: i32, word: Option<&LastWord>, pid: u32) -> Self {
        /// The `si_code` of `kill`; what is an address else is the sender's number then.
        const SENT: i32 = 0;
        /// What a fault of the code raises: SIGQUIT is a person's, the others are job control, timers, or sent.
        const FAULTS: [i32; 9] = [4, 5, 6, 7, 8, 11, 24, 25, 31]; // ILL TRAP ABRT BUS FPE SEGV XCPU XFSZ SYS
        let is_sent = |word: &LastWord| word.signal == signal && word.code == SENT && word.address as u32 != pid;
        match FAULTS.contains(&signal) && !word.is_some_and(is_sent) {
            true => Class::Crash(signal),
            false => Class::Killed(signal),
        }
    }

    /// Whether the record in work may be to blame. Memory that is short elsewhere ends by SIGKILL, and blames none; its own
    /// limit a process reaches by itself, and if it does so again for a record that is alone, with a fresh process, it is
    /// that record's doing.
    pub(crate) fn is_of_a_record(self) -> bool {
        match self {
            Class::Killed(_) => false,
            Class::Crash(_)
            | Class::OutOfMemory
            | Class::Exit(_)
            | Class::Timeout
            | Class::Violation
            | Class::Fatal
            | Class::Channel => true,
        }
    }

    /// As the interface calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Crash(_) => "crash",
            Class::Killed(_) => "killed",
            Class::OutOfMemory => "oom",
            Class::Exit(_) => "exit",
            Class::Timeout => "timeout",
            Class::Violation => "violation",
            Class::Fatal => "fatal",
            Class::Channel => "channel",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Crash(signal) | Class::Killed(signal) => write!(f, "{} by signal {signal}", self.name()),
            Class::Exit(code) => write!(f, "exit with code {code}"),
            _ => f.write_str(self.name()),
        }
    }
}

/// What is known of memory at an end by SIGKILL, which is how the kernel ends who takes too much.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Memory {
    /// It was at the limit of its own control group.
    Own {
        /// So many bytes.
        limit: u64,
        /// The most that it had; none: Linux counts that since 5.19.
        peak: Option<u64>,
    },
    /// The machine was out of memory, or a group above.
    Above,
    /// Nobody knows, since it had no control group that counts memory, for this reason.
    Unknown(String),
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        match self {
            Memory::Own { limit, peak: None } => write!(f, "{} MiB are the limit of its control group", mib(*limit)),
            Memory::Own { limit, peak: Some(peak) } => {
                write!(f, "it took {} MiB, and {} MiB are the limit of its control group", mib(*peak), mib(*limit))
            }
            Memory::Above => f.write_str("the machine, or a control group above its own, was out of memory"),
            Memory::Unknown(why) => {
                write!(f, "whether for want of memory is not known, without a control group: {why}")
            }
        }
    }
}

/// How a process of a plugin has ended, and what it was at.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct EndReport {
    /// The plugin's place in the tree.
    pub plugin: Arc<str>,
    /// What kind of end it was.
    pub class: Class,
    /// What the process was at, by its own word.
    pub phase: Option<Phase>,
    /// Its process id.
    pub pid: u32,
    /// The batch in work.
    pub batch: Option<u64>,
    /// How often that batch was replayed before.
    pub attempt: u32,
    /// The record in work, by its id, as far as the plugin has kept track.
    pub record: Option<u64>,
    /// The plugin's own crumb.
    pub note: u64,
    /// What a dying process could still say.
    pub last_word: Option<LastWord>,
    /// What is known of memory, if it was ended by SIGKILL and not by this host.
    pub memory: Option<Memory>,
    /// Forks and threads that it was refused at the limit of its control group.
    pub tasks_refused: u64,
    /// What the plugin gave as the reason; empty if nothing.
    pub text: String,
}

impl fmt::Display for EndReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}: process {} has ended: {}", self.plugin, self.pid, self.class)?;
        if let Some(memory) = &self.memory {
            write!(f, " ({memory})")?;
        }
        if let Some(phase) = self.phase {
            write!(f, ", at {}", phase.name())?;
        }
        if let Some(word) = &self.last_word {
            write!(f, ", address {:#x}", word.address)?;
            if !word.symbol.is_empty() {
                write!(f, ", in {}", word.symbol)?;
            }
        }
        if let Some(batch) = self.batch {
            write!(f, ", batch {batch} (attempt {})", self.attempt)?;
        }
        if let Some(record) = self.record {
            write!(f, ", record {record}")?;
        }
        if self.tasks_refused > 0 {
            write!(f, ", {} forks or threads refused", self.tasks_refused)?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl std::error::Error for EndReport {}

impl EndReport {
    /// As the supervisor hears it.
    pub(crate) fn exit(self: &Arc<Self>) -> Exit {
        match self.class {
            Class::Crash(signal) | Class::Killed(signal) => Exit::Signal(signal),
            Class::Exit(code) if code != 0 => Exit::Code(code),
            _ => Exit::Error(self.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_from_the_same_signal_sent_by_another() {
        let word =
            |signal, code, address| LastWord { signal, code, address, at: 0, phase: None, symbol: String::new() };
        let rows = [
            (11, None, Class::Crash(11)),
            (11, Some(word(11, 1, 0xdead)), Class::Crash(11)),
            (6, Some(word(6, -6, 77)), Class::Crash(6)),
            (11, Some(word(11, 0, 77)), Class::Crash(11)),
            (11, Some(word(11, 0, 0x3e8_0000_0058)), Class::Killed(11)),
            (6, Some(word(11, 0, 88)), Class::Crash(6)),
            (24, None, Class::Crash(24)), // Its own limits, on time and on the size of a file.
            (25, None, Class::Crash(25)),
            (9, None, Class::Killed(9)),
            (15, None, Class::Killed(15)),
        ];
        for (signal, word, class) in rows {
            assert_eq!(Class::of_signal(signal, word.as_ref(), 77), class, "{signal}, {word:?}");
        }
    }
}
