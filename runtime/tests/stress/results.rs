//! An actor sends its result and ends. Whoever watches it must have the result before the news of the end.

use std::collections::HashMap;

use proscenium_runtime::{Actor, Context, Down, Exit, Exited, Mailbox, Node, Ref};
use tokio::sync::oneshot;

use crate::seeded::{Rng, WANTED, share, stress};

const ENDS: u64 = share(1_000_000);
const WATCHERS: u64 = 4;
/// Under way at once, for each watcher.
const CROWD: u64 = 32;

struct Worker {
    for_whom: Ref<Watcher>,
    /// Before the watcher had time to link and to monitor, or when it is told.
    at_once: bool,
    end: u64,
}

impl Actor for Worker {
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        if self.at_once {
            cx.continue_with(());
        }
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        self.for_whom.tell(Told::Result(cx.id())).await.unwrap();
        match self.end {
            0 => std::panic::panic_any(WANTED),
            1..50 => return Err(Exit::custom("done")),
            _ => cx.stop(Exit::Normal),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Heard {
    result: bool,
    down: bool,
    exit: bool,
}

enum Told {
    Start,
    Result(proscenium_runtime::ActorId),
}

struct Watcher {
    light: bool,
    rng: Rng,
    to_start: u64,
    under_way: HashMap<proscenium_runtime::ActorId, Heard>,
    wrong: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Watcher {
    async fn start_one(&mut self, cx: &mut Context<Self>) {
        if self.to_start == 0 {
            if self.under_way.is_empty() {
                self.done.take().map(|done| done.send(self.wrong));
            }
            return;
        }
        self.to_start -= 1;
        let at_once = self.rng.below(2) == 0;
        let worker = Worker { for_whom: cx.me(), at_once, end: self.rng.below(200) };
        let start = cx.spawn_link(worker);
        let worker = if self.light { start.light().await.unwrap() } else { start.await.unwrap() };
        cx.monitor(&worker);
        self.under_way.insert(worker.id(), Heard::default());
        if !at_once {
            worker.tell(()).now().unwrap();
        }
    }

    async fn ended(&mut self, cx: &mut Context<Self>, worker: proscenium_runtime::ActorId, mark: fn(&mut Heard)) {
        let heard = self.under_way.get_mut(&worker).expect("each end is told once");
        mark(heard);
        self.wrong += u64::from(!heard.result);
        if heard.down && heard.exit {
            self.under_way.remove(&worker);
            self.start_one(cx).await;
        }
    }
}

impl Actor for Watcher {
    type Msg = Told;
    type Ref = Ref<Self>;
    const MAILBOX: Mailbox = Mailbox::bounded(16);

    async fn handle(&mut self, cx: &mut Context<Self>, told: Told) -> Result<(), Exit> {
        match told {
            Told::Start => {
                cx.trap_exit(true);
                for _ in 0..CROWD {
                    self.start_one(cx).await;
                }
            }
            Told::Result(worker) => {
                let heard = self.under_way.get_mut(&worker).expect("no result comes after the end");
                assert!(!std::mem::replace(&mut heard.result, true), "one result each");
            }
        }
        Ok(())
    }

    async fn handle_down(&mut self, cx: &mut Context<Self>, down: Down) -> Result<(), Exit> {
        self.ended(cx, down.actor, |heard| heard.down = true).await;
        Ok(())
    }

    async fn handle_exit(&mut self, cx: &mut Context<Self>, exited: Exited) -> Result<(), Exit> {
        self.ended(cx, exited.actor.expect("a worker ended"), |heard| heard.exit = true).await;
        Ok(())
    }
}

async fn the_result_comes_before_the_end(node: Node, rng: Rng) {
    let mut reports = Vec::new();
    for number in 0..WATCHERS {
        let (done, report) = oneshot::channel();
        let light = number != 0;
        let to_start = ENDS / WATCHERS;
        let watcher =
            Watcher { light, rng: rng.fork(number), to_start, under_way: HashMap::new(), wrong: 0, done: Some(done) };
        let watcher = if light { node.spawn_light(watcher).await.unwrap() } else { node.spawn(watcher).await.unwrap() };
        watcher.tell(Told::Start).await.unwrap();
        reports.push((watcher, report));
    }
    for (watcher, report) in reports {
        assert_eq!(report.await, Ok(0), "ends that were heard of before the result");
        drop(watcher);
    }
    println!("{ENDS} results, each with a DOWN and an EXIT after it");
}

#[test]
fn a_result_is_heard_before_down_and_exit() {
    stress(the_result_comes_before_the_end);
}
