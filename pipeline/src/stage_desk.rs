//! What a stage has in hand. It lies here, and not in the stage's actor, so that it outlives the actor's crashes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proscenium_runtime::Recipient;

use crate::chunk::{Chunk, ChunkSize};
use crate::ledger::{Loan, Token};
use crate::letter::{Class, Letter};
use crate::notice::{Notice, Notices};
use crate::operator::Operator;
use crate::outlets::{Outlets, Route};
use crate::pass::{Aside, Fate, Pass};
use crate::plan::Conduct;
use crate::record::{OwnedRecord, Record};
use crate::stats::Stats;
use crate::tickets::Ticket;
use crate::waiting::Waiting;

/// Dead letters, and what their chunk's acknowledgement waits for.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) letters: Vec<Letter>,
    pub(crate) token: Token,
}

/// Whom all parts know.
#[derive(Clone, Debug)]
pub(crate) struct Office {
    pub(crate) letters: Recipient<Posted>,
    pub(crate) conductor: Notices,
}

/// Of one instance of a stage.
#[derive(Debug)]
pub(crate) struct StageDesk {
    pub(crate) name: String,
    pub(crate) size: ChunkSize,
    pub(crate) stats: Arc<Stats>,
    pub(crate) office: Office,
    outlets: Mutex<Arc<Outlets>>,
    /// It takes nothing up until it is resumed.
    halted: AtomicBool,
    bench: Mutex<Bench>,
}

/// What a stage's actor is told.
pub(crate) enum StageMsg {
    Chunk(Chunk),
    /// What lies on the desk is taken up: after a start, a pause between two tries, a crash.
    Look,
    /// What was worked on elsewhere is done, or has come back undone.
    Done(Ticket),
    /// There is room where it is worked on.
    Room,
    /// Its policy has stopped it, and it goes on.
    Resume,
    /// Its policy is another.
    Renew(Box<Conduct>),
}

impl StageMsg {
    pub(crate) const KINDS: &'static [&'static str] = &["chunk", "look", "done", "room", "resume", "renew"];

    pub(crate) fn kind(&self) -> u8 {
        match self {
            StageMsg::Chunk(_) => 0,
            StageMsg::Look => 1,
            StageMsg::Done(_) => 2,
            StageMsg::Room => 3,
            StageMsg::Resume => 4,
            StageMsg::Renew(_) => 5,
        }
    }
}

/// What lies on a stage's desk.
pub(crate) struct Bench {
    /// What becomes of what fails.
    pub(crate) conduct: Conduct,
    /// Chunks that have come, and not been begun.
    pub(crate) queue: VecDeque<Chunk>,
    /// The code; it stays over a crash if it has state, else a new one is made.
    pub(crate) operator: Option<Box<dyn Operator>>,
    /// The chunk in work, of a stage that works on one at a time.
    pub(crate) pass: Option<Pass>,
    /// Those that came back unfinished from where several are worked on, by their numbers.
    pub(crate) back: BTreeMap<u64, Pass>,
    /// Those that are finished, until the ones before them are.
    pub(crate) finished: BTreeMap<u64, Pass>,
    /// The number of the next chunk that is begun, and of the next that is sent on.
    pub(crate) next: u64,
    pub(crate) release: u64,
    /// When the code has last crashed the actor.
    pub(crate) crashed: Option<Instant>,
    /// Records that wait for another try.
    pub(crate) waiting: Waiting,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("queue", &self.queue.len()).field("pass", &self.pass).finish_non_exhaustive()
    }
}

impl StageDesk {
    pub(crate) fn new(name: String, size: ChunkSize, conduct: Conduct, stats: Arc<Stats>, office: Office) -> Arc<Self> {
        let outlets = Mutex::new(Arc::new(Outlets::new(vec![(None, Vec::new())], None, size, 1)));
        let bench = Bench {
            queue: VecDeque::new(),
            operator: None,
            pass: None,
            back: BTreeMap::new(),
            finished: BTreeMap::new(),
            next: 0,
            release: 0,
            crashed: None,
            waiting: Waiting::new(size, &conduct),
            conduct,
        };
        let (halted, bench) = (AtomicBool::new(false), Mutex::new(bench));
        Arc::new(StageDesk { name, size, stats, office, outlets, halted, bench })
    }

    /// With a poisoned lock too: what a panic leaves here is whole, which is what it is for.
    pub(crate) fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn outlets(&self) -> Arc<Outlets> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its records go elsewhere from here on.
    pub(crate) fn connect(&self, outlets: Outlets) {
        *self.outlets.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(outlets);
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Its policy has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_halted() || self.bench().waiting.is_stopped()
    }

    pub(crate) fn halt(&self, halted: bool) {
        self.halted.store(halted, Ordering::Release);
    }

    /// The pipeline cannot go on: the stage halts, with what it has in hand.
    pub(crate) fn fail(&self, reason: String) {
        self.halt(true);
        self.office.conductor.tell(Notice::Failed { part: self.name.clone(), reason });
    }

    /// A chunk has come.
    pub(crate) fn comes(&self, chunk: Chunk) {
        self.stats.taken.add(chunk.len());
        self.bench().queue.push_back(chunk);
    }

    /// Begins with the next chunk of the queue, if it may be taken up.
    pub(crate) fn begin(&self, queue: &mut VecDeque<Chunk>, may_be: impl FnOnce(&Chunk) -> bool) -> Option<Pass> {
        let chunk = queue.pop_front_if(|chunk| may_be(chunk))?;
        self.stats.chunks.add(1);
        self.stats.begun.add(1);
        Some(Pass::new(chunk))
    }

    /// How it is, for who looks.
    pub(crate) fn words(&self) -> String {
        let counts = self.stats.counts();
        format!("{}: {} records taken, {} passed on", self.name, counts.taken, counts.passed)
    }

    /// The buffers that it takes to send on what is decided.
    fn loans(&self, outlets: &Outlets, pass: &Pass) -> usize {
        let mut routes: Vec<Route> = named(pass).filter(|route| outlets.leads_somewhere(*route)).collect();
        routes.sort_unstable();
        routes.dedup();
        let of_routes: usize = routes.iter().map(|route| 1 + outlets.loans(*route)).sum();
        of_routes + usize::from(!is_in_place(pass, self.size)) + outlets.loans(0)
    }

    /// Sends on what is decided, as much as fits into a chunk, waiting for buffers with the pass in its place: whoever is cut
    /// off there has lost nothing. `place` says where that is. True: the pass is over; else there may be more to send.
    pub(crate) async fn send_on(&self, place: impl Fn(&mut Bench) -> &mut Option<Pass>) -> bool {
        let outlets = self.outlets();
        let needed = place(&mut self.bench()).as_ref().map_or(0, |pass| self.loans(&outlets, pass));
        let mut loans = outlets.borrow(needed).await;
        self.deliver(&outlets, place(&mut self.bench()), &mut loans)
    }

    /// Sends on what is decided and has not been sent, a chunk of it, in one go. True: that was all, and the pass is over.
    fn deliver(&self, outlets: &Outlets, place: &mut Option<Pass>, loans: &mut Vec<Loan>) -> bool {
        let Some(pass) = place else { return true };
        let in_place = is_in_place(pass, self.size);
        let mut out = Delivery { desk: self, outlets, routed: Vec::new(), letters: Vec::new() };
        if in_place {
            let fates = std::mem::take(&mut pass.fates);
            for (nth, fate) in &fates {
                out.apply(&pass.chunk, *nth, fate, loans);
            }
            pass.chunk.remove(fates.iter().map(|(nth, _)| *nth));
            pass.delivered = pass.chunk.len();
        } else if let Some(loan) = loans.pop() {
            let usual = out.fill(pass, loan, loans);
            out.routed.push((0, usual));
        }
        out.send(&pass.chunk, loans);
        if !pass.is_delivered() {
            pass.forget_delivered(self.size);
            return false;
        }
        if let Some(pass) = place.take() {
            self.stats.took(pass.started.elapsed());
            self.stats.ended.add(1);
            if in_place {
                self.stats.passed.add(pass.chunk.len());
                outlets.send(0, pass.chunk, loans);
            } else {
                pass.chunk.done();
            }
        }
        true
    }
}

fn named(pass: &Pass) -> impl Iterator<Item = Route> {
    pass.fates.iter().filter_map(|(_, fate)| match fate {
        Fate::Route(route) => Some(*route),
        _ => None,
    })
}

/// The chunk itself goes on, without what is taken out of it.
fn is_in_place(pass: &Pass, size: ChunkSize) -> bool {
    let is_whole = pass.delivered == 0 && pass.is_decided() && pass.emitted.is_empty();
    is_whole && !pass.chunk.buffer.has_outgrown(size)
}

struct Delivery<'a> {
    desk: &'a StageDesk,
    outlets: &'a Outlets,
    routed: Vec<(Route, Chunk)>,
    letters: Vec<Letter>,
}

impl Delivery<'_> {
    /// A chunk of what is decided and has not been sent: each record with what was emitted behind it, until it is full.
    fn fill(&mut self, pass: &mut Pass, loan: Loan, loans: &mut Vec<Loan>) -> Chunk {
        let mut usual = pass.chunk.beside(loan);
        let mut fates = std::mem::take(&mut pass.fates).into_iter().peekable();
        while !self.is_full(&usual) {
            if let Some((behind, record)) = pass.take_emitted(pass.delivered) {
                usual.add(&pass.chunk, behind, &record);
                continue;
            }
            let nth = pass.delivered;
            if nth == pass.decided {
                break;
            }
            match fates.next_if(|(of, _)| *of == nth) {
                Some((_, fate)) => self.apply(&pass.chunk, nth, &fate, loans),
                None => usual.copy(&pass.chunk, nth),
            }
            pass.delivered += 1;
        }
        pass.fates = fates.collect();
        usual
    }

    fn is_full(&self, usual: &Chunk) -> bool {
        let mut chunks = self.routed.iter().map(|(_, routed)| routed).chain([usual]);
        chunks.any(|chunk| !chunk.is_empty() && chunk.buffer.is_full(self.desk.size))
    }

    fn apply(&mut self, chunk: &Chunk, nth: usize, fate: &Fate, loans: &mut Vec<Loan>) {
        let stats = &self.desk.stats;
        match fate {
            Fate::Drop => stats.dropped.add(1),
            Fate::Skip => stats.skipped.add(1),
            Fate::Waits | Fate::Replaced => (),
            Fate::SetAside(aside) => self.letters.push(letter(&self.desk.name, chunk, nth, aside)),
            Fate::Route(route) if !self.outlets.leads_somewhere(*route) => {
                let reason = format!("the route `{}` leads nowhere", self.outlets.name(*route));
                let aside = Aside { class: Class::Unroutable, reason, attempts: 1, crash: None };
                self.letters.push(letter(&self.desk.name, chunk, nth, &aside));
            }
            Fate::Route(route) => {
                if !self.routed.iter().any(|(of, _)| of == route)
                    && let Some(loan) = loans.pop()
                {
                    self.routed.push((*route, chunk.beside(loan)));
                }
                if let Some((_, routed)) = self.routed.iter_mut().find(|(of, _)| of == route) {
                    routed.copy(chunk, nth);
                }
            }
        }
    }

    fn send(self, chunk: &Chunk, loans: &mut Vec<Loan>) {
        let Delivery { desk, outlets, routed, letters } = self;
        for (route, routed) in routed {
            desk.stats.passed.add(routed.len());
            outlets.send(route, routed, loans);
        }
        if !letters.is_empty() {
            desk.stats.dead_letters.add(letters.len());
            drop(desk.office.letters.tell_now(Posted { letters, token: chunk.token.split() }));
        }
    }
}

/// The dead letter of a record: with the payload that its source gave it.
pub(crate) fn letter(part: &str, chunk: &Chunk, nth: usize, aside: &Aside) -> Letter {
    Letter {
        part: part.to_owned(),
        source: chunk.source().to_owned(),
        class: aside.class,
        reason: aside.reason.clone(),
        attempts: aside.attempts,
        crash: aside.crash.clone(),
        since: millis_since_1970(),
        record: original(chunk.record(nth)),
    }
}

fn original(record: Record<'_>) -> OwnedRecord {
    OwnedRecord { payload: record.original().to_vec(), content: record.original_content(), ..OwnedRecord::from(record) }
}

pub(crate) fn millis_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_millis() as u64
}

#[cfg(test)]
mod tests;
