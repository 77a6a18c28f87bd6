//! Goal: what happens while something else is under way, and what comes too late. Method: real actors; an end is awaited by
//! a monitor, an order of messages is made by suspending who takes them, and gates hold what is to be under way. Each test
//! runs under a paused clock and on a runtime with threads, but those that need one of the two.

mod foreign;
mod racer;
mod storms;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Heard, Listener, Node, Ref, Reply};
use proscenium_supervision::{
    ChildSpec, Happened, Quarantine, Restart, Shutdown, Start, State, Supervisor, SupervisorError, SupervisorRef,
    SupervisorReport,
};

use crate::children::{Child, Do, Log, node, settled, until, watched};
use racer::{At, Does, Gate, Plan, Say, asked};

const SECOND: Duration = Duration::from_secs(1);

macro_rules! on_both_runtimes {
    ($($name:ident,)*) => {
        mod paused {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name().await;
            })*
        }
        mod threads {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name().await;
            })*
        }
    };
}

on_both_runtimes!(
    an_exit_that_a_supervisor_did_not_come_to_is_not_held_against_the_next_one_s_child,
    a_restart_child_that_fails_leaves_nothing_to_wait_for,
    an_exit_that_waits_is_the_answer_to_a_stop,
    an_exit_before_the_request_is_a_restart_that_is_stopped,
    two_exits_that_wait_are_one_round,
    a_child_may_end_otherwise_while_it_is_stopped,
    a_sibling_s_exit_waits_for_the_start_under_way,
    a_child_that_ends_before_it_is_ready_did_not_start,
    a_child_that_is_killed_in_its_init_did_not_start,
    a_start_that_is_given_up_leaves_nothing,
    a_supervisor_that_is_killed_while_it_starts_leaves_nothing,
    a_supervisor_that_is_killed_while_it_stops_a_child_leaves_nothing,
    a_parent_s_end_waits_for_the_start_under_way,
    a_parent_s_end_waits_for_the_stop_under_way,
    a_parent_that_is_killed_while_it_starts_a_supervisor_takes_it_along,
    a_panic_is_the_child_s_own_wherever_it_is,
    the_end_of_who_is_no_parent_is_nothing,
    who_is_in_quarantine_is_not_alive,
    who_means_a_process_that_was_replaced_stops_nobody,
    a_start_that_takes_too_long_is_gone_before_the_next,
);

fn boom() -> Exit {
    Exit::custom("boom")
}

fn once(supervisor: Supervisor) -> Supervisor {
    supervisor.intensity(100, SECOND)
}

async fn state(supervisor: &SupervisorRef, id: &str) -> (State, bool) {
    let children = supervisor.which_children().await.expect("it lives");
    let line = children.into_iter().find(|line| line.id.as_str() == id).expect("it is there");
    (line.state, line.is_alive)
}

/// How it ends.
async fn ends(plan: &Plan, say: Say) -> Exit {
    let end = watched(plan.me().untyped()).await;
    plan.me().tell(say).await.expect("there is room");
    end.await
}

async fn crash(plan: &Plan) {
    assert_eq!(ends(plan, Say::Exit(boom())).await, boom());
}

/// Who monitors a child may hear of its end before the supervisor does: so many messages wait for that.
async fn waiting(supervisor: &SupervisorRef, messages: usize) {
    until(async || supervisor.sys().status().queued == messages).await;
}

async fn gone(node: &Node, plans: &[&Plan]) {
    until(async || node.actor_count() == 0 && plans.iter().all(|plan| plan.alive() == 0)).await;
}

fn blocks() -> (Does, std::sync::mpsc::Sender<()>) {
    let (let_go, until) = std::sync::mpsc::channel();
    (Does::Blocks(Arc::new(Mutex::new(until))), let_go)
}

/// The second exit waits in the mailbox, which the next incarnation of the supervisor has, too, and its children have the
/// same places and starts.
async fn an_exit_that_a_supervisor_did_not_come_to_is_not_held_against_the_next_one_s_child() {
    let node = node().await;
    let log = Log::default();
    let (x, y) = (Child::new("x", &log), Child::new("y", &log));
    let below = move || Supervisor::one_for_one().intensity(0, SECOND).child(x.spec()).child(y.spec());
    let top = Supervisor::one_for_one().intensity(9, SECOND).child(ChildSpec::supervisor("below", below));
    let top = top.start(&node).await.expect("they start");
    let below = top.supervisor("below").await.expect("it runs");
    let down = watched(below.untyped()).await;
    let x = below.child::<Child>("x").await.expect("it runs");
    let y = below.child::<Child>("y").await.expect("it runs");
    below.sys().suspend().expect("it runs");
    for child in [x, y] {
        let end = watched(child.untyped()).await;
        child.tell(Do::Exit(boom())).await.expect("there is room");
        end.await;
    }
    waiting(&below, 2).await;
    below.sys().resume().expect("it runs");
    assert_eq!(down.await, Exit::Shutdown);
    settled(&top).await;
    settled(&below).await;
    let line = &top.which_children().await.expect("it lives")[0];
    assert_eq!((line.state, line.is_alive), (State::Running(2), true));
    assert_eq!(log.take(), ["start x", "start y", "stop x boom", "stop y boom", "start x", "start y"]);
}

async fn a_restart_child_that_fails_leaves_nothing_to_wait_for() {
    let node = node().await;
    let log = Log::default();
    let a = Child::new("a", &log);
    let spec = ChildSpec::new("a", {
        let a = a.clone();
        move || a.clone()
    });
    let supervisor = Supervisor::one_for_one().child(spec.named("a")).start(&node).await.expect("it starts");
    supervisor.terminate_child("a").await.expect("it stops");
    a.fate(Err(boom()));
    assert!(matches!(supervisor.restart_child("a").await, Err(SupervisorError::Start(_))));
    assert_eq!(node.actor_count(), 1, "the supervisor");
    assert!(node.lookup("a").is_none());
    assert!(matches!(supervisor.child::<Child>("a").await, Err(SupervisorError::NotFound)));
    supervisor.restart_child("a").await.expect("it starts");
    assert_eq!(node.actor_count(), 2);
}

/// `terminate_child`, then the exit, then the supervisor takes both.
async fn an_exit_that_waits_is_the_answer_to_a_stop() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log);
    let supervisor = once(Supervisor::one_for_one()).child(a.spec()).start(&node).await.expect("it starts");
    let mut reports = SupervisorReport::topic(&node).listen();
    supervisor.sys().suspend().expect("it runs");
    let request = asked(supervisor.terminate_child("a")).await;
    crash(&a).await;
    supervisor.sys().resume().expect("it runs");
    request.await.expect("it stops");
    settled(&supervisor).await;
    assert_eq!(state(&supervisor, "a").await, (State::Down, false), "its exit is no reason to restart it");
    assert_eq!(log.take(), ["init a 1", "start a 1", "stop a 1 boom", "drop a 1"]);
    assert_eq!(told(&mut reports).await, Happened::Stopped { child: "a".into(), exit: boom() });
    let shown = supervisor.sys().state().await.expect("it lives");
    assert_eq!(shown.as_deref(), Some("one_for_one: 1 children, 0 places, 0 ends under way"));
}

async fn told(reports: &mut Listener<SupervisorReport>) -> Happened {
    let Some(Heard::Message(report)) = reports.next().await else { panic!("none was lost") };
    report.what
}

/// The exit, then `terminate_child`, then the supervisor takes both.
async fn an_exit_before_the_request_is_a_restart_that_is_stopped() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log);
    let supervisor = once(Supervisor::one_for_one()).child(a.spec()).start(&node).await.expect("it starts");
    supervisor.sys().suspend().expect("it runs");
    crash(&a).await;
    waiting(&supervisor, 1).await;
    let request = asked(supervisor.terminate_child("a")).await;
    supervisor.sys().resume().expect("it runs");
    request.await.expect("it stops");
    assert_eq!(state(&supervisor, "a").await, (State::Down, false));
    let first = ["init a 1", "start a 1", "stop a 1 boom", "drop a 1"];
    assert_eq!(log.take(), [&first[..], &["init a 2", "start a 2", "stop a 2 shutdown", "drop a 2"]].concat());
}

async fn two_exits_that_wait_are_one_round() {
    for (supervisor, starts) in [(Supervisor::one_for_all(), 2), (Supervisor::rest_for_one(), 2)] {
        let (node, log) = (node().await, Log::default());
        let (a, b) = (Plan::new("a", &log), Plan::new("b", &log));
        let supervisor = supervisor.child(a.spec()).child(b.spec()).start(&node).await.expect("they start");
        supervisor.sys().suspend().expect("it runs");
        for (ended, plan) in [&a, &b].into_iter().enumerate() {
            crash(plan).await;
            waiting(&supervisor, ended + 1).await;
        }
        supervisor.sys().resume().expect("it runs");
        settled(&supervisor).await; // With an intensity of one, a second round would have ended it.
        for id in ["a", "b"] {
            assert_eq!(state(&supervisor, id).await, (State::Running(starts), true));
        }
    }
}

async fn a_child_may_end_otherwise_while_it_is_stopped() {
    for how in ["in time", "killed", "panics"] {
        let (node, log, gate) = (node().await, Log::default(), Gate::closed());
        let does = if how == "panics" { Does::Panic } else { Does::Waits(gate.clone()) };
        let a = Plan::new("a", &log).on(1, At::Stop, does);
        let spec = a.spec().shutdown(Shutdown::Infinity);
        let supervisor = once(Supervisor::one_for_one()).child(spec).start(&node).await.expect("it starts");
        let mut reports = SupervisorReport::topic(&node).listen();
        let request = asked(supervisor.terminate_child("a")).await;
        log.shows("stop a 1 shutdown").await;
        match how {
            "in time" => gate.open(),
            "killed" => a.me().kill(),
            _ => {}
        }
        request.await.expect("it stops");
        assert_eq!(state(&supervisor, "a").await, (State::Down, false), "{how}");
        settled(&supervisor).await;
        let handled = supervisor.sys().status().handled;
        assert!(handled <= 3, "{how}: three were requests, and the end that it waited for is no message: {handled}");
        let Happened::Stopped { exit, .. } = told(&mut reports).await else { panic!("{how}: another report") };
        match how {
            "in time" => assert_eq!(exit, Exit::Shutdown),
            "killed" => assert_eq!(exit, Exit::Killed),
            _ => assert!(matches!(exit, Exit::Panic(_)), "{exit:?}"),
        }
        assert_eq!((node.actor_count(), a.alive()), (1, 0), "{how}");
    }
}

async fn a_sibling_s_exit_waits_for_the_start_under_way() {
    let alone = vec!["start b 1", "init a 2", "start a 2"];
    let together = vec!["start b 1", "stop b 1 shutdown", "drop b 1", "init a 2", "start a 2", "init b 2", "start b 2"];
    for (supervisor, want) in [(Supervisor::one_for_one(), alone), (Supervisor::one_for_all(), together)] {
        let (node, log, gate) = (node().await, Log::default(), Gate::closed());
        let (a, b) = (Plan::new("a", &log), Plan::new("b", &log).on(1, At::Init, Does::Waits(gate.clone())));
        let supervisor = once(supervisor).child(a.spec()).start(&node).await.expect("it starts");
        let request = asked(supervisor.start_child(b.spec())).await;
        log.shows("init b 1").await;
        crash(&a).await;
        waiting(&supervisor, 1).await;
        drop(log.take());
        gate.open();
        request.await.expect("it starts");
        settled(&supervisor).await;
        assert_eq!(log.take(), want);
    }
}

async fn a_child_that_ends_before_it_is_ready_did_not_start() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let a = Plan::new("a", &log);
    let spec = || {
        let gate = gate.clone();
        a.spec().ready_when(move |_| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                Ok(())
            }
        })
    };
    let supervisor = once(Supervisor::one_for_one()).start(&node).await.expect("it starts");
    let request = asked(supervisor.start_child(spec())).await;
    log.shows("start a 1").await;
    crash(&a).await;
    assert!(matches!(request.await, Err(SupervisorError::Start(exit)) if exit == boom()));
    assert!(supervisor.which_children().await.expect("it lives").is_empty(), "it leaves no spec");
    gate.open();
    supervisor.start_child(spec()).await.expect("it starts");
    supervisor.terminate_child("a").await.expect("it stops");
    assert_eq!(a.alive(), 0);
    settled(&supervisor).await;
    let shown = supervisor.sys().state().await.expect("it lives");
    assert_eq!(shown.as_deref(), Some("one_for_one: 1 children, 0 places, 0 ends under way"));
}

async fn a_child_that_is_killed_in_its_init_did_not_start() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let waits = || Does::Waits(gate.clone());
    let a = Plan::new("a", &log).on(1, At::Init, waits()).on(3, At::Init, waits()).on(4, At::Init, waits());
    let supervisor = once(Supervisor::one_for_one()).start(&node).await.expect("it starts");
    let request = asked(supervisor.start_child(a.spec())).await;
    log.shows("init a 1").await;
    a.me().kill();
    assert!(matches!(request.await, Err(SupervisorError::Start(Exit::Killed))));
    assert_eq!((node.actor_count(), a.alive()), (1, 0), "nothing is left of it");
    supervisor.start_child(a.spec()).await.expect("the second one starts");
    supervisor.terminate_child("a").await.expect("it stops");
    let request = asked(supervisor.restart_child("a")).await;
    log.shows("init a 3").await;
    a.me().kill();
    assert!(matches!(request.await, Err(SupervisorError::Start(Exit::Killed))));
    assert_eq!(state(&supervisor, "a").await, (State::Down, false));
    let request = asked(supervisor.restart_child("a")).await;
    log.shows("init a 4").await;
    let late = asked(supervisor.terminate_child("a")).await;
    gate.open();
    request.await.expect("the fourth one starts");
    late.await.expect("it stops");
    assert_eq!(state(&supervisor, "a").await, (State::Down, false));
    assert_eq!((node.actor_count(), a.alive()), (1, 0));
}

/// `a` runs, `b` does not come through its init: in a supervisor below another.
fn stuck(a: &Plan, b: &Plan) -> ChildSpec<impl Start + use<>> {
    let (a, b) = (a.clone(), b.clone());
    ChildSpec::supervisor("below", move || Supervisor::one_for_all().child(a.spec()).child(b.spec()))
}

async fn a_start_that_is_given_up_leaves_nothing() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let (a, b) = (Plan::new("a", &log), Plan::new("b", &log).on(1, At::Init, Does::Waits(gate)));
    let start = asked(Supervisor::one_for_one().child(stuck(&a, &b)).start(&node)).await;
    let shown = async { log.shows("init b 1").await };
    tokio::select! {
        _ = start => panic!("it waits at a gate"),
        () = shown => {}
    }
    gone(&node, &[&a, &b]).await;
}

async fn a_supervisor_that_is_killed_while_it_starts_leaves_nothing() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let (a, b) = (Plan::new("a", &log), Plan::new("b", &log).on(1, At::Init, Does::Waits(gate)));
    let supervisor = Supervisor::one_for_one().start(&node).await.expect("it starts");
    let request = asked(supervisor.start_child(stuck(&a, &b))).await;
    log.shows("init b 1").await;
    supervisor.kill();
    assert!(matches!(request.await, Err(SupervisorError::Gone(_))));
    gone(&node, &[&a, &b]).await;
}

async fn a_supervisor_that_is_killed_while_it_stops_a_child_leaves_nothing() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let (a, b) = (Plan::new("a", &log), Plan::new("b", &log).on(1, At::Stop, Does::Waits(gate)));
    let spec = stuck(&a, &b).shutdown(Shutdown::Infinity);
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("they start");
    let request = asked(supervisor.terminate_child("below")).await;
    log.shows("stop b 1 shutdown").await;
    supervisor.kill();
    assert!(matches!(request.await, Err(SupervisorError::Gone(_))));
    gone(&node, &[&a, &b]).await;
    assert!(!log.take().contains(&"stop a 1 shutdown".to_owned()), "it was not asked any more");
}

/// Starts a supervisor linked with itself.
struct Boss(Plan);

enum Order {
    Start(Reply<SupervisorRef>),
    Link(SupervisorRef),
    End(Exit),
}

impl Actor for Boss {
    type Msg = Order;
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, order: Order) -> Result<(), Exit> {
        match order {
            Order::Start(reply) => {
                let supervisor = Supervisor::one_for_one().child(self.0.spec()).start_link(cx).await;
                reply.send(supervisor.map_err(|error| Exit::custom(error.to_string()))?);
                Ok(())
            }
            Order::Link(supervisor) => {
                cx.link(&supervisor);
                Ok(())
            }
            Order::End(exit) => Err(exit),
        }
    }
}

async fn a_parent_s_end_waits_for_the_start_under_way() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let (a, b) = (Plan::new("a", &log), Plan::new("b", &log).on(1, At::Init, Does::Waits(gate.clone())));
    let boss = node.spawn(Boss(a.clone())).await.expect("it starts");
    let supervisor = boss.call(Order::Start).await.expect("it starts");
    let down = watched(supervisor.untyped()).await;
    let boss_down = watched(boss.untyped()).await;
    let request = asked(supervisor.start_child(b.spec())).await;
    log.shows("init b 1").await;
    boss.tell(Order::End(boom())).await.expect("there is room");
    assert_eq!(boss_down.await, boom());
    gate.open();
    request.await.expect("it starts first");
    assert_eq!(down.await, boom(), "with its parent's reason");
    let lines = log.take();
    let stops: Vec<_> = lines.iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop b 1 shutdown", "stop a 1 shutdown"]);
    gone(&node, &[&a, &b]).await;
}

async fn a_parent_s_end_waits_for_the_stop_under_way() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let a = Plan::new("a", &log).on(1, At::Stop, Does::Waits(gate.clone()));
    let boss = node.spawn(Boss(a.clone())).await.expect("it starts");
    let supervisor = boss.call(Order::Start).await.expect("it starts");
    let down = watched(supervisor.untyped()).await;
    let boss_down = watched(boss.untyped()).await;
    let request = asked(supervisor.terminate_child("a")).await;
    log.shows("stop a 1 shutdown").await;
    boss.tell(Order::End(boom())).await.expect("there is room");
    assert_eq!(boss_down.await, boom());
    gate.open();
    request.await.expect("it stops first");
    assert_eq!(down.await, boom(), "with its parent's reason");
    assert_eq!(log.take(), ["init a 1", "start a 1", "stop a 1 shutdown", "drop a 1"], "once");
    gone(&node, &[&a]).await;
}

async fn the_end_of_who_is_no_parent_is_nothing() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log);
    let supervisor = Supervisor::one_for_one().child(a.spec()).start(&node).await.expect("it starts");
    let stranger = node.spawn(Boss(a.clone())).await.expect("it starts");
    let end = watched(stranger.untyped()).await;
    stranger.tell(Order::Link(supervisor.clone())).await.expect("there is room");
    stranger.tell(Order::End(boom())).await.expect("there is room");
    assert_eq!(end.await, boom());
    supervisor.exit(boom()); // From nobody.
    until(async || supervisor.sys().status().links.is_empty()).await;
    assert_eq!(state(&supervisor, "a").await, (State::Running(1), true));
    settled(&supervisor).await;
}

async fn who_is_in_quarantine_is_not_alive() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log);
    let spec = a.spec().quarantine(Quarantine::after(0, SECOND));
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    crash(&a).await;
    until(async || state(&supervisor, "a").await == (State::Quarantined, false)).await;
    assert_eq!(supervisor.count_children().await.expect("it lives").active, 0);
}

async fn a_parent_that_is_killed_while_it_starts_a_supervisor_takes_it_along() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let a = Plan::new("a", &log).on(1, At::Init, Does::Waits(gate));
    let boss = node.spawn(Boss(a.clone())).await.expect("it starts");
    let call = asked(boss.call(Order::Start)).await;
    log.shows("init a 1").await;
    boss.kill();
    assert!(call.await.is_err());
    gone(&node, &[&a]).await;
}

async fn a_panic_is_the_child_s_own_wherever_it_is() {
    for at in [At::Make, At::Init, At::Stop, At::Drop] {
        let (node, log) = (node().await, Log::default());
        let (mut a, b) = (Plan::new("a", &log), Plan::new("b", &log));
        // Every second incarnation of the first six.
        for nth in [2, 4, 6] {
            a = a.on(nth, at, Does::Panic);
        }
        let supervisor = Supervisor::one_for_one().intensity(100, SECOND).child(a.spec()).child(b.spec());
        let supervisor = supervisor.start(&node).await.expect("the first ones start");
        for _ in 0..3 {
            // By itself, and as a message that is too much for it.
            crash(&a).await;
            until(async || state(&supervisor, "a").await.1).await;
            assert!(matches!(ends(&a, Say::Panic).await, Exit::Panic(_)));
            until(async || state(&supervisor, "a").await.1).await;
        }
        supervisor.terminate_child("a").await.expect("it stops");
        assert_eq!(state(&supervisor, "b").await, (State::Running(1), true), "{at:?}");
        assert_eq!((node.actor_count(), a.alive(), b.alive()), (2, 0, 1), "{at:?}");
        let (d, e) = (Plan::new("d", &log).on(1, at, Does::Panic), Plan::new("e", &log));
        match (at, supervisor.start_child(d.spec()).await) {
            (At::Make | At::Init, Err(SupervisorError::Start(Exit::Panic(_)))) => {}
            (At::Stop | At::Drop, Ok(_)) => supervisor.terminate_child("d").await.expect("it stops"),
            (_, other) => panic!("{at:?}: {other:?}"),
        }
        supervisor.start_child(e.spec()).await.expect("it starts");
        supervisor.stop().await.expect("it stops");
        gone(&node, &[&a, &b, &d, &e]).await;
    }
}

async fn who_means_a_process_that_was_replaced_stops_nobody() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log);
    let supervisor = once(Supervisor::simple_one_for_one(a.spec())).start(&node).await.expect("it starts");
    supervisor.start_dynamic(None).await.expect("it starts");
    let place = supervisor.which_children().await.expect("it lives")[0].place;
    supervisor.sys().suspend().expect("it runs");
    crash(&a).await;
    waiting(&supervisor, 1).await;
    let late = asked(supervisor.terminate_process(place, 1)).await;
    supervisor.sys().resume().expect("it runs");
    late.await.expect("the one that is meant is gone");
    assert_eq!(state(&supervisor, "a").await, (State::Running(2), true));
    supervisor.terminate_process(place, 2).await.expect("it stops");
    assert!(supervisor.which_children().await.expect("it lives").is_empty());
    assert_eq!(a.alive(), 0);
}

/// The next start finds its names free.
async fn a_start_that_takes_too_long_is_gone_before_the_next() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let a = Plan::new("a", &log);
    let b = Plan::new("b", &log).on(2, At::Init, Does::Waits(gate));
    let below = {
        let (a, b) = (a.clone(), b.clone());
        let top = Supervisor::one_for_one().intensity(0, SECOND);
        ChildSpec::supervisor("below", move || top.clone().child(a.spec().named("a")).child(b.spec()))
    };
    let below = below.start_within(Duration::from_millis(50));
    let supervisor = Supervisor::one_for_one().intensity(2, 60 * SECOND).child(below).start(&node).await;
    let supervisor = supervisor.expect("they start");
    crash(&b).await;
    until(async || state(&supervisor, "below").await == (State::Running(3), true)).await;
    assert_eq!(node.actor_count(), 4);
    until(async || (a.alive(), b.alive()) == (1, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn infinity_is_as_long_as_it_takes() {
    let (node, log, gate) = (node().await, Log::default(), Gate::closed());
    let a = Plan::new("a", &log).on(1, At::Stop, Does::Waits(gate.clone()));
    let spec = a.spec().shutdown(Shutdown::Infinity);
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let mut reports = SupervisorReport::topic(&node).listen();
    let request = asked(supervisor.terminate_child("a")).await;
    log.shows("stop a 1 shutdown").await;
    tokio::time::advance(10 * 3_600 * SECOND).await;
    assert_eq!(a.alive(), 1);
    gate.open();
    request.await.expect("it stops");
    assert_eq!(told(&mut reports).await, Happened::Stopped { child: "a".into(), exit: Exit::Shutdown });
}

/// The hook takes a worker's thread for as long as the test wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_late_end_of_one_that_was_given_up_is_told_to_nobody() {
    let (node, log) = (node().await, Log::default());
    let (blocks, let_go) = blocks();
    let a = Plan::new("a", &log).on(1, At::Stop, blocks);
    let spec = a.spec().shutdown(Shutdown::Within(Duration::from_millis(20)));
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let first = watched(a.me().untyped()).await;
    supervisor.terminate_child("a").await.expect("it is given up");
    assert_eq!(first.await, Exit::Unresponsive);
    supervisor.restart_child("a").await.expect("its place is free");
    let second = watched(a.me().untyped()).await;
    let mut reports = SupervisorReport::topic(&node).listen();
    assert_eq!(a.alive(), 2, "the old one is still at it");
    drop(let_go);
    log.shows("drop a 1").await;
    settled(&supervisor).await;
    assert_eq!(state(&supervisor, "a").await, (State::Running(2), true));
    supervisor.terminate_child("a").await.expect("it stops");
    assert_eq!(told(&mut reports).await, Happened::Stopped { child: "a".into(), exit: Exit::Shutdown });
    assert_eq!(second.await, Exit::Shutdown);
    until(async || a.alive() == 0).await;
}

/// A temporary child is gone as soon as its end is heard: an end that is lost leaves it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_at_the_moment_of_readiness_is_not_lost() {
    let (node, log) = (node().await, Log::default());
    let a = Plan::new("a", &log).terse();
    let supervisor = Supervisor::one_for_one().start(&node).await.expect("it starts");
    for _ in 0..1_000 {
        let spec = a.spec().restart(Restart::Temporary).ready_when(|racer| async move {
            let _ = racer.tell(Say::Exit(boom())).now();
            Ok(())
        });
        match supervisor.start_child(spec).await {
            Ok(_) | Err(SupervisorError::Start(_)) => {}
            Err(error) => panic!("{error}"),
        }
        until(async || supervisor.which_children().await.expect("it lives").is_empty()).await;
    }
    assert_eq!((node.actor_count(), a.alive()), (1, 0));
}
