//! The library: loaded, and its functions found.
//!
//! Loading runs code of the library, so the walls are up before.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};
use proscenium_plugin_sdk::abi::{
    self, CleanupPlugin, ExportState, GetPluginInfo, ImportState, InitPlugin, PluginAbiVersion, PluginContext,
    ProcessBatch, PscState, RecordBatch,
};

use crate::wire::{Failed, FailedKind, Phase};

/// The functions of a plugin. They stay loaded until the process ends.
pub(crate) struct Library {
    init: InitPlugin,
    process: ProcessBatch,
    cleanup: CleanupPlugin,
    info: GetPluginInfo,
    version: Option<PluginAbiVersion>,
    flush: Option<ProcessBatch>,
    state: Option<(ExportState, ImportState)>,
}

fn failed(phase: Phase, kind: FailedKind, text: impl Into<String>) -> Failed {
    Failed { phase, kind, code: 0, text: text.into() }
}

impl Library {
    pub(crate) fn load(path: &[u8]) -> Result<Library, Failed> {
        // SAFETY:
        // - initialisers of a foreign library may do anything: they run in this process alone, behind the walls, and
        //   whatever they spoil is spoilt here; that is what the process is for.
        let loaded = unsafe { Loaded::open(Some(OsStr::from_bytes(path)), RTLD_NOW | RTLD_LOCAL) };
        let loaded = loaded.map_err(|error| failed(Phase::Load, FailedKind::Load, reason(&error)))?;
        let library = Library::find(&loaded)?;
        // Never unloaded: threads of the plugin may run in it, and finalisers need no chance to crash.
        std::mem::forget(loaded);
        Ok(library)
    }

    fn find(loaded: &Loaded) -> Result<Library, Failed> {
        let (export, import) = (optional(loaded, "export_state"), optional(loaded, "import_state"));
        let state = match (export, import) {
            (Some(export), Some(import)) => Some((export, import)),
            (None, None) => None,
            _ => return Err(missing("export_state and import_state come both or not at all")),
        };
        Ok(Library {
            init: required(loaded, "init_plugin")?,
            process: required(loaded, "process_batch")?,
            cleanup: required(loaded, "cleanup_plugin")?,
            info: required(loaded, "get_plugin_info")?,
            version: optional(loaded, "plugin_abi_version"),
            flush: optional(loaded, "flush_plugin"),
            state,
        })
    }

    pub(crate) fn abi(&self) -> Result<u32, Failed> {
        // SAFETY: the interface says so of this function: no argument, any time after load.
        let version = self.version.map_or(abi::ABI_VERSION & 0xFFFF_0000, |version| unsafe { version() });
        match version >> 16 {
            // A newer minor looks before it uses what this host does not have.
            abi::ABI_MAJOR => Ok(version),
            major => {
                let (minor, own, own_minor) = (version & 0xFFFF, abi::ABI_MAJOR, abi::ABI_MINOR);
                let text = format!(
                    "it is for version {major}.{minor} of the plugin interface, and this host has {own}.{own_minor}; \
                     build it against the header of this host"
                );
                Err(failed(Phase::Info, FailedKind::Abi, text))
            }
        }
    }

    /// What it says of itself, by type; nothing of types that it does not know.
    pub(crate) fn info(&self) -> Result<Vec<(String, String)>, Failed> {
        let mut all = Vec::new();
        for name in abi::INFO_TYPES {
            let mut asked = name.as_bytes().to_vec();
            asked.push(0);
            // SAFETY: a NUL-terminated name that lives through the call, as the interface says.
            let text = unsafe { (self.info)(asked.as_ptr().cast()) };
            if text.is_null() {
                continue;
            }
            // SAFETY: the interface says: static and NUL-terminated. A text that is not crashes this process, and the host
            // hears that it happened while it was asked.
            let text = unsafe { CStr::from_ptr(text) };
            if text.count_bytes() > abi::INFO_MAX as usize {
                let text = format!("get_plugin_info(\"{name}\") has more than {} bytes", abi::INFO_MAX);
                return Err(failed(Phase::Info, FailedKind::Info, text));
            }
            let mut text = text.to_string_lossy().into_owned();
            // What is no text becomes longer when it is made one.
            text.truncate(text.floor_char_boundary(abi::INFO_MAX as usize));
            all.push((name.to_owned(), text));
        }
        Ok(all)
    }

    pub(crate) fn flushes(&self) -> bool {
        self.flush.is_some()
    }

    pub(crate) fn has_state(&self) -> bool {
        self.state.is_some()
    }

    /// # Safety
    /// `context` is one that the interface describes, and stays where it is until the process ends.
    pub(crate) unsafe fn init(&self, context: *mut PluginContext) -> i32 {
        // SAFETY: our caller's promise.
        unsafe { (self.init)(context) }
    }

    /// # Safety
    /// `context` as for [`Library::init`], which has succeeded; `block` is a block that the interface describes.
    pub(crate) unsafe fn process(&self, block: *mut RecordBatch, context: *mut PluginContext) -> i32 {
        // SAFETY: our caller's promise.
        unsafe { (self.process)(block, context) }
    }

    /// Without a `flush_plugin` there is nothing to flush.
    ///
    /// # Safety
    /// As for [`Library::process`].
    pub(crate) unsafe fn flush(&self, block: *mut RecordBatch, context: *mut PluginContext) -> i32 {
        // SAFETY: our caller's promise.
        self.flush.map_or(0, |flush| unsafe { flush(block, context) })
    }

    /// # Safety
    /// `context` as for [`Library::init`], which has succeeded.
    pub(crate) unsafe fn export(&self, context: *mut PluginContext, state: &mut PscState) -> i32 {
        // SAFETY: our caller's promise.
        self.state.map_or(abi::ReturnCode::Unsupported.number(), |(export, _)| unsafe { export(context, state) })
    }

    /// # Safety
    /// `context` as for [`Library::init`], which has succeeded; `state.data` has `state.len` bytes.
    pub(crate) unsafe fn import(&self, context: *mut PluginContext, state: &PscState) -> i32 {
        // SAFETY: our caller's promise.
        self.state.map_or(abi::ReturnCode::Unsupported.number(), |(_, import)| unsafe { import(context, state) })
    }

    /// # Safety
    /// As for [`Library::export`], and nothing is called after it.
    pub(crate) unsafe fn cleanup(&self, context: *mut PluginContext) {
        // SAFETY: our caller's promise.
        unsafe { (self.cleanup)(context) }
    }
}

fn missing(text: &str) -> Failed {
    failed(Phase::Load, FailedKind::Symbol, text)
}

fn required<F: Copy>(loaded: &Loaded, name: &str) -> Result<F, Failed> {
    optional(loaded, name).ok_or_else(|| {
        missing(&format!("it has no function {name}; export it with extern \"C\" and PSC_EXPORT, see the header"))
    })
}

fn optional<F: Copy>(loaded: &Loaded, name: &str) -> Option<F> {
    // SAFETY: `F` is the type that the interface gives the function of this name; one of another type is called at this
    // process's own risk.
    let found = unsafe { loaded.get::<Option<F>>(name.as_bytes()) }.ok()?;
    *found
}

/// The loader's own words, which libloading keeps one level down.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
