//! Stops, kills, drains and crashes in the middle of sends: every accepted message is handled, was in hand, or is handed to
//! `on_undelivered`; every other one comes back to its sender.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Node, Overflow, Ref, TellError, Undelivered};
use tokio::task::yield_now;

use crate::kept::{Wish, keep};
use crate::seeded::{Rng, WANTED, share, stress};

const ROUNDS: u64 = share(6_000);
const SENDERS: u64 = 3;
const SENDS: u64 = 40;

/// What became of the messages, by themselves.
#[derive(Default, Debug)]
struct Balance {
    entered: AtomicU64,
    finished: AtomicU64,
    undelivered: AtomicU64,
    /// Dropped without having been handled or handed to anybody.
    dropped: AtomicU64,
}

struct Parcel {
    balance: Arc<Balance>,
    open: bool,
    ends: bool,
}

impl Parcel {
    fn settle(&mut self, as_what: impl Fn(&Balance) -> &AtomicU64) {
        self.open = false;
        as_what(&self.balance).fetch_add(1, Relaxed);
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if self.open {
            self.balance.dropped.fetch_add(1, Relaxed);
        }
    }
}

struct Desk {
    rng: Rng,
    end: u64,
}

impl Actor for Desk {
    type Msg = Parcel;
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, mut parcel: Parcel) -> Result<(), Exit> {
        parcel.settle(|balance| &balance.entered);
        if self.rng.below(4) == 0 {
            yield_now().await;
        }
        if parcel.ends {
            match self.end {
                0 => std::panic::panic_any(WANTED),
                1 => return Err(Exit::custom("wanted")),
                _ => cx.stop(Exit::Normal),
            }
        }
        parcel.balance.finished.fetch_add(1, Relaxed);
        Ok(())
    }

    fn on_undelivered(mut parcel: Parcel, _why: &Undelivered) {
        parcel.settle(|balance| &balance.undelivered);
    }
}

#[derive(Default, Debug, Clone, Copy)]
struct Sent {
    accepted: u64,
    returned: u64,
    cancelled: u64,
}

impl Sent {
    fn note(&mut self, told: Result<(), TellError<Parcel>>) {
        match told {
            Ok(()) => self.accepted += 1,
            Err(error) => {
                error.into_message().open = false;
                self.returned += 1;
            }
        }
    }
}

async fn send_one(to: &Ref<Desk>, parcel: Parcel, how: u64, sent: &mut Sent) {
    match how {
        0 | 1 => sent.note(to.tell(parcel).await),
        2 => sent.note(to.tell(parcel).now()),
        3 => sent.note(to.tell(parcel).within(Duration::ZERO).await),
        _ => {
            let mut tell = pin!(to.tell(parcel));
            let polled = std::future::poll_fn(|cx| Poll::Ready(tell.as_mut().poll(cx))).await;
            match polled {
                Poll::Ready(told) => sent.note(told),
                Poll::Pending => {
                    yield_now().await;
                    sent.cancelled += 1;
                }
            }
        }
    }
}

async fn end(desk: &Ref<Desk>, how: u64) {
    match how {
        0 => drop(desk.stop().await),
        1 => desk.stop().now(),
        2 => desk.kill(),
        3 => desk.exit(Exit::custom("wanted")),
        4 => drop(desk.stop().within(Duration::ZERO).await),
        5 => {
            desk.stop().now();
            yield_now().await;
            desk.kill();
        }
        _ => {} // A message does it.
    }
}

const HOWS: u64 = 9;

async fn one_end(node: &Node, mut rng: Rng, round: u64) {
    let balance = Arc::new(Balance::default());
    let how = round % HOWS;
    let small = Mailbox::bounded(4);
    let mailbox = match rng.below(6) {
        0 => Mailbox::unbounded(),
        1 => small.overflow(Overflow::DropOldest),
        2 => small.overflow(Overflow::DropNewest),
        3 => small.overflow(Overflow::Fail),
        _ => small,
    };
    let start = node.spawn(Desk { rng: rng.fork(99), end: how % 3 }).mailbox(mailbox);
    let desk = if rng.below(2) == 0 { start.light().await.unwrap() } else { start.await.unwrap() };
    let at = rng.below(SENDS);
    let tasks: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (desk, balance, mut rng) = (desk.clone(), balance.clone(), rng.fork(sender));
            tokio::spawn(async move {
                let mut sent = Sent::default();
                for number in 0..SENDS {
                    let ends = sender == 0 && number == at;
                    if ends {
                        end(&desk, how).await;
                    }
                    let parcel = Parcel { balance: balance.clone(), open: true, ends: ends && how > 5 };
                    let way = if ends { 0 } else { rng.below(5) };
                    send_one(&desk, parcel, way, &mut sent).await;
                    if rng.below(8) == 0 {
                        yield_now().await;
                    }
                }
                sent
            })
        })
        .collect();
    let mut sum = Sent::default();
    for task in tasks {
        let sent = task.await.unwrap();
        sum.accepted += sent.accepted;
        sum.returned += sent.returned;
        sum.cancelled += sent.cancelled;
    }
    desk.kill(); // Where an overflow policy dropped the message that ends it.
    desk.gone().await;
    let mut after = Sent::default();
    send_one(&desk, Parcel { balance: balance.clone(), open: true, ends: false }, 0, &mut after).await;
    assert_eq!(after.returned, 1, "an actor that is gone gives a message back");
    let total = SENDS * SENDERS;
    assert_eq!(sum.accepted + sum.returned + sum.cancelled, total, "round {round}: {sum:?}");
    settled(&balance, &sum, round).await;
}

/// `gone` resolves before the last message is handed on, so the sums may still be on their way up; never beyond.
async fn settled(balance: &Balance, sum: &Sent, round: u64) {
    let reached = tokio::time::timeout(Duration::from_secs(10), async {
        while balance.entered.load(Relaxed) + balance.undelivered.load(Relaxed) < sum.accepted {
            yield_now().await;
        }
    });
    let lost = reached.await.is_err();
    let accepted = balance.entered.load(Relaxed) + balance.undelivered.load(Relaxed);
    assert!(!lost && accepted == sum.accepted, "round {round}: {sum:?}, {balance:?}");
    assert_eq!(balance.dropped.load(Relaxed), sum.cancelled, "round {round}: {sum:?}, {balance:?}");
    let in_hand = balance.entered.load(Relaxed) - balance.finished.load(Relaxed);
    assert!(in_hand <= 1, "round {round}: {in_hand} messages in hand");
}

#[test]
fn accepted_is_handled_in_hand_or_undelivered_at_every_end() {
    stress(|node, rng| async move {
        for round in 0..ROUNDS {
            one_end(&node, rng.fork(round), round).await;
        }
        println!("{ROUNDS} ends");
    });
}

/// The same where the queue goes from one incarnation to the next until the cell is closed.
async fn one_kept_end(node: &Node, mut rng: Rng, round: u64) {
    let balance = Arc::new(Balance::default());
    let state = rng.fork(99);
    let mailbox = if rng.below(2) == 0 { Mailbox::bounded(4) } else { Mailbox::unbounded() };
    let make = move |_| Desk { rng: state.clone(), end: round % 2 };
    let (desk, wishes, keeper) = keep(node, rng.below(2) == 0, mailbox, make).await;
    let at = rng.below(SENDS);
    let tasks: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (desk, balance, wishes, mut rng) = (desk.clone(), balance.clone(), wishes.clone(), rng.fork(sender));
            tokio::spawn(async move {
                let mut sent = Sent::default();
                for number in 0..SENDS {
                    if sender == 0 && number == at {
                        wishes.send(Wish::Close);
                    }
                    match rng.below(40) {
                        0 => wishes.send(Wish::Kill),
                        1 => wishes.send(Wish::GiveUp),
                        _ => {}
                    }
                    let parcel = Parcel { balance: balance.clone(), open: true, ends: rng.below(20) == 0 };
                    send_one(&desk, parcel, rng.below(5), &mut sent).await;
                }
                sent
            })
        })
        .collect();
    let mut sum = Sent::default();
    for task in tasks {
        let sent = task.await.unwrap();
        sum.accepted += sent.accepted;
        sum.returned += sent.returned;
        sum.cancelled += sent.cancelled;
    }
    let restarts = keeper.await.unwrap();
    let reached = tokio::time::timeout(Duration::from_secs(10), async {
        while balance.entered.load(Relaxed) + balance.undelivered.load(Relaxed) < sum.accepted {
            yield_now().await;
        }
    });
    let lost = reached.await.is_err();
    let accepted = balance.entered.load(Relaxed) + balance.undelivered.load(Relaxed);
    assert!(!lost && accepted == sum.accepted, "round {round}: {sum:?}, {balance:?}, {restarts} restarts");
    assert_eq!(balance.dropped.load(Relaxed), sum.cancelled, "round {round}: {sum:?}, {balance:?}");
}

#[test]
fn accepted_is_handled_in_hand_or_undelivered_when_a_kept_actor_is_closed() {
    stress(|node, rng| async move {
        for round in 0..ROUNDS {
            one_kept_end(&node, rng.fork(round), round).await;
        }
    });
}
