//! A sink's actor: it writes one chunk after the other, tries again when it cannot, and acknowledges what is written.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proscenium_plugin_host::Retries;
use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;

use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::letter::Class;
use crate::pass::Aside;
use crate::plan::WhenDown;
use crate::sink::{Sink, SinkSpec};
use crate::source_actor::pause_before;
use crate::stage_desk::{Notice, Office, Posted, letter};
use crate::stats::Stats;
use crate::trouble::Trouble;

/// What outlives the actor.
pub(crate) struct SinkDesk {
    pub(crate) name: String,
    pub(crate) spec: Arc<dyn SinkSpec>,
    conduct: Mutex<(WhenDown, Retries)>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) office: Office,
    state: Mutex<State>,
    is_halted: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Chunk>,
    /// What it said when it was last prepared: where it is opened.
    prepared: Option<Value>,
    /// Since when it cannot write.
    down: Option<Instant>,
    /// Whether another try is worth it, while it is down.
    next_try: Option<Instant>,
    /// The sink itself, between two of its works. It stays over a crash of the actor: what it has acknowledged is in it.
    sink: Option<Opened>,
}

struct Opened {
    sink: Box<dyn Sink>,
    is_open: bool,
    /// Its own code has panicked: nobody knows what it holds.
    is_torn: bool,
}

/// A sink at work, and the chunk that it works on: both go back where they lay, wherever the work is cut off.
struct AtWork<'a> {
    desk: &'a SinkDesk,
    opened: Option<Opened>,
    chunk: Option<Chunk>,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        if let Some(chunk) = self.chunk.take() {
            state.queue.push_front(chunk);
        }
        if let Some(mut opened) = self.opened.take() {
            opened.is_torn |= std::thread::panicking();
            state.sink = Some(opened);
        }
    }
}

impl SinkDesk {
    pub(crate) fn new(
        (name, spec): (String, Arc<dyn SinkSpec>),
        conduct: (WhenDown, Retries),
        disk: Arc<dyn Disk>,
        stats: Arc<Stats>,
        office: Office,
    ) -> Self {
        let (state, is_halted) = (Mutex::default(), AtomicBool::new(false));
        SinkDesk { name, spec, conduct: Mutex::new(conduct), disk, stats, office, state, is_halted }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conduct(&self) -> (WhenDown, Retries) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another policy for when it cannot write.
    pub(crate) fn renew(&self, when_down: WhenDown, retries: Retries) {
        *self.conduct.lock().unwrap_or_else(PoisonError::into_inner) = (when_down, retries);
    }

    pub(crate) fn starts_at(&self, prepared: Option<Value>) {
        self.state().prepared = prepared;
    }
}

pub(crate) struct SinkActor {
    desk: Arc<SinkDesk>,
    tries: u32,
    /// A try is due later: chunks that come before wait.
    is_waiting: bool,
}

pub(crate) enum SinkMsg {
    Chunk(Chunk),
    /// Another try.
    Try,
    /// [`Sink::prepare`].
    Prepare(Reply<Result<Value, Trouble>>),
    /// [`Sink::commit`].
    Commit(Reply<Result<(), Trouble>>),
    /// [`Sink::close`].
    Close(Reply<Result<(), Trouble>>),
}

impl Actor for SinkActor {
    type Msg = SinkMsg;
    type Ref = Ref<Self>;

    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = &["chunk", "try", "prepare", "commit", "close"];

    fn kind(msg: &SinkMsg) -> u8 {
        match msg {
            SinkMsg::Chunk(_) => 0,
            SinkMsg::Try => 1,
            SinkMsg::Prepare(_) => 2,
            SinkMsg::Commit(_) => 3,
            SinkMsg::Close(_) => 4,
        }
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.stats.starts.add(1);
        if self.desk.state().sink.as_ref().is_some_and(|opened| opened.is_torn) {
            self.desk.fail("its code has panicked, and what it holds is not certain".to_owned());
        }
        drop(cx.me().tell(SinkMsg::Try).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: SinkMsg) -> Result<(), Exit> {
        match msg {
            SinkMsg::Chunk(chunk) => {
                self.desk.stats.chunks.add(1);
                self.desk.stats.taken.add(chunk.len());
                self.desk.state().queue.push_back(chunk);
            }
            SinkMsg::Try => self.is_waiting = false,
            SinkMsg::Prepare(reply) => return Ok(reply.send(self.desk.prepare().await)),
            SinkMsg::Commit(reply) => return Ok(reply.send(self.desk.commit().await)),
            SinkMsg::Close(reply) => return Ok(reply.send(self.desk.close().await)),
        }
        if !self.is_waiting {
            self.work_off(cx).await;
        }
        Ok(())
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("{}: {} records written", self.desk.name, self.desk.stats.passed.get()))
    }
}

impl SinkActor {
    pub(crate) fn new(desk: Arc<SinkDesk>) -> Self {
        SinkActor { desk, tries: 0, is_waiting: false }
    }

    async fn work_off(&mut self, cx: &mut Context<Self>) {
        let desk = self.desk.clone();
        while !desk.is_halted.load(Ordering::Acquire) {
            let Some(chunk) = desk.state().queue.pop_front() else { return };
            if desk.is_given_up() {
                desk.set_aside(chunk, "it is still down");
                continue;
            }
            match desk.write(chunk).await {
                Ok(()) => self.tries = 0,
                Err(trouble) => {
                    self.tries = self.tries.saturating_add(1);
                    let pause = desk.pause_before(self.tries);
                    if desk.trouble(&trouble, pause) {
                        self.is_waiting = true;
                        cx.send_after(pause, SinkMsg::Try);
                        return;
                    }
                }
            }
        }
    }
}

impl SinkDesk {
    fn pause_before(&self, tries: u32) -> Duration {
        let (_, retries) = self.conduct();
        pause_before(tries, (retries.pause, retries.longest))
    }

    /// The sink, to work with.
    fn at_work(&self, chunk: Option<Chunk>) -> AtWork<'_> {
        let opened = self.state().sink.take();
        let opened =
            opened.unwrap_or_else(|| Opened { sink: self.spec.make(&self.disk), is_open: false, is_torn: false });
        AtWork { desk: self, opened: Some(opened), chunk }
    }

    async fn write(&self, chunk: Chunk) -> Result<(), Trouble> {
        let mut refused = Vec::new();
        let mut work = self.at_work(Some(chunk));
        let AtWork { opened: Some(opened), chunk: Some(chunk), .. } = &mut work else { return Ok(()) };
        opened.open(self).await?;
        opened.sink.write(chunk, &mut refused).await?;
        let Some(chunk) = work.chunk.take() else { return Ok(()) };
        drop(work);
        if !refused.is_empty() {
            self.post(&chunk, refused.iter().map(|(nth, reason)| (*nth, Class::Failed, reason.clone())));
        }
        {
            let mut state = self.state();
            (state.down, state.next_try) = (None, None);
        }
        self.stats.well();
        self.stats.passed.add(chunk.len() - refused.len());
        self.stats.took(chunk.born.elapsed());
        chunk.done();
        Ok(())
    }

    /// It has been down for longer than its policy waits, and the next try is not due.
    fn is_given_up(&self) -> bool {
        self.state().next_try.is_some_and(|at| Instant::now() < at)
    }

    /// What its policy says. True: the chunk, which is in its place again, waits for the next try.
    fn trouble(&self, trouble: &Trouble, pause: Duration) -> bool {
        self.stats.trouble(trouble);
        let part = self.name.as_str();
        let down = *self.state().down.get_or_insert_with(Instant::now);
        let gives_up = match self.conduct().0 {
            WhenDown::Wait => false,
            WhenDown::SetAside(limit) => down.elapsed() >= limit || trouble.is_final(),
            WhenDown::Stop => return self.fail(trouble.to_string()),
        };
        if gives_up {
            tracing::error!(target: "proscenium::pipeline", part, %trouble, "the sink is down: its records become dead letters");
            let mut state = self.state();
            state.next_try = Some(Instant::now() + pause);
            let chunk = state.queue.pop_front();
            drop(state);
            chunk.into_iter().for_each(|chunk| self.set_aside(chunk, &trouble.to_string()));
            return false;
        }
        if trouble.is_final() {
            return self.fail(trouble.to_string());
        }
        tracing::warn!(target: "proscenium::pipeline", part, %trouble, "the sink cannot write; it tries again");
        true
    }

    fn set_aside(&self, chunk: Chunk, reason: &str) {
        self.post(&chunk, (0..chunk.len()).map(|nth| (nth, Class::SinkDown, reason.to_owned())));
        chunk.done();
    }

    fn post(&self, chunk: &Chunk, refused: impl Iterator<Item = (usize, Class, String)>) {
        let letters: Vec<_> = refused
            .map(|(nth, class, reason)| {
                letter(&self.name, chunk, nth, &Aside { class, reason, attempts: 1, crash: None })
            })
            .collect();
        self.stats.dead_letters.add(letters.len());
        drop(self.office.letters.tell_now(Posted { letters, token: chunk.token.split() }));
    }

    /// The pipeline cannot go on: the sink halts, with what it has in hand.
    fn fail(&self, reason: String) -> bool {
        self.is_halted.store(true, Ordering::Release);
        drop(self.office.conductor.tell_now(Notice::Failed { part: self.name.clone(), reason }));
        true
    }

    async fn prepare(&self) -> Result<Value, Trouble> {
        let mut work = self.at_work(None);
        let AtWork { opened: Some(opened), .. } = &mut work else { return Ok(Value::Null) };
        opened.open(self).await?;
        let prepared = opened.sink.prepare().await?;
        self.state().prepared = Some(prepared.clone());
        Ok(prepared)
    }

    async fn commit(&self) -> Result<(), Trouble> {
        let mut work = self.at_work(None);
        let AtWork { opened: Some(opened), .. } = &mut work else { return Ok(()) };
        opened.sink.commit().await
    }

    async fn close(&self) -> Result<(), Trouble> {
        let mut work = self.at_work(None);
        let AtWork { opened: Some(opened), .. } = &mut work else { return Ok(()) };
        if opened.is_open { opened.sink.close().await } else { Ok(()) }
    }
}

impl Opened {
    async fn open(&mut self, desk: &SinkDesk) -> Result<(), Trouble> {
        if !self.is_open {
            let from = desk.state().prepared.clone();
            self.sink.open(from.as_ref()).await?;
            self.is_open = true;
        }
        Ok(())
    }
}
