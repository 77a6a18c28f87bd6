//! Control groups: for real where the kernel lets us, and else the reason why not.
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proscenium_plugin_runner::cgroup::{Cgroup, CgroupError, CgroupLimits, OutOfMemory, Parent};
use proscenium_plugin_runner::sandbox::Status;

use crate::child::Folder;

const LIMIT: Duration = Duration::from_secs(20);

fn name(test: &str) -> String {
    format!("proscenium-test-{test}-{}", std::process::id())
}

/// A group in force, with these limits, where this machine has it. It is not a failure that it has not, but it is said.
fn real_group(test: &str, limits: CgroupLimits) -> Option<Cgroup> {
    let made = Parent::find().and_then(|parent| parent.make(&name(test), limits));
    let why = match made.map(|group| (group.status(), group)) {
        Ok((Status::Active(extent), group)) if !extent.contains("no controller") => return Some(group),
        Ok((status, group)) => {
            assert!(group.try_remove().unwrap());
            format!("{status:?}")
        }
        Err(error) => error.to_string(),
    };
    println!("NOT TESTED ON THIS MACHINE: {test}: {why}");
    None
}

/// A shell that does what follows once it is let go.
fn shell(group: &Cgroup, script: &str) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    group.add(child.id()).unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
    child
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "it took too long");
        std::thread::yield_now();
    }
}

fn removed(group: &Cgroup) {
    wait_until(|| group.try_remove().unwrap());
    assert!(!group.folder().exists());
}

#[test]
fn a_group_is_killed_whole_and_then_taken_away() {
    let Some(group) = real_group("kill", CgroupLimits::none()) else { return };
    let mut child = shell(&group, "cat /dev/zero > /dev/null & wait");
    let procs = || fs::read_to_string(group.folder().join("cgroup.procs")).unwrap().lines().count();
    wait_until(|| procs() == 2);
    assert!(group.is_populated().unwrap());
    assert!(!group.try_remove().unwrap(), "not while there are processes in it");
    group.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until(|| !group.is_populated().unwrap());
    removed(&group);
    assert!(group.try_remove().unwrap(), "one that is gone need not be removed");
}

#[test]
fn who_takes_too_much_memory_is_ended_and_the_group_says_so() {
    let limits = CgroupLimits { memory_bytes: Some(16 << 20), ..CgroupLimits::none() };
    let Some(group) = real_group("memory", limits) else { return };
    assert_eq!(group.out_of_memory().unwrap(), None);
    let mut child = shell(&group, "tail /dev/zero"); // Which keeps a line without an end.
    assert!(!child.wait().unwrap().success());
    assert_eq!(group.out_of_memory().unwrap(), Some(OutOfMemory::Own));
    let usage = group.usage();
    assert_eq!(usage.memory_limit_bytes, Some(16 << 20));
    assert!(usage.memory_peak_bytes.is_none_or(|peak| peak > 12 << 20 && peak <= 16 << 20), "{usage:?}");
    removed(&group);
}

#[test]
fn forks_beyond_the_limit_are_refused_and_counted() {
    let limits = CgroupLimits { tasks: Some(4), ..CgroupLimits::none() };
    let Some(group) = real_group("tasks", limits) else { return };
    let child = shell(&group, "for i in 1 2 3 4 5 6 7 8; do sleep 1000 > /dev/null & done; echo all");
    let output = child.wait_with_output();
    group.kill().unwrap();
    assert!(!String::from_utf8(output.unwrap().stdout).unwrap().contains("all"), "the shell gives up");
    let usage = group.usage();
    assert!(usage.tasks_refused > Some(0) && usage.tasks_limit == Some(4), "{usage:?}");
    removed(&group);
}

#[test]
fn who_takes_too_much_time_waits() {
    let limits = CgroupLimits { cpu_thousandths: Some(100), ..CgroupLimits::none() };
    let Some(group) = real_group("time", limits) else { return };
    let mut child = shell(&group, "while :; do :; done");
    wait_until(|| group.usage().throttled > Some(2));
    group.kill().unwrap();
    child.wait().unwrap();
    removed(&group);
}

/// A tree of files as the kernel has it, but where nothing happens by itself.
fn painted(controllers: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let parent = folder.0.join("lib");
    fs::write(parent.join("cgroup.controllers"), controllers).unwrap();
    fs::write(parent.join("cgroup.subtree_control"), controllers).unwrap();
    (folder, parent)
}

const ALL: CgroupLimits = CgroupLimits { memory_bytes: Some(1 << 30), cpu_thousandths: Some(500), tasks: Some(64) };

#[test]
fn limits_without_controllers_are_named_and_the_group_is_made_all_the_same() {
    let (_folder, parent) = painted("cpuset io\n");
    let group = Parent::at(&parent).unwrap().make("plugin", ALL).unwrap();
    let Status::NotAvailable(why) = group.status() else { panic!("{:?}", group.status()) };
    assert!(why.starts_with(&format!("{} has no controller for memory, cpu, pids", parent.display())), "{why}");
    assert_eq!(group.out_of_memory().unwrap_err().to_string(), why);
    assert!(group.folder().is_dir());
}

#[test]
fn a_folder_that_is_no_group_is_not_available() {
    let error = Parent::at("/nowhere").unwrap_err();
    assert!(error.to_string().contains("/nowhere/cgroup.controllers"), "{error}");
}

#[test]
fn a_group_that_has_no_limits_after_all_is_taken_away_again() {
    // Its new groups stay empty: the first limit finds no file.
    let (_folder, parent) = painted("memory\n");
    let error = Parent::at(&parent).unwrap().make("plugin", ALL).unwrap_err();
    assert!(error.to_string().contains("plugin/memory.max"), "{error}");
    assert!(!parent.join("plugin").exists());
}

#[test]
fn whose_memory_ran_out_is_read_from_the_events() {
    let (_folder, parent) = painted("\n");
    let group = Parent::at(&parent).unwrap().make("plugin", CgroupLimits::none()).unwrap();
    assert_eq!(group.status(), Status::Active("one kill for all".into()));
    assert!(matches!(group.out_of_memory(), Err(CgroupError::NotAvailable(_))));
    let rows = [
        ("oom 3\noom_kill 2\noom_group_kill 1\n", Some(OutOfMemory::Own)),
        ("oom 0\noom_kill 1\noom_group_kill 0\n", Some(OutOfMemory::Above)),
        ("oom 1\noom_kill 0\noom_group_kill 0\n", None),
    ];
    for (events, want) in rows {
        fs::write(group.folder().join("memory.events"), format!("low 0\n{events}")).unwrap();
        assert_eq!(group.out_of_memory().unwrap(), want, "{events}");
    }
}
