//! One process of a child, as its supervisor waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Exit, Ref};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::child_spec::Shutdown;
use crate::children::Place;
use crate::shell::{Msg, Shell};
use crate::supervised::{Notice, Supervised};

/// A child that was killed ends at its next await. One that has none for so long is given up.
const HEEDS_A_KILL: Duration = Duration::from_millis(100);

/// The end of one process: a message to the supervisor, unless it waits for it.
#[derive(Clone)]
pub(crate) struct Running(Arc<Mutex<End>>);

enum End {
    Open,
    /// The supervisor stops it.
    Awaited(oneshot::Sender<Exit>),
    Over(Exit),
}

impl Running {
    pub(crate) fn new() -> Self {
        Running(Arc::new(Mutex::new(End::Open)))
    }

    fn lock(&self) -> MutexGuard<'_, End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `supervisor` of the end of the process of this start.
    pub(crate) fn notice(&self, supervisor: Ref<Shell>, child: Place, start: u64) -> Notice {
        let running = self.clone();
        Box::new(move |exit| {
            match std::mem::replace(&mut *running.lock(), End::Over(exit.clone())) {
                End::Awaited(waits) => drop(waits.send(exit)),
                // Refused: the supervisor itself is gone.
                End::Open => drop(supervisor.tell(Msg::Exited { child, start, exit }).now()),
                End::Over(_) => {}
            }
        })
    }

    /// Its exit, or the place to wait for it.
    fn end(&self) -> Result<Exit, oneshot::Receiver<Exit>> {
        let mut end = self.lock();
        if let End::Over(exit) = &*end {
            return Ok(exit.clone());
        }
        let (sender, receiver) = oneshot::channel();
        *end = End::Awaited(sender);
        Err(receiver)
    }

    /// Stops the process as `shutdown` says. An exit that is on its way to the supervisor is taken for the answer.
    pub(crate) async fn stop(&self, child: &mut dyn Supervised, shutdown: Shutdown) -> Exit {
        let mut ended = match self.end() {
            Ok(exit) => return exit,
            Err(ended) => ended,
        };
        let limit = match shutdown {
            Shutdown::BrutalKill => None,
            Shutdown::Within(limit) => Some(limit),
            Shutdown::Infinity => {
                child.stop(Exit::Shutdown);
                return ended.await.unwrap_or(Exit::NoProc);
            }
        };
        if let Some(limit) = limit {
            child.stop(Exit::Shutdown);
            if let Ok(exit) = timeout(limit, &mut ended).await {
                return exit.unwrap_or(Exit::NoProc);
            }
        }
        child.kill();
        match timeout(HEEDS_A_KILL, &mut ended).await {
            Ok(exit) => exit.unwrap_or(Exit::NoProc),
            Err(_) => {
                child.give_up();
                Exit::Unresponsive
            }
        }
    }
}
