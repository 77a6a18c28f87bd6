//! The same over real actors and a paused clock: delays that pass, children that become ready or do not, refs that stay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::Exit;
use proscenium_supervision::{
    Backoff, ChildSpec, Notice, Placing, Quarantine, Restart, Shutdown, Start, StartError, Starting, State, Supervised,
    Supervisor, SupervisorRef,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::children::{Child, Do, Log, node, settled, until};

const SECOND: Duration = Duration::from_secs(1);

async fn state(supervisor: &SupervisorRef, id: &str) -> State {
    let children = supervisor.which_children().await.expect("it lives");
    children.iter().find(|child| child.id.as_str() == id).expect("it is there").state
}

async fn crash(supervisor: &SupervisorRef, id: &str) {
    let child = supervisor.child::<Child>(id).await.expect("it has a ref");
    child.tell(Do::Exit(Exit::custom("boom"))).await.expect("its mailbox is there");
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_while_messages_wait() {
    let node = node().await;
    let log = Log::default();
    let spec = Child::new("a", &log).spec().backoff(Backoff::constant(7 * SECOND));
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    let began = Instant::now();
    crash(&supervisor, "a").await;
    let answer = child.call(Do::Count).within(60 * SECOND).await;
    assert_eq!(answer.expect("the next one answers"), 1);
    assert!((7 * SECOND..8 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(log.take(), ["start a", "stop a boom", "start a"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_in_quarantine_keeps_its_refs_and_its_queue_and_its_siblings_go_on() {
    let node = node().await;
    let log = Log::default();
    let spec = Child::new("a", &log).spec().quarantine(Quarantine::after(0, SECOND));
    let supervisor = Supervisor::one_for_one().child(spec).child(Child::new("b", &log).spec());
    let supervisor = supervisor.start(&node).await.expect("they start");
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    crash(&supervisor, "a").await;
    until(async || state(&supervisor, "a").await == State::Quarantined).await;
    let answer = child.call(Do::Count).within(60 * SECOND);
    let later = async {
        crash(&supervisor, "b").await;
        until(async || state(&supervisor, "b").await == State::Running(2)).await;
        supervisor.restart_child("a").await.expect("it starts")
    };
    let (answer, _) = tokio::join!(answer, later);
    assert_eq!(answer.expect("the next one answers"), 1);
    let exits = supervisor.exits("a").await.expect("it is there");
    assert_eq!(exits.iter().map(|past| (past.start, past.exit.to_string())).collect::<Vec<_>>(), [(1, "boom".into())]);
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_child_wait_until_it_is_ready() {
    let node = node().await;
    let log = Log::default();
    let (open, door) = watch::channel(false);
    let ready_log = log.clone();
    let first = Child::new("a", &log).spec().ready_when(move |_| {
        let (mut door, log) = (door.clone(), ready_log.clone());
        async move {
            let _ = door.wait_for(|is_open| *is_open).await;
            log.add("ready a".into());
            Ok(())
        }
    });
    let supervisor = Supervisor::one_for_one().child(first).child(Child::new("b", &log).spec());
    let start = supervisor.start(&node);
    let opens = async {
        until(async || log.take() == ["start a"]).await;
        open.send(true).expect("it listens");
    };
    let (supervisor, ()) = tokio::join!(start, opens);
    supervisor.expect("it starts");
    assert_eq!(log.take(), ["ready a", "start b"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_become_ready_did_not_start() {
    for (probe, want) in
        [("never", "not started within 5s"), ("error", "no licence"), ("panic", "oh"), ("ends", "boom")]
    {
        let node = node().await;
        let log = Log::default();
        let spec = Child::new("b", &log).spec().start_within(5 * SECOND).ready_when(move |child| async move {
            match probe {
                "error" => Err(Exit::custom("no licence")),
                "panic" => panic!("oh"),
                "ends" => {
                    child.tell(Do::Exit(Exit::custom("boom"))).await.expect("its mailbox is there");
                    std::future::pending().await
                }
                _ => std::future::pending().await,
            }
        });
        let supervisor = Supervisor::one_for_one().child(Child::new("a", &log).spec()).child(spec);
        let Err(StartError::Start(error)) = supervisor.start(&node).await else { panic!("{probe}: it started") };
        assert!(error.to_string().contains(want), "{probe}: {error}");
        let lines = log.take();
        assert_eq!(lines[..2], ["start a", "start b"], "{probe}");
        assert_eq!(lines.last().map(String::as_str), Some("stop a shutdown"), "{probe}: the one before it is stopped");
        assert_eq!(node.actor_count(), 0, "{probe}: nothing of it is left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_does_not_become_ready_is_tried_again() {
    let node = node().await;
    let log = Log::default();
    let starts = Arc::new(Mutex::new(0));
    let spec = Child::new("a", &log).spec().ready_when(move |_| {
        let mut starts = starts.lock().expect("no test panics with it");
        *starts += 1;
        std::future::ready(if *starts == 2 { Err(Exit::custom("not yet")) } else { Ok(()) })
    });
    let supervisor = Supervisor::one_for_one().intensity(2, SECOND).child(spec).start(&node).await.expect("it starts");
    crash(&supervisor, "a").await;
    until(async || state(&supervisor, "a").await == State::Running(3)).await;
    let exits = supervisor.exits("a").await.expect("it is there");
    assert_eq!(exits.iter().map(|past| past.exit.to_string()).collect::<Vec<_>>(), ["boom", "not yet"]);
}

/// Starts that take longer than anybody waits.
struct Slow;

impl Start for Slow {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(Slow))
    }
}

impl Supervised for Slow {
    fn start(&mut self, _: Notice) -> Starting<'_> {
        Box::pin(std::future::pending())
    }

    fn stop(&mut self, _: Exit) {}

    fn kill(&mut self) {}

    fn give_up(&mut self) {}

    fn is_alive(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_has_failed() {
    let node = node().await;
    let began = Instant::now();
    let spec = ChildSpec::of("slow", Slow).start_within(3 * SECOND);
    let Err(error) = Supervisor::one_for_one().child(spec).start(&node).await else { panic!("it started") };
    assert!(error.to_string().contains("\"slow\": it was not started within 3s"), "{error}");
    assert!((3 * SECOND..4 * SECOND).contains(&began.elapsed()));
}

/// Ends when it is told to, and is told whether it was to blame.
#[derive(Clone, Default)]
struct Host(Arc<Mutex<Option<Notice>>>);

impl Start for Host {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(self.clone()))
    }
}

impl Supervised for Host {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        *self.0.lock().expect("no test panics with it") = Some(notice);
        Box::pin(async { Ok(()) })
    }

    fn stop(&mut self, exit: Exit) {
        if let Some(notice) = self.0.lock().expect("no test panics with it").take() {
            notice.ended(exit);
        }
    }

    fn kill(&mut self) {
        self.stop(Exit::Killed);
    }

    fn give_up(&mut self) {}

    fn is_alive(&self) -> bool {
        self.0.lock().expect("no test panics with it").is_some()
    }
}

#[tokio::test(start_paused = true)]
async fn an_excuse_comes_with_the_notice() {
    let node = node().await;
    let host = Host::default();
    let spec = ChildSpec::of("host", host.clone()).excuses(50, SECOND).restart(Restart::Transient);
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    for n in 0..20 {
        let notice = host.0.lock().expect("no test panics with it").take().expect("it runs");
        notice.excused(Exit::Signal(11));
        settled(&supervisor).await;
        assert_eq!(state(&supervisor, "host").await, State::Running(n + 2));
    }
    let down = crate::children::watched(supervisor.untyped()).await;
    for _ in 0..2 {
        let notice = host.0.lock().expect("no test panics with it").take().expect("it runs");
        notice.ended(Exit::Signal(11));
        until(async || host.is_alive() || !supervisor.is_running()).await;
    }
    assert_eq!(down.await, Exit::Shutdown, "the other kind counts");
}

/// Panics wherever it can while it is stopped.
struct Explosive(Option<Notice>);

impl Start for Explosive {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(Explosive(None)))
    }
}

impl Supervised for Explosive {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        self.0 = Some(notice);
        Box::pin(async { Ok(()) })
    }

    fn stop(&mut self, _: Exit) {
        panic!("wanted: stop")
    }

    fn kill(&mut self) {
        panic!("wanted: kill")
    }

    fn give_up(&mut self) {
        panic!("wanted: give_up")
    }

    fn stopped(&mut self, _: &Exit) {
        panic!("wanted: stopped")
    }

    fn is_alive(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Explosive {
    fn drop(&mut self) {
        assert!(self.0.is_none(), "wanted: drop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_child_s_own_stop_costs_that_child_and_the_others_stop_in_order() {
    for shutdown in [Shutdown::Within(SECOND), Shutdown::Infinity, Shutdown::BrutalKill] {
        let node = node().await;
        let log = Log::default();
        let explosive = || ChildSpec::of("x", Explosive(None)).shutdown(shutdown);
        let supervisor = Supervisor::one_for_one().child(Child::new("a", &log).spec()).child(explosive());
        let supervisor = supervisor.child(Child::new("b", &log).spec()).start(&node).await.expect("they start");
        supervisor.terminate_child("x").await.expect("it is given up");
        assert_eq!(state(&supervisor, "x").await, State::Down, "{shutdown:?}");
        supervisor.restart_child("x").await.expect("it starts again");
        supervisor.stop().await.expect("it stops");
        assert_eq!(log.take(), ["start a", "start b", "stop b shutdown", "stop a shutdown"], "{shutdown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_is_another_one_in_each_supervisor() {
    let node = node().await;
    let mut delays = Vec::new();
    for _ in 0..3 {
        let spec = Child::new("a", &Log::default()).spec().backoff(Backoff::constant(1_000 * SECOND).jitter(1.0));
        let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
        let child = supervisor.child::<Child>("a").await.expect("it runs");
        let began = Instant::now();
        crash(&supervisor, "a").await;
        child.call(Do::Count).within(2_000 * SECOND).await.expect("the next one answers");
        delays.push(began.elapsed());
    }
    delays.dedup();
    assert_eq!(delays.len(), 3, "{delays:?}");
}
