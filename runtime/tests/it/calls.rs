//! Goal: every call ends, at once and with the right word, whatever happens to the callee or the caller.
//! Method: a callee is held inside a handler, told to keep its replies, or ended.

use std::task::Poll;

use proscenium_runtime::{CallError, Context, Exit, Mailbox, Ref, Reply, Requests, TellError, actor_fn};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::{World, look, soon};
use crate::marionette::{Event, Msg, Puppet, act, ask, crash, hold, log, run, tell_notes, told};

both_weights!(()
    a_call_from_outside_of_any_actor_is_answered,
    a_call_ends_at_once_when_its_callee_is_gone_for_good,
    a_call_to_an_actor_that_is_gone_says_how_it_ended,
    a_queued_call_ends_with_the_exit_when_its_callee_ends,
    the_call_in_hand_ends_with_the_exit_of_a_crash,
    the_call_in_hand_ends_with_a_kill,
    the_call_in_hand_ends_with_the_error_of_its_handler,
    a_dropped_reply_ends_its_call_at_once,
    a_reply_dropped_outside_of_the_handler_ends_its_call_at_once,
    a_reply_may_be_kept_and_sent_later,
    a_kept_reply_ends_with_the_incarnation,
    a_reply_with_a_future_leaves_the_actor_free,
    a_reply_with_a_future_ends_with_the_incarnation,
    a_panic_in_the_future_of_a_reply_is_the_exit_of_its_call,
    a_delegated_call_is_answered_by_the_delegate,
    a_delegated_call_ends_with_the_exit_of_the_delegate,
    a_delegated_call_outlives_the_delegator,
    a_delegated_reply_comes_back_when_the_delegate_is_gone,
    a_cancelled_call_is_still_handled,
    a_reply_knows_whether_it_is_waited_for,
    a_try_call_on_a_full_mailbox_fails_at_once,
    a_try_call_waits_for_its_answer,
    a_ring_of_two_calls_is_refused_with_its_path,
    a_ring_of_three_calls_is_refused_with_its_path,
    a_call_to_oneself_is_refused,
    a_ring_through_a_delegate_is_refused,
    a_finished_call_leaves_no_trace_in_the_chain,
    a_call_of_an_actor_is_no_longer_out_when_it_was_dropped,
    answers_are_collected_as_they_come,
    a_value_of_any_size_is_carried,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    two_actors_that_call_each_other_at_once_do_not_hang,
);

pub(crate) const NEVER: Poll<Result<u32, CallError>> = Poll::Pending;

fn keep(reply: Reply<u32>) -> Msg {
    Msg::Keep(reply)
}

/// Crashes with the reply in hand.
pub(crate) fn crash_on(why: &'static str) -> impl FnOnce(Reply<u32>) -> Msg {
    move |reply| {
        run(move |_, _| {
            Box::pin(async move {
                let _reply = reply;
                panic!("{why}")
            })
        })
    }
}

async fn a_call_from_outside_of_any_actor_is_answered(world: World) {
    let (puppet, _events) = world.puppet().await;
    assert_eq!(puppet.call(ask(7)).await, Ok(7));
    let elsewhere = puppet.clone();
    assert_eq!(tokio::spawn(async move { elsewhere.call(ask(8)).await }).await.expect("no panic"), Ok(8));
}

async fn a_call_ends_at_once_when_its_callee_is_gone_for_good(world: World) {
    let (puppet, _events) = world.puppet().await;
    let mut kept = puppet.call(keep);
    assert_eq!(look(&mut kept), NEVER);
    puppet.exit(Exit::custom("gone"));
    soon(puppet.gone()).await;
    assert_eq!(look(&mut kept), Poll::Ready(Err(CallError::Exited(Exit::custom("gone")))));
}

async fn a_call_to_an_actor_that_is_gone_says_how_it_ended(world: World) {
    let (puppet, _events) = world.puppet().await;
    puppet.kill();
    soon(puppet.gone()).await;
    assert_eq!(look(&mut puppet.call(ask(1))), Poll::Ready(Err(CallError::Exited(Exit::Killed))));
}

async fn a_queued_call_ends_with_the_exit_when_its_callee_ends(world: World) {
    let (puppet, _events) = world.puppet().await;
    let _release = hold(&puppet).await;
    let mut queued = puppet.call(ask(1));
    assert_eq!(look(&mut queued), NEVER);
    puppet.exit(Exit::Shutdown);
    soon(puppet.gone()).await;
    assert_eq!(look(&mut queued), Poll::Ready(Err(CallError::Exited(Exit::Shutdown))));
}

/// Catches a reply dropped by a panic that says `NoReply`, and one that hangs until its time-out.
async fn the_call_in_hand_ends_with_the_exit_of_a_crash(world: World) {
    let (puppet, _events) = world.puppet().await;
    let ended = soon(puppet.call(crash_on("in hand"))).await;
    assert_eq!(ended, Err(CallError::Exited(Exit::panic("in hand"))));
}

async fn the_call_in_hand_ends_with_a_kill(world: World) {
    let (puppet, _events) = world.puppet().await;
    let (entered, inside) = oneshot::channel();
    let mut call = puppet.call(|reply: Reply<u32>| {
        run(move |_, _| {
            Box::pin(async move {
                let _ = entered.send(());
                std::future::pending::<()>().await;
                reply.send(1);
                Ok(())
            })
        })
    });
    assert_eq!(look(&mut call), NEVER);
    soon(inside).await.expect("it gets there");
    puppet.kill();
    assert_eq!(soon(call).await, Err(CallError::Exited(Exit::Killed)));
}

async fn the_call_in_hand_ends_with_the_error_of_its_handler(world: World) {
    let (puppet, _events) = world.puppet().await;
    let call = puppet.call(|reply: Reply<u32>| {
        act(move |_, _| {
            drop(reply);
            Err(std::io::Error::other("no disk").into())
        })
    });
    let Err(CallError::Exited(exit)) = soon(call).await else { panic!("it ended") };
    assert_eq!(exit.to_string(), "error: no disk");
}

async fn a_dropped_reply_ends_its_call_at_once(world: World) {
    let (puppet, _events) = world.puppet().await;
    let call = puppet.call(|reply: Reply<u32>| {
        act(move |_, _| {
            drop(reply);
            Ok(())
        })
    });
    assert_eq!(soon(call).await, Err(CallError::NoReply));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1), "the callee lives");
}

async fn a_reply_dropped_outside_of_the_handler_ends_its_call_at_once(world: World) {
    let (puppet, _events) = world.puppet().await;
    let call = puppet.call(|reply: Reply<u32>| {
        act(move |_, _| {
            tokio::spawn(async move { drop(reply) });
            Ok(())
        })
    });
    assert_eq!(soon(call).await, Err(CallError::NoReply));
}

async fn a_reply_may_be_kept_and_sent_later(world: World) {
    let (puppet, _events) = world.puppet().await;
    let mut kept = puppet.call(keep);
    assert_eq!(look(&mut kept), NEVER);
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1), "the callee goes on");
    assert_eq!(look(&mut kept), NEVER);
    told(
        puppet
            .tell(act(|me, _| {
                me.kept.drain(..).for_each(|reply| reply.send(9));
                Ok(())
            }))
            .await,
    );
    assert_eq!(soon(kept).await, Ok(9));
}

/// Also in an actor that is kept: a successor knows nothing of the reply.
async fn a_kept_reply_ends_with_the_incarnation(world: World) {
    let (log, _events) = log();
    let (cell, mut ends) = world.cell::<Puppet>(Mailbox::DEFAULT).await;
    cell.start(Puppet::new(&log)).await.expect("it starts");
    let puppet = cell.reference();
    let mut kept = puppet.call(keep);
    assert_eq!(look(&mut kept), NEVER);
    told(puppet.tell(crash("later")).await);
    assert_eq!(ends.next().await, (1, Exit::panic("later")));
    assert_eq!(look(&mut kept), Poll::Ready(Err(CallError::Exited(Exit::panic("later")))));
}

async fn a_reply_with_a_future_leaves_the_actor_free(world: World) {
    let (puppet, _events) = world.puppet().await;
    let (send, value) = oneshot::channel();
    let mut call = puppet.call(|reply| {
        act(move |_, cx| {
            cx.reply_with(reply, async move { value.await.expect("it is sent") });
            Ok(())
        })
    });
    assert_eq!(look(&mut call), NEVER);
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    send.send(5_u32).expect("it waits");
    assert_eq!(soon(call).await, Ok(5));
}

/// Catches a reply that the set of attached futures drops late, outside of the actor: `NoReply` although the callee ended.
async fn a_reply_with_a_future_ends_with_the_incarnation(world: World) {
    let (puppet, _events) = world.puppet().await;
    let mut call = puppet.call(|reply: Reply<u32>| {
        act(move |_, cx| {
            cx.reply_with(reply, std::future::pending());
            Ok(())
        })
    });
    assert_eq!(look(&mut call), NEVER);
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    puppet.exit(Exit::custom("over"));
    assert_eq!(soon(call).await, Err(CallError::Exited(Exit::custom("over"))));
}

async fn a_panic_in_the_future_of_a_reply_is_the_exit_of_its_call(world: World) {
    let (puppet, _events) = world.puppet().await;
    let call = puppet.call(|reply: Reply<u32>| {
        act(move |_, cx| {
            cx.reply_with(reply, async { panic!("in the future") });
            Ok(())
        })
    });
    assert_eq!(soon(call).await, Err(CallError::Exited(Exit::panic("in the future"))));
    assert_eq!(soon(puppet.gone()).await, Exit::panic("in the future"));
}

/// A call to `to` that is passed on to `delegate`, with this as its message there.
async fn delegated(to: &Ref<Puppet>, delegate: &Ref<Puppet>, make: fn(Reply<u32>) -> Msg) -> Pending {
    let (entered, inside) = oneshot::channel();
    let (to, delegate) = (to.clone(), delegate.clone());
    let answer = tokio::spawn(async move {
        let pass_on = |reply: Reply<u32>| {
            run(move |_, _| {
                Box::pin(async move {
                    told(delegate.delegate(reply, make).await);
                    let _ = entered.send(());
                    Ok(())
                })
            })
        };
        to.call(pass_on).await
    });
    soon(inside).await.expect("it is passed on");
    answer
}

type Pending = tokio::task::JoinHandle<Result<u32, CallError>>;

async fn answer(pending: Pending) -> Result<u32, CallError> {
    soon(pending).await.expect("no panic")
}

async fn a_delegated_call_is_answered_by_the_delegate(world: World) {
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    let call = delegated(&one, &two, |reply| Msg::Ask(2, reply)).await;
    assert_eq!(answer(call).await, Ok(2));
}

async fn a_delegated_call_ends_with_the_exit_of_the_delegate(world: World) {
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    let kept = delegated(&one, &two, Msg::Keep).await;
    let release = hold(&two).await;
    let queued = delegated(&one, &two, |reply| Msg::Ask(2, reply)).await;
    two.exit(Exit::custom("delegate"));
    for call in [kept, queued] {
        assert_eq!(answer(call).await, Err(CallError::Exited(Exit::custom("delegate"))));
    }
    drop(release);
    assert_eq!(soon(one.call(ask(1))).await, Ok(1), "the delegator has nothing to do with it");
}

async fn a_delegated_call_outlives_the_delegator(world: World) {
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    let release = hold(&two).await;
    let call = delegated(&one, &two, |reply| Msg::Ask(2, reply)).await;
    one.kill();
    soon(one.gone()).await;
    drop(release);
    assert_eq!(answer(call).await, Ok(2));
}

async fn a_delegated_reply_comes_back_when_the_delegate_is_gone(world: World) {
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    two.kill();
    soon(two.gone()).await;
    let call = one.call(|reply: Reply<u32>| {
        run(move |_, _| {
            Box::pin(async move {
                let Err(TellError::Stopped(Msg::Ask(_, reply), _)) = two.delegate(reply, ask(2)).await else {
                    panic!("nobody takes it")
                };
                reply.send(3);
                Ok(())
            })
        })
    });
    assert_eq!(soon(call).await, Ok(3));
}

async fn a_cancelled_call_is_still_handled(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    let mut call = puppet.call(|reply: Reply<u32>| {
        act(move |me, _| {
            me.log.add(Event::Note(1));
            reply.send(1);
            Ok(())
        })
    });
    assert_eq!(look(&mut call), NEVER);
    drop(call);
    drop(release);
    assert_eq!(events.next().await, Event::Note(1));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
}

async fn a_reply_knows_whether_it_is_waited_for(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let count = |me: &mut Puppet, _: &mut Context<Puppet>| {
        let waiting = me.kept.iter().filter(|reply| reply.is_waited_for()).count();
        me.log.add(Event::Note(waiting as u32));
        Ok(())
    };
    let mut call = puppet.call(keep);
    assert_eq!(look(&mut call), NEVER);
    told(puppet.tell(act(count)).await);
    assert_eq!(events.next().await, Event::Note(1));
    drop(call);
    told(puppet.tell(act(count)).await);
    assert_eq!(events.next().await, Event::Note(0));
}

async fn a_try_call_on_a_full_mailbox_fails_at_once(world: World) {
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let _release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    assert_eq!(look(&mut puppet.call(ask(2)).now()), Poll::Ready(Err(CallError::Full)));
}

async fn a_try_call_waits_for_its_answer(world: World) {
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    let mut call = puppet.call(ask(2)).now();
    assert_eq!(look(&mut call), NEVER);
    drop(release);
    assert_eq!(soon(call).await, Ok(2));
}

/// Has `puppet` call `to` inside a handler, and tells what came of it.
async fn calls(
    puppet: &Ref<Puppet>,
    to: &Ref<Puppet>,
    make: impl FnOnce(Reply<u32>) -> Msg + Send + 'static,
) -> Pending {
    let (tell, outcome) = oneshot::channel();
    let to = to.clone();
    let message = run(move |_, _| {
        Box::pin(async move {
            let _ = tell.send(to.call(make).await);
            Ok(())
        })
    });
    told(puppet.tell(message).await);
    tokio::spawn(async move { outcome.await.expect("the caller lives") })
}

/// A message that calls `to` inside its handler, and answers with the ring that this would have closed: its length.
fn call_on(to: &Ref<Puppet>, ring: mpsc::UnboundedSender<CallError>) -> impl FnOnce(Reply<u32>) -> Msg + Send + use<> {
    let to = to.clone();
    move |reply: Reply<u32>| {
        run(move |_, _| {
            Box::pin(async move {
                match to.call(ask(0)).await {
                    Ok(answer) => reply.send(answer),
                    Err(error) => {
                        let _ = ring.send(error);
                        reply.send(100);
                    }
                }
                Ok(())
            })
        })
    }
}

/// Catches a chain that is not followed: both would wait for 5 s.
async fn a_ring_of_two_calls_is_refused_with_its_path(world: World) {
    let ((a, _a_events), (b, _b_events)) = (world.puppet().await, world.puppet().await);
    let (ring, mut rings) = mpsc::unbounded_channel();
    let call = calls(&a, &b, call_on(&a, ring)).await;
    assert_eq!(answer(call).await, Ok(100));
    let error = soon(rings.recv()).await;
    assert_eq!(error, Some(CallError::Chain { path: vec![b.id(), a.id(), b.id()] }));
}

async fn a_ring_of_three_calls_is_refused_with_its_path(world: World) {
    let (a, _a_events) = world.puppet().await;
    let (b, _b_events) = world.puppet().await;
    let (c, _c_events) = world.puppet().await;
    let (ring, mut rings) = mpsc::unbounded_channel();
    let closes = call_on(&a, ring.clone());
    let to = c.clone();
    let call = calls(&a, &b, move |reply| {
        run(move |_, _| {
            Box::pin(async move {
                reply.send(to.call(closes).await.unwrap_or(200));
                Ok(())
            })
        })
    })
    .await;
    assert_eq!(answer(call).await, Ok(100));
    let error = soon(rings.recv()).await;
    assert_eq!(error, Some(CallError::Chain { path: vec![c.id(), a.id(), b.id(), c.id()] }));
}

async fn a_call_to_oneself_is_refused(world: World) {
    let (a, _events) = world.puppet().await;
    let call = calls(&a, &a, ask(1)).await;
    assert_eq!(answer(call).await, Err(CallError::Chain { path: vec![a.id(), a.id()] }));
}

/// A calls B, which passes it on to C, which calls A.
async fn a_ring_through_a_delegate_is_refused(world: World) {
    let (a, _a_events) = world.puppet().await;
    let (b, _b_events) = world.puppet().await;
    let (c, _c_events) = world.puppet().await;
    let (ring, mut rings) = mpsc::unbounded_channel();
    let (closes, delegate) = (call_on(&a, ring), c.clone());
    let call = calls(&a, &b, move |reply| {
        run(move |_, _| {
            Box::pin(async move {
                told(delegate.delegate(reply, closes).await);
                Ok(())
            })
        })
    })
    .await;
    assert_eq!(answer(call).await, Ok(100));
    assert_eq!(soon(rings.recv()).await, Some(CallError::Chain { path: vec![c.id(), a.id(), c.id()] }));
    assert_eq!(soon(b.call(ask(1))).await, Ok(1));
}

async fn a_finished_call_leaves_no_trace_in_the_chain(world: World) {
    let ((a, _a_events), (b, _b_events)) = (world.puppet().await, world.puppet().await);
    for _ in 0..3 {
        assert_eq!(answer(calls(&a, &b, ask(1)).await).await, Ok(1));
        assert_eq!(answer(calls(&b, &a, ask(2)).await).await, Ok(2));
    }
}

/// Catches a `Wait` that outlives the future that it belongs to.
async fn a_call_of_an_actor_is_no_longer_out_when_it_was_dropped(world: World) {
    let ((a, mut events), (b, _b_events)) = (world.puppet().await, world.puppet().await);
    let to = b.clone();
    told(
        a.tell(act(move |me, _| {
            let mut call = to.call(Msg::Keep);
            assert_eq!(look(&mut call), NEVER);
            me.log.add(Event::Note(0));
            Ok(())
        }))
        .await,
    );
    assert_eq!(events.next().await, Event::Note(0));
    assert_eq!(answer(calls(&b, &a, ask(2)).await).await, Ok(2));
}

/// Of two calls that close a ring at the same time at least one is refused; which one is a matter of time.
async fn two_actors_that_call_each_other_at_once_do_not_hang(world: World) {
    let ((a, _a_events), (b, _b_events)) = (world.puppet().await, world.puppet().await);
    for round in 0..500 {
        let (one, two) = (calls(&a, &b, ask(1)).await, calls(&b, &a, ask(2)).await);
        let outcomes = (answer(one).await, answer(two).await);
        let (ab, ba) = (vec![a.id(), b.id(), a.id()], vec![b.id(), a.id(), b.id()]);
        let fine = matches!(&outcomes.0, Ok(1)) || outcomes.0 == Err(CallError::Chain { path: ab });
        let fine = fine && (matches!(&outcomes.1, Ok(2)) || outcomes.1 == Err(CallError::Chain { path: ba }));
        assert!(fine, "round {round}: {outcomes:?}");
    }
}

async fn answers_are_collected_as_they_come(world: World) {
    let ((slow, _slow_events), (quick, _quick_events)) = (world.puppet().await, world.puppet().await);
    let release = hold(&slow).await;
    let mut requests = Requests::new();
    requests.add("slow", slow.call(ask(1)));
    requests.add("quick", quick.call(ask(2)));
    requests.add(
        "dropped",
        quick.call(|reply: Reply<u32>| {
            act(move |_, _| {
                drop(reply);
                Ok(())
            })
        }),
    );
    assert_eq!(requests.len(), 3);
    let mut first = [soon(requests.next()).await, soon(requests.next()).await];
    first.sort_by_key(|answer| answer.as_ref().map(|(label, _)| *label));
    assert_eq!(first, [Some(("dropped", Err(CallError::NoReply))), Some(("quick", Ok(2)))]);
    drop(release);
    assert_eq!(soon(requests.next()).await, Some(("slow", Ok(1))));
    assert!(requests.is_empty());
    assert_eq!(soon(requests.next()).await, None);
}

async fn a_value_of_any_size_is_carried(world: World) {
    enum Sized {
        Zero(Reply<()>),
        Small(Reply<u8>),
        Fits(Reply<[u64; 4]>),
        Large(Reply<[u64; 100]>),
        Owned(Reply<Result<String, String>>),
    }
    let behaviour = |message| match message {
        Sized::Zero(reply) => reply.send(()),
        Sized::Small(reply) => reply.send(7),
        Sized::Fits(reply) => reply.send([7; 4]),
        Sized::Large(reply) => reply.send([7; 100]),
        Sized::Owned(reply) => reply.send(Err("text".repeat(100))),
    };
    let actor = world.spawn(actor_fn(behaviour)).await.expect("it starts");
    assert_eq!(soon(actor.call(Sized::Zero)).await, Ok(()));
    assert_eq!(soon(actor.call(Sized::Small)).await, Ok(7));
    assert_eq!(soon(actor.call(Sized::Fits)).await, Ok([7; 4]));
    assert_eq!(soon(actor.call(Sized::Large)).await, Ok([7; 100]));
    assert_eq!(soon(actor.call(Sized::Owned)).await, Ok(Err("text".repeat(100))));
}
