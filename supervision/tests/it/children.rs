//! The children of these tests: an actor that does what it is told, and writes down what becomes of it.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, Once};
use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Node, Ref, Reply, UntypedRef};
use proscenium_supervision::{ChildSpec, Refers, Start, SupervisorRef};

/// What has happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn add(&self, line: String) {
        self.0.lock().expect("no test panics with it").push(line);
    }

    /// Since the last look.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics with it"))
    }

    /// Waits until this line is there.
    pub async fn shows(&self, line: &str) {
        until(async || self.0.lock().expect("no test panics with it").iter().any(|known| known == line)).await;
    }
}

/// Starts and stops go to the log.
#[derive(Clone)]
pub struct Child {
    pub name: &'static str,
    pub log: Log,
    /// The first starts go so.
    pub starts: Arc<Mutex<Vec<Result<(), Exit>>>>,
    pub handled: u32,
    pub stop: Stop,
}

/// How it takes being asked to stop.
#[derive(Clone, Copy, PartialEq)]
pub enum Stop {
    AtOnce,
    Never,
    Panics,
}

pub enum Do {
    Exit(Exit),
    Panic,
    /// Never yields again.
    Hang(std::sync::mpsc::Receiver<()>),
    /// Is at this message until then.
    Await(tokio::sync::oneshot::Receiver<()>),
    Count(Reply<u32>),
}

impl Child {
    pub fn new(name: &'static str, log: &Log) -> Child {
        Child { name, log: log.clone(), starts: Arc::default(), handled: 0, stop: Stop::AtOnce }
    }

    pub fn stops(mut self, stop: Stop) -> Child {
        self.stop = stop;
        self
    }

    /// The next start goes so.
    pub fn fate(&self, fate: Result<(), Exit>) {
        self.starts.lock().expect("no test panics with it").push(fate);
    }

    pub fn spec(&self) -> ChildSpec<impl Start + Refers<Ref = Ref<Child>> + Clone + use<>> {
        let child = self.clone();
        ChildSpec::new(self.name, move || child.clone())
    }
}

impl Actor for Child {
    type Msg = Do;
    type Ref = Ref<Self>;

    async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        let mut starts = self.starts.lock().expect("no test panics with it");
        let fate = if starts.is_empty() { Ok(()) } else { starts.remove(0) };
        self.log.add(format!("{} {}", if fate.is_ok() { "start" } else { "fail" }, self.name));
        fate
    }

    async fn handle(&mut self, _: &mut Context<Self>, msg: Do) -> Result<(), Exit> {
        self.handled += 1;
        match msg {
            Do::Exit(exit) => return Err(exit),
            Do::Panic => panic!("told to"),
            Do::Hang(until) => {
                self.log.add(format!("hang {}", self.name));
                let _ = until.recv(); // Let go of, or by the end of the test.
            }
            Do::Await(until) => drop(until.await),
            Do::Count(reply) => reply.send(self.handled),
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        match self.stop {
            Stop::AtOnce => self.log.add(format!("stop {} {exit}", self.name)),
            Stop::Never if *exit == Exit::Shutdown => std::future::pending().await,
            Stop::Never => {}
            Stop::Panics => panic!("in the stop hook"),
        }
    }
}

/// The supervisor has heard and done all that came before.
pub async fn settled(supervisor: &SupervisorRef) {
    supervisor.which_children().await.expect("it lives");
}

/// The actor's end was heard of: its supervisor has another one running there, or none.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(3600), async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    });
    patience.await.expect("it comes to that");
}

/// Its end, watched from now on.
pub async fn watched(actor: UntypedRef) -> impl Future<Output = Exit> {
    let mut end = Box::pin(async move { actor.monitor().await.exit });
    let lives = poll_fn(|cx| Poll::Ready(end.as_mut().poll(cx).is_pending())).await;
    assert!(lives);
    end
}

/// What panics say that belong to a test; others are printed.
const WANTED: [&str; 4] = ["told to", "in the stop hook", "in the making", "oh"];

fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = info.payload().downcast_ref::<&str>().copied();
            let said = said.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
            if !WANTED.iter().any(|wanted| said.starts_with(wanted)) {
                usual(info);
            }
        }));
    });
}

pub async fn node() -> Node {
    quiet();
    Node::start("test").await.expect("a runtime is here")
}
