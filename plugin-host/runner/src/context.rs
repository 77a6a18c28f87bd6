//! What a plugin is given, and what it can ask for.

use std::ffi::{CStr, CString, c_char, c_void};
use std::os::fd::BorrowedFd;
use std::ptr;
use std::time::Duration;

use proscenium_plugin_sdk::abi::{self, CLOCK_REALTIME, PluginContext, PscParam};
use rustix::time::{ClockId, clock_gettime};

use crate::control::mention;
use crate::foreign::{LONGEST_LINE, LONGEST_NAME};
use crate::wire::{Start, Tell, fd};

/// The plugin's context, which stays where it is until the process ends.
pub(crate) struct Context {
    raw: *mut PluginContext,
}

impl Context {
    /// Leaked, with all its texts: the plugin may keep pointers as long as it lives.
    pub(crate) fn new(start: &Start) -> Self {
        let text = |text: &str| leaked(text.as_bytes());
        let params: Vec<PscParam> =
            start.params.iter().map(|(key, value)| PscParam { key: text(key), value: text(value) }).collect();
        let params = Vec::leak(params);
        let raw = Box::leak(Box::new(PluginContext {
            size: size_of::<PluginContext>() as u32,
            abi_version: abi::ABI_VERSION,
            params: params.as_ptr(),
            param_count: params.len() as u32,
            instance: start.instance,
            stage: text(&start.stage),
            work_dir: start.work_dir.as_ref().map_or(ptr::null(), |folder| leaked(folder)),
            user: ptr::null_mut(),
            host: ptr::null_mut(),
            deadline_ns: 0,
            cancel: ptr::null(),
            log,
            clock,
            alloc,
            release,
            count,
            gauge,
            fail,
        }));
        Context { raw }
    }

    pub(crate) fn as_ptr(&self) -> *mut PluginContext {
        self.raw
    }

    /// A call begins: it may take so long, and is to be given up when the word is not 0.
    pub(crate) fn begin_call(&mut self, budget: Option<Duration>, cancel: *const u32) {
        let deadline =
            budget.map_or(0, |budget| nanoseconds(ClockId::Monotonic).saturating_add(budget.as_nanos() as u64));
        // SAFETY: leaked by `new`; the plugin reads it in its calls, of which none is under way.
        let context = unsafe { &mut *self.raw };
        context.deadline_ns = deadline;
        context.cancel = cancel;
    }
}

/// A text that lives as long as the process. What stands behind a NUL in it is left out.
fn leaked(text: &[u8]) -> *const c_char {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default().into_raw()
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The socket, for functions that the plugin calls from any of its threads.
fn socket() -> BorrowedFd<'static> {
    // SAFETY: the control socket stays open until the process ends; a plugin that closes it is ended by its host.
    unsafe { BorrowedFd::borrow_raw(fd::CONTROL) }
}

/// # Safety
/// `text` has `len` bytes.
unsafe fn line(text: *const c_char, len: usize) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: our caller's promise, and we look at no more than it has.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len.min(LONGEST_LINE)) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// # Safety
/// `name` is NUL-terminated.
unsafe fn name(name: *const c_char) -> String {
    if name.is_null() {
        return String::new();
    }
    // SAFETY: our caller's promise.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_NAME)]).into_owned()
}

/// # Safety
/// Only called through the context, by the plugin, as the interface says: `text` has `len` bytes.
unsafe extern "C" fn log(_: *mut PluginContext, level: i32, text: *const c_char, len: usize) {
    // SAFETY: the interface says so of a line for the log.
    mention(socket(), &Tell::Log { level, text: unsafe { line(text, len) } });
}

/// # Safety
/// Only called through the context; it touches no memory.
unsafe extern "C" fn clock(_: *mut PluginContext, which: i32) -> u64 {
    nanoseconds(if which == CLOCK_REALTIME { ClockId::Realtime } else { ClockId::Monotonic })
}

/// # Safety
/// Only called through the context; any size will do.
unsafe extern "C" fn alloc(_: *mut PluginContext, size: usize) -> *mut c_void {
    // SAFETY: malloc takes any size; of nothing it may give null, which means "none" here.
    unsafe { libc::malloc(size.max(1)) }
}

/// # Safety
/// Only called through the context: `memory` comes from `alloc`, once.
unsafe extern "C" fn release(_: *mut PluginContext, memory: *mut c_void) {
    // SAFETY: the interface says that it comes from `alloc`, and is given back once.
    unsafe { libc::free(memory) }
}

/// # Safety
/// Only called through the context: the name is NUL-terminated.
unsafe extern "C" fn count(_: *mut PluginContext, counter: *const c_char, add: u64) {
    // SAFETY: the interface says that names are NUL-terminated.
    mention(socket(), &Tell::Count { name: unsafe { name(counter) }, add });
}

/// # Safety
/// Only called through the context: the name is NUL-terminated.
unsafe extern "C" fn gauge(_: *mut PluginContext, which: *const c_char, value: f64) {
    // SAFETY: the interface says that names are NUL-terminated.
    mention(socket(), &Tell::Gauge { name: unsafe { name(which) }, value });
}

/// # Safety
/// Only called through the context: `text` has `len` bytes.
unsafe extern "C" fn fail(_: *mut PluginContext, text: *const c_char, len: usize) {
    // SAFETY: the interface says so of the reason.
    mention(socket(), &Tell::Fail(unsafe { line(text, len) }));
}
