//! Ten million messages through mailboxes whose actors crash, fail, are killed and given up all the while.
//!
//! The handler writes down each message when it gets it, so the one that it crashed on is known. Every number of every
//! sender must be written down once, in order: what was queued at a crash is then neither lost nor doubled nor moved.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Node, Ref, TellError};
use tokio::sync::Notify;

use crate::kept::{Wish, Wishes, keep};
use crate::seeded::{Rng, WANTED, share, stress};

const MESSAGES: u64 = share(10_000_000) / 4;

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Plain,
    Yields,
    Panics,
    PanicsLater,
    Fails,
    IsKilled,
    IsGivenUp,
}

struct Numbered {
    sender: usize,
    number: u64,
    fate: Fate,
}

struct Book {
    /// The next number of each sender.
    next: Vec<u64>,
    entered: u64,
    wrong: Vec<String>,
}

struct Shared {
    book: Mutex<Book>,
    total: u64,
    finished: AtomicU64,
    all_in: Notify,
    states: AtomicU64,
    state_gone: Notify,
}

impl Shared {
    fn enter(&self, message: &Numbered) {
        let mut book = self.book.lock().unwrap();
        let expected = book.next[message.sender];
        if message.number != expected && book.wrong.len() < 10 {
            book.wrong.push(format!("sender {}: {} instead of {expected}", message.sender, message.number));
        }
        book.next[message.sender] = message.number + 1;
        book.entered += 1;
        if book.entered == self.total {
            self.all_in.notify_one();
        }
    }
}

struct Clerk {
    shared: Arc<Shared>,
    wishes: Wishes,
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.shared.states.fetch_sub(1, Relaxed);
        self.shared.state_gone.notify_one();
    }
}

impl Actor for Clerk {
    type Msg = Numbered;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _cx: &mut Context<Self>, message: Numbered) -> Result<(), Exit> {
        self.shared.enter(&message);
        match message.fate {
            Fate::Plain => {}
            Fate::Yields => tokio::task::yield_now().await,
            Fate::Panics => std::panic::panic_any(WANTED),
            Fate::PanicsLater => {
                tokio::task::yield_now().await;
                std::panic::panic_any(WANTED);
            }
            Fate::Fails => return Err(Exit::custom("wanted")),
            Fate::IsKilled => {
                self.wishes.send(Wish::Kill);
                std::future::pending::<()>().await;
            }
            Fate::IsGivenUp => {
                self.wishes.send(Wish::GiveUp);
                std::future::pending::<()>().await;
            }
        }
        self.shared.finished.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Sends `count` messages; says how many of them end an incarnation.
async fn send(to: Ref<Clerk>, sender: usize, count: u64, mut rng: Rng) -> u64 {
    let mut crashes = 0;
    for number in 0..count {
        let fate = match rng.below(4_000) {
            0 => Fate::Panics,
            1 => Fate::PanicsLater,
            2 => Fate::Fails,
            3 => Fate::IsKilled,
            4 => Fate::IsGivenUp,
            5..30 => Fate::Yields,
            _ => Fate::Plain,
        };
        crashes += u64::from(!matches!(fate, Fate::Plain | Fate::Yields));
        let message = Numbered { sender, number, fate };
        match rng.below(8) {
            0 => match to.tell(message).now() {
                Ok(()) => {}
                Err(TellError::Full(message)) => to.tell(message).await.unwrap(),
                Err(other) => panic!("{other}"),
            },
            _ => to.tell(message).await.unwrap(),
        }
        if rng.below(200) == 0 {
            tokio::task::yield_now().await;
        }
    }
    crashes
}

async fn restarts_keep_the_queue(node: Node, rng: Rng, light: bool, mailbox: Mailbox, senders: u64) {
    let each = MESSAGES / senders;
    let shared = Arc::new(Shared {
        book: Mutex::new(Book { next: vec![0; senders as usize], entered: 0, wrong: Vec::new() }),
        total: each * senders,
        finished: AtomicU64::new(0),
        all_in: Notify::new(),
        states: AtomicU64::new(0),
        state_gone: Notify::new(),
    });
    let made = shared.clone();
    let make = move |wishes| {
        made.states.fetch_add(1, Relaxed);
        Clerk { shared: made.clone(), wishes }
    };
    let (clerk, wishes, keeper) = keep(&node, light, mailbox, make).await;
    let tasks: Vec<_> =
        (0..senders).map(|sender| tokio::spawn(send(clerk.clone(), sender as usize, each, rng.fork(sender)))).collect();
    let mut crashes = 0;
    for task in tasks {
        crashes += task.await.unwrap();
    }
    shared.all_in.notified().await;
    // The last may still be in hand; behind a last one of our own it is not.
    while shared.finished.load(Relaxed) + crashes < shared.total {
        tokio::task::yield_now().await;
    }
    wishes.send(Wish::Close);
    let restarts = keeper.await.unwrap();
    while shared.states.load(Relaxed) > 0 {
        shared.state_gone.notified().await; // A state that stays is an incarnation that was not cut off.
    }
    let book = shared.book.lock().unwrap();
    assert_eq!(book.wrong, Vec::<String>::new());
    assert_eq!(book.next, vec![each; senders as usize]);
    assert_eq!(book.entered, shared.total);
    assert_eq!(shared.finished.load(Relaxed) + crashes, shared.total, "lost in hand: those that crash, and no others");
    assert!(restarts <= crashes && restarts + 1 >= crashes, "{restarts} restarts, {crashes} crashes");
    println!("{} messages of {senders} senders, {restarts} restarts", shared.total);
}

#[test]
fn restarts_keep_the_queue_of_an_ordinary_bounded_actor() {
    stress(|node, rng| restarts_keep_the_queue(node, rng, false, Mailbox::bounded(1024), 16));
}

#[test]
fn restarts_keep_the_queue_of_a_light_bounded_actor() {
    stress(|node, rng| restarts_keep_the_queue(node, rng, true, Mailbox::bounded(64), 8));
}

#[test]
fn restarts_keep_the_queue_of_an_ordinary_unbounded_actor() {
    stress(|node, rng| restarts_keep_the_queue(node, rng, false, Mailbox::unbounded(), 8));
}

#[test]
fn restarts_keep_the_queue_of_a_light_unbounded_actor() {
    stress(|node, rng| restarts_keep_the_queue(node, rng, true, Mailbox::unbounded(), 16));
}
