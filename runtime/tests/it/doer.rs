//! An actor that does what a test tells it to, and says what it hears of others.

use std::future::Future;
use std::pin::Pin;

use proscenium_runtime::{Actor, Context, Down, Exit, Exited, Mailbox, Node, Ref, Spawn};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::soon;

/// What a doer heard, in order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Heard {
    Note(u32),
    Down(Down),
    Exited(Exited),
    /// Its stop hook ran.
    Terminated(Exit),
    /// Its state was dropped.
    Dropped,
}

type Work = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

type Deed = Box<dyn FnOnce(&mut Context<Doer>) -> Result<(), Exit> + Send>;

pub(crate) enum Msg {
    Note(u32),
    Do(Deed),
    /// A future that the handler awaits.
    Wait(Work),
}

pub(crate) struct Doer {
    heard: mpsc::UnboundedSender<Heard>,
}

impl Drop for Doer {
    fn drop(&mut self) {
        let _ = self.heard.send(Heard::Dropped);
    }
}

impl Doer {
    pub(crate) fn new() -> (Doer, mpsc::UnboundedReceiver<Heard>) {
        let (sender, heard) = mpsc::unbounded_channel();
        (Doer { heard: sender }, heard)
    }

    pub(crate) fn telling(heard: mpsc::UnboundedSender<Heard>) -> Doer {
        Doer { heard }
    }

    fn hears(&self, heard: Heard) -> Result<(), Exit> {
        let _ = self.heard.send(heard); // A test that no longer listens does not mind.
        Ok(())
    }
}

impl Actor for Doer {
    type Msg = Msg;
    type Ref = Ref<Self>;

    /// As `#[actor]` says of an actor without: the tests then go its way.
    const INIT: bool = false;
    const KINDS: &'static [&'static str] = &["note", "do", "wait"];

    fn kind(msg: &Msg) -> u8 {
        match msg {
            Msg::Note(_) => 0,
            Msg::Do(_) => 1,
            Msg::Wait(_) => 2,
        }
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Note(number) => self.hears(Heard::Note(number)),
            Msg::Do(work) => work(cx),
            Msg::Wait(work) => work.await,
        }
    }

    async fn handle_down(&mut self, _: &mut Context<Self>, down: Down) -> Result<(), Exit> {
        self.hears(Heard::Down(down))
    }

    async fn handle_exit(&mut self, _: &mut Context<Self>, exited: Exited) -> Result<(), Exit> {
        self.hears(Heard::Exited(exited))
    }

    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        let _ = self.hears(Heard::Terminated(exit.clone()));
    }
}

/// Which of the two spawns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weight {
    Ordinary,
    Light,
}

pub(crate) const BOTH: [Weight; 2] = [Weight::Ordinary, Weight::Light];

impl Weight {
    pub(crate) fn spawn<A: Actor>(self, node: &Node, actor: A) -> Spawn<A> {
        match self {
            Weight::Ordinary => node.spawn(actor),
            Weight::Light => node.spawn_light(actor),
        }
    }

    pub(crate) async fn doer(self, node: &Node) -> Held {
        self.doer_with(node, Mailbox::DEFAULT).await
    }

    pub(crate) async fn doer_with(self, node: &Node, mailbox: Mailbox) -> Held {
        let (doer, heard) = Doer::new();
        let actor = self.spawn(node, doer).mailbox(mailbox).await.expect("a doer has no init to fail");
        Held { actor, heard }
    }
}

/// A doer and what it hears.
pub(crate) struct Held {
    pub(crate) actor: Ref<Doer>,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
}

impl Held {
    /// Has the doer do something inside its handler, and waits for the outcome.
    pub(crate) async fn does<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Context<Doer>) -> R + Send + 'static,
    ) -> R {
        soon(does(&self.actor, work)).await
    }

    /// Has the doer await something inside its handler; the outcome comes later.
    pub(crate) async fn awaits<R: Send + 'static>(
        &self,
        work: impl Future<Output = R> + Send + 'static,
    ) -> oneshot::Receiver<R> {
        awaits(&self.actor, work).await
    }

    /// Everything told before is handled.
    pub(crate) async fn settled(&self) {
        self.does(|_| ()).await;
    }

    pub(crate) async fn next(&mut self) -> Heard {
        soon(self.heard.recv()).await.expect("the doer lives")
    }

    /// What it has heard, without waiting.
    pub(crate) fn so_far(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    /// What it hears until its state is dropped.
    pub(crate) async fn until_the_end(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Heard::Dropped => return all,
                heard => all.push(heard),
            }
        }
    }
}

pub(crate) async fn does<R: Send + 'static>(
    actor: &Ref<Doer>,
    work: impl FnOnce(&mut Context<Doer>) -> R + Send + 'static,
) -> R {
    let (sender, done) = oneshot::channel();
    let work = move |cx: &mut Context<Doer>| {
        let _ = sender.send(work(cx));
        Ok(())
    };
    actor.tell(Msg::Do(Box::new(work))).await.expect("the doer lives");
    done.await.expect("the doer does its work")
}

pub(crate) async fn awaits<R: Send + 'static>(
    actor: &Ref<Doer>,
    work: impl Future<Output = R> + Send + 'static,
) -> oneshot::Receiver<R> {
    let (sender, done) = oneshot::channel();
    let work = async move {
        let _ = sender.send(work.await);
        Ok(())
    };
    actor.tell(Msg::Wait(Box::pin(work))).await.expect("the doer lives");
    done
}

/// Ends the doer from inside: its handler returns this.
pub(crate) async fn ends(actor: &Ref<Doer>, exit: Exit) {
    actor.tell(Msg::Do(Box::new(move |_| Err(exit)))).await.expect("the doer lives");
}

pub(crate) fn panics(text: &'static str) -> Msg {
    Msg::Do(Box::new(move |_| panic!("{text}")))
}
