//! The work of an async stage: a chunk's records handled by several futures at once, their order kept.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use proscenium_plugin_host::{Failover, Retries};

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

/// Chunks under way at most; the futures are bounded for each.
const CHUNKS: usize = 4;

pub(crate) struct AsyncWork {
    pub(crate) operator: Arc<dyn AsyncOperator>,
    pub(crate) at_once: usize,
}

impl AsyncWork {
    pub(crate) fn most(&self) -> usize {
        CHUNKS
    }

    pub(crate) fn begin(self: Arc<Self>, mut ticket: Ticket) -> Begun {
        let conduct = ticket.desk.bench().conduct.clone();
        let work = async move {
            let Some(pass) = &mut ticket.pass else { return ticket };
            let records: Vec<OwnedRecord> = pass.chunk.records().skip(pass.decided).map(OwnedRecord::from).collect();
            let tried = records.into_iter().map(|record| tried(self.operator.clone(), record, conduct.clone()));
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
}

/// One record, as often as the policy says.
async fn tried(
    operator: Arc<dyn AsyncOperator>,
    record: OwnedRecord,
    conduct: Conduct,
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
        match pause(&conduct, attempts).filter(|_| !failed.is_final()) {
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
