//! Sends into a full mailbox that are dropped while they wait, or a moment after they were granted room: what was
//! accepted is handled, what was dropped is not, and no room is lost.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Node, Ref, TellError};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::seeded::{Rng, share, stress};

const SENDERS: u64 = 8;
const SENDS: u64 = share(800_000) / SENDERS / 4;

enum Msg {
    Count,
    /// Answers when everything before is handled, then holds the handler until it is let go.
    Gate(oneshot::Sender<()>, oneshot::Receiver<()>),
}

struct Counter {
    handled: Arc<AtomicU64>,
    rng: Rng,
}

impl Actor for Counter {
    type Msg = Msg;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Count => {
                self.handled.fetch_add(1, Relaxed);
                if self.rng.below(16) == 0 {
                    yield_now().await;
                }
            }
            Msg::Gate(reached, go) => {
                let _ = reached.send(());
                let _ = go.await;
            }
        }
        Ok(())
    }
}

#[derive(Default, Debug)]
struct Sums {
    accepted: u64,
    cancelled: u64,
    late: u64,
}

/// Polls the send `polls` times with a turn for others after each, then drops it.
async fn send_and_drop(to: &Ref<Counter>, polls: u64, sums: &mut Sums) {
    let mut tell = pin!(to.tell(Msg::Count));
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| Poll::Ready(tell.as_mut().poll(cx))).await;
        if let Poll::Ready(told) = polled {
            told.unwrap();
            sums.accepted += 1;
            return;
        }
        yield_now().await; // Room may be granted now, and is passed on when the send is dropped.
    }
    sums.cancelled += 1;
}

async fn send(to: Ref<Counter>, mut rng: Rng) -> Sums {
    let mut sums = Sums::default();
    for _ in 0..SENDS {
        match rng.below(8) {
            0 => {
                tokio::select! {
                    biased;
                    told = to.tell(Msg::Count) => { told.unwrap(); sums.accepted += 1; }
                    () = yield_now() => sums.cancelled += 1,
                }
            }
            1 => match tokio::time::timeout(Duration::ZERO, to.tell(Msg::Count)).await {
                Ok(told) => {
                    told.unwrap();
                    sums.accepted += 1;
                }
                Err(_) => sums.cancelled += 1,
            },
            2 => match to.tell(Msg::Count).within(Duration::ZERO).await {
                Ok(()) => sums.accepted += 1,
                Err(TellError::Timeout { .. }) => sums.late += 1,
                Err(other) => panic!("{other}"),
            },
            3 | 4 => {
                to.tell(Msg::Count).await.unwrap();
                sums.accepted += 1;
            }
            _ => send_and_drop(&to, 1 + rng.below(4), &mut sums).await,
        }
    }
    sums
}

async fn cancelled_sends_leave_no_trace(node: Node, rng: Rng) {
    let mut cancelled = 0;
    for (round, (light, capacity)) in [(false, 1), (true, 2), (false, 8), (true, 16)].into_iter().enumerate() {
        let handled = Arc::new(AtomicU64::new(0));
        let rng = rng.fork(round as u64);
        let counter = Counter { handled: handled.clone(), rng: rng.clone() };
        let start = node.spawn(counter).mailbox(Mailbox::bounded(capacity));
        let counter = if light { start.light().await.unwrap() } else { start.await.unwrap() };
        let tasks: Vec<_> = (0..SENDERS).map(|sender| tokio::spawn(send(counter.clone(), rng.fork(sender)))).collect();
        let mut sums = Sums::default();
        for task in tasks {
            let one = task.await.unwrap();
            sums.accepted += one.accepted;
            sums.cancelled += one.cancelled;
            sums.late += one.late;
        }
        let ((reached, at_gate), (go, held)) = (oneshot::channel(), oneshot::channel());
        counter.tell(Msg::Gate(reached, held)).await.unwrap();
        at_gate.await.unwrap();
        assert_eq!(handled.load(Relaxed), sums.accepted, "{sums:?}");
        for place in 0..capacity {
            counter.tell(Msg::Count).now().unwrap_or_else(|error| panic!("place {place} of {capacity}: {error}"));
        }
        assert!(matches!(counter.tell(Msg::Count).now(), Err(TellError::Full(_))), "more room than {capacity}");
        go.send(()).unwrap();
        println!("capacity {capacity}: {sums:?}");
        cancelled += sums.cancelled + sums.late;
    }
    assert!(cancelled >= share(50_000), "only {cancelled} sends were dropped or late");
}

#[test]
fn cancelled_sends_leave_neither_message_nor_room_behind() {
    stress(cancelled_sends_leave_no_trace);
}
