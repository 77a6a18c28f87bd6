//! The control group around one process of a plugin, from before its first instruction until all that it has started is gone.
//!
//! **Left behind**: nothing when a group is dropped, though it may take a moment, which a thread waits for: processes must
//! have ended before their group can go. When the host is killed, empty groups, which the next host in the same group removes.
//! **Bounds**: groups of [`MOST`] that are waited for at once; [`PATIENCE`] for each before it is told of.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use proscenium_plugin_runner::cgroup::{Cgroup, CgroupError, CgroupLimits, OutOfMemory, Parent, Usage};
use proscenium_plugin_runner::sandbox::Status;

/// Names the group below which those of plugins are made: a folder of version 2, that this host may write to. `none`: no
/// group is made. Without it, it is the host's own group.
pub const CGROUP_VARIABLE: &str = "PROSCENIUM_CGROUP";

/// Behind it come the namespace of the numbers, the host's number, when it was started, and which of its groups it is.
const PREFIX: &str = "proscenium-plugin-";

const MOST: usize = 1_024;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether a group can go.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(250)];

/// The group of one process. Dropped, all in it are ended, and it is removed.
#[derive(Debug)]
pub(crate) struct Group(Option<Cgroup>);

/// What a host makes groups with.
#[derive(Debug)]
struct House {
    parent: Parent,
    owner: String,
    made: AtomicU64,
    left: SyncSender<Cgroup>,
}

/// For all plugins of this host. The reason, if it makes none.
fn house() -> &'static Result<House, String> {
    static HOUSE: OnceLock<Result<House, String>> = OnceLock::new();
    HOUSE.get_or_init(|| House::new().map_err(|error| error.to_string()))
}

impl Group {
    /// A new one, or why there is none; in both cases what is to be said of the layer.
    pub(crate) fn make(limits: CgroupLimits) -> (Option<Group>, Status) {
        match house().as_ref().map_err(Clone::clone).and_then(|house| house.make(limits).map_err(|e| e.to_string())) {
            Ok(group) => {
                let status = group.status();
                (Some(Group(Some(group))), status)
            }
            Err(why) => (None, Status::NotAvailable(why)),
        }
    }

    pub(crate) fn open(&self) -> Option<fs::File> {
        self.0.as_ref()?.open().ok()
    }

    pub(crate) fn add(&self, pid: u32) -> Result<(), CgroupError> {
        self.0.as_ref().map_or(Ok(()), |group| group.add(pid))
    }

    /// Ends all in it and removes it; what takes longer goes on by itself. For an orderly end: the host may be about to exit.
    pub(crate) async fn close(self, limit: Duration) {
        let Some(group) = &self.0 else { return };
        let _ = group.kill(); // As when it is dropped.
        let is_removed = async {
            while matches!(group.try_remove(), Ok(false)) {
                tokio::time::sleep(PAUSES[0]).await;
            }
        };
        let _ = tokio::time::timeout(limit, is_removed).await; // Dropped now, it is waited for by the thread.
    }

    pub(crate) fn usage(&self) -> Usage {
        self.0.as_ref().map(Cgroup::usage).unwrap_or_default()
    }

    pub(crate) fn out_of_memory(&self) -> Result<Option<OutOfMemory>, CgroupError> {
        self.0.as_ref().map_or(Ok(None), Cgroup::out_of_memory)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let (Some(group), Ok(house)) = (self.0.take(), house()) else { return };
        // Mostly its process has ended, and has left nobody.
        if matches!(group.try_remove(), Ok(true)) {
            return;
        }
        let _ = group.kill(); // Where that cannot be, the guard ends what is left.
        if let Err(error) = house.left.try_send(group) {
            tracing::warn!(target: "proscenium::plugin", %error, "a control group is left behind, for the next host to remove");
        }
    }
}

impl House {
    fn new() -> Result<House, CgroupError> {
        let parent = match std::env::var_os(CGROUP_VARIABLE) {
            Some(word) if word == "none" => {
                return Err(CgroupError::NotAvailable(format!("{CGROUP_VARIABLE} is none")));
            }
            Some(folder) => Parent::at(folder)?,
            None => Parent::find()?,
        };
        let (left, leaving) = sync_channel(MOST);
        let folder = parent.folder().to_owned();
        let sweeper = thread::Builder::new().name("proscenium-groups".to_owned()).spawn(move || {
            let abandoned = abandoned(&folder);
            abandoned.iter().for_each(|group| drop(group.kill()));
            sweep(&leaving, abandoned);
        });
        sweeper.map_err(|error| CgroupError::NotAvailable(format!("no thread to remove groups: {error}")))?;
        Ok(House { parent, owner: owner(std::process::id()), made: AtomicU64::new(0), left })
    }

    fn make(&self, limits: CgroupLimits) -> Result<Cgroup, CgroupError> {
        let nth = self.made.fetch_add(1, Ordering::Relaxed);
        self.parent.make(&format!("{PREFIX}{}-{nth}", self.owner), limits)
    }
}

/// A process, told from all others of this machine that live or have lived: by the namespace of its number, the number, and
/// the time when it was started.
fn owner(pid: u32) -> String {
    format!("{}-{pid}-{}", numbers(), started(pid).unwrap_or(0))
}

/// The namespace that process numbers of this host are from.
fn numbers() -> u64 {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// When a process was started, since the machine was.
fn started(pid: u32) -> Option<u64> {
    /// Behind the state, which follows the name.
    const START: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(START)?.parse().ok()
}

/// Groups whose hosts are gone. Of hosts whose numbers are of another namespace nobody knows.
fn abandoned(parent: &Path) -> Vec<Cgroup> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let is_abandoned = |name: &str| {
        let mut words = name.strip_prefix(PREFIX)?.split('-').map(|word| word.parse::<u64>().ok());
        let (space, host, start) = (words.next()??, words.next()??, words.next()??);
        Some(space == numbers() && started(u32::try_from(host).ok()?) != Some(start))
    };
    let entries = entries.flatten().filter(|entry| entry.file_name().to_str().and_then(is_abandoned) == Some(true));
    entries.map(|entry| Cgroup::of(entry.path())).take(MOST).collect()
}

/// Removes groups as soon as all in them have ended.
fn sweep(leaving: &Receiver<Cgroup>, first: Vec<Cgroup>) {
    let begun = |group| (group, Some(Instant::now() + PATIENCE));
    let mut waiting: Vec<(Cgroup, Option<Instant>)> = first.into_iter().map(begun).collect();
    let [shortest, longest] = PAUSES;
    let mut pause = shortest;
    loop {
        let next = match waiting.len() {
            0 => leaving.recv().map_err(|_| RecvTimeoutError::Disconnected),
            MOST.. => {
                thread::park_timeout(pause);
                Err(RecvTimeoutError::Timeout)
            }
            _ => leaving.recv_timeout(pause),
        };
        match next {
            Ok(group) => {
                waiting.push(begun(group));
                pause = shortest;
            }
            Err(RecvTimeoutError::Timeout) => pause = (2 * pause).min(longest),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        waiting.retain_mut(|(group, told_at)| match group.try_remove() {
            Ok(true) => false,
            Ok(false) => {
                if told_at.take_if(|at| *at < Instant::now()).is_some() {
                    let folder = group.folder().display();
                    tracing::warn!(target: "proscenium::plugin", %folder, "processes of a plugin have not ended within {PATIENCE:?}; look with `ps` for those in state D");
                }
                true
            }
            Err(error) => {
                tracing::warn!(target: "proscenium::plugin", %error, "a control group is left behind");
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_hosts_that_are_gone_are_found_and_no_others() {
        let all = std::env::temp_dir().join(format!("proscenium-groups-{}", std::process::id()));
        let own = owner(std::process::id());
        let (space, start) = (numbers(), started(std::process::id()).unwrap());
        let names = [
            format!("{PREFIX}{own}-7"),
            // The number of a host that is gone, which has passed on.
            format!("{PREFIX}{space}-{}-{}-0", std::process::id(), start + 1),
            // No process has this number: it is above the highest that there can be.
            format!("{PREFIX}{space}-{}-5-1", u32::MAX),
            format!("{PREFIX}{}-{}-5-1", space + 1, u32::MAX),
            format!("{PREFIX}odd"),
            "proscenium-host".to_owned(),
        ];
        names.iter().for_each(|name| fs::create_dir_all(all.join(name)).unwrap());
        let mut found: Vec<_> = abandoned(&all).iter().map(|group| group.folder().to_owned()).collect();
        fs::remove_dir_all(&all).unwrap();
        found.sort();
        let mut want = vec![all.join(&names[1]), all.join(&names[2])];
        want.sort();
        assert_eq!(found, want);
    }
}
