//! What parts tell the conductor, and how a pipeline's end is known at once to all who wait for it.

use proscenium_runtime::Recipient;
use tokio::sync::watch;

use crate::book::Outcome;

/// Something for the conductor to know of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    /// The pipeline cannot go on, for this reason.
    Failed { part: String, reason: String },
    /// A source has no more records.
    Exhausted { part: String },
}

/// How a pipeline has ended. Clones are of the same pipeline.
#[derive(Clone, Debug)]
pub(crate) struct End(watch::Sender<Option<Outcome>>);

impl End {
    pub(crate) fn new() -> Self {
        End(watch::Sender::new(None))
    }

    /// The first end is the one that counts.
    pub(crate) fn comes(&self, outcome: Outcome) {
        self.0.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                *ended = Some(outcome);
            }
            is_first
        });
    }

    pub(crate) fn has_come(&self) -> Option<Outcome> {
        self.0.borrow().clone()
    }

    /// Waits for it.
    pub(crate) async fn reached(&self) -> Outcome {
        let mut ended = self.0.subscribe();
        loop {
            if let Some(outcome) = ended.borrow_and_update().clone() {
                return outcome;
            }
            if ended.changed().await.is_err() {
                // `self` holds the sender: it is not gone.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The way to the conductor. A failure is the pipeline's end as soon as it is told: the conductor may be waiting for
/// something that will not come because of it, and hears nobody meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Notices {
    pub(crate) conductor: Recipient<Notice>,
    pub(crate) end: End,
}

impl Notices {
    pub(crate) fn tell(&self, notice: Notice) {
        if let Notice::Failed { part, reason } = &notice {
            self.end.comes(Outcome::Failed { part: part.clone(), reason: reason.clone() });
        }
        drop(self.conductor.tell_now(notice));
    }
}
