//! What a child can read and write, and that it has no descriptor besides.
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsRawFd;

use proscenium_process::{Command, Stdio};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::{LIMIT, guard, output, sh};

#[test]
fn the_three_streams_are_pipes_when_wanted() {
    let guard = guard();
    let command = sh("cat; echo wrong >&2").stdin(Stdio::Piped).stdout(Stdio::Piped).stderr(Stdio::Piped);
    for _ in 0..3 {
        let mut child = guard.spawn(&command).unwrap();
        child.stdin.take().unwrap().write_all(b"to and fro").unwrap();
        let (mut said, mut complained) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut complained).unwrap();
        assert_eq!((said.as_str(), complained.as_str()), ("to and fro", "wrong\n"));
        assert!(child.wait(LIMIT).unwrap().is_success());
    }
}

#[test]
fn nothing_is_at_stdin_by_default() {
    assert_eq!(output(&guard(), Command::new("cat")), "");
}

#[test]
fn null_takes_everything_and_a_descriptor_may_be_anything() {
    let guard = guard();
    let child = guard.spawn(&sh("echo x; echo y >&2").stdout(Stdio::Null).stderr(Stdio::Null)).unwrap();
    assert!(child.wait(LIMIT).unwrap().is_success());
    let (mut reader, writer) = pipe().unwrap();
    let both = sh("echo x; echo y >&2")
        .stdout(Stdio::Descriptor(writer.try_clone().unwrap().into()))
        .stderr(Stdio::Descriptor(writer.into()));
    assert!(guard.spawn(&both).unwrap().wait(LIMIT).unwrap().is_success());
    drop(both);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "x\ny\n");
}

#[test]
fn further_descriptors_get_the_numbers_from_3_on() {
    let guard = guard();
    let (mut from, to) = pipe().unwrap();
    let (give, mut take) = pipe().unwrap();
    take.write_all(b"in\n").unwrap();
    let command = sh("read line <&4; echo $line and out >&3").descriptor(to).descriptor(give);
    assert!(guard.spawn(&command).unwrap().wait(LIMIT).unwrap().is_success());
    drop(command);
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    assert_eq!(text, "in and out\n");
}

#[test]
fn no_descriptor_of_the_host_reaches_a_child_or_stays_in_the_guard() {
    let leaking: Vec<File> = (0..20).map(|_| File::open("/dev/zero").unwrap()).collect();
    for file in &leaking {
        fcntl_setfd(file, FdFlags::empty()).unwrap();
    }
    let guard = guard();
    let others: Vec<_> = (0..5).map(|_| guard.spawn(&sh("read x").stdin(Stdio::Piped)).unwrap()).collect();
    assert_eq!(output(&guard, sh("ls /proc/$$/fd; true")), "0\n1\n2\n");
    let mut links = std::fs::read_dir(format!("/proc/{}/fd", guard.pid())).unwrap();
    assert!(links.all(|link| std::fs::read_link(link.unwrap().path()).is_ok_and(|to| !to.ends_with("zero"))));
    let extra = File::open("/dev/full").unwrap();
    let number = extra.as_raw_fd();
    assert!(number > 3);
    assert_eq!(output(&guard, sh("ls /proc/$$/fd; true").descriptor(extra)), "0\n1\n2\n3\n");
    drop(others);
}
