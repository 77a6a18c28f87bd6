//! Goal: how actors begin and end: starts, graceful stops, kills, exit signals, the stop hook; closures and tasks.
//! Method: puppets tell a log what happens to them; the end is awaited through `gone`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{
    Actor, CallError, Context, Exit, Life, Mailbox, Ref, Reply, SpawnError, Stop, StopError, Task, TellError, actor_fn,
};
use tokio::sync::oneshot;
use tokio::task::coop;

use crate::both_weights::{World, look, soon, watch};
use crate::marionette::{
    Event, Lost, Plain, Puppet, act, ask, crash, hold, log, note, notes, parcel, run, tell_notes, told,
};

both_weights!(()
    init_runs_before_the_first_message,
    a_failed_init_is_the_error_of_the_spawn,
    a_spawn_that_is_never_awaited_starts_nothing,
    a_spawn_dropped_in_the_middle_leaves_nothing,
    a_start_without_init_waits_for_nothing,
    a_graceful_stop_handles_what_is_queued_and_refuses_what_is_new,
    a_graceful_stop_refuses_who_waits_for_room,
    a_graceful_stop_of_an_idle_actor_ends_at_once,
    a_graceful_stop_has_a_reason,
    a_graceful_stop_need_not_be_awaited,
    a_graceful_stop_of_an_ended_actor_says_how_it_ended,
    a_graceful_stop_reports_a_crash_on_the_way,
    an_actor_may_stop_itself,
    the_last_stop_of_a_handler_counts,
    a_stop_in_init_ends_the_actor_before_its_first_message,
    a_kill_runs_drop_and_no_stop_hook,
    a_kill_cuts_a_stop_hook_off,
    a_kill_cannot_be_trapped,
    an_exit_signal_ends_an_idle_actor_with_its_hook,
    an_exit_signal_ends_a_handler_at_its_await,
    an_exit_signal_does_not_cut_a_stop_hook_off,
    a_normal_exit_signal_ends_nobody_else,
    a_trapped_exit_signal_is_a_message_in_its_place,
    the_stop_hook_runs_with_the_typed_exit,
    an_error_of_a_handler_is_a_typed_exit,
    a_panic_of_the_stop_hook_is_the_exit,
    a_ref_does_not_keep_an_actor_alive_nor_end_it,
    a_weak_ref_lets_the_memory_of_an_ended_actor_go,
    a_recipient_wraps_for_its_actor,
    a_closure_is_an_actor,
    an_error_of_a_closure_ends_it,
    a_task_gives_its_value,
    a_panic_of_a_task_is_its_exit,
    a_killed_task_is_dropped,
    a_dropped_task_goes_on,
    a_task_is_monitored_as_any_actor,
    a_crash_of_a_linked_task_ends_who_started_it,
    a_linked_task_ends_with_who_started_it,
);
both_weights!((start_paused = true)
    a_graceful_stop_past_its_limit_hands_on_what_is_queued,
    a_graceful_stop_that_is_not_heeded_says_who_and_where,
    a_graceful_stop_has_five_seconds,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    a_linked_task_that_is_done_at_once_ends_nobody,
    stops_and_kills_from_all_sides_end_an_actor_once,
);

/// Begins a stop as its first poll does.
fn begun(stop: Stop) -> std::pin::Pin<Box<dyn Future<Output = Result<Exit, StopError>> + Send>> {
    let mut stop = stop.into_future();
    assert!(look(&mut stop).is_pending());
    stop
}

// ---- starts ----

async fn init_runs_before_the_first_message(world: World) {
    let (log, mut events) = log();
    let puppet = Puppet::<Plain>::new(&log).with_init(|me, cx| {
        Box::pin(async move {
            told(cx.me().tell(note(2)).await);
            me.log.add(Event::Note(1));
            cx.continue_with(note(3));
            Ok(())
        })
    });
    let puppet = world.spawn(puppet).await.expect("it starts");
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(events.so_far(), notes([1, 3, 2]));
}

async fn a_failed_init_is_the_error_of_the_spawn(world: World) {
    type Init = fn() -> Result<(), Exit>;
    let scripts: [(Init, Exit); 3] = [
        (|| Err(Exit::custom("no disk")), Exit::custom("no disk")),
        (|| Err(Exit::Ignore), Exit::Ignore),
        (|| panic!("in init"), Exit::panic("in init")),
    ];
    for (script, exit) in scripts {
        let (log, mut events) = log();
        let puppet = Puppet::<Plain>::new(&log).with_init(move |_, _| Box::pin(async move { script() }));
        let error = world.spawn(puppet).named("unborn").await.expect_err("it does not start");
        assert!(matches!(&error, SpawnError::Init(why) if *why == exit), "{error}");
        assert_eq!(events.so_far(), [Event::Dropped], "no stop hook for {exit}");
        assert_eq!(world.node.actor_count(), 0);
        assert!(world.node.lookup("unborn").is_none(), "the name is free");
    }
}

async fn a_spawn_that_is_never_awaited_starts_nothing(world: World) {
    let (log, mut events) = log();
    let spawn = world.spawn(Puppet::<Plain>::new(&log)).named("unborn");
    assert!(world.node.lookup("unborn").is_none());
    drop(spawn);
    assert_eq!(events.so_far(), [Event::Dropped]);
    assert_eq!(world.node.statistics().started, 0);
}

async fn a_spawn_dropped_in_the_middle_leaves_nothing(world: World) {
    let (log, mut events) = log();
    let (entered, inside) = oneshot::channel();
    let puppet = Puppet::<Plain>::new(&log).with_init(|_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            std::future::pending().await
        })
    });
    let spawn = world.spawn(puppet).named("unborn").into_future();
    tokio::select! {
        _ = spawn => unreachable!("its init has no end"),
        entered = inside => entered.expect("it gets there"),
    }
    assert_eq!(events.so_far(), [Event::Dropped]);
    assert_eq!(world.node.actor_count(), 0);
    assert!(world.node.lookup("unborn").is_none());
}

/// Not even for the budget that tokio gives a task.
async fn a_start_without_init_waits_for_nothing(world: World) {
    while coop::has_budget_remaining() {
        coop::consume_budget().await;
    }
    let mut start = world.spawn(actor_fn(|reply: Reply<u32>| reply.send(1))).named("born").into_future();
    assert!(world.node.lookup("born").is_none(), "nobody has polled it");
    let Poll::Ready(started) = look(&mut start) else { panic!("it waits") };
    assert_eq!(soon(started.expect("it starts").call(|reply| reply)).await, Ok(1));
    assert!(world.node.lookup("born").is_some());
    assert_eq!((world.node.actor_count(), world.node.statistics().started), (1, 1));
}

// ---- graceful stops ----

/// Catches a stop that drops the queue, and one that takes what is new.
async fn a_graceful_stop_handles_what_is_queued_and_refuses_what_is_new(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, 1..=2);
    let mut queued = puppet.call(ask(3));
    assert!(look(&mut queued).is_pending());
    let stop = begun(puppet.stop());
    let refused = puppet.tell(note(4)).await;
    assert!(matches!(refused, Err(TellError::Stopping(crate::marionette::Msg::Note(4, _)))));
    assert!(matches!(puppet.tell(note(4)).now(), Err(TellError::Stopping(_))));
    assert_eq!(look(&mut puppet.call(ask(4))), Poll::Ready(Err(CallError::Stopping)));
    drop(release);
    assert_eq!(soon(stop).await.expect("it stops"), Exit::Normal);
    assert_eq!(look(&mut queued), Poll::Ready(Ok(3)));
    let ended = [Event::Terminated(Exit::Normal), Event::Dropped];
    assert_eq!(events.so_far(), [notes(1..=2), ended.into()].concat());
    assert_eq!(soon(puppet.gone()).await, Exit::Normal);
    assert_eq!(puppet.sys().status().life, Life::Gone);
}

async fn a_graceful_stop_refuses_who_waits_for_room(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut waiting = puppet.tell(note(2));
    assert!(look(&mut waiting).is_pending());
    let mut calling = puppet.call(ask(3));
    assert!(look(&mut calling).is_pending());
    let stop = begun(puppet.stop());
    assert!(matches!(soon(waiting).await, Err(TellError::Stopping(_))));
    assert_eq!(soon(calling).await, Err(CallError::Stopping));
    drop(release);
    soon(stop).await.expect("it stops");
    assert_eq!(events.next().await, Event::Note(1));
}

async fn a_graceful_stop_of_an_idle_actor_ends_at_once(world: World) {
    let (puppet, mut events) = world.puppet().await;
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(soon(puppet.stop().into_future()).await.expect("it stops"), Exit::Normal);
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Normal), Event::Dropped]);
    let (fresh, mut events) = world.puppet().await;
    soon(fresh.stop().into_future()).await.expect("it stops");
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Normal), Event::Dropped]);
    assert_eq!(world.node.actor_count(), 0);
}

async fn a_graceful_stop_has_a_reason(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let down = watch(&puppet);
    let reason = Exit::shutdown_with("upgrade");
    assert_eq!(soon(puppet.stop().reason(reason.clone()).into_future()).await.expect("it stops"), reason);
    assert_eq!(events.so_far(), [Event::Terminated(reason.clone()), Event::Dropped]);
    assert_eq!(soon(down).await.exit, reason);
}

async fn a_graceful_stop_need_not_be_awaited(world: World) {
    let (puppet, mut events) = world.puppet().await;
    tell_notes(&puppet, [1]);
    puppet.stop().reason(Exit::Shutdown).now();
    assert!(matches!(puppet.tell(note(2)).now(), Err(TellError::Stopping(_))));
    assert_eq!(soon(puppet.gone()).await, Exit::Shutdown);
    assert_eq!(events.so_far(), [Event::Note(1), Event::Terminated(Exit::Shutdown), Event::Dropped]);
}

async fn a_graceful_stop_of_an_ended_actor_says_how_it_ended(world: World) {
    let (puppet, _events) = world.puppet().await;
    puppet.exit(Exit::custom("before"));
    soon(puppet.gone()).await;
    assert_eq!(soon(puppet.stop().into_future()).await.expect("it has"), Exit::custom("before"));
}

async fn a_graceful_stop_reports_a_crash_on_the_way(world: World) {
    let (puppet, _events) = world.puppet().await;
    let release = hold(&puppet).await;
    told(puppet.tell(crash("on the way")).now());
    let stop = begun(puppet.stop());
    drop(release);
    assert_eq!(soon(stop).await.expect("it ends"), Exit::panic("on the way"));
}

/// Catches a limit that is not kept, and a rest that is lost without a word.
async fn a_graceful_stop_past_its_limit_hands_on_what_is_queued(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (lost, mut undelivered) = log();
    let release = hold(&puppet).await;
    told(puppet.tell(parcel(1, &lost)).now());
    let mut queued = puppet.call(ask(2)).within(Duration::from_secs(60));
    assert!(look(&mut queued).is_pending());
    told(puppet.tell(parcel(3, &lost)).now());
    let mut stop = begun(puppet.stop().within(Duration::from_secs(1)));
    let early = tokio::time::timeout(Duration::from_millis(1_500), &mut stop).await;
    assert!(early.is_err(), "the message in hand has as long again");
    drop(release);
    assert_eq!(soon(stop).await.expect("it stops"), Exit::Normal);
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Normal), Event::Dropped]);
    assert_eq!(undelivered.so_far(), [1, 3].map(|n| Event::Undelivered(n, Lost::Stopped(Exit::Normal))));
    assert_eq!(look(&mut queued), Poll::Ready(Err(CallError::Exited(Exit::Normal))));
}

async fn a_graceful_stop_that_is_not_heeded_says_who_and_where(world: World) {
    let (puppet, _events) = world.puppet().await;
    let release = hold(&puppet).await;
    let error = puppet.stop().within(Duration::from_secs(1)).await.expect_err("it is held");
    assert_eq!((error.actor, error.in_hand, error.waited), (puppet.id(), Some("run"), Duration::from_secs(2)));
    drop(release);
    assert_eq!(soon(puppet.gone()).await, Exit::Normal, "it was told to");
}

async fn a_graceful_stop_has_five_seconds(world: World) {
    let (puppet, _events) = world.puppet().await;
    let _release = hold(&puppet).await;
    let start = tokio::time::Instant::now();
    puppet.stop().await.expect_err("it is held");
    let took = start.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_millis(10_050)).contains(&took), "{took:?}");
}

async fn an_actor_may_stop_itself(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (lost, mut undelivered) = log();
    let release = hold(&puppet).await;
    told(
        puppet
            .tell(act(|me, cx| {
                cx.stop(Exit::Normal);
                me.log.add(Event::Note(1));
                Ok(())
            }))
            .now(),
    );
    told(puppet.tell(parcel(2, &lost)).now());
    drop(release);
    assert_eq!(soon(puppet.gone()).await, Exit::Normal);
    assert_eq!(events.so_far(), [Event::Note(1), Event::Terminated(Exit::Normal), Event::Dropped]);
    assert_eq!(undelivered.so_far(), [Event::Undelivered(2, Lost::Stopped(Exit::Normal))]);
}

async fn the_last_stop_of_a_handler_counts(world: World) {
    let (puppet, _events) = world.puppet().await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.stop(Exit::Normal);
                cx.stop(Exit::custom("last"));
                Ok(())
            }))
            .await,
    );
    assert_eq!(soon(puppet.gone()).await, Exit::custom("last"));
}

async fn a_stop_in_init_ends_the_actor_before_its_first_message(world: World) {
    let (log, mut events) = log();
    let puppet = Puppet::<Plain>::new(&log).with_init(|_, cx| {
        cx.stop(Exit::Shutdown);
        told(cx.me().tell(note(1)).now());
        Box::pin(std::future::ready(Ok(())))
    });
    let puppet = world.spawn(puppet).await.expect("it starts");
    assert_eq!(soon(puppet.gone()).await, Exit::Shutdown);
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped]);
}

// ---- kills and exit signals ----

/// Idle, and inside a handler.
async fn a_kill_runs_drop_and_no_stop_hook(world: World) {
    let (idle, mut events) = world.puppet().await;
    idle.kill();
    assert_eq!(soon(idle.gone()).await, Exit::Killed);
    assert_eq!(events.so_far(), [Event::Dropped]);

    let (busy, mut events) = world.puppet().await;
    let mut release = hold(&busy).await;
    tell_notes(&busy, [1]);
    let down = watch(&busy);
    busy.kill();
    assert_eq!(soon(down).await.exit, Exit::Killed);
    assert_eq!(soon(busy.gone()).await, Exit::Killed);
    assert_eq!(events.so_far(), [Event::Dropped]);
    soon(release.closed()).await; // The handler's future is dropped as well.
}

async fn a_kill_cuts_a_stop_hook_off(world: World) {
    let (log, mut events) = log();
    let (entered, inside) = oneshot::channel();
    let puppet = Puppet::<Plain>::new(&log).with_stop(|_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            std::future::pending().await
        })
    });
    let puppet = world.spawn(puppet).await.expect("it starts");
    puppet.exit(Exit::Shutdown);
    soon(inside).await.expect("the hook runs");
    puppet.kill();
    assert_eq!(soon(puppet.gone()).await, Exit::Killed);
    assert_eq!(events.so_far(), [Event::Dropped]);
}

async fn a_kill_cannot_be_trapped(world: World) {
    let (puppet, mut events) = world.puppet().await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.trap_exit(true);
                Ok(())
            }))
            .await,
    );
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    puppet.kill();
    assert_eq!(soon(puppet.gone()).await, Exit::Killed);
    assert_eq!(events.so_far(), [Event::Dropped]);
}

async fn an_exit_signal_ends_an_idle_actor_with_its_hook(world: World) {
    let (puppet, mut events) = world.puppet().await;
    puppet.exit(Exit::custom("enough"));
    assert_eq!(soon(puppet.gone()).await, Exit::custom("enough"));
    assert_eq!(events.so_far(), [Event::Terminated(Exit::custom("enough")), Event::Dropped]);
}

async fn an_exit_signal_ends_a_handler_at_its_await(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let mut release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    puppet.exit(Exit::Shutdown);
    assert_eq!(soon(puppet.gone()).await, Exit::Shutdown);
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped], "it overtakes the messages");
    soon(release.closed()).await;
}

async fn an_exit_signal_does_not_cut_a_stop_hook_off(world: World) {
    let (log, mut events) = log();
    let (entered, inside) = oneshot::channel();
    let (release, gate) = oneshot::channel::<()>();
    let puppet = Puppet::<Plain>::new(&log).with_stop(|_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            let _ = gate.await;
            Ok(())
        })
    });
    let puppet = world.spawn(puppet).await.expect("it starts");
    puppet.exit(Exit::Shutdown);
    soon(inside).await.expect("the hook runs");
    puppet.exit(Exit::custom("another"));
    drop(release);
    assert_eq!(soon(puppet.gone()).await, Exit::Shutdown);
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped]);
}

async fn a_normal_exit_signal_ends_nobody_else(world: World) {
    let (puppet, mut events) = world.puppet().await;
    puppet.exit(Exit::Normal);
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    let (other, _other_events) = world.puppet().await;
    let target = puppet.clone();
    told(
        other
            .tell(act(move |_, _| {
                target.exit(Exit::Normal);
                Ok(())
            }))
            .await,
    );
    assert_eq!(soon(other.call(ask(1))).await, Ok(1));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(events.so_far(), []);
    told(
        puppet
            .tell(run(|_, cx: &mut Context<Puppet>| {
                Box::pin(async move {
                    cx.me().exit(Exit::Normal);
                    std::future::pending().await
                })
            }))
            .await,
    );
    assert_eq!(soon(puppet.gone()).await, Exit::Normal, "but oneself");
}

async fn a_trapped_exit_signal_is_a_message_in_its_place(world: World) {
    let (puppet, mut events) = world.puppet().await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.trap_exit(true);
                Ok(())
            }))
            .await,
    );
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    puppet.exit(Exit::custom("outside"));
    puppet.exit(Exit::Normal);
    tell_notes(&puppet, [2]);
    drop(release);
    let heard = events.take(4).await;
    assert_eq!((&heard[0], &heard[3]), (&Event::Note(1), &Event::Note(2)));
    let (Event::Exited(first), Event::Exited(second)) = (&heard[1], &heard[2]) else { panic!("{heard:?}") };
    assert_eq!((first.actor, &first.exit), (None, &Exit::custom("outside")));
    assert_eq!((second.actor, &second.exit), (None, &Exit::Normal));
}

// ---- the stop hook ----

fn tells(puppet: &Ref<Puppet>, script: fn(&mut Context<Puppet>) -> Result<(), Exit>) {
    told(puppet.tell(act(move |_, cx| script(cx))).now());
}

fn stopped(cx: &mut Context<Puppet>, exit: Exit) -> Result<(), Exit> {
    cx.stop(exit);
    Ok(())
}

/// Catches a hook that is left out after a panic, and one that is told another reason than the monitors.
async fn the_stop_hook_runs_with_the_typed_exit(world: World) {
    type Ending = fn(&Ref<Puppet>);
    let rows: [(Ending, Exit); 6] = [
        (|puppet| tells(puppet, |cx| stopped(cx, Exit::Normal)), Exit::Normal),
        (|puppet| tells(puppet, |_| Err(Exit::custom("no"))), Exit::custom("no")),
        (|puppet| tells(puppet, |_| Err(std::fmt::Error.into())), Exit::from(std::fmt::Error)),
        (|puppet| told(puppet.tell(crash("boom")).now()), Exit::panic("boom")),
        (|puppet| puppet.exit(Exit::Shutdown), Exit::Shutdown),
        (|puppet| puppet.stop().reason(Exit::shutdown_with("word")).now(), Exit::shutdown_with("word")),
    ];
    for (row, (end, exit)) in rows.into_iter().enumerate() {
        let (puppet, mut events) = world.puppet().await;
        let down = watch(&puppet);
        end(&puppet);
        assert_eq!(soon(down).await.exit, exit, "row {row}");
        assert_eq!(events.so_far(), [Event::Terminated(exit.clone()), Event::Dropped], "row {row}");
        assert_eq!(soon(puppet.gone()).await, exit, "row {row}");
    }
}

async fn an_error_of_a_handler_is_a_typed_exit(world: World) {
    let (puppet, _events) = world.puppet().await;
    told(
        puppet
            .tell(act(|_, _| {
                let number: u32 = "seven".parse()?;
                unreachable!("{number}")
            }))
            .await,
    );
    let exit = soon(puppet.gone()).await;
    let Exit::Error(error) = exit else { panic!("{exit}") };
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

async fn a_panic_of_the_stop_hook_is_the_exit(world: World) {
    let (log, mut events) = log();
    let puppet = Puppet::<Plain>::new(&log).with_stop(|_, _| Box::pin(async { panic!("in the hook") }));
    let puppet = world.spawn(puppet).await.expect("it starts");
    puppet.exit(Exit::Shutdown);
    assert_eq!(soon(puppet.gone()).await, Exit::panic("in the hook"));
    assert_eq!(events.so_far(), [Event::Dropped]);
}

// ---- refs ----

async fn a_ref_does_not_keep_an_actor_alive_nor_end_it(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let id = puppet.id();
    drop(puppet);
    let again = world.node.actor(id).and_then(|actor| actor.downcast::<Puppet>()).expect("it runs on");
    assert_eq!(soon(again.call(ask(1))).await, Ok(1));
    assert!(again.is_running());
    again.exit(Exit::Shutdown);
    soon(again.gone()).await;
    assert!(!again.is_running(), "a ref is there, the actor is not");
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped]);
}

async fn a_weak_ref_lets_the_memory_of_an_ended_actor_go(world: World) {
    let (puppet, _events) = world.puppet().await;
    let weak = puppet.downgrade();
    assert_eq!(weak.upgrade().as_ref(), Some(&puppet));
    puppet.kill();
    soon(puppet.gone()).await;
    drop(puppet);
    let gone = async {
        while weak.upgrade().is_some() {
            tokio::task::yield_now().await; // The companion's last steps.
        }
    };
    soon(gone).await;
}

async fn a_recipient_wraps_for_its_actor(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let recipient = puppet.recipient(|text: &str| note(text.len() as u32));
    recipient.tell("four").await.expect("there is room");
    assert_eq!(events.next().await, Event::Note(4));
    let release = hold(&puppet).await;
    recipient.tell_now("five5").expect("there is room");
    assert!(matches!(recipient.tell_now("six"), Err(TellError::Full(()))));
    let mut waiting = Box::pin(recipient.tell("seven77"));
    assert!(look(&mut waiting).is_pending());
    drop(release);
    soon(waiting).await.expect("there is room");
    assert_eq!(events.take(2).await, notes([5, 7]));
    puppet.kill();
    soon(puppet.gone()).await;
    assert!(matches!(recipient.clone().tell("late").await, Err(TellError::Stopped((), Exit::Killed))));
}

// ---- closures ----

async fn a_closure_is_an_actor(world: World) {
    enum Sum {
        Add(u64),
        Get(Reply<u64>),
    }
    let mut sum = 0;
    let behaviour = move |message| match message {
        Sum::Add(n) => sum += n,
        Sum::Get(reply) => reply.send(sum),
    };
    let adder = world.spawn(actor_fn(behaviour)).named("adder").await.expect("it starts");
    for n in 1..=10 {
        told(adder.tell(Sum::Add(n)).await);
    }
    assert_eq!(soon(adder.call(Sum::Get)).await, Ok(55));
    soon(adder.stop().into_future()).await.expect("it stops");
    assert!(world.node.lookup("adder").is_none());
}

async fn an_error_of_a_closure_ends_it(world: World) {
    let parse = |text: &str| text.parse::<u32>().map(drop);
    let parser = world.spawn(actor_fn(parse)).await.expect("it starts");
    told(parser.tell("7").await);
    told(parser.tell("seven").await);
    assert!(matches!(soon(parser.gone()).await, Exit::Error(_)));
}

// ---- tasks ----

/// Tells when it is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn a_task_gives_its_value(world: World) {
    let (send, value) = oneshot::channel();
    let mut task = Task::spawn(&world.node, async move { value.await.map(|n: u32| n + 1) }).await.expect("it starts");
    assert!(look(&mut task).is_pending());
    send.send(6).expect("it waits");
    assert_eq!(soon(task).await, Ok(Ok(7)));
}

async fn a_panic_of_a_task_is_its_exit(world: World) {
    let task = Task::<u32>::spawn(&world.node, async { panic!("in the task") }).await.expect("it starts");
    assert_eq!(soon(task).await, Err(Exit::panic("in the task")));
}

async fn a_killed_task_is_dropped(world: World) {
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = Guard(dropped.clone());
    let (entered, inside) = oneshot::channel();
    let work = async move {
        let _guard = guard;
        let _ = entered.send(());
        std::future::pending::<u32>().await
    };
    let task = Task::spawn(&world.node, work).await.expect("it starts");
    soon(inside).await.expect("it gets there");
    task.kill();
    assert_eq!(soon(task).await, Err(Exit::Killed));
    assert!(dropped.load(Ordering::SeqCst));
}

async fn a_dropped_task_goes_on(world: World) {
    let (send, value) = oneshot::channel::<u32>();
    let (done, outcome) = oneshot::channel();
    let work = async move { drop(done.send(value.await)) };
    drop(Task::spawn(&world.node, work).await.expect("it starts"));
    send.send(3).expect("it waits");
    assert_eq!(soon(outcome).await, Ok(Ok(3)));
}

async fn a_task_is_monitored_as_any_actor(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let task = Task::spawn(&world.node, std::future::pending::<()>()).await.expect("it starts");
    let outside = watch(&task);
    let watched = proscenium_runtime::AnyRef::to_untyped(&task);
    told(
        puppet
            .tell(act(move |_, cx| {
                cx.monitor(&watched);
                Ok(())
            }))
            .await,
    );
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    task.kill();
    assert_eq!(soon(outside).await.exit, Exit::Killed);
    let Event::Down(down) = events.next().await else { panic!("it watches") };
    assert_eq!((down.exit, down.restart), (Exit::Killed, false));
}

async fn a_crash_of_a_linked_task_ends_who_started_it(world: World) {
    let (puppet, mut events) = world.puppet().await;
    told(
        puppet
            .tell(run(|_, cx: &mut Context<Puppet>| {
                Box::pin(async move {
                    let task = Task::<u32>::linked(cx, async { panic!("linked") }).await.map_err(Exit::from)?;
                    let _ = task.await;
                    std::future::pending().await
                })
            }))
            .await,
    );
    assert_eq!(soon(puppet.gone()).await, Exit::panic("linked"));
    assert_eq!(events.so_far(), [Event::Terminated(Exit::panic("linked")), Event::Dropped]);
}

async fn a_linked_task_ends_with_who_started_it(world: World) {
    let (puppet, _events) = world.puppet().await;
    let (held, dropped) = oneshot::channel::<()>();
    let (entered, inside) = oneshot::channel();
    told(
        puppet
            .tell(run(|_, cx: &mut Context<Puppet>| {
                Box::pin(async move {
                    let work = async move {
                        let _held = held;
                        let _ = entered.send(());
                        std::future::pending::<()>().await;
                    };
                    drop(Task::linked(cx, work).await.map_err(Exit::from)?);
                    Ok(())
                })
            }))
            .await,
    );
    soon(inside).await.expect("it gets there");
    puppet.kill();
    assert!(soon(dropped).await.is_err());
    let empty = async {
        while world.node.actor_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(empty).await;
}

/// Catches a link that is made after the start: a task that was done before it looks like nobody (`NoProc`).
async fn a_linked_task_that_is_done_at_once_ends_nobody(world: World) {
    let (puppet, mut events) = world.puppet().await;
    told(
        puppet
            .tell(run(|me: &mut Puppet, cx: &mut Context<Puppet>| {
                Box::pin(async move {
                    for n in 0..5_000 {
                        let task = Task::linked(cx, async move { n }).await.map_err(Exit::from)?;
                        assert_eq!(task.await, Ok(n));
                    }
                    me.log.add(Event::Note(1));
                    Ok(())
                })
            }))
            .await,
    );
    assert_eq!(events.next().await, Event::Note(1));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
}

async fn stops_and_kills_from_all_sides_end_an_actor_once(world: World) {
    struct Counted(Arc<AtomicU32>);
    impl Actor for Counted {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            tokio::task::yield_now().await;
            Ok(())
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    for round in 1..=300 {
        let actor = world.spawn(Counted(drops.clone())).await.expect("it starts");
        let down = watch(&actor);
        let ends: [fn(&Ref<Counted>); 4] = [
            |actor| actor.kill(),
            |actor| actor.exit(Exit::Shutdown),
            |actor| actor.stop().now(),
            |actor| drop(actor.tell(()).now()),
        ];
        for end in ends {
            let actor = actor.clone();
            tokio::spawn(async move { end(&actor) });
        }
        let exit = soon(actor.gone()).await;
        assert!(matches!(exit, Exit::Killed | Exit::Shutdown | Exit::Normal), "{exit}");
        assert_eq!(soon(down).await.exit, exit);
        assert_eq!(drops.load(Ordering::SeqCst), round);
    }
    assert_eq!(world.node.actor_count(), 0);
}
