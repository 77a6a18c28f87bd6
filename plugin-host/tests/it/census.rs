//! What a host has: processes, descriptors, memory, folders, control groups. Counted before and after, it says what was left behind.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proscenium_plugin_runner::cgroup::Parent;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(20);

const ALONE: &str = "PROSCENIUM_TEST_ALONE";

/// Runs this test in a process of its own, unless this is it: only then what is counted is the test's. True: go on.
pub fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    println!("{out}{err}");
    assert!(run.status.success() && out.contains("1 passed"), "{test}, alone: {}", run.status);
    false
}

/// What there is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Census {
    pub descriptors: usize,
    /// Open or mapped.
    pub memfds: usize,
    /// Of this process's own, with what is in them.
    pub folders: BTreeSet<String>,
    /// Those of the node with this name, whoever their parent is, and this process's children.
    pub processes: BTreeSet<String>,
    /// Control groups of this process's own.
    pub groups: BTreeSet<String>,
}

impl Census {
    pub fn of(node: &str) -> Census {
        let links: Vec<_> = fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter(|link| !link.ends_with("fd")) // The folder that is being read.
            .collect();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let is_memfd = |link: &&Path| link.to_string_lossy().starts_with("/memfd:");
        let memfds = links.iter().map(AsRef::as_ref).filter(is_memfd).count();
        let own = format!("proscenium-plugin-{}-", std::process::id());
        let folders = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        let folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(&own));
        let with_those_below = |folder: fs::DirEntry| {
            let inner = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            let all: Vec<_> = std::iter::once(folder).chain(inner).map(|entry| entry.path()).collect();
            all.into_iter().map(|path| path.to_string_lossy().into_owned())
        };
        Census {
            descriptors: links.len(),
            memfds: memfds + maps.matches("/memfd:").count(),
            folders: folders.flat_map(with_those_below).collect(),
            processes: processes(node),
            groups: groups(std::process::id()),
        }
    }
}

/// Control groups of plugins of this host, where hosts make them.
pub fn groups(host: u32) -> BTreeSet<String> {
    let Ok(parent) = Parent::find() else { return BTreeSet::new() };
    let names = fs::read_dir(parent.folder()).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("proscenium-plugin-") && name.contains(&format!("-{host}-"))).collect()
}

/// Plugins of a node, and children of this process: number, parent, state, command.
pub fn processes(node: &str) -> BTreeSet<String> {
    let stage = format!("--proscenium-plugin-child\0{node}/");
    let own = std::process::id().to_string();
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|pid| {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut words = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, parent) = (words.next()?, words.next()?);
            let is_ours = command.contains(&stage) || parent == own;
            is_ours.then(|| format!("{pid} of {parent}, {state}: {}", command.replace('\0', " ")))
        })
        .collect()
}

/// Looks until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {LIMIT:?}");
        tokio::task::yield_now().await;
    }
}

/// Nothing but what there was is there, or will be in a moment.
pub async fn nothing_is_left(node: &str, before: &Census) {
    let end = Instant::now() + LIMIT;
    loop {
        let now = Census::of(node);
        if now == *before {
            return;
        }
        if Instant::now() > end {
            let mut links = String::new();
            for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
                let _ = writeln!(links, "{:?} {:?}", entry.file_name(), fs::read_link(entry.path()));
            }
            panic!("left behind: {now:?}, of {before:?}\n{links}");
        }
        tokio::task::yield_now().await;
    }
}
