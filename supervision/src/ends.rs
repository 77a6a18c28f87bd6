//! The ends of a supervisor's children: messages to it, unless it waits for them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::{Either, select};
use proscenium_runtime::{Exit, Ref};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::child_spec::Shutdown;
use crate::children::Place;
use crate::shell::{Msg, Shell};
use crate::supervised::Supervised;

/// One process of a child: its place, and the number of its start.
pub(crate) type Process = (Place, u32);

/// What is known of the ends of processes.
///
/// **Bound**: an entry for each process that is being stopped, and for each that has ended and of which the message waits.
#[derive(Default)]
pub(crate) struct Ends {
    /// And which incarnation of it: the next one has other children.
    supervisor: OnceLock<(Ref<Shell>, u32)>,
    of: Mutex<HashMap<Process, End>>,
}

enum End {
    /// The supervisor stops it.
    Awaited(oneshot::Sender<Exit>),
    /// It has been told to the supervisor.
    Over(Exit),
}

impl Ends {
    fn lock(&self) -> MutexGuard<'_, HashMap<Process, End>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They are this supervisor's, in this incarnation.
    pub(crate) fn belong_to(&self, supervisor: &Ref<Shell>, incarnation: u32) {
        self.supervisor.get_or_init(|| (supervisor.clone(), incarnation));
    }

    /// A process has ended: for the supervisor, in whatever way it listens.
    pub(crate) fn tell(&self, process: Process, exit: Exit, is_excused: bool) {
        let mut ends = self.lock();
        match ends.remove(&process) {
            // Under the lock: who waits for something else as well looks here last, and is not to find it gone and untold.
            Some(End::Awaited(waits)) => return drop(waits.send(exit)),
            Some(over) => drop(ends.insert(process, over)), // Told twice: the first time counts.
            None => drop(ends.insert(process, End::Over(exit.clone()))),
        }
        drop(ends);
        let (child, start) = process;
        let told = self
            .supervisor
            .get()
            .map(|(supervisor, of)| supervisor.tell(Msg::Exited { of: *of, child, start, exit, is_excused }).now());
        if !matches!(told, Some(Ok(_))) {
            self.heard(process); // The supervisor itself is gone.
        }
    }

    /// The supervisor has taken the message.
    pub(crate) fn heard(&self, process: Process) {
        self.lock().remove(&process);
    }

    /// Those that are awaited, and those whose messages wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Its exit, or the place to wait for it.
    fn end(&self, process: Process) -> Result<Exit, oneshot::Receiver<Exit>> {
        let mut ends = self.lock();
        if let Some(End::Over(exit)) = ends.remove(&process) {
            return Ok(exit);
        }
        let (sender, receiver) = oneshot::channel();
        ends.insert(process, End::Awaited(sender));
        Err(receiver)
    }

    /// What comes of `work`, unless the process ends before it. Its end is no message then.
    pub(crate) async fn unless_over<T>(&self, process: Process, work: impl Future<Output = T>) -> Result<T, Exit> {
        let mut ended = match self.end(process) {
            Ok(exit) => return Err(exit),
            Err(ended) => ended,
        };
        match select(&mut ended, pin!(work)).await {
            Either::Left((exit, _)) => Err(exit.unwrap_or(Exit::NoProc)),
            Either::Right((done, _)) => {
                self.heard(process); // Nobody waits for it any more.
                ended.try_recv().map_or(Ok(done), Err)
            }
        }
    }

    /// Stops a process as `shutdown` says. An exit that is on its way to the supervisor is taken for the answer.
    pub(crate) async fn stop(
        self: Arc<Self>,
        process: Process,
        supervised: &mut dyn Supervised,
        shutdown: Shutdown,
    ) -> Exit {
        let mut ended = match self.end(process) {
            Ok(exit) => return exit,
            Err(ended) => ended,
        };
        let asked = shutdown != Shutdown::BrutalKill && contained(|| supervised.stop(Exit::Shutdown)).is_some();
        // One that cannot even be asked is killed.
        let exit = match shutdown {
            Shutdown::Infinity if asked => return ended.await.unwrap_or(Exit::NoProc),
            Shutdown::Within(limit) if asked => timeout(limit, &mut ended).await.ok(),
            Shutdown::BrutalKill | Shutdown::Within(_) | Shutdown::Infinity => None,
        };
        if let Some(exit) = exit {
            return exit.unwrap_or(Exit::NoProc);
        }
        contained(|| supervised.kill());
        let limit = contained(|| supervised.kill_limit()).unwrap_or_default();
        match timeout(limit, &mut ended).await {
            Ok(exit) => exit.unwrap_or(Exit::NoProc),
            Err(_) => {
                self.heard(process); // Nobody waits for it any more.
                contained(|| supervised.give_up());
                Exit::Unresponsive
            }
        }
    }
}

/// What a child's own code gives, unless it panics: that costs the child, and neither its supervisor nor its siblings.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.inspect_err(|payload| {
        let exit = Exit::caught(payload.as_ref());
        tracing::error!(target: "proscenium::supervisor", %exit, "a child's own code panicked");
    })
    .ok()
}
