//! A child that does at each moment of its life what the test says, and whose life is counted.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use proscenium_runtime::{Actor, Context, Exit, Ref, Reply};
use proscenium_supervision::{ActorChild, ChildSpec};
use tokio::sync::Semaphore;

use crate::children::Log;

/// When a racer may be told what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    Init,
    Stop,
    Drop,
    /// In the closure that makes it.
    Make,
}

/// What it does there.
#[derive(Clone, Debug)]
pub enum Does {
    Panic,
    /// Waits at an await until the gate is open.
    Waits(Gate),
    /// Takes its thread, and gives it back when the other end is dropped.
    Blocks(Arc<Mutex<std::sync::mpsc::Receiver<()>>>),
}

/// Closed at first.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn closed() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub async fn pass(&self) {
        drop(self.0.acquire().await.expect("nobody closes it"));
    }
}

/// A child's name, and what its incarnations do.
#[derive(Clone)]
pub struct Plan {
    pub name: &'static str,
    pub log: Log,
    alive: Arc<AtomicUsize>,
    made: Arc<AtomicU32>,
    is_terse: bool,
    is_light: bool,
    acts: Arc<Mutex<Vec<(u32, At, Does)>>>,
    me: Arc<Mutex<Option<Ref<Racer>>>>,
}

impl Plan {
    pub fn new(name: &'static str, log: &Log) -> Plan {
        Plan {
            name,
            log: log.clone(),
            alive: Arc::default(),
            made: Arc::default(),
            is_terse: false,
            is_light: false,
            acts: Arc::default(),
            me: Arc::default(),
        }
    }

    /// Writes nothing down.
    pub fn terse(mut self) -> Plan {
        self.is_terse = true;
        self
    }

    /// Of this weight.
    pub fn light(mut self, is_light: bool) -> Plan {
        self.is_light = is_light;
        self
    }

    /// The n-th incarnation, the first being 1, does this then.
    pub fn on(self, nth: u32, at: At, does: Does) -> Plan {
        self.add(nth, at, does);
        self
    }

    pub fn add(&self, nth: u32, at: At, does: Does) {
        self.acts.lock().expect("nobody panics with it").push((nth, at, does));
    }

    fn act(&self, nth: u32, at: At) -> Option<Does> {
        let acts = self.acts.lock().expect("nobody panics with it");
        acts.iter().find(|(number, when, _)| (*number, *when) == (nth, at)).map(|(_, _, does)| does.clone())
    }

    /// How many of its incarnations there are, dead or dying.
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    /// The one that has begun its init last.
    pub fn me(&self) -> Ref<Racer> {
        self.me.lock().expect("nobody panics with it").clone().expect("it has begun")
    }

    fn say(&self, line: String) {
        if !self.is_terse {
            self.log.add(line);
        }
    }

    fn make(&self) -> Racer {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(Does::Panic) = self.act(number, At::Make) {
            panic!("told to, in the making");
        }
        self.alive.fetch_add(1, Ordering::Relaxed);
        Racer { plan: self.clone(), number, handled: 0, _alive: Counted(self.alive.clone()) }
    }

    pub fn child(&self) -> ActorChild<impl Fn() -> Racer + Clone + Send + Sync + use<>> {
        let plan = self.clone();
        ActorChild::new(move || plan.make())
    }

    pub fn spec(&self) -> ChildSpec<ActorChild<impl Fn() -> Racer + Clone + Send + Sync + use<>>> {
        let plan = self.clone();
        let spec = ChildSpec::new(self.name, move || plan.make());
        if self.is_light { spec.light() } else { spec }
    }
}

pub struct Racer {
    plan: Plan,
    number: u32,
    handled: u32,
    _alive: Counted,
}

/// One fewer when it is gone, whatever becomes of who has it.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub enum Say {
    Exit(Exit),
    Panic,
    Count(Reply<u32>),
}

impl Racer {
    async fn act(&self, at: At) {
        match self.plan.act(self.number, at) {
            None => {}
            Some(Does::Panic) => panic!("told to, at {at:?}"),
            Some(Does::Waits(gate)) => {
                gate.pass().await;
            }
            Some(Does::Blocks(until)) => {
                let until = until.lock().expect("one at a time");
                let _ = until.recv();
            }
        }
    }
}

impl Actor for Racer {
    type Msg = Say;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        *self.plan.me.lock().expect("nobody panics with it") = Some(cx.me());
        self.plan.say(format!("init {} {}", self.plan.name, self.number));
        self.act(At::Init).await;
        self.plan.say(format!("start {} {}", self.plan.name, self.number));
        Ok(())
    }

    async fn handle(&mut self, _: &mut Context<Self>, msg: Say) -> Result<(), Exit> {
        self.handled += 1;
        match msg {
            Say::Exit(exit) => return Err(exit),
            Say::Panic => panic!("told to, in a handler"),
            Say::Count(reply) => reply.send(self.handled),
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        self.plan.say(format!("stop {} {} {exit}", self.plan.name, self.number));
        self.act(At::Stop).await;
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.plan.say(format!("drop {} {}", self.plan.name, self.number));
        if let Some(Does::Panic) = self.plan.act(self.number, At::Drop) {
            panic!("told to, at Drop");
        }
    }
}

/// Its first poll is now: what it asks for lies in the mailbox.
pub async fn asked<F: Future>(request: F) -> impl Future<Output = F::Output> {
    let mut request = Box::pin(request);
    let first = poll_fn(|cx| Poll::Ready(Some(request.as_mut().poll(cx)))).await;
    async move {
        match first {
            Some(Poll::Ready(answer)) => answer,
            _ => request.await,
        }
    }
}
