//! A sink's actor: it writes one chunk after the other, tries again when it cannot, and acknowledges what is written.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::poll;
use proscenium_plugin_host::Retries;
use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;

use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::letter::Class;
use crate::notice::Notice;
use crate::pass::Aside;
use crate::plan::WhenDown;
use crate::sink::{Sink, SinkSpec};
use crate::source_actor::pause_before;
use crate::stage_desk::{Office, Posted, letter};
use crate::stats::Stats;
use crate::trouble::Trouble;

/// What outlives the actor.
pub(crate) struct SinkDesk {
    pub(crate) name: String,
    conduct: Mutex<(WhenDown, Retries)>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) office: Office,
    state: Mutex<State>,
    /// The sink itself. It stays over a crash of the actor: what it has acknowledged is in it.
    sink: tokio::sync::Mutex<Opened>,
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
}

struct Opened {
    sink: Box<dyn Sink>,
    is_open: bool,
    /// Its own code has panicked: nobody knows what it holds.
    is_torn: bool,
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

/// A sink at work. A panic of its code leaves it torn.
struct AtWork<'a>(tokio::sync::MutexGuard<'a, Opened>);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.is_torn |= std::thread::panicking();
    }
}

impl SinkDesk {
    pub(crate) fn new(
        (name, spec): (String, Arc<dyn SinkSpec>),
        conduct: (WhenDown, Retries),
        disk: &Arc<dyn Disk>,
        stats: Arc<Stats>,
        office: Office,
    ) -> Self {
        let (state, is_halted) = (Mutex::default(), AtomicBool::new(false));
        let sink = tokio::sync::Mutex::new(Opened { sink: spec.make(disk), is_open: false, is_torn: false });
        SinkDesk { name, conduct: Mutex::new(conduct), stats, office, state, sink, is_halted }
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
        drop(cx.me().tell(SinkMsg::Try).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: SinkMsg) -> Result<(), Exit> {
        match msg {
            SinkMsg::Chunk(chunk) => {
                self.desk.stats.taken.add(chunk.len());
                self.desk.state().queue.push_back(chunk);
            }
            SinkMsg::Try => self.is_waiting = false,
            SinkMsg::Prepare(reply) => {
                reply.send(self.desk.prepare().await);
                return Ok(());
            }
            SinkMsg::Commit(reply) => {
                reply.send(self.desk.commit().await);
                return Ok(());
            }
            SinkMsg::Close(reply) => {
                reply.send(self.desk.close().await);
                return Ok(());
            }
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
        while !self.desk.is_halted.load(Ordering::Acquire) && !self.desk.state().queue.is_empty() {
            // What is not done at once goes on in a task of its own, also when this actor is killed: a write that is cut
            // off half way could not be told from one that was never begun.
            let mut writing = Box::pin(self.desk.clone().write_next());
            let written = match poll!(&mut writing) {
                Poll::Ready(written) => written,
                Poll::Pending => match tokio::spawn(writing).await {
                    Ok(written) => written,
                    Err(panic) => {
                        self.desk.fail(format!("its code has panicked, and what it holds is not certain: {panic}"));
                        return;
                    }
                },
            };
            match written {
                None => return,
                Some(Ok(())) => self.tries = 0,
                Some(Err(trouble)) => {
                    self.tries = self.tries.saturating_add(1);
                    let pause = self.desk.pause_before(self.tries);
                    if self.desk.trouble(&trouble, pause) {
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

    /// The sink, to work with, when nobody else does.
    async fn at_work(&self) -> Result<AtWork<'_>, Trouble> {
        let work = AtWork(self.sink.lock().await);
        if work.0.is_torn {
            return Err(Trouble::lasting("its code has panicked, and what it holds is not certain"));
        }
        Ok(work)
    }

    /// Writes the next chunk; none: there is none. After an error it is in its place again.
    async fn write_next(self: Arc<Self>) -> Option<Result<(), Trouble>> {
        let mut work = match self.at_work().await {
            Ok(work) => work,
            Err(torn) => {
                self.fail(torn.to_string());
                return None;
            }
        };
        let chunk = self.state().queue.pop_front()?;
        if self.is_given_up() {
            self.set_aside(chunk, "it is still down");
            return Some(Ok(()));
        }
        let mut refused = Vec::new();
        let written = match work.0.open(&self).await {
            Ok(()) => work.0.sink.write(&chunk, &mut refused).await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = written {
            self.state().queue.push_front(chunk);
            return Some(Err(trouble));
        }
        drop(work);
        self.written(chunk, &refused);
        Some(Ok(()))
    }

    fn written(&self, chunk: Chunk, refused: &[(usize, String)]) {
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
        self.stats.chunks.add(1);
        chunk.done();
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
        self.stats.chunks.add(1);
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
        self.office.conductor.tell(Notice::Failed { part: self.name.clone(), reason });
        true
    }

    async fn prepare(&self) -> Result<Value, Trouble> {
        let mut work = self.at_work().await?;
        work.0.open(self).await?;
        let prepared = work.0.sink.prepare().await?;
        self.state().prepared = Some(prepared.clone());
        Ok(prepared)
    }

    async fn commit(&self) -> Result<(), Trouble> {
        self.at_work().await?.0.sink.commit().await
    }

    async fn close(&self) -> Result<(), Trouble> {
        let mut work = self.at_work().await?;
        if work.0.is_open { work.0.sink.close().await } else { Ok(()) }
    }
}
