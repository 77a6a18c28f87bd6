//! The group below which a host makes those of its plugins.
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::getxattr;
use rustix::process::geteuid;

use super::{Cgroup, CgroupError, CgroupLimits, not_writable, read, write};

/// Where the host's own mounts are listed.
const MOUNTS: &str = "/proc/self/mounts";
/// Which groups the host is in.
const OWN: &str = "/proc/self/cgroup";
/// What the processes of the host itself are moved to, since a group with processes has no limits to give away.
const HOST: &str = "proscenium-host";
/// There while systemd is the machine's manager.
const SYSTEMD: &str = "/run/systemd/system";

/// A group that the host may divide.
#[derive(Debug)]
pub struct Parent {
    folder: PathBuf,
    /// Which limits it could give.
    controllers: String,
}

impl Parent {
    /// The group that this process is in, or was in before it was moved one down.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] where there is no version 2, where this process may not write to its group, or where
    /// the group is systemd's, and not given away.
    pub fn find() -> Result<Self, CgroupError> {
        let (mounts, own) = (read(Path::new(MOUNTS))?, read(Path::new(OWN))?);
        let mount = mount_point(&mounts)
            .ok_or_else(|| CgroupError::NotAvailable("version 2 is not mounted (it is in cgroup2)".into()))?;
        let group =
            own_group(&own).ok_or_else(|| CgroupError::NotAvailable(format!("{OWN} names no group of version 2")))?;
        let is_root = group.as_os_str().is_empty();
        let parent = Self::at(if is_root { mount } else { mount.join(group) })?;
        parent.is_given(is_root)?;
        Ok(parent)
    }

    /// A group that somebody has made for it.
    ///
    /// # Errors
    /// [`CgroupError::NotAvailable`] if it is no group of version 2.
    pub fn at(folder: impl Into<PathBuf>) -> Result<Self, CgroupError> {
        let folder = folder.into();
        let controllers = read(&folder.join("cgroup.controllers"))?;
        Ok(Self { folder, controllers })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a group called `name` in it, with those of the limits for which there are controllers. What of them is not in
    /// force, its [`Cgroup::status`] says; it is still one kill for all.
    ///
    /// # Errors
    /// Nothing is made: it may not be written, or there is one of that name.
    pub fn make(&self, name: &str, limits: CgroupLimits) -> Result<Cgroup, CgroupError> {
        let has = |wanted: &&str| self.controllers.split_whitespace().any(|has| has == *wanted);
        let (there, missing): (Vec<_>, Vec<_>) = limits.controllers().into_iter().partition(has);
        let (held, lacking) = match self.enable(&there) {
            Ok(()) if missing.is_empty() => (there, None),
            Ok(()) => {
                let at = self.folder.display();
                let missing = missing.join(", ");
                (there, Some(format!("{at} has no controller for {missing}: version 1 or a group above keeps it")))
            }
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Cgroup::make(self.folder.join(name), limits.held_by(&held), lacking)
    }

    /// What systemd has not given away it changes as it likes, limits included.
    fn is_given(&self, is_root: bool) -> Result<(), CgroupError> {
        if is_root || !Path::new(SYSTEMD).exists() {
            return Ok(());
        }
        let is_marked = ["trusted.delegate", "user.delegate"].iter().any(|name| {
            let mut value = [0; 1];
            getxattr(&self.folder, *name, &mut value).is_ok_and(|len| value[..len] == *b"1")
        });
        // Before version 251 a user cannot see the mark, but owns what is given, and not what is above it.
        let owner = |path: &Path| fs::metadata(path).map(|metadata| metadata.uid()).ok();
        let user = geteuid().as_raw();
        let above = self.folder.parent().and_then(owner);
        let is_handed_over = user != 0 && owner(&self.folder) == Some(user) && above.is_some_and(|above| above != user);
        if is_marked || is_handed_over {
            return Ok(());
        }
        let at = self.folder.display();
        Err(CgroupError::NotAvailable(format!("{at} is systemd's; start the host as a unit with Delegate=yes")))
    }

    /// Has the children of the group get these controllers. A group that has processes of its own cannot; then they are
    /// moved to a group below it, if all of them are the host's.
    fn enable(&self, controllers: &[&str]) -> Result<(), CgroupError> {
        if controllers.is_empty() {
            return Ok(());
        }
        let file = self.folder.join("cgroup.subtree_control");
        let on = read(&file)?;
        let is_off = |wanted: &&&str| !on.split_whitespace().any(|on| on == **wanted);
        let wanted: Vec<String> = controllers.iter().filter(is_off).map(|name| format!("+{name}")).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted = wanted.join(" ");
        match write(&file, &wanted) {
            Err(CgroupError::Failed { error, .. }) if error.kind() == io::ErrorKind::ResourceBusy => (),
            Err(CgroupError::Failed { error, .. }) => return Err(not_writable(&file, error)),
            done => return done,
        }
        self.move_host()?;
        write(&file, &wanted)
    }

    /// Moves the host and what it has started one group down. Others in the group are not the host's to move.
    fn move_host(&self) -> Result<(), CgroupError> {
        let processes = read(&self.folder.join("cgroup.procs"))?;
        let processes: Vec<u32> = processes.lines().filter_map(|pid| pid.parse().ok()).collect();
        if let Some(stranger) = processes.iter().find(|pid| !is_of_this_process(**pid)) {
            return Err(CgroupError::NotAvailable(format!(
                "{} has process {stranger}, which is not the host's; start the host in a group of its own (systemd: \
                 Delegate=yes)",
                self.folder.display()
            )));
        }
        let host = self.folder.join(HOST);
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

/// Where version 2 is mounted: `device point type options ..`, with blanks in the point as `\040`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next()?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

/// The line of version 2 is `0::/path`, below the mount. A host that was moved one down, or that such a one has started,
/// belongs to the group above. What leads out of the mount (`/..`) is in another namespace.
fn own_group(groups: &str) -> Option<&Path> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(path);
    let is_moved = path.file_name().is_some_and(|name| name == HOST);
    let path = if is_moved { path.parent().unwrap_or(path) } else { path };
    (!path.components().any(|part| part.as_os_str() == "..")).then_some(path)
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
    fn the_own_group_is_that_of_version_2_from_before_the_move() {
        let rows = [
            ("4:memory:/a\n0::/user.slice/b c\n", Some("user.slice/b c")),
            ("0::/\n", Some("")),
            ("0::/shop.service/proscenium-host\n", Some("shop.service")),
            ("0::/proscenium-host\n", Some("")),
            ("0::/not-proscenium-host\n", Some("not-proscenium-host")),
            ("0::/../../other\n", None),
            ("4:memory:/a\n", None),
        ];
        for (groups, want) in rows {
            assert_eq!(own_group(groups), want.map(Path::new), "{groups}");
        }
    }
}
