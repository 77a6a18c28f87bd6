//! The thread that starts a guard, and waits for its end.
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use crate::StartError;
use crate::deadline::Deadline;
use crate::image::Image;

const STACK: usize = 256 << 10;
/// A file that another thread's fork holds open for writing cannot be executed until that fork is through.
const BUSY_TRIES: usize = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A guard that runs. Whether it is ready, it says on its control socket.
pub struct Launched {
    pub pid: u32,
    pub pidfd: OwnedFd,
    pub end: Arc<GuardEnd>,
}

/// How the guard has ended: whether nothing is left below it.
#[derive(Debug, Default)]
pub struct GuardEnd {
    clean: Mutex<Option<bool>>,
    came: Condvar,
}

impl GuardEnd {
    fn come(&self, clean: bool) {
        *self.clean.lock().unwrap_or_else(PoisonError::into_inner) = Some(clean);
        self.came.notify_all();
    }

    /// `None` at the deadline.
    pub fn wait(&self, deadline: Deadline) -> Option<bool> {
        let clean = self.clean.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.left().unwrap_or(Duration::MAX);
        let waited = self.came.wait_timeout_while(clean, left, |clean| clean.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A guard that a thread is about to start.
#[derive(Debug)]
pub struct Launching {
    reported: Receiver<Result<(u32, OwnedFd), StartError>>,
    end: Arc<GuardEnd>,
}

impl Launching {
    /// Until it runs. `None` at the deadline.
    pub fn wait(self, deadline: Deadline) -> Option<Result<Launched, StartError>> {
        let left = deadline.left().unwrap_or(Duration::MAX);
        let reported = self.reported.recv_timeout(left).ok()?;
        Some(reported.map(|(pid, pidfd)| Launched { pid, pidfd, end: self.end }))
    }
}

/// Starts a guard from a thread of its own, which ends only after it: the kernel's signal for a parent's death, by which
/// a guard that somebody has stopped hears of it, comes when the *thread* that started it ends.
pub fn launch(control: OwnedFd, in_namespace: bool) -> Result<Launching, StartError> {
    let (report, reported) = sync_channel(1);
    let end = Arc::new(GuardEnd::default());
    let ours = Arc::clone(&end);
    thread::Builder::new()
        .name("proscenium-guard".to_owned())
        .stack_size(STACK)
        .spawn(move || attend(control, in_namespace, &report, &ours))
        .map_err(StartError::Host)?;
    Ok(Launching { reported, end })
}

type Report = SyncSender<Result<(u32, OwnedFd), StartError>>;

fn attend(control: OwnedFd, in_namespace: bool, report: &Report, end: &GuardEnd) {
    let started = start(control, in_namespace).and_then(|child| {
        let pidfd = pidfd_of(child.id()).map_err(StartError::Host)?;
        Ok((child, pidfd))
    });
    match started {
        // Nobody waits for a report that comes too late; the control socket is closed then, and the guard ends.
        Err(error) => drop(report.send(Err(error))),
        Ok((mut child, pidfd)) => {
            let _ = report.send(Ok((child.id(), pidfd)));
            // An error means that somebody else in this process waits for every child, and has got this one.
            end.come(child.wait().is_ok_and(|status| status.success()));
        }
    }
}

fn pidfd_of(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn start(control: OwnedFd, in_namespace: bool) -> Result<Child, StartError> {
    let host = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| StartError::Host(error.into()))?;
    let descriptors = (control, host);
    let memory = match Image::in_memory().and_then(|image| execute(&image, &descriptors, in_namespace)) {
        Err(error) => error,
        Ok(child) => return Ok(child),
    };
    let folder: PathBuf = std::env::temp_dir();
    Image::in_file(&folder)
        .and_then(|image| execute(&image, &descriptors, in_namespace))
        .map_err(|file| StartError::NoImage { memory, file, folder })
}

/// Runs the image with the control socket as its 0 and the host's pidfd as its 1. The standard library does this with
/// posix_spawn, so that it takes the same time whatever the heap.
fn execute(image: &Image, (control, host): &(OwnedFd, OwnedFd), in_namespace: bool) -> io::Result<Child> {
    let mut command = Command::new(image.path());
    command.arg0("proscenium-guard").arg(if in_namespace { "namespace" } else { "subreaper" });
    command.arg(format!("of process {}", std::process::id())).env_clear();
    command.stdin(control.try_clone()?).stdout(host.try_clone()?).stderr(Stdio::null());
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
    command.spawn()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_guard_runs_from_memory_and_from_a_file_and_leaves_no_file() {
        let folder = std::env::temp_dir().join(format!("proscenium-image-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for image in [Image::in_memory().unwrap(), Image::in_file(&folder).unwrap()] {
            let (ours, control) = std::os::unix::net::UnixDatagram::pair().unwrap();
            let host = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
            let mut child = execute(&image, &(control.into(), host), false).unwrap();
            let mut reply = [0; 12];
            assert_eq!(ours.recv(&mut reply).unwrap(), 12, "{}", image.path().display());
            assert_eq!(crate::wire::Reply::from_bytes(&reply), Some(crate::wire::Reply::Ready));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        std::fs::remove_dir(&folder).expect("nothing is left in the folder");
    }

    /// The control socket may live on in a process that the host has forked without exec.
    #[test]
    fn the_guard_ends_with_its_host_though_the_control_socket_stays_open() {
        let (ours, control) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let mut host = Command::new("sleep").arg("1000").spawn().unwrap();
        let descriptors = (control.into(), pidfd_of(host.id()).unwrap());
        let mut guard = execute(&Image::in_memory().unwrap(), &descriptors, false).unwrap();
        let of_guard = pidfd_of(guard.id()).unwrap();
        assert_eq!(ours.recv(&mut [0; 12]).unwrap(), 12);
        host.kill().unwrap();
        host.wait().unwrap();
        assert!(Deadline::after(Duration::from_secs(20)).readable(of_guard.as_fd()).unwrap());
        assert!(guard.wait().unwrap().success());
    }

    #[test]
    fn no_place_to_execute_from_is_told_with_both_reasons() {
        let nowhere = PathBuf::from("/nowhere");
        let memory = io::Error::from(io::ErrorKind::PermissionDenied);
        let file = Image::in_file(&nowhere).err().unwrap();
        let text = StartError::NoImage { memory, file, folder: nowhere }.to_string();
        assert!(text.contains("permission denied") && text.contains("/nowhere (No such file"), "{text}");
    }
}
