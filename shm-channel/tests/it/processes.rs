//! A child in a process of its own: this very program, told by its environment to be one.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use proscenium_shm_channel::{ChildEnd, ChildFds, Geometry};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;

use crate::{hostile, work};

/// What the child is to be.
const ROLE: &str = "PROSCENIUM_TEST_ROLE";
/// The numbers of its descriptors.
const FDS: &str = "PROSCENIUM_TEST_FDS";

/// A test that starts others, one at a time, so that no child inherits what was meant for another.
static SPAWNING: Mutex<()> = Mutex::new(());

/// A child that does not outlive its test, however that ends.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a child with a role.
pub fn spawn(role: &str, fds: ChildFds) -> Killed {
    let _one = SPAWNING.lock().unwrap();
    let all = [&fds.orders, &fds.inputs, &fds.fronts, &fds.wake];
    for fd in all {
        fcntl_setfd(fd, FdFlags::empty()).unwrap();
    }
    let numbers: Vec<_> = all.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let child = command
        .args(["--exact", "processes::a_child_has_its_role", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FDS, numbers.join(" "))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Killed(child)
}

/// The descriptors that the environment names.
fn inherited() -> ChildFds {
    let numbers = std::env::var(FDS).unwrap();
    let mut fds = numbers.split(' ').map(|number| {
        let number: RawFd = number.parse().unwrap();
        // SAFETY: the process that started this one left it open for us, and nobody else here knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(fd.as_fd(), FdFlags::CLOEXEC).unwrap();
        fd
    });
    let mut next = || fds.next().unwrap();
    ChildFds { orders: next(), inputs: next(), fronts: next(), wake: next() }
}

fn open(geometry: Geometry) -> ChildEnd {
    ChildEnd::open(inherited(), geometry).unwrap()
}

/// In a child: its role. Where there is none, a child without one is started, which ends well.
#[test]
fn a_child_has_its_role() {
    if std::env::var_os(ROLE).is_some() {
        // Also when its test is ended from outside.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    }
    match std::env::var(ROLE).as_deref() {
        Err(_) => (),
        Ok("serve") => println!("served {}", work::serve(&mut open(crate::GEOMETRY))),
        Ok("serve-wide") => println!("served {}", work::serve(&mut open(crate::killed::WIDE))),
        Ok("break-out") => hostile::break_out(inherited()),
        Ok("scribble") => hostile::scribble(&inherited()),
        Ok(other) => panic!("no role is called {other}"),
    }
}
