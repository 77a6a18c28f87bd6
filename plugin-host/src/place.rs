//! The supervisor's side of a child that is a plugin.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Exit, Ref, UntypedRef};
use proscenium_supervision::{ActorChild, Notice, Placing, Renewal, Start, Starting, Supervised};

use crate::desk::Desk;
use crate::life::{Life, Msg};
use crate::plugin_ref::PluginRef;
use crate::renewal_core::{Takes, takes};
use crate::spec::Settings;
use crate::swap::{self, SwapError};

/// It stands before the actor's own place, to say of an end whether it is excused, and to keep what is under way.
pub(crate) struct PluginPlace {
    desk: Arc<Desk>,
    /// Where the actor is placed.
    inner: Placing,
    actor: Box<dyn Supervised>,
    starts: u32,
    /// Of the process that runs.
    notice: Arc<Mutex<Option<Notice>>>,
}

impl PluginPlace {
    pub(crate) fn new(settings: Arc<Settings>, placing: &Placing) -> Result<Self, Exit> {
        let desk = Desk::new(settings, placing.node().clone()).map_err(|error| Exit::Error(Arc::new(error)))?;
        let desk = Arc::new(desk);
        let notice: Arc<Mutex<Option<Notice>>> = Arc::default();
        let (ends, of) = (notice.clone(), desk.clone());
        let inner = placing.heard_by(move |exit| {
            let notice = ends.lock().unwrap_or_else(PoisonError::into_inner).take();
            let is_excused = of.take_excuse();
            match notice {
                Some(notice) if is_excused => notice.excused(exit),
                Some(notice) => notice.ended(exit),
                None => {}
            }
        });
        let actor = lives_of(&desk);
        let actor = match &desk.settings().name {
            Some(name) => actor.named(name.clone()),
            None => actor,
        };
        let actor = actor.place(inner.clone().light(true))?;
        Ok(PluginPlace { desk, inner, actor, starts: 0, notice })
    }

    /// What runs is told, and changes itself; what does not is started by the new spec.
    pub(crate) fn renew(&mut self, settings: Arc<Settings>, placing: &Placing) -> Renewal {
        if takes(&self.desk.settings(), &settings) == Takes::Place {
            return Renewal::Outdated;
        }
        if let Renewal::Outdated = lives_of(&self.desk).renew(placing, self.actor.as_mut()) {
            return Renewal::Outdated;
        }
        let life = self.life().filter(|_| self.actor.is_alive());
        let Some(life) = life else {
            self.desk.with(|work, now| work.renew(settings, now));
            return Renewal::Taken;
        };
        let limit = swap::limit(&settings);
        // A task of its own: it goes on when nobody waits for it.
        let told = tokio::spawn(async move { life.call(|reply| Msg::Renew(settings, reply)).within(limit).await });
        Renewal::UnderWay(Box::pin(async {
            let renewed = match told.await {
                Ok(answer) => answer.unwrap_or_else(|error| Err(error.into())),
                Err(_) => Err(SwapError::NoAnswer), // The runtime is being shut down.
            };
            renewed.map_err(|error| Exit::Error(Arc::new(error)))
        }))
    }

    fn life(&self) -> Option<Ref<Life>> {
        Some(*self.actor.reference()?.downcast::<Ref<Life>>().ok()?)
    }
}

/// One incarnation after the other.
fn lives_of(desk: &Arc<Desk>) -> ActorChild<impl Fn() -> Life + Clone + Send + Sync + 'static> {
    let desk = desk.clone();
    ActorChild::new(move || Life::new(desk.clone()))
}

impl Supervised for PluginPlace {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice);
        self.starts += 1;
        let inner = self.inner.notice(self.starts);
        Box::pin(async move {
            let started = self.actor.start(inner).await;
            if started.is_err() {
                // The notice of a start that fails is dropped.
                self.notice.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            started
        })
    }

    fn stop(&mut self, exit: Exit) {
        self.actor.stop(exit);
    }

    fn kill(&mut self) {
        self.actor.kill();
    }

    fn kill_limit(&self) -> Duration {
        self.actor.kill_limit()
    }

    fn give_up(&mut self) {
        self.actor.give_up();
    }

    fn is_alive(&self) -> bool {
        self.actor.is_alive()
    }

    fn actor(&self) -> Option<UntypedRef> {
        self.actor.actor()
    }

    fn note(&self) -> Option<String> {
        Some(self.desk.settings().library.display().to_string())
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(PluginRef::new(self.life()?, self.desk.clone())))
    }
}

impl Drop for PluginPlace {
    fn drop(&mut self) {
        self.desk.with(|work, _| work.close());
    }
}
