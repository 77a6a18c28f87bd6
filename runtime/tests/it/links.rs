//! Links, monitors and exit signals mean what they mean in Erlang.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::sync::Arc;

use proscenium_runtime::{Actor, ActorCell, Context, Down, Ended, Exit, Mailbox, Node, Owner, Ref};
use tokio::sync::mpsc;

use crate::both_weights::soon;
use crate::doer::{BOTH, Doer, Heard, Held, Msg, Weight, ends, panics};

async fn node() -> Node {
    Node::start("links").await.expect("a runtime runs here")
}

fn boom() -> Exit {
    Exit::custom("boom")
}

fn exited(heard: Heard) -> (Option<proscenium_runtime::ActorId>, Exit) {
    match heard {
        Heard::Exited(exited) => (exited.actor, exited.exit),
        other => panic!("not an exit: {other:?}"),
    }
}

fn down(heard: Heard) -> Down {
    match heard {
        Heard::Down(down) => down,
        other => panic!("not a DOWN: {other:?}"),
    }
}

async fn linked_pair(node: &Node, weight: Weight) -> (Held, Held) {
    let (a, b) = (weight.doer(node).await, weight.doer(node).await);
    let other = b.actor.clone();
    a.does(move |cx| cx.link(&other)).await;
    (a, b)
}

/// Caught: `tell_of_end` without its loop over links.
#[tokio::test]
async fn the_end_of_either_ends_the_linked_other_with_the_same_reason() {
    let node = node().await;
    for weight in BOTH {
        for first_ends in [true, false] {
            let (a, b) = linked_pair(&node, weight).await;
            let (ending, other) = if first_ends { (a, b) } else { (b, a) };
            let watched = tokio::spawn({
                let other = other.actor.clone();
                async move { other.monitor().await }
            });
            tokio::task::yield_now().await;
            ends(&ending.actor, boom()).await;
            assert_eq!(soon(watched).await.expect("no panic").exit, boom(), "{weight:?} {first_ends}");
        }
    }
}

/// Caught: `deliver_exit` that ends the other for `Exit::Normal` too.
#[tokio::test]
async fn a_normal_end_leaves_the_linked_other_alone() {
    let node = node().await;
    for weight in BOTH {
        let (a, b) = linked_pair(&node, weight).await;
        ends(&a.actor, Exit::Normal).await;
        soon(a.actor.gone()).await;
        b.settled().await;
        assert!(b.does(|cx| cx.id()).await == b.actor.id());
        assert!(b.actor.sys().status().links.is_empty(), "{weight:?}: the link is gone with its other end");
    }
}

/// Caught: `Shutdown` treated as `Normal` in `deliver_exit`.
#[tokio::test]
async fn an_orderly_end_that_is_not_normal_ends_the_linked_other() {
    let node = node().await;
    for exit in [Exit::Shutdown, Exit::shutdown_with("done")] {
        let (a, b) = linked_pair(&node, Weight::Light).await;
        ends(&a.actor, exit.clone()).await;
        assert_eq!(soon(b.actor.gone()).await, exit);
    }
}

/// Caught: `deliver_exit` that looks at the reason before it looks at `trap_exit`.
#[tokio::test]
async fn who_traps_exits_hears_of_every_end_and_lives() {
    let node = node().await;
    for weight in BOTH {
        for exit in [Exit::Normal, Exit::Shutdown, boom(), Exit::Killed] {
            let (a, mut b) = linked_pair(&node, weight).await;
            b.does(|cx| cx.trap_exit(true)).await;
            match exit {
                Exit::Killed => a.actor.kill(),
                _ => ends(&a.actor, exit.clone()).await,
            }
            assert_eq!(exited(b.next().await), (Some(a.actor.id()), exit), "{weight:?}");
            b.settled().await;
        }
    }
}

/// Caught: `trap_exit(false)` that changes nothing.
#[tokio::test]
async fn trapping_can_be_ended_again() {
    let node = node().await;
    let (a, b) = linked_pair(&node, Weight::Light).await;
    b.does(|cx| cx.trap_exit(true)).await;
    b.does(|cx| cx.trap_exit(false)).await;
    ends(&a.actor, boom()).await;
    assert_eq!(soon(b.actor.gone()).await, boom());
}

/// Caught: a kill delivered through `deliver_exit`, as any exit signal is.
#[tokio::test]
async fn a_kill_is_not_trapped_and_links_see_killed() {
    let node = node().await;
    for weight in BOTH {
        let (mut a, mut b) = linked_pair(&node, weight).await;
        a.does(|cx| cx.trap_exit(true)).await;
        b.does(|cx| cx.trap_exit(true)).await;
        a.actor.kill();
        assert_eq!(exited(b.next().await), (Some(a.actor.id()), Exit::Killed));
        assert_eq!(a.until_the_end().await, [], "{weight:?}: no stop hook after a kill, and nothing trapped");
    }
}

/// In Erlang `exit(Pid, killed)` is a reason like any other; `exit(Pid, kill)` alone is the kill.
#[tokio::test]
async fn an_exit_signal_that_reads_killed_is_trapped() {
    let node = node().await;
    let mut a = Weight::Light.doer(&node).await;
    a.does(|cx| cx.trap_exit(true)).await;
    a.actor.exit(Exit::Killed);
    assert_eq!(exited(a.next().await), (None, Exit::Killed), "from outside of any actor");
}

/// Caught: a stop hook that is left out after exit signals.
#[tokio::test]
async fn an_untrapped_exit_signal_runs_the_stop_hook() {
    let node = node().await;
    for weight in BOTH {
        let mut a = weight.doer(&node).await;
        a.actor.exit(boom());
        assert_eq!(a.until_the_end().await, [Heard::Terminated(boom())]);
        assert_eq!(soon(a.actor.gone()).await, boom());
    }
}

/// Caught: `from` left out in `UntypedRef::exit`.
#[tokio::test]
async fn an_exit_signal_says_who_sent_it() {
    let node = node().await;
    let (a, mut b) = (Weight::Light.doer(&node).await, Weight::Ordinary.doer(&node).await);
    b.does(|cx| cx.trap_exit(true)).await;
    let target = b.actor.clone();
    a.does(move |_| target.exit(boom())).await;
    assert_eq!(exited(b.next().await), (Some(a.actor.id()), boom()));
}

/// Caught: the `from == Some(face.id)` in `deliver_exit` taken out.
#[tokio::test]
async fn a_normal_exit_signal_ends_nobody_but_oneself() {
    let node = node().await;
    let (a, b) = (Weight::Light.doer(&node).await, Weight::Light.doer(&node).await);
    let target = b.actor.clone();
    a.does(move |_| target.exit(Exit::Normal)).await;
    b.actor.exit(Exit::Normal);
    b.settled().await;
    a.does(|cx| cx.me().exit(Exit::Normal)).await;
    assert_eq!(soon(a.actor.gone()).await, Exit::Normal);
}

/// Caught: an `unlink` that does nothing.
#[tokio::test]
async fn after_unlink_neither_end_concerns_the_other() {
    let node = node().await;
    for weight in BOTH {
        for unlinker_ends in [true, false] {
            let (a, b) = linked_pair(&node, weight).await;
            let other = b.actor.clone();
            a.does(move |cx| cx.unlink(&other)).await;
            let (ending, other) = if unlinker_ends { (a, b) } else { (b, a) };
            ends(&ending.actor, boom()).await;
            soon(ending.actor.gone()).await;
            other.settled().await;
        }
    }
}

/// Caught: `tell_of_end` without its loop over links.
#[tokio::test]
async fn linking_twice_is_linking_once() {
    let node = node().await;
    let (a, mut b) = linked_pair(&node, Weight::Light).await;
    let (other, again) = (b.actor.clone(), a.actor.clone());
    a.does(move |cx| cx.link(&other)).await;
    b.does(move |cx| {
        cx.link(&again);
        cx.trap_exit(true);
    })
    .await;
    ends(&a.actor, boom()).await;
    assert_eq!(exited(b.next().await), (Some(a.actor.id()), boom()));
    b.settled().await;
    assert_eq!(b.so_far(), []);
}

/// Caught: `link` on a dead actor that does nothing.
#[tokio::test]
async fn a_link_to_a_dead_actor_is_an_exit_signal_at_once() {
    let node = node().await;
    for weight in BOTH {
        let dead = weight.doer(&node).await;
        dead.actor.kill();
        soon(dead.actor.gone()).await;

        let mut trapping = weight.doer(&node).await;
        let other = dead.actor.clone();
        trapping
            .does(move |cx| {
                cx.trap_exit(true);
                cx.link(&other);
            })
            .await;
        assert_eq!(exited(trapping.next().await), (Some(dead.actor.id()), Exit::NoProc));

        let other = dead.actor.clone();
        let plain = weight.doer(&node).await;
        plain.does(move |cx| cx.link(&other)).await;
        assert_eq!(soon(plain.actor.gone()).await, Exit::NoProc);
    }
}

/// Seen to fail before `serve` looked at the end signal before each message.
#[tokio::test]
async fn an_untrapped_exit_signal_overtakes_what_is_queued() {
    let node = node().await;
    for weight in BOTH {
        for kill in [true, false] {
            let mut a = weight.doer(&node).await;
            let me = a.actor.clone();
            // The runtime has one thread: all of this is queued before the first is handled.
            let work = move |_: &mut Context<Doer>| {
                if kill {
                    me.kill();
                } else {
                    me.exit(boom());
                }
                Ok(())
            };
            a.actor.tell(Msg::Do(Box::new(work))).now().expect("there is room");
            for number in 0..10 {
                a.actor.tell(Msg::Note(number)).now().expect("there is room");
            }
            let heard = a.until_the_end().await;
            let notes = heard.iter().filter(|heard| matches!(heard, Heard::Note(_))).count();
            assert_eq!(notes, 0, "{weight:?} kill {kill}: handled after the signal that ends it");
        }
    }
}

/// Caught: `watch` that drops the watcher of a dead actor.
#[tokio::test]
async fn a_monitor_on_a_dead_actor_fires_at_once() {
    let node = node().await;
    for weight in BOTH {
        let dead = weight.doer(&node).await;
        dead.actor.kill();
        soon(dead.actor.gone()).await;
        let mut a = weight.doer(&node).await;
        let other = dead.actor.clone();
        let monitor = a.does(move |cx| cx.monitor(&other)).await;
        let down = down(a.next().await);
        assert_eq!((down.monitor, down.actor, down.exit), (monitor, dead.actor.id(), Exit::NoProc));
        assert!(!down.restart, "it is gone for good");
        assert_eq!(soon(dead.actor.monitor()).await.exit, Exit::NoProc, "from outside as well");
    }
}

/// Caught: DOWN signalled with `Exit::Normal` whatever the reason.
#[tokio::test]
async fn a_monitor_fires_once_with_the_reason_and_harms_nobody() {
    let node = node().await;
    for weight in BOTH {
        for exit in [Exit::Normal, boom(), Exit::Killed] {
            let (mut a, b) = (weight.doer(&node).await, weight.doer(&node).await);
            let other = b.actor.clone();
            let monitor = a.does(move |cx| cx.monitor(&other)).await;
            match exit {
                Exit::Killed => b.actor.kill(),
                _ => ends(&b.actor, exit.clone()).await,
            }
            let down = down(a.next().await);
            assert_eq!((down.monitor, down.actor, down.exit, down.restart), (monitor, b.actor.id(), exit, false));
            a.settled().await;
            assert_eq!(a.so_far(), []);
        }
    }
}

/// Caught: monitors keyed by the watched actor.
#[tokio::test]
async fn several_monitors_on_one_actor_fire_each() {
    let node = node().await;
    for weight in BOTH {
        let (mut a, b) = (weight.doer(&node).await, weight.doer(&node).await);
        let other = b.actor.clone();
        let made = a.does(move |cx| (0..3).map(|_| cx.monitor(&other)).collect::<Vec<_>>()).await;
        let kept = [made[0], made[2]];
        assert!(a.does(move |cx| cx.demonitor(made[1])).await);
        b.actor.kill();
        let fired = [down(a.next().await).monitor, down(a.next().await).monitor];
        assert_eq!(fired, kept);
        a.settled().await;
        assert_eq!(a.so_far(), []);
    }
}

/// Caught: `demonitor` that leaves `watching` as it is.
#[tokio::test]
async fn demonitor_flushes_a_down_that_is_queued_already() {
    let node = node().await;
    for weight in BOTH {
        let (mut a, b) = (weight.doer(&node).await, weight.doer(&node).await);
        let other = b.actor.clone();
        let monitor = a.does(move |cx| cx.monitor(&other)).await;
        // The handler awaits the end of `b`, so that the DOWN lies in the mailbox when it goes on.
        let (tell, told) = tokio::sync::oneshot::channel();
        let waits = a.awaits(async move { told.await.expect("told") }).await;
        let demonitored = a.actor.tell(Msg::Do(Box::new(move |cx| {
            assert!(cx.demonitor(monitor), "it has not fired");
            assert!(!cx.demonitor(monitor), "it is used up");
            Ok(())
        })));
        demonitored.await.expect("there is room");
        b.actor.kill();
        soon(b.actor.gone()).await;
        tell.send(()).expect("the handler waits");
        soon(waits).await.expect("done");
        a.settled().await;
        assert_eq!(a.so_far(), [], "{weight:?}");
    }
}

/// Caught: `demonitor` that says `true` whatever it finds.
#[tokio::test]
async fn demonitor_is_too_late_once_the_down_was_handled() {
    let node = node().await;
    let (mut a, b) = (Weight::Light.doer(&node).await, Weight::Light.doer(&node).await);
    let other = b.actor.clone();
    let monitor = a.does(move |cx| cx.monitor(&other)).await;
    b.actor.kill();
    down(a.next().await);
    assert!(!a.does(move |cx| cx.demonitor(monitor)).await);
}

/// Caught: signals put in front of the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_and_exit_come_after_all_that_the_dead_had_sent() {
    const SENT: u32 = 200;
    let node = node().await;
    for weight in BOTH {
        for round in 0..20 {
            let mut a = weight.doer_with(&node, Mailbox::bounded(8)).await;
            let (b, target) = (weight.doer(&node).await, a.actor.clone());
            let (other, linked) = (b.actor.clone(), round % 2 == 0);
            a.does(move |cx| {
                cx.trap_exit(true);
                if linked {
                    cx.link(&other);
                } else {
                    cx.monitor(&other);
                }
            })
            .await;
            let work = async move {
                for number in 0..SENT {
                    target.tell(Msg::Note(number)).await.expect("it lives");
                }
                Err(boom())
            };
            b.actor.tell(Msg::Wait(Box::pin(work))).await.expect("it lives");
            for number in 0..SENT {
                assert_eq!(a.next().await, Heard::Note(number), "{weight:?} round {round}");
            }
            match a.next().await {
                Heard::Down(down) => assert!(!linked && down.exit == boom()),
                Heard::Exited(exited) => assert!(linked && exited.exit == boom()),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Caught: signals that need room at the bound.
#[tokio::test]
async fn signals_need_no_room_in_a_full_mailbox() {
    let node = node().await;
    let mut a = Weight::Light.doer_with(&node, Mailbox::bounded(1)).await;
    let (b, c) = (Weight::Light.doer(&node).await, Weight::Light.doer(&node).await);
    let (watched, linked) = (b.actor.clone(), c.actor.clone());
    a.does(move |cx| {
        cx.trap_exit(true);
        cx.monitor(&watched);
        cx.link(&linked);
    })
    .await;
    a.actor.sys().suspend().expect("it lives");
    a.actor.tell(Msg::Note(1)).await.expect("there is room");
    a.actor.tell(Msg::Note(2)).now().expect_err("it is full");
    b.actor.kill();
    soon(b.actor.gone()).await;
    c.actor.kill();
    soon(c.actor.gone()).await;
    a.actor.sys().resume().expect("it lives");
    assert_eq!(a.next().await, Heard::Note(1));
    assert_eq!(down(a.next().await).actor, b.actor.id());
    assert_eq!(exited(a.next().await).0, Some(c.actor.id()));
}

// ---- restarts ----

struct Keeper(mpsc::UnboundedSender<Ended>);

impl Owner for Keeper {
    fn restarts(&self, _tag: u64, exit: &Exit) -> bool {
        !exit.is_orderly()
    }

    fn exited(&self, ended: Ended) {
        let _ = self.0.send(ended);
    }
}

struct Kept {
    cell: ActorCell<Doer>,
    tell: mpsc::UnboundedSender<Heard>,
    ended: mpsc::UnboundedReceiver<Ended>,
    held: Held,
}

impl Kept {
    async fn start(node: &Node, weight: Weight) -> Kept {
        let (exited, ended) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::unbounded_channel();
        let cell = match weight {
            Weight::Ordinary => ActorCell::ordinary(node, Mailbox::DEFAULT, Arc::new(Keeper(exited))),
            Weight::Light => ActorCell::light(node, Mailbox::DEFAULT, Arc::new(Keeper(exited))),
        }
        .expect("the node runs");
        let held = Held { actor: cell.reference(), heard };
        let kept = Kept { cell, tell, ended, held };
        kept.again().await;
        kept
    }

    async fn again(&self) {
        self.cell.start(Doer::telling(self.tell.clone())).await.expect("it starts");
    }

    async fn crash(&mut self) -> Ended {
        self.held.actor.tell(panics("boom")).await.expect("it lives");
        soon(self.ended.recv()).await.expect("its owner hears of it")
    }
}

/// Caught: `tell_of_end` without its loop over links; DOWN with `Exit::Normal` whatever the reason.
#[tokio::test]
async fn links_and_monitors_watch_the_incarnation() {
    let node = node().await;
    for weight in BOTH {
        let mut kept = Kept::start(&node, weight).await;
        let mut a = weight.doer(&node).await;
        let target = kept.held.actor.clone();
        let monitor = a
            .does(move |cx| {
                cx.trap_exit(true);
                cx.link(&target);
                cx.monitor(&target)
            })
            .await;
        assert_eq!(kept.crash().await.incarnation, 1);
        let heard = [a.next().await, a.next().await];
        let fired = heard.iter().find_map(|heard| if let Heard::Down(down) = heard { Some(down) } else { None });
        let fired = fired.expect("a DOWN");
        assert_eq!((fired.monitor, &fired.exit, fired.restart), (monitor, &Exit::panic("boom"), true));
        assert!(heard.iter().any(|heard| matches!(heard, Heard::Exited(exited) if exited.exit == Exit::panic("boom"))));

        kept.again().await;
        assert_eq!(kept.crash().await.incarnation, 2);
        a.settled().await;
        assert_eq!(a.so_far(), [], "{weight:?}: the second incarnation was neither linked nor monitored");
        drop(kept);
    }
}

/// Caught: `restart` that is true for every kept actor.
#[tokio::test]
async fn a_down_says_whether_a_restart_follows() {
    let node = node().await;
    for (exit, restart) in [(Exit::Normal, false), (Exit::Shutdown, false), (boom(), true)] {
        let kept = Kept::start(&node, Weight::Light).await;
        let mut a = Weight::Light.doer(&node).await;
        let target = kept.held.actor.clone();
        a.does(move |cx| cx.monitor(&target)).await;
        ends(&kept.held.actor, exit.clone()).await;
        let down = down(a.next().await);
        assert_eq!((down.exit, down.restart), (exit, restart));
    }
}

/// Caught: signals handled whatever their incarnation; `trap_exit` kept over the restart.
#[tokio::test]
async fn a_restarted_actor_is_not_told_what_its_predecessor_asked_for() {
    let node = node().await;
    for weight in BOTH {
        let mut kept = Kept::start(&node, weight).await;
        let b = weight.doer(&node).await;
        let c = weight.doer(&node).await;
        let (watched, linked) = (b.actor.clone(), c.actor.clone());
        kept.held
            .does(move |cx| {
                cx.trap_exit(true);
                cx.monitor(&watched);
                cx.link(&linked);
            })
            .await;
        c.does(|cx| cx.trap_exit(true)).await;
        // Both signals lie in the mailbox when the incarnation ends.
        kept.held.actor.sys().suspend().expect("it lives");
        for ending in [&b.actor, &c.actor] {
            ending.kill();
            soon(ending.gone()).await;
        }
        kept.held.actor.exit(Exit::Normal); // Trapped: a third one.
        kept.cell.kill();
        soon(kept.ended.recv()).await.expect("its owner hears of it");
        kept.again().await;
        kept.held.settled().await;
        assert_eq!(kept.held.so_far(), [Heard::Dropped], "{weight:?}: only the end of the first state");
        let trapping = kept.held.does(|cx| {
            cx.me().exit(Exit::custom("untrapped"));
        });
        trapping.await;
        assert_eq!(soon(kept.ended.recv()).await.expect("heard").exit, Exit::custom("untrapped"), "trap_exit is reset");
    }
}

/// Caught: `tell_of_end` that leaves the ended watcher in the tables of whom it watched.
#[tokio::test]
async fn the_end_of_a_watcher_takes_its_monitors_and_links_with_it() {
    let node = node().await;
    let (a, b) = (Weight::Light.doer(&node).await, Weight::Light.doer(&node).await);
    let other = b.actor.clone();
    a.does(move |cx| {
        cx.monitor(&other);
        cx.link(&other);
    })
    .await;
    let status = b.actor.sys().status();
    assert_eq!((status.watchers, status.links), (1, vec![a.actor.id()]));
    ends(&a.actor, Exit::Normal).await;
    soon(a.actor.gone()).await;
    b.settled().await;
    let status = b.actor.sys().status();
    assert_eq!((status.watchers, status.links), (0, vec![]));
}

/// A kill that comes while the stop hook runs cuts it off; an exit signal does not. Caught: `heeds_exit` ignored.
#[tokio::test]
async fn a_stop_hook_is_cut_off_by_a_kill_alone() {
    struct Hooked {
        at_the_hook: Option<tokio::sync::oneshot::Sender<()>>,
        go_on: Option<tokio::sync::oneshot::Receiver<()>>,
    }

    impl Actor for Hooked {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Err(boom())
        }

        async fn terminate(&mut self, _: &mut Context<Self>, _: &Exit) {
            if let (Some(at_the_hook), Some(go_on)) = (self.at_the_hook.take(), self.go_on.take()) {
                let _ = at_the_hook.send(());
                let _ = go_on.await;
            }
        }
    }

    let node = node().await;
    for weight in BOTH {
        for kill in [true, false] {
            let (at_the_hook, reached) = tokio::sync::oneshot::channel();
            let (go, go_on) = tokio::sync::oneshot::channel();
            let hooked = Hooked { at_the_hook: Some(at_the_hook), go_on: Some(go_on) };
            let actor = weight.spawn(&node, hooked).await.expect("it starts");
            actor.tell(()).await.expect("it lives");
            soon(reached).await.expect("the hook runs");
            actor.exit(Exit::custom("again"));
            if kill {
                actor.kill();
            } else {
                tokio::task::yield_now().await;
                go.send(()).expect("the hook was not cut off by an exit signal");
            }
            let want = if kill { Exit::Killed } else { boom() };
            assert_eq!(soon(actor.gone()).await, want, "{weight:?} kill {kill}");
        }
    }
}
