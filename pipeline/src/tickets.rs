//! A chunk that is worked on elsewhere: by a plugin's process, by futures. Wherever that is cut off, it comes back.

use std::sync::Arc;

use proscenium_runtime::Recipient;

use crate::pass::Pass;
use crate::stage_desk::StageDesk;

/// Why a chunk comes back undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Undone {
    /// The stage's policy has stopped it; it goes on when it is resumed.
    Stopped,
    /// The pipeline cannot go on.
    Failed(String),
}

/// A pass on its way, by its number.
pub(crate) struct Ticket {
    pub(crate) number: u64,
    pub(crate) pass: Option<Pass>,
    pub(crate) undone: Option<Undone>,
    pub(crate) desk: Arc<StageDesk>,
    /// The stage, which looks at its desk then.
    pub(crate) knock: Recipient<()>,
}

impl Ticket {
    /// It is decided: it waits on the desk for those before it.
    pub(crate) fn finish(mut self) {
        if let Some(pass) = self.pass.take_if(|pass| pass.is_decided()) {
            self.desk.bench().finished.insert(self.number, pass);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        self.desk.bench().back.insert(self.number, pass);
        drop(self.knock.tell_now(()));
    }
}
