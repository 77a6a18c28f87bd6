//! A pipeline that follows the file it is described in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::changeover::ReloadReport;
use crate::pipeline_ref::PipelineRef;
use crate::plan::Plan;
use crate::watch_core::{Stamp, WatchCore};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Reads a plan anew: from a file, mostly. The error is for people. It may block.
pub type ReadPlan = Arc<dyn Fn() -> Result<Plan, String> + Send + Sync>;

/// Notices that a file has changed.
///
/// It looks every 250 ms at the time of its last change, its size and its inode. A change is one when the file has not
/// changed for another look: who is still writing is waited for. A file that is gone for a while is waited for as well.
#[derive(Clone, Debug)]
pub struct FileWatch {
    path: PathBuf,
    core: WatchCore,
}

impl FileWatch {
    /// Of this file as it is now. To miss no change, make it before the file is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        FileWatch { core: WatchCore::new(stamp(&path)), path }
    }

    /// Waits for the next change.
    pub async fn changed(&mut self) {
        let mut looks = tokio::time::interval(EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        looks.tick().await; // The first is at once.
        loop {
            looks.tick().await;
            if self.core.look(stamp(&self.path)) {
                return;
            }
        }
    }
}

/// A look at one file of this machine takes less than handing it to another thread.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some(Stamp { written: (found.mtime(), found.mtime_nsec()), size: found.size(), inode: found.ino() })
}

impl PipelineRef {
    /// Reads the plan anew and makes the pipeline what it says.
    ///
    /// # Errors
    /// In words: what is wrong with the plan, or why it could not be reached. The pipeline goes on as it was.
    pub async fn reload_from(&self, read: &ReadPlan) -> Result<ReloadReport, String> {
        let read = read.clone();
        let plan = tokio::task::spawn_blocking(move || read()).await.map_err(|why| why.to_string())??;
        self.reload(plan).await.map_err(|why| why.to_string())
    }

    /// Reloads the pipeline whenever the file changes, until it ends, and tells how each reload went. A bad file changes
    /// nothing. Dropped, the future follows the file no more; a reload that has begun comes to its end.
    ///
    /// ```no_run
    /// # use std::{path::Path, sync::Arc};
    /// # use proscenium_pipeline::config::{Ends, Kinds, Surroundings, read};
    /// # use proscenium_pipeline::{FileWatch, Pipeline, ReadPlan, Stdout, sources::Lines};
    /// # async fn run(node: &proscenium_runtime::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let file = Path::new("orders.toml");
    /// let plan: ReadPlan = Arc::new(move || {
    ///     let ends = Ends { source: Arc::new(Lines::stdin().json()), sink: Arc::new(Stdout::new()) };
    ///     read(file, &Surroundings::of_process(&Kinds::known(), &ends)).map_err(|wrong| wrong.to_string())
    /// });
    /// let watch = FileWatch::new(file);
    /// let orders = Pipeline::of(plan()?).start(node).await?;
    /// orders.follow_file(watch, &plan, |reloaded| eprintln!("{reloaded:?}")).await;
    /// # Ok(()) }
    /// ```
    pub async fn follow_file(
        &self,
        mut watch: FileWatch,
        read: &ReadPlan,
        mut told: impl FnMut(Result<ReloadReport, String>),
    ) {
        loop {
            tokio::select! {
                _ = self.wait() => return,
                () = watch.changed() => (),
            }
            told(self.reload_from(read).await);
        }
    }
}
