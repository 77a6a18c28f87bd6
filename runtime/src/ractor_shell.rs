//! The ractor actor behind an ordinary actor: its identity to ractor code, which may stop or kill it.
//!
//! It sleeps. The behaviour runs on the companion; messages never come this way. It is made when somebody asks for it, as
//! nobody else can tell whether it is there, and lives as long as the cell does, over all restarts. This is the one file
//! that names ractor.
//!
//! **Cost**: nothing until it is asked for; then what ractor takes for an actor.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::FutureExt;
use ractor::{ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::task::coop::unconstrained;

use crate::actor::Actor;
use crate::actor_ref::UntypedRef;
use crate::cell::{AnyCell, Cell};
use crate::exit::Exit;

/// The place for an actor's shell.
#[derive(Default)]
pub(crate) struct Shell {
    /// None inside: ractor refused it.
    made: OnceLock<Option<ActorCell>>,
}

impl Shell {
    /// The actor is gone for good: so is its shell.
    pub(crate) fn stop(&self) {
        if let Some(Some(shell)) = self.made.get() {
            shell.stop(None);
        }
    }

    fn ask<A: Actor>(&self, cell: &Arc<Cell<A>>) -> Option<ActorCell> {
        let shell = self.made.get_or_init(|| {
            let _inside = cell.face.node.runtime().enter(); // Who asks may stand outside of it.
            let weak: Weak<Cell<A>> = Arc::downgrade(cell);
            spawn(weak).ok()
        });
        if cell.face.gone().is_some() {
            self.stop(); // The actor ended before, or while its shell was made.
        }
        shell.clone()
    }
}

/// Not async: ractor's spawn waits for `pre_start`, and this one's has nothing to wait for but the budget that tokio gives
/// a task.
fn spawn(cell: Weak<dyn AnyCell>) -> Result<ActorCell, SpawnErr> {
    let spawn = ractor::Actor::spawn(None, Sleeper, Guard(Some(cell)));
    let waits = || Err(SpawnErr::StartupFailed("it waits for something".into()));
    let (shell, _) = unconstrained(spawn).now_or_never().unwrap_or_else(waits)?;
    Ok(shell.into())
}

/// For code that is written against ractor.
pub mod interop {
    use crate::actor::Actor;
    use crate::actor_ref::Ref;

    /// The ractor actor behind an ordinary actor, made when it is first asked for; `None` for a light one. Its `stop` is a
    /// graceful stop, its `kill` a kill. It takes no messages.
    pub fn ractor_cell<A: Actor>(actor: &Ref<A>) -> Option<ractor::ActorCell> {
        actor.cell.face.shell.as_ref()?.ask(&actor.cell)
    }
}

struct Sleeper;

/// Dropped with its content, because ractor killed the shell: the actor is killed.
struct Guard(Option<Weak<dyn AnyCell>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take().and_then(|cell| cell.upgrade()) {
            UntypedRef { cell }.kill();
        }
    }
}

impl ractor::Actor for Sleeper {
    type Msg = ();
    type State = Guard;
    type Arguments = Guard;

    async fn pre_start(&self, _: ActorRef<()>, guard: Guard) -> Result<Guard, ActorProcessingErr> {
        Ok(guard)
    }

    async fn post_stop(&self, _: ActorRef<()>, guard: &mut Guard) -> Result<(), ActorProcessingErr> {
        if let Some(cell) = guard.0.take().and_then(|cell| cell.upgrade())
            && cell.face().gone().is_none()
        {
            let stop = UntypedRef { cell }.stop().reason(Exit::Shutdown);
            let _ = stop.await; // It says itself, in a report, when it does not stop.
        }
        Ok(())
    }

    /// ractor's default stops an actor when a child of its ends; this one has no children.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        _: &mut Guard,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
