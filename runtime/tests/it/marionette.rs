//! An actor that does what each message says and tells a log what happens to it: tests pull its strings.

use std::future::{Future, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proscenium_runtime::{
    Actor, Context, CrashPolicy, Down, Exit, Exited, Mailbox, Ref, Reply, TellError, Undelivered,
};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::{World, soon};

/// What happened to a puppet, in order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    Note(u32),
    Down(Down),
    Exited(Exited),
    /// The stop hook ended.
    Terminated(Exit),
    /// The state was dropped.
    Dropped,
    Undelivered(u32, Lost),
}

/// [`Undelivered`], comparable.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Lost {
    Stopped(Exit),
    Crashed(Exit),
    Overflow,
}

#[derive(Clone)]
pub(crate) struct Log(mpsc::UnboundedSender<Event>);

impl Log {
    pub(crate) fn add(&self, event: Event) {
        let _ = self.0.send(event); // The test may be over.
    }
}

pub(crate) struct Events(mpsc::UnboundedReceiver<Event>);

impl Events {
    pub(crate) async fn next(&mut self) -> Event {
        soon(self.0.recv()).await.expect("somebody holds the log")
    }

    /// Waits for as many events, and gives them.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(self.next().await);
        }
        events
    }

    /// Those that are there.
    pub(crate) fn so_far(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

pub(crate) fn log() -> (Log, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Log(sender), Events(receiver))
}

/// What a puppet's type fixes.
pub(crate) trait Cut: Send + Sync + 'static {
    const MAILBOX: Mailbox = Mailbox::DEFAULT;
    const CRASH: CrashPolicy = CrashPolicy::Drop;
    const THREAD: bool = false;
}

/// All defaults.
pub(crate) struct Plain;
impl Cut for Plain {}

pub(crate) type Handled<'a> = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send + 'a>>;
pub(crate) type Script<C> =
    Box<dyn for<'a> FnOnce(&'a mut Puppet<C>, &'a mut Context<Puppet<C>>) -> Handled<'a> + Send>;

pub(crate) struct Puppet<C: Cut = Plain> {
    pub(crate) log: Log,
    /// Calls to be answered later, or never.
    pub(crate) kept: Vec<Reply<u32>>,
    pub(crate) on_init: Option<Script<C>>,
    pub(crate) on_stop: Option<Script<C>>,
    cut: PhantomData<C>,
}

pub(crate) enum Msg<C: Cut = Plain> {
    /// Logged, and no more. With a log of its own it tells there when it is not delivered.
    Note(u32, Option<Log>),
    /// Panics so many times, then is a note.
    Poison(u32, Arc<AtomicU32>, Option<Log>),
    /// Ends the actor in order.
    Quit,
    /// Answered with the number.
    Ask(u32, Reply<u32>),
    /// Kept in the state.
    Keep(Reply<u32>),
    Run(Script<C>),
}

impl<C: Cut> Puppet<C> {
    pub(crate) fn new(log: &Log) -> Self {
        Puppet { log: log.clone(), kept: Vec::new(), on_init: None, on_stop: None, cut: PhantomData }
    }

    pub(crate) fn with_init(
        mut self,
        script: impl for<'a> FnOnce(&'a mut Puppet<C>, &'a mut Context<Puppet<C>>) -> Handled<'a> + Send + 'static,
    ) -> Self {
        self.on_init = Some(Box::new(script));
        self
    }

    pub(crate) fn with_stop(
        mut self,
        script: impl for<'a> FnOnce(&'a mut Puppet<C>, &'a mut Context<Puppet<C>>) -> Handled<'a> + Send + 'static,
    ) -> Self {
        self.on_stop = Some(Box::new(script));
        self
    }
}

impl<C: Cut> Drop for Puppet<C> {
    fn drop(&mut self) {
        self.log.add(Event::Dropped);
    }
}

impl<C: Cut> Actor for Puppet<C> {
    type Msg = Msg<C>;
    type Ref = Ref<Self>;

    const MAILBOX: Mailbox = C::MAILBOX;
    const CRASH: CrashPolicy = C::CRASH;
    const THREAD: bool = C::THREAD;
    const KINDS: &'static [&'static str] = &["note", "poison", "ask", "keep", "run", "quit"];

    fn kind(msg: &Msg<C>) -> u8 {
        match msg {
            Msg::Note(..) => 0,
            Msg::Poison(..) => 1,
            Msg::Ask(..) => 2,
            Msg::Keep(_) => 3,
            Msg::Run(_) => 4,
            Msg::Quit => 5,
        }
    }

    fn duplicate(msg: &Msg<C>) -> Option<Msg<C>> {
        match msg {
            Msg::Note(n, log) => Some(Msg::Note(*n, log.clone())),
            Msg::Poison(n, left, log) => Some(Msg::Poison(*n, left.clone(), log.clone())),
            Msg::Quit => Some(Msg::Quit),
            Msg::Ask(..) | Msg::Keep(_) | Msg::Run(_) => None,
        }
    }

    fn weight(msg: &Msg<C>) -> usize {
        match msg {
            Msg::Note(n, _) | Msg::Poison(n, ..) | Msg::Ask(n, _) => *n as usize,
            Msg::Keep(_) | Msg::Run(_) | Msg::Quit => 1,
        }
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        match self.on_init.take() {
            Some(script) => script(self, cx).await,
            None => Ok(()),
        }
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg<C>) -> Result<(), Exit> {
        match msg {
            Msg::Note(n, _) => self.log.add(Event::Note(n)),
            Msg::Poison(n, left, _) => {
                let lethal =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
                assert!(!lethal, "poison");
                self.log.add(Event::Note(n));
            }
            Msg::Quit => return Err(Exit::Shutdown),
            Msg::Ask(n, reply) => reply.send(n),
            Msg::Keep(reply) => self.kept.push(reply),
            Msg::Run(script) => script(self, cx).await?,
        }
        Ok(())
    }

    async fn handle_down(&mut self, _: &mut Context<Self>, down: Down) -> Result<(), Exit> {
        self.log.add(Event::Down(down));
        Ok(())
    }

    async fn handle_exit(&mut self, _: &mut Context<Self>, exited: Exited) -> Result<(), Exit> {
        self.log.add(Event::Exited(exited));
        Ok(())
    }

    async fn terminate(&mut self, cx: &mut Context<Self>, exit: &Exit) {
        if let Some(script) = self.on_stop.take() {
            let _ = script(self, cx).await;
        }
        self.log.add(Event::Terminated(exit.clone()));
    }

    fn on_undelivered(msg: Msg<C>, why: &Undelivered) {
        let (Msg::Note(n, Some(log)) | Msg::Poison(n, _, Some(log))) = msg else { return };
        let why = match why {
            Undelivered::Stopped(exit) => Lost::Stopped(exit.clone()),
            Undelivered::Crashed(exit) => Lost::Crashed(exit.clone()),
            Undelivered::Overflow => Lost::Overflow,
            other => unreachable!("{other:?}"),
        };
        log.add(Event::Undelivered(n, why));
    }
}

// ---- messages ----

pub(crate) fn note<C: Cut>(n: u32) -> Msg<C> {
    Msg::Note(n, None)
}

/// A note that tells `log` when it is not delivered.
pub(crate) fn parcel<C: Cut>(n: u32, log: &Log) -> Msg<C> {
    Msg::Note(n, Some(log.clone()))
}

/// Panics `times` times with "poison", then is a note. Tells `log` when it is not delivered.
pub(crate) fn poison<C: Cut>(n: u32, times: u32, log: &Log) -> Msg<C> {
    Msg::Poison(n, Arc::new(AtomicU32::new(times)), Some(log.clone()))
}

pub(crate) fn ask<C: Cut>(n: u32) -> impl FnOnce(Reply<u32>) -> Msg<C> {
    move |reply| Msg::Ask(n, reply)
}

/// Does something between two messages.
pub(crate) fn act<C: Cut>(
    script: impl for<'a> FnOnce(&'a mut Puppet<C>, &'a mut Context<Puppet<C>>) -> Result<(), Exit> + Send + 'static,
) -> Msg<C> {
    Msg::Run(Box::new(move |puppet, cx| Box::pin(ready(script(puppet, cx)))))
}

/// Does something that awaits.
pub(crate) fn run<C: Cut>(
    script: impl for<'a> FnOnce(&'a mut Puppet<C>, &'a mut Context<Puppet<C>>) -> Handled<'a> + Send + 'static,
) -> Msg<C> {
    Msg::Run(Box::new(script))
}

pub(crate) fn crash<C: Cut>(why: &'static str) -> Msg<C> {
    run(move |_, _| Box::pin(async move { panic!("{why}") }))
}

// ---- puppets ----

impl World {
    pub(crate) async fn puppet(&self) -> (Ref<Puppet>, Events) {
        self.puppet_with(Mailbox::DEFAULT).await
    }

    pub(crate) async fn puppet_with(&self, mailbox: Mailbox) -> (Ref<Puppet>, Events) {
        let (log, events) = log();
        let puppet = self.spawn(Puppet::<Plain>::new(&log)).mailbox(mailbox).await.expect("it starts");
        (puppet, events)
    }
}

/// Keeps a puppet inside a handler, which awaits, until what this gives is dropped. Returns when it is there.
pub(crate) async fn hold<C: Cut>(puppet: &Ref<Puppet<C>>) -> oneshot::Sender<()> {
    let (entered, inside) = oneshot::channel();
    let (release, gate) = oneshot::channel::<()>();
    let message = run(move |_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            let _ = gate.await;
            Ok(())
        })
    });
    told(puppet.tell(message).await);
    soon(inside).await.expect("it gets there");
    release
}

/// `Result::unwrap` for tells, whose messages cannot be shown.
pub(crate) fn told<M>(outcome: Result<(), TellError<M>>) {
    outcome.expect("there is room");
}

/// Tells notes without waiting.
pub(crate) fn tell_notes<C: Cut>(puppet: &Ref<Puppet<C>>, notes: impl IntoIterator<Item = u32>) {
    for n in notes {
        told(puppet.tell(note(n)).now());
    }
}

/// The events of notes.
pub(crate) fn notes(notes: impl IntoIterator<Item = u32>) -> Vec<Event> {
    notes.into_iter().map(Event::Note).collect()
}
