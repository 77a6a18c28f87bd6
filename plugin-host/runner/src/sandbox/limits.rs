//! Limits of the process itself.
//!
//! Not among them is `RLIMIT_NPROC`: it counts every process of the user, so that one plugin would starve its host.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::report::NotInForce;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// Limits of one plugin process. `None` leaves a limit as the host has it; none is ever raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Private memory that is written to: heap and stacks of threads. 1 GiB. At the limit `malloc` returns `NULL`.
    pub data_bytes: Option<u64>,
    /// All that is mapped, reservations and shared memory included. 8 GiB: glibc reserves 64 MiB for each thread.
    pub address_space_bytes: Option<u64>,
    /// The stack of the first thread. 8 MiB.
    pub stack_bytes: Option<u64>,
    /// The size of a file that is written. 64 MiB; at the limit SIGXFSZ.
    pub file_bytes: Option<u64>,
    /// Open descriptors. 256; at the limit EMFILE.
    pub open_files: Option<u64>,
    /// CPU time over the whole life, after which SIGXCPU comes. No limit: a plugin serves for months, and batches have
    /// their own.
    pub cpu_seconds: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            data_bytes: Some(1024 * MIB),
            address_space_bytes: Some(8 * 1024 * MIB),
            stack_bytes: Some(8 * MIB),
            file_bytes: Some(64 * MIB),
            open_files: Some(256),
            cpu_seconds: None,
        }
    }
}

impl Limits {
    pub(super) fn apply(&self) -> Result<String, NotInForce> {
        // No dump of a plugin's memory on disk, no locked memory, no message queues, no priority over others.
        let always = [Resource::Core, Resource::Memlock, Resource::Msgqueue, Resource::Nice, Resource::Rtprio];
        for resource in always {
            lower(resource, 0)?;
        }
        let chosen = [
            (Resource::Data, "data", self.data_bytes, MIB, " MiB"),
            (Resource::As, "address space", self.address_space_bytes, MIB, " MiB"),
            (Resource::Stack, "stack", self.stack_bytes, MIB, " MiB"),
            (Resource::Fsize, "file", self.file_bytes, MIB, " MiB"),
            (Resource::Nofile, "descriptors", self.open_files, 1, ""),
            (Resource::Cpu, "CPU", self.cpu_seconds, 1, " s"),
        ];
        let mut extent = Vec::new();
        for (resource, name, limit, unit, suffix) in chosen {
            if let Some(limit) = limit {
                let limit = lower(resource, limit)?;
                extent.push(format!("{name} {}{suffix}", limit / unit));
            }
        }
        extent.push("no core, no locked memory".to_owned());
        Ok(extent.join(", "))
    }
}

/// Sets both limits, the hard one too, and tells what holds: a lower hard limit stays.
fn lower(resource: Resource, limit: u64) -> Result<u64, NotInForce> {
    let highest = getrlimit(resource).maximum;
    let limit = highest.map_or(limit, |highest| highest.min(limit));
    // At the hard limit on CPU time comes SIGKILL: a second earlier SIGXCPU says what it is.
    let hard = if resource == Resource::Cpu { limit.saturating_add(1) } else { limit };
    let both = Rlimit { current: Some(limit), maximum: Some(highest.map_or(hard, |highest| highest.min(hard))) };
    setrlimit(resource, both).map_err(|error| NotInForce::broken(format!("limit on {resource:?}"), error))?;
    Ok(limit)
}
