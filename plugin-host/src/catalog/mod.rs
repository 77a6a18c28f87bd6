//! The plugins in folders: which there are, which of them run, and what has failed.
//!
//! ```text
//!   folders ──scan──▶ Catalog (actor) ──look──▶ a sandboxed process for each library that is new
//!                        │    │
//!                        │    └── catalog_core (pure): what is known of each file, and which may be started
//!                        └─ start_child, terminate_child ──▶ the supervisor that it is given ──▶ plugins
//!                        └─ swap ─────────────────────────▶ a plugin that runs
//! ```
//!
//! **Promises**: no library is loaded in the host; parameters are checked against the plugin's schema before a start and
//! before a swap; a library that has failed is remembered by its fingerprint, with the reason and the time, and is not
//! tried again until the file is another one or [`forgive`](CatalogRef::forgive) asks for it.
//!
//! **Does not promise** to notice a new file by itself: call [`scan`](CatalogRef::scan), from a timer if it should be.
//! What it knows is gone when it is restarted; what runs goes on, and enabling it again finds it.
//!
//! **Bounds**: 16 folders, 256 libraries each, 4 looked at at once, each within 2 s. It carries out one request after
//! the other, but for swaps, which it only begins: give a `scan` of many new files a limit of its own.

mod catalog_core;
mod discovery;
mod error;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use proscenium_runtime::{Context, Down, Exit, MonitorId, Now, Reply, actor};
use proscenium_supervision::{SupervisorError, SupervisorRef};
use tokio::task::spawn_blocking;

pub use catalog_core::{Failure, Listing};
pub use discovery::{FolderError, libraries};
pub use error::CatalogError;

use catalog_core::CatalogCore;

use crate::look::Look;
use crate::plugin_ref::PluginRef;
use crate::private_copy::Fingerprint;
use crate::spec::Plugin;
use crate::start_error::StartError;
use crate::swap::{Swap, SwapError, SwapReport};

/// Folders at most.
const MOST_FOLDERS: usize = 16;
/// Libraries that are looked at side by side.
const AT_ONCE: usize = 4;
/// What a library may take to be loaded and to say what it is.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// Between the end of a plugin's process and the look whether it was restarted.
const AGAIN: Duration = Duration::from_secs(1);

type Params = Vec<(String, String)>;
type Setting = dyn Fn(Option<&Look>, Plugin) -> Plugin + Send + Sync;

/// The plugins in folders, as an actor. Its plugins are children of the supervisor that it is given, by their names.
pub struct Catalog {
    supervisor: SupervisorRef,
    folders: Vec<PathBuf>,
    setting: Arc<Setting>,
    core: CatalogCore,
    /// One for each plugin that was enabled.
    watched: Vec<(MonitorId, String)>,
}

impl Catalog {
    /// Of these folders: 16 at most, the others are left out with a warning. Nothing is looked at before the first scan.
    pub fn new(supervisor: SupervisorRef, folders: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let mut folders: Vec<PathBuf> = folders.into_iter().map(Into::into).collect();
        for left_out in folders.drain(folders.len().min(MOST_FOLDERS)..) {
            tracing::warn!(target: "proscenium::plugin", folder = %left_out.display(), "a catalog has {MOST_FOLDERS} folders at most; this one is left out");
        }
        Catalog {
            supervisor,
            folders,
            setting: Arc::new(|_, plugin| plugin),
            core: CatalogCore::default(),
            watched: Vec::new(),
        }
    }

    /// How its plugins are set up: limits, grants, policies. Without a look the library is only asked what it is.
    /// Default: as [`Plugin::new`] has it.
    #[must_use]
    pub fn setting(mut self, setting: impl Fn(Option<&Look>, Plugin) -> Plugin + Send + Sync + 'static) -> Self {
        self.setting = Arc::new(setting);
        self
    }
}

/// A swap that has come to its end, one way or the other.
pub struct Swapped {
    name: String,
    /// What serves if it was made.
    library: PathBuf,
    done: Result<SwapReport, SwapError>,
    reply: Reply<Result<SwapReport, CatalogError>>,
}

#[actor(crate = proscenium_runtime)]
impl Catalog {
    /// Looks into the folders: what is new or changed is asked what it is, in a process of its own.
    #[call]
    pub async fn scan(&mut self, cx: &mut Context<Self>) -> Result<Vec<Listing>, FolderError> {
        let folders = self.folders.clone();
        let found = spawn_blocking(move || files(&folders)).await.unwrap_or_else(|_| Ok(Vec::new()))?;
        let print_of = |path: &Path| found.iter().find(|(of, _)| of == path).and_then(|(_, print)| *print);
        let looks = stream::iter(self.core.found(&found)).map(|path| {
            let plugin = (self.setting)(None, Plugin::new(&path)).start_limit(LOOK_LIMIT);
            async move { (path, plugin.look().await) }
        });
        let mut looks = looks.buffer_unordered(AT_ONCE);
        while let Some((path, look)) = looks.next().await {
            let look = look.map_err(|error| error.to_string());
            let print = print_of(&path);
            self.core.looked(path, print, look, cx.now());
        }
        Ok(self.core.list().cloned().collect())
    }

    /// What the last scan has found, and what has become of it since.
    #[call]
    pub fn list(&self) -> Vec<Listing> {
        self.core.list().cloned().collect()
    }

    /// Starts the newest library of this name that has not failed, as a child of the supervisor.
    #[call]
    pub async fn enable(
        &mut self,
        cx: &mut Context<Self>,
        name: String,
        params: Params,
    ) -> Result<PluginRef, CatalogError> {
        if self.core.serving(&name).is_some() {
            return Err(CatalogError::Enabled(name));
        }
        let look = self.core.choose(&name).map_err(|none| CatalogError::of(&name, none))?;
        fits(&look, &params)?;
        let plugin =
            params.into_iter().fold(Plugin::new(&look.library), |plugin, (key, value)| plugin.param(key, value));
        let plugin = (self.setting)(Some(&look), plugin);
        match self.supervisor.start_child(Plugin::spec(name.clone(), plugin)).await {
            // It was this catalog's before that was restarted.
            Ok(_) | Err(SupervisorError::AlreadyStarted) => {}
            Err(SupervisorError::Start(exit)) => {
                if StartError::of(&exit).is_some_and(StartError::is_the_librarys) {
                    self.core.failed(&look.library, exit.to_string(), cx.now());
                }
                return Err(CatalogError::Start { library: look.library.clone(), exit });
            }
            Err(error) => return Err(CatalogError::Supervisor(error)),
        }
        let plugin = self.supervisor.reference::<PluginRef>(name.clone()).await.map_err(CatalogError::Supervisor)?;
        self.core.enabled(&name, &look.library);
        self.watch(cx, &plugin, name);
        Ok(plugin)
    }

    /// Ends a plugin, and forgets that it was enabled. What it has not answered goes back to who gave it.
    #[call]
    pub async fn disable(&mut self, name: String) -> Result<(), CatalogError> {
        self.serving(&name)?;
        self.core.disabled(&name);
        match self.supervisor.terminate_child(name.clone()).await {
            Ok(()) => {}
            Err(SupervisorError::NotFound) => return Ok(()),
            Err(error) => return Err(CatalogError::Supervisor(error)),
        }
        match self.supervisor.delete_child(name).await {
            Ok(()) | Err(SupervisorError::NotFound) => Ok(()),
            Err(error) => Err(CatalogError::Supervisor(error)),
        }
    }

    /// Other parameters for a plugin that runs, by a swap to another process of the same library.
    #[call]
    pub async fn change(
        &mut self,
        cx: &mut Context<Self>,
        name: String,
        params: Params,
        reply: Reply<Result<SwapReport, CatalogError>>,
    ) {
        let look = self.serving(&name).and_then(|look| fits(&look, &params).map(|()| look));
        match look {
            Err(error) => reply.send(Err(error)),
            Ok(look) => self.begin(cx, name, &look, Swap::reload().params(params), reply).await,
        }
    }

    /// The newest library of a plugin's name, in the place of the one that runs.
    #[call]
    pub async fn upgrade(
        &mut self,
        cx: &mut Context<Self>,
        name: String,
        reply: Reply<Result<SwapReport, CatalogError>>,
    ) {
        let look =
            self.serving(&name).and_then(|_| self.core.choose(&name).map_err(|none| CatalogError::of(&name, none)));
        match look {
            Err(error) => reply.send(Err(error)),
            Ok(look) => self.begin(cx, name, &look, Swap::to(&look.library), reply).await,
        }
    }

    /// A library that has failed may be tried again, as it is. False: it is not known, or has not failed.
    #[call]
    pub fn forgive(&mut self, library: PathBuf) -> bool {
        self.core.forgive(&library)
    }

    #[info]
    fn swapped(&mut self, cx: &mut Context<Self>, swapped: Swapped) {
        let Swapped { name, library, done, reply } = swapped;
        match &done {
            Ok(_) => self.core.enabled(&name, &library),
            Err(SwapError::Start(error)) if error.is_the_librarys() => {
                self.core.failed(&library, error.to_string(), cx.now());
            }
            Err(_) => {}
        }
        reply.send(done.map_err(CatalogError::Swap));
    }

    #[info]
    async fn down(&mut self, cx: &mut Context<Self>, down: Down) {
        let Some(at) = self.watched.iter().position(|(monitor, _)| *monitor == down.monitor) else { return };
        let (_, name) = self.watched.swap_remove(at);
        if down.restart {
            cx.send_after(AGAIN, CatalogMsg::again(name));
        } else {
            self.gone(cx.now(), &name, down.exit).await;
        }
    }

    /// A plugin that had ended may run again.
    #[info]
    async fn again(&mut self, cx: &mut Context<Self>, name: String) {
        if self.core.serving(&name).is_none() {
            return; // Disabled meanwhile.
        }
        match self.supervisor.reference::<PluginRef>(name.clone()).await {
            Ok(plugin) => self.watch(cx, &plugin, name),
            Err(_) => self.gone(cx.now(), &name, Exit::NoProc).await,
        }
    }
}

impl Catalog {
    fn watch(&mut self, cx: &Context<Self>, plugin: &PluginRef, name: String) {
        self.watched.push((cx.monitor(&plugin.actor()), name));
    }

    /// It has ended for good. If that was its own doing, it is remembered.
    async fn gone(&mut self, now: Now, name: &str, exit: Exit) {
        let Some(library) = self.core.serving(name).map(|listing| listing.library.clone()) else { return };
        let past = self.supervisor.exits(name.to_owned()).await.ok().and_then(|exits| exits.last().cloned());
        let exit = past.map_or(exit, |past| past.exit);
        self.core.disabled(name);
        if !exit.is_orderly() && exit != Exit::NoProc {
            self.core.failed(&library, exit.to_string(), now);
        }
    }

    /// What runs under this name.
    fn serving(&self, name: &str) -> Result<Arc<Look>, CatalogError> {
        let look = self.core.serving(name).and_then(|listing| listing.look.clone());
        look.ok_or_else(|| CatalogError::NotEnabled(name.to_owned()))
    }

    /// A swap, beside what else there is to do.
    async fn begin(
        &mut self,
        cx: &mut Context<Self>,
        name: String,
        look: &Look,
        swap: Swap,
        reply: Reply<Result<SwapReport, CatalogError>>,
    ) {
        match self.supervisor.reference::<PluginRef>(name.clone()).await {
            Err(error) => reply.send(Err(CatalogError::Supervisor(error))),
            Ok(plugin) => {
                let library = look.library.clone();
                let swapped = async move { plugin.swap(swap).await };
                cx.pipe(swapped, |done| CatalogMsg::swapped(Swapped { name, library, done, reply }));
            }
        }
    }
}

fn fits(look: &Look, params: &[(String, String)]) -> Result<(), CatalogError> {
    let library = || look.library.clone();
    let schema = look.schema().map_err(|error| CatalogError::Schema { library: library(), error })?;
    schema.check(params).map_err(|misfits| CatalogError::Params { library: library(), misfits })
}

/// The libraries of all folders, with what each is. It reads them all.
fn files(folders: &[PathBuf]) -> Result<Vec<(PathBuf, Option<Fingerprint>)>, FolderError> {
    let mut found = Vec::new();
    for folder in folders {
        found.extend(libraries(folder)?.into_iter().map(|path| {
            let print = Fingerprint::of(&path).ok();
            (path, print)
        }));
    }
    Ok(found)
}
