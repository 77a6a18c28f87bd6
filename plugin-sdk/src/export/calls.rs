//! The runner's context: every field that is read, and every function that is called.
use std::ffi::{CStr, c_char};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Context;
use crate::abi::{LogLevel, PluginContext};

/// The runner's context, for the length of a call.
pub(crate) struct Calls(NonNull<PluginContext>);

// SAFETY:
// - what does not change may be read by any thread: parameters, names, the deadline of the call;
// - `cancel` is read as an atomic;
// - of the functions only those are in reach that any thread may call, save `fail`, which is this crate's alone.
unsafe impl Sync for Calls {}

impl Context {
    /// # Safety
    /// `ctx` is valid for as long as the context that is made of it, or is null, which is a bug of the runner's.
    pub(super) unsafe fn from_ptr(ctx: *mut PluginContext) -> Context {
        Context::new(Calls(NonNull::new(ctx).expect("a runner gives a context with every call")))
    }
}

impl Calls {
    /// The parameters in order. What is no UTF-8 is left out: a host never sends it.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        let raw = self.0.as_ptr();
        // SAFETY: the context is valid, and nobody writes these fields.
        let (params, count) = unsafe { ((*raw).params, (*raw).param_count) };
        (0..count as usize).filter_map(move |at| {
            // SAFETY:
            // - in bounds: `at` is below the number of parameters;
            // - the texts end with a NUL, are never null, and live as long as the context.
            let (key, value) = unsafe {
                let param = &*params.add(at);
                (CStr::from_ptr(param.key), CStr::from_ptr(param.value))
            };
            Some((key.to_str().ok()?, value.to_str().ok()?))
        })
    }

    pub(crate) fn stage(&self) -> &str {
        // SAFETY: the context is valid, and nobody writes this field; the text lives as long.
        unsafe { text((*self.0.as_ptr()).stage) }.and_then(|stage| stage.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn work_dir(&self) -> Option<&CStr> {
        // SAFETY: the context is valid, and nobody writes this field; the text lives as long.
        unsafe { text((*self.0.as_ptr()).work_dir) }
    }

    pub(crate) fn instance(&self) -> u32 {
        // SAFETY: the context is valid, and nobody writes this field.
        unsafe { (*self.0.as_ptr()).instance }
    }

    pub(crate) fn deadline_ns(&self) -> u64 {
        // SAFETY: the context is valid, and the runner writes this field between calls only.
        unsafe { (*self.0.as_ptr()).deadline_ns }
    }

    pub(crate) fn cancelled(&self) -> bool {
        // SAFETY: the context is valid, and nobody writes the pointer.
        let cancel = unsafe { (*self.0.as_ptr()).cancel };
        // SAFETY: not null, aligned, valid as long as the context, and only read here.
        !cancel.is_null() && unsafe { AtomicU32::from_ptr(cancel.cast_mut()) }.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn clock(&self, which: i32) -> u64 {
        // SAFETY: the context is valid, and any thread may call this.
        unsafe { ((*self.0.as_ptr()).clock)(self.0.as_ptr(), which) }
    }

    pub(crate) fn log(&self, level: LogLevel, text: &str) {
        // SAFETY: the context is valid, any thread may call this, and the text is copied during the call.
        unsafe { ((*self.0.as_ptr()).log)(self.0.as_ptr(), level.number(), text.as_ptr().cast(), text.len()) }
    }

    pub(crate) fn count(&self, name: &CStr, add: u64) {
        // SAFETY: the context is valid, any thread may call this, and the name is copied during the call.
        unsafe { ((*self.0.as_ptr()).count)(self.0.as_ptr(), name.as_ptr(), add) }
    }

    pub(crate) fn gauge(&self, name: &CStr, value: f64) {
        // SAFETY: the context is valid, any thread may call this, and the name is copied during the call.
        unsafe { ((*self.0.as_ptr()).gauge)(self.0.as_ptr(), name.as_ptr(), value) }
    }

    /// From the plugin's thread only.
    pub(crate) fn fail(&self, text: &str) {
        // SAFETY: the context is valid, this is the thread of the call, and the text is copied during it.
        unsafe { ((*self.0.as_ptr()).fail)(self.0.as_ptr(), text.as_ptr().cast(), text.len()) }
    }
}

/// # Safety
/// Null, or a text that ends with a NUL and lives as long as is asked for.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: the caller's contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
