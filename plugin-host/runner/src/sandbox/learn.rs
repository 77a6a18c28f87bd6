//! Notes of what is refused, as a list of grants.
//!
//! The filter hands a refused call to a thread of this process, which notes it and answers EPERM. So nothing more is
//! possible than without notes, and a plugin that is tried out may be hostile. Opening a file goes this way too: the
//! thread opens it in the plugin's place, under the same landlock, and notes what that refused.
//!
//! A handler of SIGSYS would need no thread. But `posix_spawn` blocks all signals around its `clone`, and a blocked
//! SIGSYS is the end. Once it has begun, the thread takes no lock and allocates nothing: who is
//! refused may hold the lock of the heap, or that of the loader.
use std::collections::BTreeSet;
use std::ffi::{c_int, c_ulong};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::report::NotInForce;
use super::syscalls::Syscall;

/// Twice the highest number that a kernel has given so far.
const CALLS: usize = 1024;
/// Refused opens that are noted; later ones are counted alone.
const FILES: usize = 128;
/// The two commands on the descriptor that refused calls come from: `SECCOMP_IOCTL_NOTIF_RECV` and `.._SEND`.
pub const RECEIVE: c_ulong = 0xc050_2100;
pub const SEND: c_ulong = 0xc018_2101;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`: the call is made after all.
const CONTINUE: u32 = 1;

/// Longer paths are cut: they are for a person to read.
const PATH: usize = 256;

static REFUSED: [AtomicU32; CALLS] = [const { AtomicU32::new(0) }; CALLS];
static OPENS: [Open; FILES] = [const { Open::new() }; FILES];
static OPENED: AtomicUsize = AtomicUsize::new(0);

struct Open {
    noted: AtomicBool,
    writing: AtomicBool,
    path: [AtomicU8; PATH],
}

impl Open {
    const fn new() -> Self {
        Self {
            noted: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            path: [const { AtomicU8::new(0) }; PATH],
        }
    }
}

/// What a plugin was refused, as the grants that it would have needed. One refusal often hides the next: grant, and try
/// again, until nothing is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Files that were to be read, as the plugin named them.
    pub read: BTreeSet<PathBuf>,
    /// Files that were to be written.
    pub write: BTreeSet<PathBuf>,
    /// Opens that were refused after the first 128, whose paths are not kept.
    pub more_files: usize,
    /// System calls, and how often.
    pub refused: Vec<(Syscall, u32)>,
}

impl Learned {
    /// Whether everything that the plugin asked for was granted.
    pub fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty() && self.more_files == 0 && self.refused.is_empty()
    }

    fn has(&self, calls: &[libc::c_long]) -> bool {
        self.refused.iter().any(|(call, _)| calls.contains(&i64::from(call.number())))
    }
}

#[cfg(target_arch = "x86_64")]
const STARTS: &[libc::c_long] =
    &[libc::SYS_clone, libc::SYS_execve, libc::SYS_execveat, libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const STARTS: &[libc::c_long] = &[libc::SYS_clone, libc::SYS_execve, libc::SYS_execveat];
const CONNECTS: &[libc::c_long] = &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind];

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "# nothing was refused");
        }
        // Without the grant it knows no folder of its own but by being in it.
        let (here, write) = self.write.iter().cloned().partition::<BTreeSet<_>, _>(|path| is_below(path));
        let lists = [("read", &self.read), ("write", &write)];
        for (name, paths) in lists.into_iter().filter(|(_, paths)| !paths.is_empty()) {
            writeln!(f, "{name} = {:?}", paths.iter().collect::<Vec<_>>())?;
        }
        if !here.is_empty() {
            writeln!(f, "work_dir = true")?;
        }
        if self.more_files > 0 {
            writeln!(f, "# and {} more files were refused", self.more_files)?;
        }
        if self.has(CONNECTS) {
            writeln!(f, "network = true")?;
        }
        if self.has(STARTS) {
            writeln!(f, "processes = true")?;
        }
        let by_group = |call: &Syscall| {
            let number = i64::from(call.number());
            STARTS.contains(&number) || CONNECTS.contains(&number)
        };
        let single: Vec<String> =
            self.refused.iter().map(|(call, _)| call).filter(|call| !by_group(call)).map(Syscall::to_string).collect();
        if !single.is_empty() {
            writeln!(f, "syscalls = {single:?}")?;
        }
        for (call, times) in &self.refused {
            writeln!(f, "# {call}: refused {times} times")?;
        }
        Ok(())
    }
}

/// In the working folder, as the path is written.
fn is_below(path: &Path) -> bool {
    path.is_relative() && !path.starts_with("..")
}

/// What has been refused up to now in this process. Empty without [`Mode::Learn`](super::Mode::Learn).
pub fn learned() -> Learned {
    let mut learned = Learned::default();
    let count = |(number, times): (usize, &AtomicU32)| {
        let times = times.load(Ordering::Relaxed);
        (times > 0).then(|| (Syscall::numbered(number as u32), times))
    };
    learned.refused = REFUSED.iter().enumerate().filter_map(count).collect();
    for open in OPENS.iter().filter(|open| open.noted.load(Ordering::Acquire)) {
        let bytes: Vec<u8> =
            open.path.iter().map(|byte| byte.load(Ordering::Relaxed)).take_while(|&b| b != 0).collect();
        let paths = if open.writing.load(Ordering::Relaxed) { &mut learned.write } else { &mut learned.read };
        paths.insert(PathBuf::from(String::from_utf8_lossy(&bytes).into_owned()));
    }
    learned.more_files = OPENED.load(Ordering::Relaxed).saturating_sub(FILES);
    learned
}

/// A refused call, as the kernel hands it over: `seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Asked {
    id: u64,
    thread: u32,
    flags: u32,
    number: c_int,
    convention: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// What it returns: `seccomp_notif_resp`.
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Takes the refused calls over, from a thread of its own that takes no signals and never ends.
pub fn take_notes(asked: OwnedFd) -> Result<(), NotInForce> {
    let thread = std::thread::Builder::new().name("sandbox-notes".into()).stack_size(64 * 1024);
    let own = std::process::id();
    let both = Arc::new(Barrier::new(2));
    let ready = Arc::clone(&both);
    let started = thread.spawn(move || {
        // SAFETY: the set is filled before it is read, and the old one is not asked for.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        }
        ready.wait();
        while answer_one(&asked, own) {}
    });
    started.map_err(|error| NotInForce::broken("the thread that takes notes", error))?;
    // A thread takes the loader's lock when it begins, and who loads the library holds it while it opens files.
    both.wait();
    Ok(())
}

/// Whether there may be another one. A plugin that closes the descriptor gets ENOSYS for all that it is refused.
fn answer_one(asked: &OwnedFd, own: u32) -> bool {
    let mut call = Asked::default();
    // SAFETY: the kernel fills a `seccomp_notif`, whose layout `Asked` has.
    if unsafe { libc::ioctl(asked.as_raw_fd(), RECEIVE, &raw mut call) } != 0 {
        // Interrupted, or the thread that asked has been killed: both are the past.
        return matches!(io::Error::last_os_error().raw_os_error(), Some(libc::EINTR | libc::ENOENT));
    }
    let answer = answer(&call, own);
    // SAFETY: the kernel reads a `seccomp_notif_resp`, whose layout `Answer` has. That nobody waits for it any more is
    // no error of ours.
    unsafe { libc::ioctl(asked.as_raw_fd(), SEND, &raw const answer) };
    true
}

fn answer(call: &Asked, own: u32) -> Answer {
    let [first, second, third, fourth, ..] = call.arguments;
    let number = libc::c_long::from(call.number);
    let open = match number {
        libc::SYS_openat => Some((first as c_int, second, third, fourth)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => Some((libc::AT_FDCWD, first, second, third)),
        _ => None,
    };
    let answer = |value, error, flags| Answer { id: call.id, value, error, flags };
    match open {
        // A program that the plugin has started opens for itself: landlock decides there too, without a note.
        Some(_) if !is_thread_of(own, call.thread) => answer(0, 0, CONTINUE),
        Some((folder, path, flags, mode)) => match open_and_note(own, folder, path, flags as c_int, mode as u32) {
            Ok(descriptor) => answer(descriptor, 0, 0),
            Err(errno) => answer(0, -errno, 0),
        },
        None => {
            if let Some(count) = usize::try_from(number).ok().and_then(|number| REFUSED.get(number)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            answer(0, -libc::EPERM, 0)
        }
    }
}

fn is_thread_of(process: u32, thread: u32) -> bool {
    // SAFETY: signal 0 is none: the kernel only looks for the thread.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) == 0 }
}

/// Opens in the plugin's place, so that landlock decides; descriptors and working folder are those of the process.
fn open_and_note(own: u32, folder: c_int, path: u64, flags: c_int, mode: u32) -> Result<i64, i32> {
    let creates = flags & (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) != 0;
    // `openat2` takes no mode for a file that is there.
    let how = [u64::from(flags.cast_unsigned()), if creates { u64::from(mode) } else { 0 }, 0];
    // SAFETY:
    // - `path` is checked by the kernel, which answers EFAULT for a bad one;
    // - `how` has the three words of `open_how`, and its size goes along.
    let opened = unsafe { libc::syscall(libc::SYS_openat2, folder, path, how.as_ptr(), size_of_val(&how)) };
    if opened >= 0 {
        return Ok(opened);
    }
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM);
    if errno == libc::EACCES {
        note(&copied(own, path), creates || flags & libc::O_ACCMODE != libc::O_RDONLY);
    }
    Err(errno)
}

/// The text at an address that another thread may unmap: the kernel copies it. Zeros behind its end.
fn copied(own: u32, path: u64) -> [u8; PATH] {
    let mut text = [0; PATH];
    let here = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: PATH };
    let there = libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(path as usize), iov_len: PATH };
    // SAFETY:
    // - the kernel writes at most `PATH` bytes to `text`, which nobody else has;
    // - it reads `there` only where something is mapped, and from this process.
    unsafe { libc::process_vm_readv(own.cast_signed(), &raw const here, 1, &raw const there, 1, 0) };
    text
}

fn note(path: &[u8; PATH], writing: bool) {
    if let Some(open) = OPENS.get(OPENED.fetch_add(1, Ordering::Relaxed)) {
        for (to, &byte) in open.path.iter().zip(path.iter().take_while(|byte| **byte != 0)) {
            to.store(byte, Ordering::Relaxed);
        }
        open.writing.store(writing, Ordering::Relaxed);
        open.noted.store(true, Ordering::Release);
    }
}
