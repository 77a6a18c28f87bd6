//! The cell: what stays of an actor over its restarts.
//!
//! ```text
//!   Ref ─┐                       ┌─ lane: queue, wake protocol
//!   Ref ─┼─▶ Cell<A> (one Arc) ──┤
//!   name ┘                       └─ face: identity, life, counters ── cold: links, monitors, names (at first use)
//! ```

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actor::{Actor, Undelivered};
use crate::actor_cell::Owner;
use crate::actor_id::ActorId;
use crate::entry::{Special, Sys};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lane::{Entry, Lane, Pushed, deadline};
use crate::mailbox::{Mailbox, Unit};
use crate::names::Name;
use crate::node::Node;
use crate::ractor_shell::Shell;
use crate::recorder::{Recorded, Recorder};
use crate::signal::{Down, MonitorId, Signal};
use crate::sys::Status;
use crate::{panics, scope};

/// An actor's identity and life, whatever its type.
pub(crate) struct Face {
    pub(crate) id: ActorId,
    /// Counts the node's actors in the order of their starts.
    pub(crate) serial: u64,
    pub(crate) node: Node,
    /// The running incarnation; 0: none. Changed under `cold`, so that tables and life agree.
    incarnation: AtomicU32,
    /// `1 + kind` of the message being handled; 0: none.
    pub(crate) in_hand: AtomicU16,
    /// The call in hand, as `Tag::to_bits`; 0: none.
    pub(crate) call_in_hand: AtomicU64,
    pub(crate) trap_exit: AtomicBool,
    pub(crate) suspended: AtomicBool,
    /// Written by the running incarnation alone.
    pub(crate) handled: AtomicU64,
    /// Given up by the overflow policy.
    pub(crate) dropped: AtomicU64,
    /// Whom the handler waits for (see `waits`).
    pub(crate) waiting_on: AtomicU64,
    /// None: the actor is light.
    pub(crate) shell: Option<Shell>,
    /// Who may start the next incarnation, while `is_kept`.
    owner: Option<Arc<dyn Owner>>,
    /// What the owner calls the cell.
    pub(crate) tag: AtomicU64,
    /// The owner has not let go of it, and it is not gone. Changed and read under `cold`, as is the incarnation.
    is_kept: AtomicBool,
    cold: Mutex<Option<Box<Cold>>>,
}

/// What most actors never have, or not for long.
#[derive(Default)]
pub(crate) struct Cold {
    /// An end signal that the running incarnation has not seen yet.
    pub(crate) end: Option<End>,
    pub(crate) tables: Tables,
    pub(crate) names: Vec<Name>,
    pub(crate) groups: Vec<crate::groups::Membership>,
    /// The reason that a graceful stop ends with.
    pub(crate) drain: Option<Exit>,
    /// Set when the actor is to be gone for good: refs then have the reason.
    pub(crate) gone: Option<Exit>,
    /// Its lane is closed, too: nothing is taken any more.
    pub(crate) closed: bool,
    pub(crate) gone_watchers: Vec<oneshot::Sender<Exit>>,
    /// Further actors that the handler waits for, beside `waiting_on`.
    pub(crate) waits: Vec<u64>,
    /// The ring of full mailboxes that the handler is in, noted by who closed it.
    pub(crate) ring: Option<Vec<ActorId>>,
}

/// The links, monitors and signals of one incarnation.
#[derive(Default)]
pub(crate) struct Tables {
    /// With the peer's incarnation: its successor knows nothing of the link.
    pub(crate) links: BTreeMap<ActorId, (Arc<dyn AnyCell>, u32)>,
    pub(crate) watched_by: BTreeMap<MonitorId, Watcher>,
    pub(crate) watching: BTreeMap<MonitorId, Arc<dyn AnyCell>>,
    /// Those whose entries lie in the mailbox.
    pub(crate) signals: VecDeque<Signal>,
}

pub(crate) enum Watcher {
    Actor { cell: Arc<dyn AnyCell>, incarnation: u32 },
    Outside(oneshot::Sender<Down>),
}

/// How an incarnation is to end.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    /// The stop hook runs at every end but a kill.
    pub(crate) hook: bool,
}

impl End {
    pub(crate) fn with_hook(exit: Exit) -> Box<End> {
        Box::new(End { exit, hook: true })
    }

    /// The end of an incarnation that was given up: everybody has been told, nobody waits for more.
    pub(crate) fn fenced() -> Box<End> {
        Box::new(End { exit: Exit::Unresponsive, hook: false })
    }
}

impl Face {
    #[inline(always)]
    pub(crate) fn new(
        id: ActorId,
        serial: u64,
        node: Node,
        light: bool,
        incarnation: u32,
        owner: Option<Arc<dyn Owner>>,
    ) -> Self {
        Face {
            id,
            serial,
            node,
            incarnation: AtomicU32::new(incarnation),
            in_hand: AtomicU16::new(0),
            call_in_hand: AtomicU64::new(0),
            trap_exit: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
            handled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            waiting_on: AtomicU64::new(0),
            shell: (!light).then(Shell::default),
            is_kept: AtomicBool::new(owner.is_some()),
            owner,
            tag: AtomicU64::new(0),
            cold: Mutex::new(None),
        }
    }

    #[inline]
    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Cold>>> {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner) // No user code runs under it.
    }

    /// Reads the cold part, allocating nothing.
    pub(crate) fn peek<R>(&self, f: impl FnOnce(Option<&Cold>) -> R) -> R {
        f(self.lock().as_deref())
    }

    pub(crate) fn cold<R>(&self, f: impl FnOnce(&mut Cold) -> R) -> R {
        f(self.lock().get_or_insert_default())
    }

    /// Runs `f` on the tables if `incarnation` (0: whichever) is alive.
    pub(crate) fn alive<R>(&self, incarnation: u32, f: impl FnOnce(&mut Tables, u32) -> R) -> Option<R> {
        let mut cold = self.lock();
        let now = self.incarnation();
        (now != 0 && (incarnation == 0 || incarnation == now)).then(|| f(&mut cold.get_or_insert_default().tables, now))
    }

    pub(crate) fn begin(&self, incarnation: u32) {
        let mut cold = self.lock();
        if let Some(cold) = cold.as_mut() {
            cold.end = None;
            cold.drain = None;
        }
        self.trap_exit.store(false, Ordering::Relaxed);
        self.suspended.store(false, Ordering::Relaxed);
        self.in_hand.store(0, Ordering::Relaxed);
        self.call_in_hand.store(0, Ordering::Relaxed);
        self.waiting_on.store(0, Ordering::Relaxed);
        self.incarnation.store(incarnation, Ordering::Release);
    }

    /// Ends `incarnation` and takes its tables. `None`: somebody was faster.
    pub(crate) fn end(&self, incarnation: u32) -> Option<Tables> {
        let mut cold = self.lock();
        if incarnation == 0 || self.incarnation() != incarnation {
            return None;
        }
        self.incarnation.store(0, Ordering::Release);
        Some(cold.as_mut().map(|cold| std::mem::take(&mut cold.tables)).unwrap_or_default())
    }

    /// What is left of the call in hand, at the most; None: there is none, or it has been answered.
    pub(crate) fn left(&self) -> Option<Duration> {
        let in_hand = self.call_in_hand.load(Ordering::Relaxed);
        if in_hand == 0 {
            return None;
        }
        let now = self.node.sweeper().now_ms();
        let end = deadline::end(in_hand, self.node.number(), now)?;
        Some(Duration::from_millis(end.saturating_sub(now)))
    }

    pub(crate) fn gone(&self) -> Option<Exit> {
        self.peek(|cold| cold.and_then(|cold| cold.gone.clone()))
    }

    /// Resolves when the actor is gone for good.
    pub(crate) fn gone_signal(&self) -> Result<oneshot::Receiver<Exit>, Exit> {
        self.cold(|cold| match &cold.gone {
            Some(exit) if cold.closed => Err(exit.clone()),
            _ => {
                let (sender, receiver) = oneshot::channel();
                cold.gone_watchers.retain(|old| !old.is_closed());
                cold.gone_watchers.push(sender);
                Ok(receiver)
            }
        })
    }

    /// Who may start the next incarnation.
    pub(crate) fn owner(&self) -> Option<&Arc<dyn Owner>> {
        self.owner.as_ref().filter(|_| self.is_kept())
    }

    /// Somebody may start the next incarnation.
    pub(crate) fn is_kept(&self) -> bool {
        self.owner.is_some() && self.peek(|_| self.is_kept.load(Ordering::Relaxed))
    }

    /// It is to be gone for good, for this reason, and is nobody's: what it was known by. None: that is so already.
    pub(crate) fn go(&self, exit: &Exit) -> Option<(Vec<Name>, Vec<crate::groups::Membership>)> {
        self.cold(|cold| {
            if cold.gone.is_some() {
                return None;
            }
            cold.gone = Some(exit.clone());
            self.is_kept.store(false, Ordering::Relaxed);
            Some((std::mem::take(&mut cold.names), std::mem::take(&mut cold.groups)))
        })
    }

    /// The owner lets go of it. False: it has before, or there was none.
    pub(crate) fn let_go(&self) -> bool {
        self.owner.is_some() && self.peek(|_| self.is_kept.swap(false, Ordering::Relaxed))
    }

    /// What a graceful stop ends with.
    pub(crate) fn drain_reason(&self) -> Exit {
        self.peek(|cold| cold?.drain.clone()).unwrap_or(Exit::Normal)
    }

    pub(crate) fn name(&self) -> Option<Name> {
        self.peek(|cold| cold.and_then(|cold| cold.names.first().cloned()))
    }
}

/// A cell without its type: what links, monitors, names and the node need.
pub(crate) trait AnyCell: Send + Sync {
    fn face(&self) -> &Face;
    fn type_name(&self) -> &'static str;
    fn kind_name(&self, kind: u8) -> &'static str;
    fn queue_len(&self) -> usize;
    fn signal(&self, incarnation: u32, signal: Signal);
    fn ring_end(&self, incarnation: u32) -> bool;
    fn drain(&self);
    /// Stops after the message in hand. False: gone.
    fn stop(&self, exit: Exit) -> bool;
    /// The end for good: undelivered messages are handed on, refs learn the reason.
    fn close(&self, exit: &Exit);
    fn status(&self) -> Status;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

pub(crate) struct Cell<A: Actor> {
    pub(crate) lane: Lane<A::Msg, Sys<A>>,
    pub(crate) face: Face,
}

impl<A: Actor> AsRef<Lane<A::Msg, Sys<A>>> for Cell<A> {
    fn as_ref(&self) -> &Lane<A::Msg, Sys<A>> {
        &self.lane
    }
}

impl<A: Actor> Cell<A> {
    /// With this incarnation in it, as nobody else has the cell yet; 0: with none.
    #[inline(always)]
    pub(crate) fn new(
        id: ActorId,
        serial: u64,
        node: Node,
        mailbox: Mailbox,
        light: bool,
        incarnation: u32,
        owner: Option<Arc<dyn Owner>>,
    ) -> Self {
        Cell {
            lane: Lane::with(mailbox.places(), mailbox.unit(), mailbox.at_the_bound(), incarnation),
            face: Face::new(id, serial, node, light, incarnation, owner),
        }
    }

    /// How much room a message takes. User code runs here, on the sender's side: before the lane is locked, and before
    /// anything is counted.
    pub(crate) fn weight(&self, msg: &A::Msg) -> usize {
        match self.lane.unit() {
            Unit::Messages => 1,
            Unit::Bytes => A::weight(msg).max(1),
        }
    }

    /// What a recorder of this actor's holds.
    pub(crate) fn history(&self, recorder: &Recorder) -> Vec<Recorded> {
        recorder.read(|kind| self.kind_name(kind), |ms| self.face.node.watch().since_start(ms))
    }

    /// The overflow policy gave something up: it is counted, a call ends, a message is handed on.
    #[cold]
    pub(crate) fn displaced(&self, pushed: Pushed<Entry<A::Msg>>) {
        let lose = |entry| {
            self.face.dropped.fetch_add(1, Ordering::Relaxed);
            undeliver::<A>(entry, &Undelivered::Overflow, Failure::Dropped);
        };
        match pushed {
            Pushed::Queued => (),
            Pushed::Dropped(entry) => lose(entry),
            Pushed::Displaced(entries) => entries.into_iter().for_each(lose),
        }
    }
}

/// Hands a message on that will not be handled. User code runs here, so a panic is caught: it costs this message alone.
fn undeliver<A: Actor>(entry: Entry<A::Msg>, why: &Undelivered, failure: Failure) {
    let outcome = panics::contain(|| {
        scope::failing(failure, || match (Special::read(entry.note), entry.message) {
            (Special::Tell | Special::Retry, Some(msg)) => A::on_undelivered(msg, why),
            (_, message) => drop(message),
        });
    });
    if outcome.is_none() {
        tracing::error!(actor = std::any::type_name::<A>(), "panic while handing on an undelivered message");
    }
}

impl<A: Actor> AnyCell for Cell<A> {
    fn face(&self) -> &Face {
        &self.face
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<A>()
    }

    fn kind_name(&self, kind: u8) -> &'static str {
        crate::entry::kind_name::<A>(kind)
    }

    fn queue_len(&self) -> usize {
        self.lane.len()
    }

    fn signal(&self, incarnation: u32, signal: Signal) {
        // Signals first: of two at once, an entry may stand for the other's signal, but never comes before its own.
        if self.face.alive(incarnation, |tables, _| tables.signals.push_back(signal)).is_some() {
            drop(self.lane.push_exempt(Entry::news(Special::Signal(incarnation).note()), 0)); // Closed: nobody is left to hear it.
        }
    }

    fn ring_end(&self, incarnation: u32) -> bool {
        self.lane.ring_end(incarnation)
    }

    fn drain(&self) {
        self.lane.drain();
    }

    fn stop(&self, exit: Exit) -> bool {
        self.lane.push_sys(Sys::Stop(exit)).is_ok()
    }

    fn close(&self, exit: &Exit) {
        let left = self.lane.close();
        let why = Undelivered::Stopped(exit.clone());
        for entry in left.entries {
            undeliver::<A>(entry, &why, Failure::Exited(exit.clone()));
        }
        for request in left.requests {
            scope::failing_with_exit(exit, || panics::contain(|| drop(request)));
        }
    }

    fn status(&self) -> Status {
        crate::sys::status_from_outside(self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
