//! A stage's records that wait for another try, and those of their keys behind them: the shell around `retry_core`.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::Now;

use crate::chunk::{Chunk, ChunkSize};
use crate::failed::Failed;
use crate::ledger::Ledger;
use crate::letter::Class;
use crate::outlets::STAND_IN;
use crate::pass::{Aside, Fate};
use crate::plan::Conduct;
use crate::retry_core::{Action, Again, Event, Handle, RetryCore};

/// Why a record was not tried.
pub(crate) const OPEN: &str = "the circuit is open: so many before it have failed in a row";

/// What is to be done with a record that has waited.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The code has another go at it.
    Try,
    /// It ends so; `None`: it goes on.
    End(Option<Fate>),
}

/// A record in a chunk of its own.
#[derive(Debug)]
struct Parked {
    chunk: Chunk,
    reason: String,
}

#[derive(Debug)]
pub(crate) struct Waiting {
    core: RetryCore,
    parked: HashMap<Handle, Parked>,
    turns: VecDeque<(Handle, Turn)>,
    next: Handle,
    /// First tries that went well, and that the core has not been told of.
    well: usize,
    ledger: Arc<Ledger>,
    /// The pipeline cannot go on, for this reason.
    failed: Option<String>,
}

impl Waiting {
    pub(crate) fn new(size: ChunkSize, conduct: &Conduct) -> Self {
        // Room for what a chunk in hand may add while another chunk's worth waits already.
        let most = 2 * size.records;
        let alone = ChunkSize { records: 1, bytes: 1 << 10 };
        Waiting {
            core: RetryCore::new(conduct.failover.clone(), conduct.retries, most),
            parked: HashMap::new(),
            turns: VecDeque::new(),
            next: 0,
            well: 0,
            // As many as open chunks have records, which their sources bound: they go down the pipeline alone as well.
            ledger: Ledger::new(alone, usize::MAX, usize::MAX),
            failed: None,
        }
    }

    pub(crate) fn renew(&mut self, conduct: &Conduct, now: Now) {
        self.tell_well(now);
        let actions = self.core.renew(conduct.failover.clone(), conduct.retries, now);
        self.note(&actions, None);
    }

    /// Whether so many records may come.
    pub(crate) fn has_room(&self, records: usize) -> bool {
        // One that is larger than all the room there ever is comes when nothing waits.
        self.core.is_clear() || self.core.room() >= records
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.core.is_clear()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.core.is_stopped()
    }

    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }

    /// How long until there is something to do.
    pub(crate) fn next_due(&self, now: impl FnOnce() -> Now) -> Option<Duration> {
        self.core.next_due().map(|due| due.since_start().saturating_sub(now().since_start()))
    }

    /// Why the pipeline cannot go on, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.clone()
    }

    /// It was told.
    pub(crate) fn forget_failure(&mut self) {
        self.failed = None;
    }

    /// The clock is looked at only if somebody waits.
    pub(crate) fn due(&mut self, now: impl FnOnce() -> Now) {
        let Some(due) = self.core.next_due() else { return };
        let now = now();
        if due <= now {
            self.tell_well(now);
            let actions = self.core.on(Event::Due, now);
            self.note(&actions, None);
        }
    }

    pub(crate) fn resume(&mut self, now: Now) {
        self.tell_well(now);
        let actions = self.core.on(Event::Resumed, now);
        self.note(&actions, None);
    }

    /// A record that has waited, and what is to be done with it.
    pub(crate) fn turn(&mut self) -> Option<(Handle, Chunk, Turn)> {
        let (handle, turn) = self.turns.pop_front()?;
        let parked = self.parked.remove(&handle)?;
        Some((handle, parked.chunk, turn))
    }

    /// A record is about to be tried for the first time while others wait: whether it may, else its fate.
    pub(crate) fn arrives(&mut self, chunk: &Chunk, nth: usize, now: Now) -> Result<Handle, Fate> {
        self.tell_well(now);
        let id = self.handle();
        let actions = self.core.on(Event::Arrived { id, key: key_of(chunk, nth) }, now);
        match self.note(&actions, Some(id)) {
            Some(Turn::Try) => Ok(id),
            Some(Turn::End(Some(fate))) => Err(fate),
            Some(Turn::End(None)) | None => {
                self.park(id, chunk, nth, String::new());
                Err(Fate::Waits)
            }
        }
    }

    /// So many that were tried for the first time went well, with nobody waiting.
    pub(crate) fn go_well(&mut self, records: usize) {
        self.well += records;
    }

    /// One that was tried went well. `None`: it goes on.
    pub(crate) fn went_well(&mut self, id: Handle, chunk: &Chunk, nth: usize, now: Now) -> Option<Fate> {
        let actions = self.core.on(Event::Succeeded { id, key: key_of(chunk, nth) }, now);
        match self.note(&actions, Some(id)) {
            Some(Turn::End(fate)) => fate,
            Some(Turn::Try) | None => {
                self.park(id, chunk, nth, String::new());
                Some(Fate::Waits)
            }
        }
    }

    /// One that was tried has failed: its fate.
    pub(crate) fn fails(&mut self, id: Option<Handle>, chunk: &Chunk, nth: usize, failed: &Failed, now: Now) -> Fate {
        let key = key_of(chunk, nth);
        let id = id.unwrap_or_else(|| {
            self.tell_well(now);
            let id = self.handle();
            let actions = self.core.on(Event::Arrived { id, key }, now);
            let _tried = self.note(&actions, Some(id)); // Nobody waits, so it is.
            id
        });
        let again = if failed.is_final() { Again::Never } else { Again::AsPolicySays };
        let actions = self.core.on(Event::Failed { id, key, again }, now);
        self.reason(&actions, failed.reason());
        match self.note(&actions, Some(id)) {
            Some(Turn::End(Some(mut fate))) => {
                if let Fate::SetAside(aside) = &mut fate {
                    failed.reason().clone_into(&mut aside.reason);
                }
                fate
            }
            Some(_) | None => {
                self.park(id, chunk, nth, failed.reason().to_owned());
                Fate::Waits
            }
        }
    }

    fn reason(&mut self, actions: &[Action], reason: &str) {
        if actions.iter().any(|action| matches!(action, Action::Fail(_))) {
            self.failed = Some(reason.to_owned());
        }
    }

    fn handle(&mut self) -> Handle {
        self.next += 1;
        self.next
    }

    fn tell_well(&mut self, now: Now) {
        let well = std::mem::take(&mut self.well);
        if well > 0 && self.core.is_clear() {
            let actions = [self.core.on(Event::ArrivedMany(well), now), self.core.on(Event::SucceededMany(well), now)];
            actions.iter().for_each(|actions| drop(self.note(actions, None)));
        }
    }

    /// A record of a chunk, as it is now, gets one of its own.
    fn park(&mut self, id: Handle, chunk: &Chunk, nth: usize, reason: String) {
        if let Some(loan) = self.ledger.try_borrow() {
            let mut alone = chunk.beside(loan);
            alone.copy(chunk, nth);
            self.parked.insert(id, Parked { chunk: alone, reason });
        }
    }

    /// What is to be done with others is noted; what with this one is said.
    fn note(&mut self, actions: &[Action], this: Option<Handle>) -> Option<Turn> {
        let mut said = None;
        for action in actions {
            let (id, turn) = match *action {
                Action::Try(id) => (id, Turn::Try),
                Action::Done(id) => (id, Turn::End(None)),
                Action::DeadLetter { id, tries } => (id, Turn::End(Some(self.aside(id, Class::Failed, tries)))),
                Action::NotTried(id) => (id, Turn::End(Some(self.aside(id, Class::NotTried, 0)))),
                Action::Skip(id) => (id, Turn::End(Some(Fate::Skip))),
                Action::FailOver(id) => (id, Turn::End(Some(Fate::Route(STAND_IN)))),
                Action::Fail(_) | Action::Stop(_) => continue, // It waits.
            };
            match Some(id) == this {
                true => said = Some(turn),
                false => self.turns.push_back((id, turn)),
            }
        }
        said
    }

    fn aside(&self, id: Handle, class: Class, attempts: u32) -> Fate {
        let known = self.parked.get(&id).map_or("", |parked| &parked.reason);
        let reason = match class {
            Class::NotTried => OPEN,
            _ => known,
        };
        Fate::SetAside(Box::new(Aside { class, reason: reason.to_owned(), attempts, crash: None }))
    }
}

fn key_of(chunk: &Chunk, nth: usize) -> Option<u64> {
    let key = chunk.record(nth).key()?;
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Some(hasher.finish())
}
