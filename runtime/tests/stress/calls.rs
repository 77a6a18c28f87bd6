//! Calls to an actor that crashes, is killed and given up all the while: each has one outcome, and the right one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use proscenium_runtime::{Actor, CallError, Context, Exit, Mailbox, Node, Ref, Reply};

use crate::kept::{Wish, Wishes, keep};
use crate::seeded::{Rng, WANTED, share, stress};

const CALLERS: u64 = 16;
const CALLS: u64 = share(640_000) / CALLERS / 2;

#[derive(Clone, Copy, PartialEq, Debug)]
enum How {
    Answer,
    /// Kept in the state; answered when what the actor tells itself comes round.
    Later,
    /// Moved into a task of its own.
    Elsewhere,
    Drop,
    Panic,
    Fail,
    BeKilled,
    BeGivenUp,
}

struct Ask {
    reply: Reply<u64>,
    number: u64,
    how: How,
}

enum Msg {
    Ask(Ask),
    AnswerKept,
}

struct Oracle {
    kept: VecDeque<(Reply<u64>, u64)>,
    wishes: Wishes,
    asked: Arc<AtomicU64>,
}

impl Actor for Oracle {
    type Msg = Msg;
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        let Msg::Ask(ask) = msg else {
            if let Some((reply, number)) = self.kept.pop_front() {
                reply.send(number);
            }
            return Ok(());
        };
        self.asked.fetch_add(1, Relaxed);
        match ask.how {
            How::Answer => ask.reply.send(ask.number),
            How::Later => {
                self.kept.push_back((ask.reply, ask.number));
                cx.me().tell(Msg::AnswerKept).await.unwrap();
            }
            How::Elsewhere => drop(tokio::spawn(async move {
                tokio::task::yield_now().await;
                ask.reply.send(ask.number);
            })),
            How::Drop => drop(ask),
            How::Panic => std::panic::panic_any(WANTED),
            How::Fail => return Err(Exit::custom("wanted")),
            How::BeKilled => {
                self.wishes.send(Wish::Kill);
                std::future::pending::<()>().await;
            }
            How::BeGivenUp => {
                self.wishes.send(Wish::GiveUp);
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }
}

fn is_right(how: How, number: u64, outcome: &Result<u64, CallError>) -> bool {
    match (how, outcome) {
        (How::Answer | How::Elsewhere | How::Later, Ok(answer)) => *answer == number,
        // It was still kept when the incarnation ended.
        (How::Later, Err(CallError::Exited(_))) => true,
        (How::Drop, outcome) => *outcome == Err(CallError::NoReply),
        (How::Panic, Err(CallError::Exited(exit))) => *exit == Exit::panic(WANTED),
        (How::Fail, Err(CallError::Exited(exit))) => *exit == Exit::custom("wanted"),
        (How::BeKilled, Err(CallError::Exited(exit))) => *exit == Exit::Killed,
        (How::BeGivenUp, Err(CallError::Exited(exit))) => *exit == Exit::Unresponsive,
        _ => false,
    }
}

/// The number of calls that were sent, and of those that were dropped while they waited.
async fn ask(oracle: Ref<Oracle>, caller: u64, mut rng: Rng) -> (u64, u64) {
    let (mut asked, mut dropped) = (0, 0);
    for number in 0..CALLS {
        let how = match rng.below(2_000) {
            0 => How::Panic,
            1 => How::Fail,
            2 => How::BeKilled,
            3 => How::BeGivenUp,
            4..200 => How::Drop,
            200..500 => How::Elsewhere,
            500..700 => How::Later,
            _ => How::Answer,
        };
        let number = caller << 32 | number;
        let call = oracle.call(|reply| Msg::Ask(Ask { reply, number, how })).within(Duration::from_secs(60));
        if how == How::Answer && rng.below(10) == 0 {
            match tokio::time::timeout(Duration::ZERO, call).await {
                Ok(outcome) => assert!(is_right(how, number, &outcome), "{how:?}: {outcome:?}"),
                Err(_) => dropped += 1,
            }
        } else {
            let outcome = call.await;
            assert!(is_right(how, number, &outcome), "{how:?}: {outcome:?}");
        }
        asked += 1;
    }
    (asked, dropped)
}

async fn every_call_has_its_outcome(node: Node, rng: Rng) {
    for (light, mailbox) in [(false, Mailbox::bounded(8)), (true, Mailbox::unbounded())] {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = asked.clone();
        let make = move |wishes| Oracle { kept: VecDeque::new(), wishes, asked: counted.clone() };
        let (oracle, wishes, keeper) = keep(&node, light, mailbox, make).await;
        let callers: Vec<_> =
            (0..CALLERS).map(|caller| tokio::spawn(ask(oracle.clone(), caller, rng.fork(caller)))).collect();
        let (mut sum, mut dropped) = (0, 0);
        for caller in callers {
            let (one, gone) = caller.await.unwrap();
            (sum, dropped) = (sum + one, dropped + gone);
        }
        wishes.send(Wish::Close);
        let restarts = keeper.await.unwrap();
        let handled = asked.load(Relaxed);
        assert!(handled <= sum && handled + dropped >= sum, "{handled} of {sum} handled, {dropped} dropped");
        println!("{sum} calls, {dropped} dropped, {restarts} restarts");
    }
}

#[test]
fn every_call_has_one_outcome_over_restarts() {
    stress(every_call_has_its_outcome);
}
