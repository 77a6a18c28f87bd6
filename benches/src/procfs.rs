//! What the kernel says about this process. The numbers of a foreign system are errors, not zeros.

use std::fs;

use crate::Failure;

/// A page, on every machine that the bench is run on.
const PAGE_BYTES: u64 = 4096;

/// Bytes of this process that are in memory now.
pub fn resident_bytes() -> Result<u64, Failure> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split_whitespace().nth(1).ok_or("statm has no second field")?.parse()?;
    Ok(pages * PAGE_BYTES)
}

/// What all threads of this process used up so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub cpu_ns: u64,
    /// Times that a thread went to sleep by itself: each one is a wake-up that somebody asked for.
    pub sleeps: u64,
}

/// Sums over the threads that live now; those that ended are not counted, so compare only while none ends.
pub fn used() -> Result<Used, Failure> {
    // A thread's account is brought up to date when it gives way.
    std::thread::yield_now();
    let mut sum = Used::default();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let schedstat = fs::read_to_string(task.join("schedstat"))?;
        sum.cpu_ns += schedstat.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
        let status = fs::read_to_string(task.join("status"))?;
        let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum.sleeps += sleeps.ok_or("status has no voluntary_ctxt_switches")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// CPU of another process, of the threads that it has now.
pub fn cpu_ns_of(process: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += schedstat.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// The most bytes of this process that were ever in memory.
pub fn most_resident_bytes() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("status has no VmHWM")?;
    Ok(most.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
