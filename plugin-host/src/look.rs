//! What a library says of itself, asked in a process of its own that ends with the answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proscenium_plugin_runner::parameters::{NoSchema, Schema};
use proscenium_plugin_runner::sandbox::Report;
use proscenium_plugin_runner::wire::{Purpose, Tell};
use proscenium_shm_channel::{Geometry, Pool};

use crate::private_copy::Fingerprint;
use crate::process::{Plan, Process, Source};
use crate::spec::{Plugin, Settings};
use crate::start_error::StartError;
use crate::watch;

/// A plugin as it is before it is initialised.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Look {
    /// Where the library is.
    pub library: PathBuf,
    /// What it is.
    pub fingerprint: Fingerprint,
    /// The version of the interface that it is for: major and minor.
    pub abi: (u32, u32),
    /// What it says of itself: `name`, `version` and so on. Foreign text.
    pub info: Vec<(String, String)>,
    /// Whether it has a `flush_plugin`.
    pub flushes: bool,
    /// Whether it has `export_state` and `import_state`.
    pub has_state: bool,
    /// What became of the sandbox's layers around the process that was asked.
    pub sandbox: Report,
}

impl Look {
    fn of(process: &Process) -> Self {
        let ready = &process.ready;
        Look {
            library: process.library.source.clone(),
            fingerprint: process.library.fingerprint,
            abi: (ready.abi >> 16, ready.abi & 0xFFFF),
            info: process.info.clone(),
            flushes: ready.flushes,
            has_state: ready.has_state,
            sandbox: ready.sandbox.clone(),
        }
    }

    /// One of the things that it says of itself.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.iter().find(|(of, _)| of == name).map(|(_, text)| text.as_str())
    }

    /// Its name: what it says if that can be one (64 letters, digits, `_`, `-` and `.`), or else that of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        let is_a_name = |name: &&str| {
            (1..=64).contains(&name.len())
                && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char))
        };
        self.info("name").filter(is_a_name).unwrap_or_else(|| stem(&self.library))
    }

    /// Its parameters; any will do if it says nothing of them.
    ///
    /// # Errors
    /// What it says is no schema.
    pub fn schema(&self) -> Result<Schema, NoSchema> {
        Schema::parse(self.info("parameters").unwrap_or("{}"))
    }
}

/// `libvalidation.so` is called `validation`.
fn stem(library: &Path) -> &str {
    let name = library.file_stem().and_then(|name| name.to_str()).unwrap_or("plugin");
    name.strip_prefix("lib").filter(|name| !name.is_empty()).unwrap_or(name)
}

/// What a process is started with that no supervisor has asked for.
pub(crate) fn plan(plugin: &Plugin, pool: Pool, purpose: Purpose) -> Plan {
    let settings = &plugin.0;
    let stage = if settings.stage.is_empty() { stem(&settings.library).to_owned() } else { settings.stage.clone() };
    let settings = Settings { stage, ..settings.clone() };
    Plan {
        library: Source::Path(settings.library.clone(), None),
        params: settings.params.clone(),
        settings: Arc::new(settings),
        instance: 0,
        guard: None,
        pool,
        purpose,
    }
}

impl Plugin {
    /// Loads the library in a sandboxed process, asks what it says of itself, and ends the process. The plugin is not
    /// initialised, and its parameters are not looked at. Within the plugin's start limit.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn look(&self) -> Result<Look, StartError> {
        // It gets no batch.
        let smallest = Geometry { slots: 1, records: 1, heap: 0, input: 1 };
        let pool = Pool::new(smallest).map_err(StartError::Host)?;
        let plan = plan(self, pool, Purpose::Look);
        let stage = plan.settings.stage.clone();
        let (process, said) = plan.launch().await?;
        said.iter().filter(|tell| !matches!(tell, Tell::Fail(_))).for_each(|tell| watch::tell(&stage, tell));
        Ok(Look::of(&process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_without_a_name_is_called_as_its_file() {
        let rows = [("/a/libx.so", "x"), ("y.so", "y"), ("lib.so", "lib"), ("/", "plugin")];
        for (path, want) in rows {
            assert_eq!(stem(Path::new(path)), want);
        }
    }
}
