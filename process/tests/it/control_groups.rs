//! Children that are born in a control group.
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use proscenium_process::SpawnError;

use crate::{guard, output, sh};

/// A group of version 2 for this test, if this machine lets us make one.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists())?;
        let group = Group(mount.join(format!("proscenium-process-test-{}", std::process::id())));
        fs::create_dir(&group.0).is_ok().then_some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("nothing is left in the group");
    }
}

fn folder(path: impl AsRef<Path>) -> OwnedFd {
    File::open(path).unwrap().into()
}

#[test]
fn a_child_and_what_it_forks_begin_in_the_group() {
    let Some(group) = Group::new() else {
        return println!("NOT TESTED: this machine has no control groups of version 2 that we may make");
    };
    let name = group.0.file_name().unwrap().to_str().unwrap();
    let guard = guard();
    let whose = || sh("cat /proc/$$/cgroup; (cat /proc/self/cgroup)");
    let groups = output(&guard, whose().control_group(folder(&group.0)));
    let own: Vec<_> = groups.lines().filter(|line| line.starts_with("0::")).collect();
    assert!(own.len() == 2 && own.iter().all(|line| line.ends_with(name)), "{groups}");
    let others = output(&guard, whose().control_group(folder(&group.0)).control_group(None));
    assert!(!others.contains(name), "the next child is where the guard is: {others}");
}

#[test]
fn a_folder_that_is_no_group_is_an_error_and_no_process_is_left() {
    let guard = guard();
    let error = guard.spawn(&sh("exit 0").control_group(folder("/"))).unwrap_err();
    assert!(matches!(&error, SpawnError::ControlGroup(source) if source.kind() != io::ErrorKind::NotFound), "{error}");
    assert!(error.to_string().contains("control group"), "{error}");
    assert_eq!(output(&guard, sh("echo on")), "on\n", "the guard serves on");
}
