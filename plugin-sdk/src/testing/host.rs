//! The host's functions, as a plugin calls them, and a stage that calls the plugin's.
use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use super::Block;
use crate::abi::{ABI_VERSION, CLOCK_REALTIME, PluginContext, PscParam, PscState, ReturnCode};
use crate::export;
use crate::{Plugin, State};

/// What a plugin has told its host.
#[derive(Default)]
struct Told {
    failure: String,
    log: Vec<(i32, String)>,
    counters: Vec<(String, u64)>,
    gauges: Vec<(String, f64)>,
    /// What was allocated for states, until the host is dropped.
    memory: Vec<Vec<u64>>,
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What the function returned; none for a number without meaning.
    pub code: Option<ReturnCode>,
    /// What it said about it.
    pub text: String,
}

/// A context for calls of C functions, with what it takes to serve it.
pub struct Host {
    context: Box<PluginContext>,
    told: Arc<Mutex<Told>>,
    cancel: Arc<AtomicU32>,
    // What the context points to.
    _texts: Vec<CString>,
    _params: Vec<PscParam>,
}

impl Host {
    /// A host with these parameters, a stage called `test`, and no folder to write.
    ///
    /// # Panics
    /// If a parameter has a NUL in it.
    pub fn new(params: &[(&str, &str)]) -> Self {
        let text = |text: &str| CString::new(text).expect("a test's parameter has no NUL");
        let texts: Vec<CString> = params.iter().flat_map(|(key, value)| [text(key), text(value)]).collect();
        let params: Vec<PscParam> =
            texts.chunks_exact(2).map(|pair| PscParam { key: pair[0].as_ptr(), value: pair[1].as_ptr() }).collect();
        let told = Arc::<Mutex<Told>>::default();
        let cancel = Arc::new(AtomicU32::new(0));
        let context = Box::new(PluginContext {
            size: size_of::<PluginContext>() as u32,
            abi_version: ABI_VERSION,
            params: params.as_ptr(),
            param_count: params.len() as u32,
            instance: 0,
            stage: c"test".as_ptr(),
            work_dir: ptr::null(),
            user: ptr::null_mut(),
            host: Arc::as_ptr(&told).cast_mut().cast(),
            deadline_ns: 0,
            cancel: cancel.as_ptr(),
            log: on_log,
            clock: on_clock,
            alloc: on_alloc,
            release: on_release,
            count: on_count,
            gauge: on_gauge,
            fail: on_fail,
        });
        Self { context, told, cancel, _texts: texts, _params: params }
    }

    /// For calls of C functions; valid as long as the host.
    pub fn as_ptr(&mut self) -> *mut PluginContext {
        &raw mut *self.context
    }

    /// Sets the flag that asks the plugin to give up.
    pub fn cancel(&self) {
        self.cancel.store(1, Ordering::Relaxed);
    }

    /// Why the last call failed, in the plugin's words; empty again after this.
    pub fn take_failure(&self) -> String {
        std::mem::take(&mut lock(&self.told).failure)
    }

    /// The lines of the log, each with its level.
    pub fn log(&self) -> Vec<(i32, String)> {
        lock(&self.told).log.clone()
    }

    /// The sum of a counter.
    pub fn counter(&self, name: &str) -> u64 {
        lock(&self.told).counters.iter().filter(|(key, _)| key == name).map(|(_, add)| add).sum()
    }

    /// The last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        lock(&self.told).gauges.iter().rfind(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

/// A plugin between its start and its stop, called by the functions that it exports.
pub struct Stage<P: Plugin> {
    host: Host,
    plugin: PhantomData<P>,
}

impl<P: Plugin> Stage<P> {
    /// Starts the plugin with these parameters.
    ///
    /// # Errors
    /// If [`Plugin::new`] fails or panics.
    ///
    /// # Panics
    /// If a parameter has a NUL in it.
    pub fn start(params: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut host = Host::new(params);
        // SAFETY: the context lives until after the cleanup in `drop`, or is not used again; all on this thread.
        let code = unsafe { export::init::<P>(host.as_ptr()) };
        judge(&host, code)?;
        Ok(Self { host, plugin: PhantomData })
    }

    /// Hands over a batch.
    ///
    /// # Errors
    /// If [`Plugin::process`] fails or panics.
    pub fn process(&mut self, block: &mut Block) -> Result<ReturnCode, Failure> {
        // SAFETY: `start` has succeeded; the block is whole, and borrowed for the call.
        let code = unsafe { export::process::<P>(block.as_mut_ptr(), self.host.as_ptr()) };
        judge(&self.host, code)
    }

    /// Takes what is held back. [`ReturnCode::More`]: there is more, for another block.
    ///
    /// # Errors
    /// If [`Plugin::flush`] fails or panics.
    pub fn flush(&mut self, block: &mut Block) -> Result<ReturnCode, Failure> {
        // SAFETY: `start` has succeeded; the block is whole, and borrowed for the call.
        let code = unsafe { export::flush::<P>(block.as_mut_ptr(), self.host.as_ptr()) };
        judge(&self.host, code)
    }

    /// Copies the state out.
    ///
    /// # Errors
    /// If [`Plugin::export`] fails or panics, or the plugin has no state.
    pub fn export(&mut self) -> Result<State, Failure> {
        let mut state = PscState { size: size_of::<PscState>() as u32, version: 0, len: 0, data: ptr::null_mut() };
        // SAFETY: `start` has succeeded, and `state` may be written.
        let code = unsafe { export::export_state::<P>(self.host.as_ptr(), &raw mut state) };
        judge(&self.host, code)?;
        let bytes = match state.len {
            0 => &[][..],
            // SAFETY: the plugin was given so many bytes by `on_alloc` and has filled them; the host keeps them.
            len => unsafe { std::slice::from_raw_parts(state.data.cast::<u8>(), len as usize) },
        };
        Ok(State { version: state.version, bytes: bytes.to_vec() })
    }

    /// Hands a state over.
    ///
    /// # Errors
    /// If [`Plugin::import`] refuses it or panics.
    pub fn import(&mut self, state: &State) -> Result<(), Failure> {
        let raw = PscState {
            size: size_of::<PscState>() as u32,
            version: state.version,
            len: state.bytes.len() as u64,
            data: state.bytes.as_ptr().cast_mut().cast(),
        };
        // SAFETY: `start` has succeeded; the state and its bytes are borrowed for the call, which only reads them.
        let code = unsafe { export::import_state::<P>(self.host.as_ptr(), &raw const raw) };
        judge(&self.host, code).map(drop)
    }

    /// What the plugin has told, and the flag to cancel.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

impl<P: Plugin> Drop for Stage<P> {
    fn drop(&mut self) {
        // SAFETY: `start` has succeeded, and this is the last call.
        unsafe { export::cleanup::<P>(self.host.as_ptr()) }
    }
}

fn judge(host: &Host, code: i32) -> Result<ReturnCode, Failure> {
    match ReturnCode::new(code) {
        Some(code @ (ReturnCode::Ok | ReturnCode::More)) => Ok(code),
        code => Err(Failure { code, text: host.take_failure() }),
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.code, self.text)
    }
}

impl std::error::Error for Failure {}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// The context is a [`Host`]'s that lives.
unsafe fn told<'a>(ctx: *mut PluginContext) -> std::sync::MutexGuard<'a, Told> {
    // SAFETY: by the caller's contract; `host` was set in `Host::new`, which keeps it.
    lock(unsafe { &*(*ctx).host.cast::<Mutex<Told>>() })
}

/// # Safety
/// So many bytes may be read there.
unsafe fn text(text: *const c_char, len: usize) -> String {
    // SAFETY: the caller's contract.
    String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text.cast(), len) }).into_owned()
}

/// # Safety
/// As the contract says: the context that the plugin was given, and what is named may be read.
unsafe extern "C" fn on_log(ctx: *mut PluginContext, level: i32, line: *const c_char, len: usize) {
    // SAFETY: a plugin passes the context that it was given, and `len` bytes of text.
    unsafe { told(ctx).log.push((level, text(line, len))) }
}

extern "C" fn on_clock(_ctx: *mut PluginContext, which: i32) -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let since = match which {
        CLOCK_REALTIME => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        _ => START.get_or_init(Instant::now).elapsed(),
    };
    since.as_nanos() as u64
}

/// # Safety
/// As the contract says: the context that the plugin was given, and what is named may be read.
unsafe extern "C" fn on_alloc(ctx: *mut PluginContext, size: usize) -> *mut c_void {
    let mut memory = vec![0_u64; size.div_ceil(8)];
    let at = memory.as_mut_ptr();
    // SAFETY: a plugin passes the context that it was given.
    unsafe { told(ctx).memory.push(memory) };
    at.cast()
}

/// Memory goes with the host: a test has little of it.
extern "C" fn on_release(_ctx: *mut PluginContext, _memory: *mut c_void) {}

/// # Safety
/// As the contract says: the context that the plugin was given, and what is named may be read.
unsafe extern "C" fn on_count(ctx: *mut PluginContext, name: *const c_char, add: u64) {
    // SAFETY: a plugin passes the context that it was given, and a name that ends with a NUL.
    unsafe { told(ctx).counters.push((CStr::from_ptr(name).to_string_lossy().into_owned(), add)) }
}

/// # Safety
/// As the contract says: the context that the plugin was given, and what is named may be read.
unsafe extern "C" fn on_gauge(ctx: *mut PluginContext, name: *const c_char, value: f64) {
    // SAFETY: a plugin passes the context that it was given, and a name that ends with a NUL.
    unsafe { told(ctx).gauges.push((CStr::from_ptr(name).to_string_lossy().into_owned(), value)) }
}

/// # Safety
/// As the contract says: the context that the plugin was given, and what is named may be read.
unsafe extern "C" fn on_fail(ctx: *mut PluginContext, why: *const c_char, len: usize) {
    // SAFETY: a plugin passes the context that it was given, and `len` bytes of text.
    unsafe { told(ctx).failure = text(why, len) }
}
