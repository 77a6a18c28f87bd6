//! The supervisor's side of a child that is an operating-system process.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Exit, Node};

use super::OsProcess;
use super::handle::{OsProcessRef, Seat, Vacant};
use super::life::Life;
use crate::supervised::{Notice, Placing, Starting, Supervised};

pub(crate) struct OsPlace {
    plan: Arc<OsProcess>,
    node: Node,
    seat: Arc<Seat>,
    life: Option<Life>,
}

impl OsPlace {
    pub(crate) fn new(mut plan: OsProcess, placing: &Placing) -> Self {
        plan.child = placing.path().into();
        let seat = Arc::new(Seat::new(plan.child.clone()));
        OsPlace { plan: Arc::new(plan), node: placing.node().clone(), seat, life: None }
    }

    /// From the next start on.
    pub(crate) fn renew(&mut self, plan: OsProcess) {
        self.plan = Arc::new(OsProcess { child: self.plan.child.clone(), ..plan });
    }
}

impl Supervised for OsPlace {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        Box::pin(async {
            let ended = move |exit| notice.ended(exit);
            self.life = Some(Life::start(&self.plan, &self.node, &self.seat, ended).await?);
            Ok(())
        })
    }

    /// Every reason is the same to a process.
    fn stop(&mut self, _: Exit) {
        if let Some(life) = &self.life {
            life.stop();
        }
    }

    fn kill(&mut self) {
        if let Some(life) = &self.life {
            life.kill();
        }
    }

    fn kill_limit(&self) -> Duration {
        self.life.as_ref().map_or(Duration::ZERO, Life::kill_limit)
    }

    fn give_up(&mut self) {
        if let Some(life) = self.life.take() {
            self.seat.vacate(Vacant::GivenUp);
            life.give_up();
        }
    }

    fn is_alive(&self) -> bool {
        self.seat.pid().is_some()
    }

    fn note(&self) -> Option<String> {
        let program = self.plan.program.display();
        Some(self.seat.pid().map_or_else(|| program.to_string(), |pid| format!("{program}, process {pid}")))
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(OsProcessRef(self.seat.clone())))
    }
}

impl Drop for OsPlace {
    fn drop(&mut self) {
        drop(self.life.take());
        self.seat.vacate(Vacant::ForGood);
    }
}
