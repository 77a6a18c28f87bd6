//! Why a plugin does not serve.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use proscenium_plugin_runner::wire::{Failed, FailedKind, LastWord};
use proscenium_process::{ExitStatus, SpawnError, WaitError};
use proscenium_runtime::Exit;

use crate::end::Memory;
use crate::locate::NoRunner;
use crate::private_copy::LibraryError;

/// Why a process of a plugin did not come up. It has ended, and what it was to replace still serves.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The library cannot be taken.
    Library(LibraryError),
    /// There is no program to run it in.
    NoRunner(NoRunner),
    /// The guard that ends the plugin's processes with the host does not start.
    Guard(proscenium_process::StartError),
    /// The process cannot be started.
    Spawn(SpawnError),
    /// The host lacks something: descriptors, memory.
    Host(io::Error),
    /// The parameters have more than 48 KiB.
    ParamsTooLong,
    /// The process, or the plugin, says that it cannot.
    Refused {
        /// At what, and why.
        failed: Failed,
        /// What the plugin gave as its reason; empty if nothing.
        said: String,
    },
    /// The process has ended before it was ready.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it could still say.
        last_word: Option<LastWord>,
        /// What is known of memory, if it was by SIGKILL.
        memory: Option<Memory>,
        /// What the plugin gave as its reason; empty if nothing.
        said: String,
    },
    /// It was not ready in time, and was killed.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// What the plugin gave as its reason; empty if nothing.
        said: String,
    },
    /// It has closed its channel to the host, and was killed.
    Channel {
        /// What the plugin gave as its reason; empty if nothing.
        said: String,
    },
    /// The program that runs plugins was built from other sources than this one; it has ended.
    OtherRunner {
        /// The program.
        program: PathBuf,
    },
    /// What it said is no message; it was killed.
    Violation(String),
    /// Nobody tells how it has ended.
    NoStatus(WaitError),
    /// The runtime is being shut down.
    Interrupted,
}

impl StartError {
    /// The one that an exit carries, if it does.
    #[must_use]
    pub fn of(exit: &Exit) -> Option<&Self> {
        match exit {
            Exit::Error(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the library is to blame, and not its parameters or this host.
    pub(crate) fn is_the_librarys(&self) -> bool {
        match self {
            StartError::Refused { failed, .. } => {
                !matches!(failed.kind, FailedKind::Setup | FailedKind::Sandbox | FailedKind::Config)
            }
            StartError::Ended { memory, .. } => *memory != Some(Memory::Above),
            StartError::Library(_) | StartError::TimedOut { .. } | StartError::Violation(_) => true,
            _ => false,
        }
    }

    /// Whether another try would end the same way.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            StartError::Library(_)
            | StartError::NoRunner(_)
            | StartError::OtherRunner { .. }
            | StartError::ParamsTooLong => true,
            StartError::Refused { failed, .. } => !matches!(failed.kind, FailedKind::Setup | FailedKind::Init),
            _ => false,
        }
    }

    /// As the interface calls it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            StartError::Refused { failed, .. } => match failed.kind {
                FailedKind::Setup | FailedKind::Sandbox | FailedKind::Load | FailedKind::Symbol => "load_error",
                FailedKind::Abi => "abi_mismatch",
                FailedKind::Info => "bad_info",
                FailedKind::Config => "config_error",
                FailedKind::Init => "init_failed",
            },
            StartError::Ended { memory: Some(Memory::Own { .. }), .. } => "oom",
            StartError::Ended { status, .. } if status.signal().is_some() => "crash",
            StartError::Ended { .. } => "exit",
            StartError::TimedOut { .. } => "timeout",
            StartError::Channel { .. } => "channel",
            StartError::Violation(_) => "violation",
            _ => "load_error",
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let because =
            |f: &mut fmt::Formatter<'_>, said: &str| if said.is_empty() { Ok(()) } else { write!(f, ": {said}") };
        match self {
            StartError::Library(error) => error.fmt(f),
            StartError::NoRunner(error) => error.fmt(f),
            StartError::Guard(error) => write!(f, "the plugin's guard does not start: {error}"),
            StartError::Spawn(error) => write!(f, "the plugin's process does not start: {error}"),
            StartError::Host(error) => write!(f, "the host cannot start the plugin: {error}"),
            StartError::ParamsTooLong => {
                f.write_str("the parameters have more than 48 KiB; put them into a file, and grant it")
            }
            StartError::Refused { failed, said } => {
                let what = match failed.kind {
                    FailedKind::Setup => "the plugin's process cannot be set up",
                    FailedKind::Sandbox => "the sandbox is not up",
                    FailedKind::Load => "the library does not load",
                    FailedKind::Symbol => "the library is no plugin",
                    FailedKind::Abi => "the plugin is for another host",
                    FailedKind::Info => "the plugin says nonsense of itself",
                    FailedKind::Config => "the plugin refuses its parameters",
                    FailedKind::Init => "init_plugin has failed",
                };
                f.write_str(what)?;
                because(f, &failed.text)?;
                because(f, said)?;
                if failed.code == 0 { Ok(()) } else { write!(f, " (code {})", failed.code) }
            }
            StartError::Ended { status, last_word, memory, said } => {
                write!(f, "the plugin's process has ended before it was ready, with {status}")?;
                if let Some(memory) = memory {
                    write!(f, " ({memory})")?;
                }
                if let Some(word) = last_word {
                    write!(f, " while at {}", word.phase.map_or("?", |phase| phase.name()))?;
                    if !word.symbol.is_empty() {
                        write!(f, " in {}", word.symbol)?;
                    }
                }
                because(f, said)
            }
            StartError::TimedOut { limit, said } => {
                write!(
                    f,
                    "the plugin was not ready within {limit:?} and was killed; look at its init_plugin, or raise start_limit"
                )?;
                because(f, said)
            }
            StartError::Channel { said } => {
                f.write_str(
                    "the plugin has closed its channel to the host before it was ready, and was killed: descriptors \
                     3 to 7 are not its own",
                )?;
                because(f, said)
            }
            StartError::OtherRunner { program } => write!(
                f,
                "{}: this runner and its host are of different builds, and do not speak with each other; build or install it \
                 anew (`cargo build -p proscenium-plugin-runner`, `cargo install`), or remove it if the program is its own \
                 runner",
                program.display()
            ),
            StartError::Violation(why) => {
                write!(f, "the plugin's process speaks no language of ours, and was killed: {why}")
            }
            StartError::NoStatus(error) => write!(f, "the plugin's process has ended before it was ready: {error}"),
            StartError::Interrupted => f.write_str("the runtime is being shut down"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Library(error) => Some(error),
            StartError::NoRunner(error) => Some(error),
            StartError::Guard(error) => Some(error),
            StartError::Spawn(error) => Some(error),
            StartError::Host(error) => Some(error),
            StartError::NoStatus(error) => Some(error),
            _ => None,
        }
    }
}
