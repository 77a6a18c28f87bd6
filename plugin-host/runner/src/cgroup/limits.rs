//! What all processes of a group may take together.
use std::time::Duration;

use crate::sandbox::Limits;

/// `cpu.max` counts in these.
const PERIOD: Duration = Duration::from_millis(100);

/// Limits on all processes of a group together. `None` leaves one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupLimits {
    /// Memory: heap and stacks, shared memory and page cache that they were the first to touch. No swap. 2 GiB, more than
    /// one process may have as its own, so that `malloc` gives `NULL` first. At the limit the kernel ends the whole group.
    pub memory_bytes: Option<u64>,
    /// CPU time in thousandths of one CPU: 1,500 is one and a half. No limit. At the limit the group waits for up to 100 ms.
    pub cpu_thousandths: Option<u32>,
    /// Processes and threads. 1,024. At the limit EAGAIN.
    pub tasks: Option<u32>,
}

impl Default for CgroupLimits {
    fn default() -> Self {
        Self::beside(&Limits::default())
    }
}

impl CgroupLimits {
    /// The usual ones for a process with these limits: twice the memory that it may have as its own.
    #[must_use]
    pub fn beside(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.data_bytes.map(|bytes| bytes.saturating_mul(2)),
            cpu_thousandths: None,
            tasks: Some(1024),
        }
    }

    /// None at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { memory_bytes: None, cpu_thousandths: None, tasks: None }
    }

    /// Those for which the group has a controller.
    pub(super) fn held_by(self, controllers: &[&str]) -> Self {
        let has = |name| controllers.contains(&name);
        Self {
            memory_bytes: self.memory_bytes.filter(|_| has("memory")),
            cpu_thousandths: self.cpu_thousandths.filter(|_| has("cpu")),
            tasks: self.tasks.filter(|_| has("pids")),
        }
    }

    pub(super) fn controllers(self) -> Vec<&'static str> {
        let named = [
            ("memory", self.memory_bytes.is_some()),
            ("cpu", self.cpu_thousandths.is_some()),
            ("pids", self.tasks.is_some()),
        ];
        named.into_iter().filter_map(|(name, is_needed)| is_needed.then_some(name)).collect()
    }

    /// What is written to which file, and whether it matters that the file is there.
    pub(super) fn files(self) -> Vec<(&'static str, String, bool)> {
        let mut files = Vec::new();
        if let Some(bytes) = self.memory_bytes {
            files.push(("memory.max", bytes.to_string(), true));
            // Without swap there is no such file, and then nothing goes there.
            files.push(("memory.swap.max", "0".to_owned(), false));
            // A plugin that has lost one of its processes is not worth keeping. Since Linux 4.19.
            files.push(("memory.oom.group", "1".to_owned(), false));
        }
        if let Some(thousandths) = self.cpu_thousandths {
            files.push(("cpu.max", cpu_max(thousandths), true));
        }
        if let Some(tasks) = self.tasks {
            files.push(("pids.max", tasks.to_string(), true));
        }
        files
    }

    /// In words.
    pub(super) fn extent(self) -> String {
        let memory = self.memory_bytes.map(|bytes| format!("memory {} MiB", bytes >> 20));
        let tasks = self.tasks.map(|tasks| format!("{tasks} tasks"));
        let cpu = self.cpu_thousandths.map(|cpu| format!("{}.{:03} CPUs", cpu / 1000, cpu % 1000));
        let mut words: Vec<String> = [memory, tasks, cpu].into_iter().flatten().collect();
        words.push("one kill for all".to_owned());
        words.join(", ")
    }
}

fn cpu_max(thousandths: u32) -> String {
    let period = PERIOD.as_micros();
    // Below a millisecond of every period the kernel refuses.
    let quota = (u128::from(thousandths) * period / 1000).max(1000);
    format!("{quota} {period}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_a_quota_of_each_period() {
        assert_eq!(cpu_max(1500), "150000 100000");
        assert_eq!(cpu_max(1), "1000 100000");
    }

    #[test]
    fn the_memory_of_all_is_more_than_that_of_one() {
        let limits = Limits::default();
        assert!(CgroupLimits::default().memory_bytes > limits.data_bytes);
        let unlimited = Limits { data_bytes: None, ..limits };
        assert_eq!(CgroupLimits::beside(&unlimited).memory_bytes, None);
    }

    #[test]
    fn a_limit_without_its_controller_is_not_said_to_hold() {
        let limits = CgroupLimits { memory_bytes: Some(64 << 20), cpu_thousandths: Some(1500), tasks: Some(8) };
        assert_eq!(limits.extent(), "memory 64 MiB, 8 tasks, 1.500 CPUs, one kill for all");
        assert_eq!(limits.held_by(&["pids"]).extent(), "8 tasks, one kill for all");
        assert_eq!(limits.held_by(&[]), CgroupLimits::none());
    }
}
