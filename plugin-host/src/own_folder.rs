//! A folder of the host's own, which goes when nobody needs it any more.
//!
//! It is not removed on a runtime's worker: a disk may let one wait for a millisecond until it has given back what an empty
//! folder took, and the worker's actors would wait along.

use std::any::Any;
use std::path::PathBuf;
use std::time::Instant;

use tokio::runtime::Handle;

use crate::removal;

/// Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct OwnFolder(Option<Doomed>);

#[derive(Debug)]
struct Doomed {
    path: PathBuf,
    what: &'static str,
    /// What goes no sooner than the folder.
    _with: Box<dyn Any + Send + Sync>,
}

impl OwnFolder {
    /// One that is there, as its owner calls it, and what goes no sooner than the folder.
    pub(crate) fn new(path: PathBuf, what: &'static str, with: impl Any + Send + Sync) -> OwnFolder {
        OwnFolder(Some(Doomed { path, what, _with: Box::new(with) }))
    }

    /// Removes it behind this, which may block.
    pub(crate) fn remove_after(mut self, wait: impl FnOnce() + Send + 'static) {
        let doomed = self.0.take();
        away(move || {
            wait();
            drop(doomed);
        });
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        if let Some(doomed) = self.0.take() {
            away(move || drop(doomed));
        }
    }
}

/// Also when what would have removed it is dropped by a runtime that ends.
impl Drop for Doomed {
    fn drop(&mut self) {
        if let Err(error) = removal::remove(&self.path, Instant::now() + removal::LIMIT) {
            let (folder, what) = (self.path.display(), self.what);
            tracing::warn!(target: "proscenium::plugin", %folder, %error, "{what} is left behind; the next host on this machine removes it");
        }
    }
}

fn away(work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// Says on which thread it has ended.
    struct Ends(Sender<ThreadId>);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("proscenium-own-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("inner")).unwrap();
        path
    }

    #[test]
    fn a_folder_goes_before_what_it_keeps_and_not_on_a_worker_if_there_is_one() {
        let path = fresh("dropped");
        let (ends, ended) = channel();
        let folder = OwnFolder::new(path.clone(), "a folder", Ends(ends));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { drop(folder) });
        assert_ne!(ended.recv_timeout(LIMIT).unwrap(), thread::current().id());
        assert!(!path.exists());

        let path = fresh("without");
        let (ends, ended) = channel();
        drop(OwnFolder::new(path.clone(), "a folder", Ends(ends)));
        assert_eq!(ended.try_recv().unwrap(), thread::current().id());
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_stays_for_as_long_as_its_end_is_waited_for() {
        let path = fresh("waits");
        let (ends, ended) = channel();
        let (go, gone) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = OwnFolder::new(path.clone(), "a folder", Ends(ends));
        runtime.block_on(async { folder.remove_after(move || gone.recv_timeout(LIMIT).unwrap()) });
        assert!(path.exists() && ended.try_recv().is_err());
        go.send(()).unwrap();
        ended.recv_timeout(LIMIT).unwrap();
        assert!(!path.exists());
    }
}
