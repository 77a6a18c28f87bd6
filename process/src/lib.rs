//! Operating-system processes that do not outlive their host, not even when it is killed with SIGKILL.
//!
//! ```text
//!   host ──Guard::spawn(&Command)──▶ guard (a process of 13 KB) ──fork, exec──▶ child ──▶ what it forks
//!     ▲                                │ parent and subreaper: all of that stays below it, whatever its session
//!     ├── Child: pidfd, pipes ◀────────┤
//!     └── exit status ◀────────────────┘ ends everything below it when the host is gone, and then itself
//! ```
//!
//! **Promises**
//! - A spawn takes the same time whatever the host's heap: the host never forks, the guard does.
//! - A child has the descriptors that its [`Command`] names, and no others.
//! - When the [`Guard`] is dropped, or the host ends in whatever way, every descendant of its children gets SIGKILL, be
//!   it stopped, looping, forked twice, or the leader of a session. The guard ends after the last, or after 10 s.
//! - The host itself stays as it is: no signal handler, no `PR_SET_CHILD_SUBREAPER`. It gets one child, the guard, and
//!   for each guard one thread that sleeps.
//!
//! **Does not promise** to end what is no descendant (a service asked by a socket, a container), what may not be killed
//! (a program that takes another real user), or anything once somebody has killed the guard *and* then the host: a
//! guard that is killed takes its direct children along, and nobody looks after theirs. In a [`PidNamespace`] the kernel
//! does, and the last two gaps are closed.
//!
//! **Bounds**: 32,768 children a guard, 16 descriptors besides the three usual ones, 6 MiB of arguments and
//! environment; a spawn waits 5 s at most unless the command says otherwise, and every other wait has the limit that
//! you give it.
//!
//! **Cost**: a guard, 0.4 ms and 20 KB; a child, 0.4 ms, two to three times a bare posix_spawn, two descriptors in the
//! host and one in the guard.
//!
//! **Elsewhere** than on Linux (x86-64, AArch64, 64-bit RISC-V) the crate compiles, and [`Guard::start`] says that it
//! is not there.
//!
//! ```
//! use proscenium_process::{Command, ExitStatus, Guard, Stdio};
//! use std::{io::Read, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::start()?;
//! let mut child = guard.spawn(&Command::new("echo").arg("hello").stdout(Stdio::Piped))?;
//! let mut said = String::new();
//! child.stdout.take().ok_or("stdout is piped")?.read_to_string(&mut said)?;
//! assert_eq!(said, "hello\n");
//! assert_eq!(child.wait(Duration::from_secs(5))?, ExitStatus::Code(0));
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

// Where there is no guard, nobody reads what a command and a builder hold.
#[cfg_attr(not(proscenium_guard), allow(dead_code))]
mod builder;
#[cfg_attr(not(proscenium_guard), allow(dead_code))]
mod command;
mod descriptor;
mod error;
mod exit_status;
mod lines_core;
mod signal;

#[cfg(proscenium_guard)]
mod child;
#[cfg(proscenium_guard)]
mod deadline;
#[cfg(proscenium_guard)]
mod guard;
#[cfg(proscenium_guard)]
mod image;
#[cfg(proscenium_guard)]
mod launch;
#[cfg(proscenium_guard)]
mod program;
#[cfg(proscenium_guard)]
mod starting;
#[cfg(proscenium_guard)]
mod streams;
#[cfg(proscenium_guard)]
mod turn;
#[cfg(proscenium_guard)]
mod wire;

#[cfg(not(proscenium_guard))]
mod elsewhere;

pub use builder::{GuardBuilder, PidNamespace};
#[cfg(proscenium_guard)]
pub use child::Child;
pub use command::{Command, Stdio};
pub use descriptor::{BorrowedDescriptor, Descriptor};
#[cfg(not(proscenium_guard))]
pub use elsewhere::{Child, Guard};
pub use error::{SignalError, SpawnError, StartError, StopError, WaitError};
pub use exit_status::ExitStatus;
#[cfg(proscenium_guard)]
pub use guard::Guard;
pub use lines_core::{Ending, LinesCore};
pub use signal::Signal;
#[cfg(proscenium_guard)]
pub use starting::StartingGuard;
