//! A control group around one plugin process and all that it starts: memory, CPU, processes, and one kill for all.
//!
//! The host's layer: it makes the group under its own, puts the child there before the plugin is loaded, and takes the
//! group away when the child is gone. Only version 2 is used, and only where the host may write: under systemd that is
//! a unit with `Delegate=yes`. Where that is not so, [`Cgroup::create`] says what is missing, and nothing else changes.
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the host's own mounts are listed.
const MOUNTS: &str = "/proc/self/mounts";
/// Which groups the host is in.
const OWN: &str = "/proc/self/cgroup";
/// What the processes of the host itself are moved to, since a group with processes has no limits to give away.
const HOST: &str = "proscenium-host";
/// `cpu.max` counts in these.
const PERIOD: Duration = Duration::from_millis(100);

/// Limits on all processes of a group together. `None` leaves one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CgroupLimits {
    /// Memory, page cache and swap included; at the limit the kernel ends the whole group, which
    /// [`Cgroup::oom_kills`] tells.
    pub memory_bytes: Option<u64>,
    /// CPU time in thousandths of one CPU: 1,500 is one and a half. At the limit the group waits.
    pub cpu_thousandths: Option<u32>,
    /// Processes and threads; at the limit EAGAIN.
    pub tasks: Option<u32>,
}

/// Why there is no group.
#[derive(Debug)]
#[non_exhaustive]
pub enum CgroupError {
    /// The system has none that the host could use; the text says what is missing. Nothing was changed.
    NotAvailable(String),
    /// A step failed on a group that should have worked. A group that was begun is taken away again.
    Failed {
        /// The file or folder.
        at: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for CgroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAvailable(what) => write!(f, "no control group: {what}"),
            Self::Failed { at, error } => write!(f, "control group: {}: {error}", at.display()),
        }
    }
}

impl std::error::Error for CgroupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotAvailable(_) => None,
            Self::Failed { error, .. } => Some(error),
        }
    }
}

/// A group of its own for one plugin process. Dropping it leaves the folder; [`Cgroup::remove`] takes it away.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Makes a group called `name` under the one that this process is in, with these limits.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] where there is no version 2, where it has not the controllers for the limits, or
    /// where this process may not write to it or shares its group with others.
    pub fn create(name: &str, limits: CgroupLimits) -> Result<Self, CgroupError> {
        let mounts = read(Path::new(MOUNTS))?;
        let own = read(Path::new(OWN))?;
        let mount = mount_point(&mounts)
            .ok_or_else(|| CgroupError::NotAvailable("version 2 is not mounted (it is in cgroup2)".into()))?;
        let group =
            own_group(&own).ok_or_else(|| CgroupError::NotAvailable(format!("{OWN} names no group of version 2")))?;
        Self::create_below(&mount.join(group.trim_start_matches('/')), name, limits)
    }

    /// As [`Cgroup::create`], below a group that the caller knows.
    ///
    /// # Errors
    /// As there.
    pub fn create_below(parent: &Path, name: &str, limits: CgroupLimits) -> Result<Self, CgroupError> {
        let has = read(&parent.join("cgroup.controllers"))?;
        let needed = limits.controllers();
        let missing: Vec<&str> = needed.iter().copied().filter(|c| !has.split_whitespace().any(|h| h == *c)).collect();
        if !missing.is_empty() {
            let what = format!("{} has no controller for {}", parent.display(), missing.join(", "));
            return Err(CgroupError::NotAvailable(what));
        }
        enable(parent, &needed)?;
        let group = Self { folder: parent.join(name) };
        fs::create_dir(&group.folder).map_err(|error| not_writable(&group.folder, error))?;
        if let Err(error) = group.limit(limits) {
            // The first error is the one to tell.
            let _ = fs::remove_dir(&group.folder);
            return Err(error);
        }
        Ok(group)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a process there; what it starts later is there too.
    ///
    /// # Errors
    /// [`CgroupError::Failed`], for one if the process is gone.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Ends all processes of the group, forks under way included.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] before Linux 5.14: then the guard's own means are what is left.
    pub fn kill(&self) -> Result<(), CgroupError> {
        match self.write("cgroup.kill", "1") {
            Err(CgroupError::Failed { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Err(CgroupError::NotAvailable("cgroup.kill is not there (Linux 5.14 or later)".into()))
            }
            done => done,
        }
    }

    /// How many of its processes the kernel has ended for want of memory: what tells this from another SIGKILL.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] if the group has no memory controller.
    pub fn oom_kills(&self) -> Result<u64, CgroupError> {
        let events = read(&self.folder.join("memory.events"))?;
        value_of(&events, "oom_kill")
            .ok_or_else(|| CgroupError::NotAvailable("memory.events has no line for oom_kill".into()))
    }

    /// Whether a process is left in it.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] if the folder is gone.
    pub fn is_populated(&self) -> Result<bool, CgroupError> {
        Ok(value_of(&read(&self.folder.join("cgroup.events"))?, "populated") == Some(1))
    }

    /// Takes the group away.
    ///
    /// # Errors
    /// [`CgroupError::Failed`] with EBUSY while a process is left in it; the group is given back to be tried again.
    pub fn remove(self) -> Result<(), (Self, CgroupError)> {
        match fs::remove_dir(&self.folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let error = CgroupError::Failed { at: self.folder.clone(), error };
                Err((self, error))
            }
        }
    }

    fn limit(&self, limits: CgroupLimits) -> Result<(), CgroupError> {
        if let Some(bytes) = limits.memory_bytes {
            self.write("memory.max", &bytes.to_string())?;
            // Without swap there is no such file, and then nothing goes there.
            let _ = self.write("memory.swap.max", "0");
            // A plugin that has lost one of its processes is not worth keeping.
            let _ = self.write("memory.oom.group", "1");
        }
        if let Some(thousandths) = limits.cpu_thousandths {
            self.write("cpu.max", &cpu_max(thousandths))?;
        }
        if let Some(tasks) = limits.tasks {
            self.write("pids.max", &tasks.to_string())?;
        }
        Ok(())
    }

    /// The kernel's files are there already: one that is not must not be made.
    fn write(&self, file: &str, text: &str) -> Result<(), CgroupError> {
        write(&self.folder.join(file), text)
    }
}

impl CgroupLimits {
    fn controllers(self) -> Vec<&'static str> {
        let named = [
            ("memory", self.memory_bytes.is_some()),
            ("cpu", self.cpu_thousandths.is_some()),
            ("pids", self.tasks.is_some()),
        ];
        named.into_iter().filter_map(|(name, is_needed)| is_needed.then_some(name)).collect()
    }
}

/// Has the children of a group get these controllers. A group that has processes of its own cannot; then they are moved
/// to a group below it, if all of them are the host's.
fn enable(parent: &Path, controllers: &[&str]) -> Result<(), CgroupError> {
    let file = parent.join("cgroup.subtree_control");
    let on = read(&file)?;
    let wanted: Vec<String> = controllers
        .iter()
        .filter(|controller| !on.split_whitespace().any(|on| on == **controller))
        .map(|controller| format!("+{controller}"))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let wanted = wanted.join(" ");
    match write(&file, &wanted) {
        Err(CgroupError::Failed { error, .. }) if error.kind() == io::ErrorKind::ResourceBusy => (),
        Err(CgroupError::Failed { error, .. }) => return Err(not_writable(&file, error)),
        done => return done,
    }
    move_host(parent)?;
    write(&file, &wanted)
}

/// Moves the host and what it has started one group down. Others in the group are not the host's to move.
fn move_host(parent: &Path) -> Result<(), CgroupError> {
    let processes = read(&parent.join("cgroup.procs"))?;
    let processes: Vec<u32> = processes.lines().filter_map(|pid| pid.parse().ok()).collect();
    if let Some(stranger) = processes.iter().find(|pid| !is_of_this_process(**pid)) {
        return Err(CgroupError::NotAvailable(format!(
            "{} has process {stranger}, which is not the host's; start the host in a group of its own (systemd: \
             Delegate=yes)",
            parent.display()
        )));
    }
    let host = parent.join(HOST);
    match fs::create_dir(&host) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(not_writable(&host, error)),
        _ => (),
    }
    for pid in processes {
        match write(&host.join("cgroup.procs"), &pid.to_string()) {
            // It has ended meanwhile.
            Err(CgroupError::Failed { error, .. }) if error.raw_os_error() == Some(libc::ESRCH) => (),
            moved => moved?,
        }
    }
    Ok(())
}

/// Whether it is this process or descends from it.
fn is_of_this_process(mut pid: u32) -> bool {
    let own = std::process::id();
    // No tree of processes is that deep, and one that changes meanwhile must not make this endless.
    for _ in 0..64 {
        if pid == own {
            return true;
        }
        // The name, in parentheses, may hold anything; behind it come the state and the parent.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        let Some(parent) = parent else { return false };
        pid = parent;
    }
    false
}

fn read(path: &Path) -> Result<String, CgroupError> {
    let missing = |error| CgroupError::NotAvailable(format!("{}: {error}", path.display()));
    fs::read_to_string(path).map_err(missing)
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    let failed = |error| CgroupError::Failed { at: path.to_owned(), error };
    let mut file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}

/// A group that one may not write to is as good as none.
fn not_writable(at: &Path, error: io::Error) -> CgroupError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            CgroupError::NotAvailable(format!("{} may not be written: {error}", at.display()))
        }
        _ => CgroupError::Failed { at: at.to_owned(), error },
    }
}

/// Where version 2 is mounted: `device point type options ..`, with blanks in the point as `\040`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next()?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

/// The line of version 2 is `0::/path`.
fn own_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// The number behind a name in a file of the form `name number`, a pair a line.
fn value_of(events: &str, name: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
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
    fn the_mount_of_version_2_is_found_among_others() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/my\\040cgroup cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts), Some(PathBuf::from("/sys/fs/my cgroup")));
        assert_eq!(mount_point("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"), None);
    }

    #[test]
    fn the_own_group_is_that_of_version_2() {
        assert_eq!(own_group("4:memory:/a\n0::/user.slice/b c\n"), Some("/user.slice/b c"));
        assert_eq!(own_group("4:memory:/a\n"), None);
    }

    #[test]
    fn an_event_is_not_mistaken_for_one_whose_name_it_begins() {
        let events = "oom_group_kill 1\noom_kill 2\noom 7\n";
        assert_eq!(
            (value_of(events, "oom"), value_of(events, "oom_kill"), value_of(events, "x")),
            (Some(7), Some(2), None)
        );
    }

    #[test]
    fn cpu_is_a_quota_of_each_period() {
        assert_eq!(cpu_max(1500), "150000 100000");
        assert_eq!(cpu_max(1), "1000 100000");
    }
}
