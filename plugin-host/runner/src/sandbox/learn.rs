//! Notes of what is refused, as a list of grants.
//!
//! The filter has a refused call raise SIGSYS in its own thread; the handler here notes it and answers EPERM in its
//! place. So nothing more is possible than without notes, and a plugin that is tried out may be hostile. Opening a file
//! goes this way too: the handler asks landlock by opening it with `openat2`, and notes what landlock refused.
use std::collections::BTreeSet;
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use super::report::NotInForce;
use super::syscalls::Syscall;

/// Twice the highest number that a kernel has given so far.
const CALLS: usize = 1024;
/// Refused opens that are noted; later ones are counted alone.
const FILES: usize = 128;
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
        let lists = [("read", &self.read), ("write", &self.write)];
        for (name, paths) in lists.into_iter().filter(|(_, paths)| !paths.is_empty()) {
            writeln!(f, "{name} = {:?}", paths.iter().collect::<Vec<_>>())?;
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

/// Has SIGSYS noted, from before the filter is loaded.
pub fn take_notes() -> Result<(), NotInForce> {
    // SAFETY:
    // - all zeros is a value of `sigaction`: integers, an empty set, and no pointer that is read before it is set;
    // - `on_refused` has the signature that SA_SIGINFO asks for, and does only what a handler may: atomics, and
    //   system calls by `libc::syscall`, with `errno` put back;
    // - the kernel reads `action` during the call, and writes no old one.
    let answer = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_refused as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut())
    };
    match answer {
        0 => Ok(()),
        _ => Err(NotInForce::broken("the handler for SIGSYS", io::Error::last_os_error())),
    }
}

extern "C" fn on_refused(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    /// Of `siginfo_t`: three numbers and a gap, an address, the number of the call.
    const NUMBER_AT: usize = 24 / size_of::<c_int>();
    // SAFETY:
    // - the kernel calls a handler with SA_SIGINFO with a `siginfo_t` and a `ucontext_t` of this thread, which live until
    //   it returns, and which nobody else has;
    // - SIGSYS is raised by our filter, so the number is in `siginfo_t`; should another process have sent it, these are
    //   bytes of the same struct, and any number is counted at worst;
    // - `errno` is this thread's own.
    unsafe {
        let errno = *libc::__errno_location();
        let number = *info.cast::<c_int>().add(NUMBER_AT);
        let context = &mut *context.cast::<libc::ucontext_t>();
        let answer = answer(number, arguments(context));
        set_answer(context, answer);
        *libc::__errno_location() = errno;
    }
}

/// What the refused call returns.
///
/// # Safety
/// The arguments are those of the system call `number` that this thread makes.
unsafe fn answer(number: c_int, arguments: [u64; 4]) -> i64 {
    let [first, second, third, fourth] = arguments;
    let call = libc::c_long::from(number);
    let open = match call {
        libc::SYS_openat => Some((first as c_int, second, third, fourth)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => Some((libc::AT_FDCWD, first, second, third)),
        _ => None,
    };
    if let Some((folder, path, flags, mode)) = open {
        // SAFETY: the same call with the same arguments, which our caller vouches for.
        return unsafe { open_and_note(folder, path as *const libc::c_char, flags as c_int, mode as u32) };
    }
    if let Some(count) = usize::try_from(number).ok().and_then(|number| REFUSED.get(number)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    -i64::from(libc::EPERM)
}

/// Opens as the plugin meant to, so that landlock decides.
///
/// # Safety
/// As the system call `openat`: a bad pointer is for the kernel to find. Nobody unmaps the path meanwhile.
unsafe fn open_and_note(folder: c_int, path: *const libc::c_char, flags: c_int, mode: u32) -> i64 {
    let creates = flags & (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) != 0;
    // `openat2` takes no mode for a file that is there.
    let how = [u64::from(flags.cast_unsigned()), if creates { u64::from(mode) } else { 0 }, 0];
    // SAFETY:
    // - `path` is checked by the kernel, which answers EFAULT for a bad one;
    // - `how` has the three words of `open_how`, and its size goes along.
    let opened = unsafe { libc::syscall(libc::SYS_openat2, folder, path, how.as_ptr(), size_of_val(&how)) };
    if opened >= 0 {
        return opened;
    }
    // SAFETY: this thread's own.
    let errno = unsafe { *libc::__errno_location() };
    if errno == libc::EACCES {
        let writing = creates || flags & libc::O_ACCMODE != libc::O_RDONLY;
        // SAFETY: the kernel has just read the whole path, zero included, to look it up.
        note(unsafe { CStr::from_ptr(path) }, writing);
    }
    -i64::from(errno)
}

fn note(path: &CStr, writing: bool) {
    if let Some(open) = OPENS.get(OPENED.fetch_add(1, Ordering::Relaxed)) {
        for (to, &byte) in open.path.iter().zip(path.to_bytes()) {
            to.store(byte, Ordering::Relaxed);
        }
        open.writing.store(writing, Ordering::Relaxed);
        open.noted.store(true, Ordering::Release);
    }
}

#[cfg(target_arch = "x86_64")]
fn arguments(context: &libc::ucontext_t) -> [u64; 4] {
    use libc::{REG_R10, REG_RDI, REG_RDX, REG_RSI};
    [REG_RDI, REG_RSI, REG_RDX, REG_R10].map(|register| context.uc_mcontext.gregs[register as usize].cast_unsigned())
}

#[cfg(target_arch = "x86_64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
}

#[cfg(target_arch = "aarch64")]
fn arguments(context: &libc::ucontext_t) -> [u64; 4] {
    std::array::from_fn(|n| context.uc_mcontext.regs[n])
}

#[cfg(target_arch = "aarch64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.regs[0] = answer.cast_unsigned();
}

/// `a0` is the tenth register of RISC-V.
#[cfg(target_arch = "riscv64")]
fn arguments(context: &libc::ucontext_t) -> [u64; 4] {
    std::array::from_fn(|n| context.uc_mcontext.__gregs[10 + n] as u64)
}

#[cfg(target_arch = "riscv64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.__gregs[10] = answer as libc::c_ulong;
}

/// Never called: there is no filter for this machine.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn arguments(_: &libc::ucontext_t) -> [u64; 4] {
    [0; 4]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn set_answer(_: &mut libc::ucontext_t, _: i64) {}
