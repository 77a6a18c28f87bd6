//! What the C functions of a plugin are made of: the one place of this crate with `unsafe` code.
//!
//! [`export_plugin!`](crate::export_plugin) writes the functions into the plugin's crate; they call those here, which
//! look at the block once, give the plugin a safe [`Batch`] and [`Context`], and stop panics. A plugin itself has no use
//! for this module.
mod block;
mod calls;

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::abi::{PluginContext, PscState, RecordBatch, ReturnCode};
pub(crate) use block::Block;
pub(crate) use calls::Calls;

use crate::{Batch, Code, Context, Error, Flushed, Plugin, State};

/// Exports a type as a plugin: writes the C functions of the interface into this crate, which must be a `cdylib`.
///
/// The pairs are what `get_plugin_info` answers: `name`, `version`, `description`, `parameters` (a JSON Schema),
/// `author`, `license`, and types of your own, each a `&'static CStr`. `abi` is answered by itself. Once in a crate.
///
/// Every function is there, also those of [`Plugin`]'s methods that were left as they are: by default a flush emits
/// nothing, and an export says that there is no state.
///
/// The functions, as a runner calls them:
///
/// ```standalone_crate
/// use proscenium_plugin_sdk::testing::{Host, TestBatch};
/// use proscenium_plugin_sdk::{Batch, Context, Error, Plugin, abi, export_plugin};
///
/// struct Upper;
///
/// impl Plugin for Upper {
///     fn new(_ctx: &Context) -> Result<Self, Error> {
///         Ok(Self)
///     }
///
///     fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
///         batch.for_each(|mut record| {
///             record.payload_mut()?.make_ascii_uppercase();
///             Ok(())
///         })
///     }
/// }
///
/// export_plugin!(Upper, c"name" => c"upper", c"version" => c"1.0.0");
///
/// let mut host = Host::new(&[]);
/// let mut batch = TestBatch::new().record(b"quiet").build();
/// let (context, block) = (host.as_ptr(), batch.as_mut_ptr());
/// // SAFETY: both are alive, and were made for this.
/// let code = unsafe {
///     assert_eq!(init_plugin(context), 0);
///     let code = process_batch(block, context);
///     cleanup_plugin(context);
///     code
/// };
/// assert_eq!(abi::ReturnCode::new(code), Some(abi::ReturnCode::Ok));
/// assert_eq!(batch.records()[0].payload, b"QUIET");
/// // SAFETY: the text ends with a NUL, and the answer is static.
/// let version = unsafe { std::ffi::CStr::from_ptr(get_plugin_info(c"version".as_ptr())) };
/// assert_eq!(version, c"1.0.0");
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty, $($kind:expr => $text:expr),+ $(,)?) => {
        /// Starts the plugin.
        ///
        /// # Safety
        /// The context is valid until `cleanup_plugin` has returned; the calls come one at a time, from one thread.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn init_plugin(ctx: *mut $crate::abi::PluginContext) -> i32 {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::init::<$plugin>(ctx) }
        }

        /// Hands over a batch.
        ///
        /// # Safety
        /// As `init_plugin`, which succeeded before; the block is whole, and the plugin's until this returns.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn process_batch(
            batch: *mut $crate::abi::RecordBatch,
            ctx: *mut $crate::abi::PluginContext,
        ) -> i32 {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::process::<$plugin>(batch, ctx) }
        }

        /// Takes what is held back.
        ///
        /// # Safety
        /// As `process_batch`.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn flush_plugin(
            batch: *mut $crate::abi::RecordBatch,
            ctx: *mut $crate::abi::PluginContext,
        ) -> i32 {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::flush::<$plugin>(batch, ctx) }
        }

        /// Copies the state out.
        ///
        /// # Safety
        /// As `init_plugin`, which succeeded before; `out` may be written.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn export_state(
            ctx: *mut $crate::abi::PluginContext,
            out: *mut $crate::abi::PscState,
        ) -> i32 {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::export_state::<$plugin>(ctx, out) }
        }

        /// Takes a state over.
        ///
        /// # Safety
        /// As `init_plugin`, which succeeded before; `state` and its bytes may be read.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn import_state(
            ctx: *mut $crate::abi::PluginContext,
            state: *const $crate::abi::PscState,
        ) -> i32 {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::import_state::<$plugin>(ctx, state) }
        }

        /// Ends the plugin.
        ///
        /// # Safety
        /// As `init_plugin`; nothing but another `init_plugin` is called after this.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn cleanup_plugin(ctx: *mut $crate::abi::PluginContext) {
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::cleanup::<$plugin>(ctx) }
        }

        /// Answers questions about the plugin.
        ///
        /// # Safety
        /// `info_type` is null or ends with a NUL.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn get_plugin_info(info_type: *const ::std::ffi::c_char) -> *const ::std::ffi::c_char {
            static PAIRS: &[(&::std::ffi::CStr, &::std::ffi::CStr)] = &[$(($kind, $text)),+];
            // SAFETY: the caller keeps this function's contract, which is that one's.
            unsafe { $crate::export::info(PAIRS, info_type) }
        }

        /// The version of the interface.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn plugin_abi_version() -> u32 {
            $crate::abi::ABI_VERSION
        }
    };
}

/// The plugin's value, as it hangs on `ctx.user`.
struct Instance<P> {
    plugin: P,
    /// What a panic has left behind is not called again.
    panicked: bool,
}

/// `init_plugin`.
///
/// # Safety
/// `ctx` is valid, and stays so until after [`cleanup`]; one call at a time, all from one thread.
pub unsafe fn init<P: Plugin>(ctx: *mut PluginContext) -> i32 {
    // SAFETY: the caller's contract.
    let context = unsafe { Context::from_ptr(ctx) };
    match stop_panics(|| P::new(&context)) {
        Ok(Ok(plugin)) => {
            let instance = Box::into_raw(Box::new(Instance { plugin, panicked: false }));
            // SAFETY: valid by the caller's contract, and `user` is the plugin's own.
            unsafe { (*ctx).user = instance.cast() };
            ReturnCode::Ok.number()
        }
        Ok(Err(error)) => tell(&context, &error),
        Err(error) => tell(&context, &error),
    }
}

/// `process_batch`.
///
/// # Safety
/// As [`init`], with the same type; `batch` is a whole block, and nobody else's until this returns.
pub unsafe fn process<P: Plugin>(batch: *mut RecordBatch, ctx: *mut PluginContext) -> i32 {
    // SAFETY: the caller's contract, twice.
    unsafe {
        with::<P>(ctx, |plugin, context| {
            let mut batch = Batch::new(Block::new(batch)?);
            plugin.process(&mut batch, context).map(|()| ReturnCode::Ok)
        })
    }
}

/// `flush_plugin`.
///
/// # Safety
/// As [`process`].
pub unsafe fn flush<P: Plugin>(batch: *mut RecordBatch, ctx: *mut PluginContext) -> i32 {
    // SAFETY: the caller's contract, twice.
    unsafe {
        with::<P>(ctx, |plugin, context| {
            let mut batch = Batch::new(Block::new(batch)?);
            plugin.flush(&mut batch, context).map(|flushed| match flushed {
                Flushed::Done => ReturnCode::Ok,
                Flushed::More => ReturnCode::More,
            })
        })
    }
}

/// `export_state`.
///
/// # Safety
/// As [`init`], with the same type; `out` may be written.
pub unsafe fn export_state<P: Plugin>(ctx: *mut PluginContext, out: *mut PscState) -> i32 {
    // SAFETY:
    // - `ctx`, `out`: the caller's contract;
    // - the bytes: `alloc` gave as many, and nobody else has them.
    unsafe {
        with::<P>(ctx, |plugin, context| {
            let State { version, bytes } = plugin.export(context)?;
            let mut data = ptr::null_mut();
            if !bytes.is_empty() {
                data = ((*ctx).alloc)(ctx, bytes.len());
                if data.is_null() {
                    return Err(Error::new(Code::NoMem, format!("no {} bytes for the state", bytes.len())));
                }
                ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len());
            }
            (*out).version = version;
            (*out).len = bytes.len() as u64;
            (*out).data = data;
            Ok(ReturnCode::Ok)
        })
    }
}

/// `import_state`.
///
/// # Safety
/// As [`init`], with the same type; `state` and the bytes that it names may be read.
pub unsafe fn import_state<P: Plugin>(ctx: *mut PluginContext, state: *const PscState) -> i32 {
    // SAFETY:
    // - `ctx`, `state`: the caller's contract;
    // - the slice: `len` bytes at `data` may be read by the same contract, and an empty one is not looked at.
    unsafe {
        with::<P>(ctx, |plugin, context| {
            let PscState { version, len, data, .. } = *state;
            let bytes = match len {
                0 => &[][..],
                _ => std::slice::from_raw_parts(data.cast::<u8>(), len as usize),
            };
            plugin.import(version, bytes, context).map(|()| ReturnCode::Ok)
        })
    }
}

/// `cleanup_plugin`.
///
/// # Safety
/// As [`init`], with the same type.
pub unsafe fn cleanup<P: Plugin>(ctx: *mut PluginContext) {
    // SAFETY: valid by the caller's contract.
    let user = unsafe { ptr::replace(&raw mut (*ctx).user, ptr::null_mut()) };
    if user.is_null() {
        return;
    }
    // SAFETY:
    // - the type: `user` is null or what `init` of the same type put there;
    // - owned: it was taken out of the context just now.
    let instance = unsafe { Box::from_raw(user.cast::<Instance<P>>()) };
    if instance.panicked {
        std::mem::forget(instance);
    } else if let Err(error) = stop_panics(|| drop(instance)) {
        // SAFETY: the caller's contract.
        tell(&unsafe { Context::from_ptr(ctx) }, &error);
    }
}

/// `get_plugin_info`.
///
/// # Safety
/// `kind` is null or ends with a NUL.
pub unsafe fn info(pairs: &[(&'static CStr, &'static CStr)], kind: *const c_char) -> *const c_char {
    if kind.is_null() {
        return ptr::null();
    }
    // SAFETY: not null, so it ends with a NUL by the caller's contract.
    let kind = unsafe { CStr::from_ptr(kind) };
    if kind == c"abi" {
        return c"1.0".as_ptr();
    }
    pairs.iter().find(|(name, _)| *name == kind).map_or(ptr::null(), |(_, text)| text.as_ptr())
}

/// Calls into the plugin, and makes a code of whatever happens.
///
/// # Safety
/// As [`init`], with the same type.
unsafe fn with<P: Plugin>(
    ctx: *mut PluginContext,
    call: impl FnOnce(&mut P, &Context) -> Result<ReturnCode, Error>,
) -> i32 {
    // SAFETY: the caller's contract.
    let context = unsafe { Context::from_ptr(ctx) };
    // SAFETY:
    // - valid: `user` is null or what `init` of the same type put there, until `cleanup` sets it to null;
    // - alone: one call at a time, and a plugin cannot reach it.
    let instance = unsafe { (*ctx).user.cast::<Instance<P>>().as_mut() };
    let Some(instance) = instance.filter(|instance| !instance.panicked) else {
        return tell(&context, &Error::new(Code::Fatal, "called without a successful init_plugin, or after a panic"));
    };
    match stop_panics(|| call(&mut instance.plugin, &context)) {
        Ok(Ok(code)) => code.number(),
        Ok(Err(error)) => tell(&context, &error),
        Err(error) => {
            instance.panicked = true;
            tell(&context, &error)
        }
    }
}

/// A panic becomes an error that restarts the process. (Who was hit by it is not called again: see [`Instance`].)
fn stop_panics<T>(call: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let error = Error::new(Code::Fatal, format!("panic: {}", text_of(&*panic)));
        // What was thrown may panic when it is dropped.
        std::mem::forget(panic);
        error
    })
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("with something that is no text")
}

fn tell(context: &Context, error: &Error) -> i32 {
    if !error.text().is_empty() {
        context.fail(error.text());
    }
    error.code().return_code().number()
}
