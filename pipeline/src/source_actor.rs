//! A source's actor: it reads as long as there is demand, and says where it stands when nothing is under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::poll;
use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;
use tokio::sync::watch;

use crate::chunk::{Chunk, ChunkSize, Filling};
use crate::ledger::Ledger;
use crate::letter::Class;
use crate::notice::Notice;
use crate::outlets::Outlets;
use crate::pass::Aside;
use crate::source::{Filled, Source, SourceSpec};
use crate::stage_desk::{Office, Posted, letter};
use crate::stats::Stats;
use crate::trouble::Trouble;

/// Pauses between two tries of a source that is in trouble: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// What outlives the actor.
#[derive(Debug)]
pub(crate) struct SourceDesk {
    pub(crate) name: String,
    /// What its chunks say of where they come from: itself, but for letters that are sent again.
    pub(crate) says: Arc<str>,
    /// It brings dead letters back, and never ends.
    pub(crate) is_redrive: bool,
    pub(crate) spec: Arc<dyn SourceSpec>,
    pub(crate) size: ChunkSize,
    pub(crate) linger: Duration,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) office: Office,
    paused: watch::Sender<bool>,
    /// Chunks that are being filled, or wait to be taken in: one at most, and those that killed actors have left.
    filling: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outlets: Arc<Outlets>,
    /// Behind the last record that was sent.
    position: Option<Value>,
    is_exhausted: bool,
    /// Read, and not sent.
    held: VecDeque<Held>,
}

/// A chunk that was read, since when, and where the source stands behind it.
#[derive(Debug)]
struct Held {
    filling: Filling,
    begun: Instant,
    position: Option<Value>,
}

impl SourceDesk {
    pub(crate) fn new(
        name: String,
        spec: Arc<dyn SourceSpec>,
        (size, linger, window): (ChunkSize, Duration, usize),
        stats: Arc<Stats>,
        office: Office,
    ) -> Self {
        let outlets = Arc::new(Outlets::new(vec![(None, Vec::new())], None, size, 1));
        let state = State { outlets, position: None, is_exhausted: false, held: VecDeque::new() };
        // A chunk of which a record waits for another try gives its buffer back, and stays open: there may be more of those.
        let ledger = Ledger::new(size, window, 4 * window);
        let says = name.as_str().into();
        SourceDesk {
            name,
            says,
            is_redrive: false,
            spec,
            size,
            linger,
            stats,
            ledger,
            office,
            paused: watch::Sender::new(true),
            filling: watch::Sender::new(0),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It brings the dead letters of this source back.
    pub(crate) fn redrives(self, source: &str) -> Self {
        SourceDesk { says: source.into(), is_redrive: true, ..self }
    }

    pub(crate) fn connect(&self, outlets: Outlets) {
        self.state().outlets = Arc::new(outlets);
    }

    pub(crate) fn starts_at(&self, position: Option<Value>) {
        self.state().position = position;
    }

    pub(crate) fn position(&self) -> Option<Value> {
        self.state().position.clone()
    }

    /// It has no more records, and all that it had are sent.
    pub(crate) fn is_exhausted(&self) -> bool {
        let state = self.state();
        state.is_exhausted && state.held.is_empty()
    }

    /// Behind the last record that was read: what is held will be sent.
    fn has_read_to(&self) -> Option<Value> {
        let state = self.state();
        state.held.back().map_or_else(|| state.position.clone(), |held| held.position.clone())
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// What the source gives, unless it is paused: what is read from then on could be lost, if it cannot be read again.
    async fn unless_paused<T>(&self, given: impl Future<Output = T>) -> Option<T> {
        if self.spec.replays() {
            return Some(given.await);
        }
        let mut paused = self.paused.subscribe();
        tokio::select! {
            biased;
            // An error would say that the sender is gone, which is in here.
            Ok(_) = paused.wait_for(|is_paused| *is_paused) => None,
            given = given => Some(given),
        }
    }

    /// Chunks that were read, and are not sent, and that nobody can read again.
    pub(crate) fn unsent(&self) -> usize {
        if self.spec.replays() { 0 } else { self.state().held.len() }
    }

    /// What was read is sent when it may be.
    fn hold(&self, filling: Filling, begun: Instant, position: Option<Value>) {
        if !filling.is_empty() {
            self.stats.taken.add(filling.len());
            self.state().held.push_back(Held { filling, begun, position });
        }
    }
}

pub(crate) struct SourceActor {
    desk: Arc<SourceDesk>,
    reader: Option<Reader>,
    has_waiter: bool,
    tries: u32,
}

/// The source, between two turns.
struct Reader {
    source: Box<dyn Source>,
    is_open: bool,
}

pub(crate) enum SourceMsg {
    /// It goes on, if it may.
    Go,
    /// The buffers are there by which what it has is divided.
    Room,
    /// What was waited for has come.
    Read(Box<Reading>),
    /// Answered when nothing is sent any more, until it is told to go on. What is under way is still under way.
    Pause(Reply<()>),
}

/// A turn at the source.
pub(crate) struct Reading {
    reader: Reader,
    under_way: UnderWay,
    said: Result<Filled, Trouble>,
}

impl Actor for SourceActor {
    type Msg = SourceMsg;
    type Ref = Ref<Self>;

    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = &["go", "room", "read", "pause"];

    fn kind(msg: &SourceMsg) -> u8 {
        match msg {
            SourceMsg::Go => 0,
            SourceMsg::Room => 1,
            SourceMsg::Read(_) => 2,
            SourceMsg::Pause(_) => 3,
        }
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.stats.starts.add(1);
        drop(cx.me().tell(SourceMsg::Go).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: SourceMsg) -> Result<(), Exit> {
        match msg {
            SourceMsg::Go => (),
            SourceMsg::Room => self.has_waiter = false,
            SourceMsg::Read(reading) => {
                if let Some(pause) = self.take_in(*reading) {
                    cx.send_after(pause, SourceMsg::Go);
                    return Ok(());
                }
            }
            SourceMsg::Pause(reply) => {
                self.desk.pause(true);
                reply.send(());
            }
        }
        self.work(cx).await;
        Ok(())
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("{}: {} records read", self.desk.name, self.desk.stats.taken.get()))
    }
}

impl SourceDesk {
    /// Sends what was read, with all the buffers for it in hand. Else they are to be waited for, there.
    fn send_held(&self) -> Result<(), Arc<Outlets>> {
        while !self.state().held.is_empty() {
            let outlets = self.state().outlets.clone();
            let Some(mut loans) = outlets.try_borrow(outlets.loans(0)) else { return Err(outlets) };
            let token = self.ledger.send(); // Before it leaves what is held: so it is always in one of the two.
            let Some(Held { mut filling, begun, position }) = self.state().held.pop_front() else {
                token.done();
                break;
            };
            let rejects = std::mem::take(&mut filling.rejects);
            let mut chunk = Chunk::new(filling.buffer, token, self.says.clone(), begun);
            if !rejects.is_empty() {
                let letters = rejects.iter().map(|(nth, reason)| {
                    let aside = Aside { class: Class::Malformed, reason: reason.clone(), attempts: 1, crash: None };
                    letter(&self.name, &chunk, *nth, &aside)
                });
                let posted = Posted { letters: letters.collect(), token: chunk.token.split() };
                self.stats.dead_letters.add(rejects.len());
                drop(self.office.letters.tell_now(posted));
                chunk.remove(rejects.iter().map(|(nth, _)| *nth));
            }
            self.stats.chunks.add(1);
            self.stats.passed.add(chunk.len());
            outlets.send(0, chunk, &mut loans);
            self.state().position = position;
        }
        Ok(())
    }
}

impl SourceDesk {
    /// While it is paused: what was read is sent, if it cannot be read again, as soon as nothing more is read.
    pub(crate) async fn send_what_cannot_come_again(&self) {
        if self.spec.replays() {
            return;
        }
        // An error would say that the sender is gone, which is in here.
        drop(self.filling.subscribe().wait_for(|chunks| *chunks == 0).await);
        while let Err(outlets) = self.send_held() {
            drop(outlets.borrow(outlets.loans(0)).await);
        }
    }
}

/// Opens the source if it is not open, and fills the chunk.
async fn read(mut reader: Reader, mut under_way: UnderWay, from: Option<Value>) -> Reading {
    let said = under_way.fill(&mut reader, from).await;
    Reading { reader, under_way, said }
}

/// A chunk that is being filled, or waits to be taken in. Cut off there, by a crash of the actor, its records are held if they
/// cannot be read again.
pub(crate) struct UnderWay {
    filling: Option<Filling>,
    begun: Option<Instant>,
    is_counted: bool,
    desk: Arc<SourceDesk>,
    me: Ref<SourceActor>,
}

impl UnderWay {
    fn begun(&self) -> Instant {
        self.begun.unwrap_or_else(Instant::now)
    }

    async fn fill(&mut self, reader: &mut Reader, from: Option<Value>) -> Result<Filled, Trouble> {
        let UnderWay { filling: Some(filling), begun, is_counted, desk, .. } = self else { return Ok(Filled::More) };
        if !reader.is_open {
            reader.source.open(from.as_ref()).await?;
            reader.is_open = true;
        }
        desk.filling.send_modify(|chunks| *chunks += 1); // Before it looks whether it is paused: who waits for it has paused it.
        *is_counted = true;
        let Some(filled) = desk.unless_paused(reader.source.fill(filling)).await else { return Ok(Filled::More) };
        let mut filled = filled?;
        *begun = Some(Instant::now());
        if !desk.linger.is_zero() {
            let until = tokio::time::Instant::now() + desk.linger;
            while filled == Filled::More && !filling.is_full() {
                let more = desk.unless_paused(reader.source.fill(filling));
                match tokio::time::timeout_at(until, more).await {
                    Ok(Some(more)) => filled = more?,
                    Ok(None) | Err(_) => break,
                }
            }
        }
        Ok(filled)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(filling) = self.filling.take().filter(|_| !self.desk.spec.replays()) {
            self.desk.hold(filling, self.begun(), None);
            drop(self.me.tell(SourceMsg::Go).now());
        }
        if self.is_counted {
            self.desk.filling.send_modify(|chunks| *chunks -= 1); // What it had is held, and not before.
        }
    }
}

impl SourceActor {
    pub(crate) fn new(desk: Arc<SourceDesk>) -> Self {
        let reader = Reader { source: desk.spec.make(), is_open: false };
        SourceActor { desk, reader: Some(reader), has_waiter: false, tries: 0 }
    }

    /// Sends what it has, and reads a chunk, unless there is nothing to read, or no demand. Then others have their turn: what
    /// was read is still in the cache when the next stage takes it up.
    async fn work(&mut self, cx: &mut Context<Self>) {
        if self.desk.is_paused() {
            return;
        }
        if let Err(outlets) = self.desk.send_held() {
            return self.wait_for_buffers(cx, outlets);
        }
        if self.desk.state().is_exhausted {
            let part = self.desk.name.clone();
            self.desk.office.conductor.tell(Notice::Exhausted { part });
            return;
        }
        let Some(reader) = self.reader.take() else { return };
        let me = cx.me();
        let Some(loan) = self.desk.ledger.borrow_or_ring(|| Box::new(move || drop(me.tell(SourceMsg::Go).now())))
        else {
            self.reader = Some(reader);
            return;
        };
        let filling = Filling::new(loan, self.desk.size);
        // A position may name thousands of files: it is looked up only where it is needed.
        let from = if reader.is_open { None } else { self.desk.has_read_to() };
        let under_way =
            UnderWay { filling: Some(filling), begun: None, is_counted: false, desk: self.desk.clone(), me: cx.me() };
        let mut reading = Box::pin(read(reader, under_way, from));
        // What is there already costs no task of its own.
        match poll!(&mut reading) {
            Poll::Ready(reading) => match self.take_in(reading) {
                Some(pause) => drop(cx.send_after(pause, SourceMsg::Go)),
                None => drop(cx.me().tell(SourceMsg::Go).now()),
            },
            Poll::Pending => cx.pipe(reading, |reading| SourceMsg::Read(Box::new(reading))),
        }
    }

    /// Not in here: whoever waits in a handler hears nobody who wants it to pause.
    fn wait_for_buffers(&mut self, cx: &mut Context<Self>, outlets: Arc<Outlets>) {
        if !std::mem::replace(&mut self.has_waiter, true) {
            // They go back at once, and nobody else takes them.
            cx.pipe(async move { drop(outlets.borrow(outlets.loans(0)).await) }, |()| SourceMsg::Room);
        }
    }

    /// What was read is sent, or held while the source is paused. Some: the source is in trouble, and is tried again then.
    fn take_in(&mut self, reading: Reading) -> Option<Duration> {
        let Reading { mut reader, mut under_way, said } = reading;
        let position = reader.source.position();
        let mut pause = None;
        match said {
            Ok(filled) => {
                self.tries = 0;
                self.desk.stats.well();
                if filled == Filled::End {
                    self.desk.state().is_exhausted = true;
                }
            }
            Err(trouble) => pause = self.trouble(&mut reader, &trouble),
        }
        self.reader = Some(reader);
        if let Some(filling) = under_way.filling.take() {
            self.desk.hold(filling, under_way.begun(), position);
        }
        pause
    }

    /// The source is opened anew after a pause, or the pipeline stops.
    fn trouble(&mut self, reader: &mut Reader, trouble: &Trouble) -> Option<Duration> {
        self.desk.stats.trouble(trouble);
        reader.is_open = false;
        self.tries = self.tries.saturating_add(1);
        let (part, tries) = (self.desk.name.as_str(), self.tries);
        if trouble.is_final() {
            let notice = Notice::Failed { part: part.to_owned(), reason: trouble.to_string() };
            self.desk.pause(true);
            self.desk.office.conductor.tell(notice);
            return None;
        }
        tracing::warn!(target: "proscenium::pipeline", part, tries, %trouble, "the source cannot read; it tries again");
        Some(pause_before(tries, PAUSES))
    }
}

/// Twice as long each time.
pub(crate) fn pause_before(tries: u32, (first, longest): (Duration, Duration)) -> Duration {
    first.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX)).min(longest)
}
