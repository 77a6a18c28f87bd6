//! The work of an async stage: a chunk's records handled by several futures at once, their order kept.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt, StreamExt, stream};
use proscenium_plugin_host::{Failover, Retries};
use proscenium_runtime::Now;
use tokio::time::Instant;

use crate::circuit_core::{CircuitCore, Handle};
use crate::failed::Failed;
use crate::letter::Class;
use crate::operator::AsyncOperator;
use crate::outlets::STAND_IN;
use crate::pass::{Aside, Fate};
use crate::plan::Conduct;
use crate::record::OwnedRecord;
use crate::remote_stage::Begun;
use crate::rust_stage::words;
use crate::tickets::{Ticket, Undone};
use crate::waiting::OPEN;

/// Chunks under way at most; the futures are bounded for each.
const CHUNKS: usize = 4;

pub(crate) struct AsyncWork {
    operator: Arc<dyn AsyncOperator>,
    at_once: usize,
    breaker: Mutex<Breaker>,
}

/// Whether records are tried, if that is the stage's policy: one circuit for all chunks under way. In a row are the outcomes
/// as they come.
struct Breaker {
    core: CircuitCore,
    next: Handle,
    begun: Instant,
}

impl Breaker {
    fn now(&self) -> Now {
        Now::from_millis(0) + self.begun.elapsed()
    }
}

/// A record that the circuit has let through, until its outcome is told.
struct Admitted<'a> {
    work: &'a AsyncWork,
    id: Handle,
}

impl Admitted<'_> {
    fn succeeded(self) {
        self.work.breaker().core.succeeded(self.id);
    }

    fn failed(self, conduct: &Conduct) {
        if let Failover::CircuitBreaker { failures, cooldown } = conduct.failover {
            let mut breaker = self.work.breaker();
            let until = breaker.now() + cooldown;
            breaker.core.failed(self.id, failures, until);
        }
    }
}

/// Cut off with the stage's actor, there is no outcome; after one, this changes nothing.
impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut breaker = self.work.breaker();
        let now = breaker.now();
        breaker.core.was_cut_off(self.id, now);
    }
}

impl AsyncWork {
    pub(crate) fn new(operator: Arc<dyn AsyncOperator>, at_once: usize) -> Self {
        let breaker = Breaker { core: CircuitCore::new(), next: 0, begun: Instant::now() };
        AsyncWork { operator, at_once, breaker: Mutex::new(breaker) }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Under another policy than before the circuit is closed.
    pub(crate) fn renew(&self, before: &Conduct, conduct: &Conduct) {
        if before.failover != conduct.failover {
            self.breaker().core.close();
        }
    }

    /// Whether a record is tried.
    fn admit(&self) -> Option<Admitted<'_>> {
        let mut breaker = self.breaker();
        breaker.next += 1;
        let (id, now) = (breaker.next, breaker.now());
        breaker.core.passes(id, now).then(|| Admitted { work: self, id }) // One that is dropped here would lock it again.
    }

    pub(crate) fn most(&self) -> usize {
        CHUNKS
    }

    pub(crate) fn begin(self: Arc<Self>, mut ticket: Ticket) -> Begun {
        let conduct = ticket.desk.bench().conduct.clone();
        let work = async move {
            let Some(pass) = &mut ticket.pass else { return ticket };
            let records: Vec<OwnedRecord> = pass.chunk.records().skip(pass.decided).map(OwnedRecord::from).collect();
            let tried = records.into_iter().map(|record| self.tried_if_closed(record, &conduct));
            let mut tried = std::pin::pin!(stream::iter(tried).buffered(self.at_once.max(1)));
            while let Some(tried) = tried.next().await {
                match tried {
                    Ok(records) => {
                        records.into_iter().for_each(|record| pass.emit(record));
                        pass.decide(Some(Fate::Replaced));
                    }
                    Err(aside) => match &conduct.failover {
                        Failover::SkipAndContinue => pass.decide(Some(Fate::Skip)),
                        Failover::FailoverTo(_) => pass.decide(Some(Fate::Route(STAND_IN))),
                        Failover::FailFast => {
                            ticket.undone = Some(Undone::Failed(aside.reason));
                            return ticket;
                        }
                        Failover::StopPartition => {
                            ticket.undone = Some(Undone::Stopped);
                            return ticket;
                        }
                        _ => pass.decide(Some(Fate::SetAside(Box::new(aside)))),
                    },
                }
            }
            ticket
        };
        Begun { work: Box::pin(work), is_alone: false }
    }

    /// One record, if the circuit lets it through.
    async fn tried_if_closed(&self, record: OwnedRecord, conduct: &Conduct) -> Result<Vec<OwnedRecord>, Aside> {
        if !matches!(conduct.failover, Failover::CircuitBreaker { .. }) {
            return tried(self.operator.clone(), record, conduct).await;
        }
        let Some(admitted) = self.admit() else {
            return Err(Aside { class: Class::NotTried, reason: OPEN.to_owned(), attempts: 0, crash: None });
        };
        let tried = tried(self.operator.clone(), record, conduct).await;
        match &tried {
            Ok(_) => admitted.succeeded(),
            Err(_) => admitted.failed(conduct),
        }
        tried
    }
}

/// One record, as often as the policy says.
async fn tried(
    operator: Arc<dyn AsyncOperator>,
    record: OwnedRecord,
    conduct: &Conduct,
) -> Result<Vec<OwnedRecord>, Aside> {
    let mut attempts = 0;
    loop {
        let said = AssertUnwindSafe(async { operator.on(record.clone()).await }).catch_unwind().await;
        attempts += 1;
        let (class, failed) = match said {
            Ok(Ok(records)) => return Ok(records),
            Ok(Err(failed)) => (Class::Failed, failed),
            // As in a stage that is not async: once more, whatever the policy.
            Err(panic) if attempts < 2 => {
                let part = words(panic.as_ref());
                tracing::warn!(target: "proscenium::pipeline", part, "an async stage has panicked; the record is tried again");
                continue;
            }
            Err(panic) => (Class::Poison, Failed::because(words(panic.as_ref())).for_good()),
        };
        match pause(conduct, attempts).filter(|_| !failed.is_final()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(Aside { class, reason: failed.reason().to_owned(), attempts, crash: None }),
        }
    }
}

fn pause(conduct: &Conduct, attempts: u32) -> Option<std::time::Duration> {
    let Retries { max, pause, longest } = conduct.retries;
    let is_tried_again = conduct.failover == Failover::RetryWithBackoff && attempts <= max;
    is_tried_again.then(|| crate::source_actor::pause_before(attempts, (pause, longest)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::operators::AsyncClosure;

    #[tokio::test(start_paused = true)]
    async fn another_policy_closes_the_circuit_and_the_same_one_does_not() {
        let breaker = Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_secs(3_600) };
        let broken = Conduct { failover: breaker, ..Conduct::default() };
        let operator = AsyncClosure(|record: OwnedRecord| async move { Ok::<_, Failed>(record) });
        let work = AsyncWork::new(Arc::new(operator), 1);
        work.admit().expect("it is closed").failed(&broken);
        assert!(work.admit().is_none(), "it is open");
        work.renew(&broken, &broken.clone());
        assert!(work.admit().is_none(), "nothing has changed");
        work.renew(&broken, &Conduct { failover: Failover::DeadLetter, ..broken.clone() });
        assert!(work.admit().is_some());
    }
}
