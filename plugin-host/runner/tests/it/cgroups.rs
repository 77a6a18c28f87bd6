//! Control groups: for real where the kernel lets us, and else the reason why not.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proscenium_plugin_runner::cgroup::{Cgroup, CgroupError, CgroupLimits};

use crate::child::Folder;

const LIMIT: Duration = Duration::from_secs(20);

fn name() -> String {
    format!("proscenium-test-{}", std::process::id())
}

/// Where version 2 is mounted here, with a folder that we may make groups in.
fn writable_mount() -> Option<PathBuf> {
    let all = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    all.into_iter().find(|mount| {
        let probe = mount.join(format!("{}-probe", name()));
        mount.join("cgroup.controllers").exists()
            && fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
    })
}

#[test]
fn a_group_is_killed_whole_and_then_taken_away() {
    let Some(mount) = writable_mount() else {
        let error = Cgroup::create(&name(), CgroupLimits::default()).unwrap_err();
        assert!(matches!(error, CgroupError::NotAvailable(_)), "{error}");
        return println!("{error}");
    };
    let group = Cgroup::create_below(&mount, &name(), CgroupLimits::default()).unwrap();
    // It waits to be put there, then has a child of its own.
    let mut child = Command::new("sh")
        .args(["-c", "read go; cat /dev/zero > /dev/null & wait"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    group.add(child.id()).unwrap();
    assert!(group.is_populated().unwrap());
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
    let procs = || fs::read_to_string(group.folder().join("cgroup.procs")).unwrap().lines().count();
    wait_until(|| procs() == 2);
    let (group, error) = group.remove().unwrap_err();
    assert!(matches!(error, CgroupError::Failed { .. }), "{error}");
    group.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until(|| !group.is_populated().unwrap());
    let folder = group.folder().to_owned();
    group.remove().unwrap();
    assert!(!folder.exists());
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "it took too long");
        std::thread::yield_now();
    }
}

#[test]
fn limits_need_their_controllers_and_the_error_names_those() {
    let folder = Folder::new();
    let parent = folder.0.join("lib");
    fs::write(parent.join("cgroup.controllers"), "cpuset memory io\n").unwrap();
    let limits = CgroupLimits { memory_bytes: Some(1 << 30), cpu_thousandths: Some(500), tasks: Some(64) };
    let error = Cgroup::create_below(&parent, "plugin", limits).unwrap_err();
    let expected = format!("no control group: {} has no controller for cpu, pids", parent.display());
    assert_eq!(error.to_string(), expected);
    assert!(!parent.join("plugin").exists());
}

#[test]
fn a_folder_that_is_no_group_is_not_available() {
    let error = Cgroup::create_below(Path::new("/nowhere"), "plugin", CgroupLimits::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/cgroup.controllers"), "{error}");
}

#[test]
fn a_group_that_has_no_limits_after_all_is_taken_away_again() {
    // A tree as the kernel has it, but whose new groups stay empty: the first limit finds no file.
    let folder = Folder::new();
    let parent = folder.0.join("lib");
    fs::write(parent.join("cgroup.controllers"), "memory\n").unwrap();
    fs::write(parent.join("cgroup.subtree_control"), "memory\n").unwrap();
    let limits = CgroupLimits { memory_bytes: Some(1 << 30), ..CgroupLimits::default() };
    let error = Cgroup::create_below(&parent, "plugin", limits).unwrap_err();
    assert!(error.to_string().contains("plugin/memory.max"), "{error}");
    assert!(!parent.join("plugin").exists());
}

#[test]
fn events_of_a_group_are_read_by_name() {
    let folder = Folder::new();
    fs::write(folder.0.join("lib/cgroup.controllers"), "\n").unwrap();
    fs::write(folder.0.join("lib/cgroup.subtree_control"), "\n").unwrap();
    let group = Cgroup::create_below(&folder.0.join("lib"), "plugin", CgroupLimits::default()).unwrap();
    let error = group.oom_kills().unwrap_err();
    assert!(matches!(error, CgroupError::NotAvailable(_)), "{error}");
    fs::write(group.folder().join("memory.events"), "low 0\noom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
    fs::write(group.folder().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
    assert_eq!(group.oom_kills().unwrap(), 2);
    assert!(group.is_populated().unwrap());
    fs::write(group.folder().join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
    assert!(!group.is_populated().unwrap());
}
