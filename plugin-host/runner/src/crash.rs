//! The last word of a process that a signal ends: which signal, where, and what the process was at.
//!
//! The handler runs on a stack of its own, so that it can also tell of a stack that is used up. It takes no memory and no
//! lock before the word is out; then it lets the signal have its way.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use crate::wire::{LONGEST_SYMBOL, Phase, last_word_head};

/// Faults of the code. SIGSYS is one as well, where the walls do not use it.
const SIGNALS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];
/// The handler needs a fraction of it; the rest is for the loader, which looks symbols up.
const STACK: usize = 64 << 10;
/// Looking a symbol up takes a lock of the loader's. If the crash holds it, the process is ended by this clock.
const LOOK_UP_SECONDS: u32 = 1;

static SOCKET: AtomicI32 = AtomicI32::new(-1);
static PHASE: AtomicU32 = AtomicU32::new(Phase::Begin as u32);

/// What the process is at from now on.
pub(crate) fn enter(phase: Phase) {
    PHASE.store(phase as u32, Ordering::Relaxed);
}

pub(crate) fn phase() -> Phase {
    Phase::of(PHASE.load(Ordering::Relaxed)).unwrap_or(Phase::Begin)
}

/// From now on a fault is told on this socket. For the calling thread a used-up stack is told as well.
pub(crate) fn report_to(socket: c_int) -> std::io::Result<()> {
    SOCKET.store(socket, Ordering::Relaxed);
    let stack = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack is leaked, so it lives as long as the thread.
    if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    for signal in SIGNALS {
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handle;
        // SAFETY: all zeroes is a valid `sigaction`: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
        // SAFETY: the handler has the signature that SA_SIGINFO asks for, and calls only what a handler may.
        if unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    // What nobody reads any more is an error of the write, whoever's `main` this is, and no end of the plugin.
    // SAFETY: no handler, but to ignore it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    Ok(())
}

extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let phase = PHASE.load(Ordering::Relaxed) as u8;
    // SAFETY: the kernel gives both to a handler with SA_SIGINFO.
    let (code, address, at) = unsafe { ((*info).si_code, (*info).si_addr() as u64, instruction(context)) };
    let mut word = [0; 32 + LONGEST_SYMBOL];
    word[..32].copy_from_slice(&last_word_head(phase, signal, code, address, at));
    // The first word is out before anything that could hang.
    send(&word[..32]);
    // SAFETY: alarm is async-signal-safe; its default action ends the process.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(LOOK_UP_SECONDS);
    }
    let len = symbol(at, &mut word[32..]);
    if len > 0 {
        send(&word[..32 + len]);
    }
    // SAFETY: the handler is reset (SA_RESETHAND), and the signal not blocked (SA_NODEFER): it ends the process here.
    unsafe { libc::raise(signal) };
}

fn send(word: &[u8]) {
    let socket = SOCKET.load(Ordering::Relaxed);
    // SAFETY: the bytes are ours; send is async-signal-safe, and does not wait.
    unsafe { libc::send(socket, word.as_ptr().cast(), word.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
}

/// Function and library of a code address, written to `to`: `process_batch in libx.so`, or `libx.so+0x1139`.
fn symbol(at: u64, to: &mut [u8]) -> usize {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr only compares the address with what is loaded, and fills `info`.
    if unsafe { libc::dladdr(at as *const c_void, info.as_mut_ptr()) } == 0 {
        return 0;
    }
    // SAFETY: dladdr has filled it; zeroes are valid as well.
    let info = unsafe { info.assume_init() };
    // SAFETY: both are null, or texts of the loader's that live as long as the library, which is never unloaded.
    let text = |text: *const libc::c_char| (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes());
    let mut line = Line { to, len: 0 };
    let file = text(info.dli_fname).map_or(&b"?"[..], |path| path.rsplit(|&byte| byte == b'/').next().unwrap_or(path));
    match text(info.dli_sname) {
        Some(name) => {
            line.add(name);
            line.add(b" in ");
            line.add(file);
        }
        None => {
            line.add(file);
            line.add(b"+0x");
            line.hex(at.wrapping_sub(info.dli_fbase as u64));
        }
    }
    line.len
}

/// A text of limited length, made without memory of its own.
struct Line<'a> {
    to: &'a mut [u8],
    len: usize,
}

impl Line<'_> {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.to.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    fn hex(&mut self, number: u64) {
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
        for nth in (0..digits).rev() {
            self.add(&[b"0123456789abcdef"[(number >> (nth * 4)) as usize & 15]]);
        }
    }
}

/// # Safety
/// `context` is what the kernel gave to a handler.
#[cfg(target_arch = "x86_64")]
unsafe fn instruction(context: *mut c_void) -> u64 {
    // SAFETY: our caller's promise.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] as u64 }
}

/// # Safety
/// `context` is what the kernel gave to a handler.
#[cfg(target_arch = "aarch64")]
unsafe fn instruction(context: *mut c_void) -> u64 {
    // SAFETY: our caller's promise.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc }
}

/// # Safety
/// `context` is what the kernel gave to a handler.
#[cfg(target_arch = "riscv64")]
unsafe fn instruction(context: *mut c_void) -> u64 {
    // SAFETY: our caller's promise.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.__gregs[libc::REG_PC as usize] as u64 }
}
