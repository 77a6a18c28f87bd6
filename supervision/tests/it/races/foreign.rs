//! Children that are no actors, and do what no actor does: end within a poll of their supervisor's, or never.

use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::Exit;
use proscenium_supervision::{
    ChildSpec, Happened, Notice, Placing, Refers, Shutdown, Start, Starting, State, Supervised, Supervisor,
    SupervisorError, SupervisorReport,
};
use tokio::time::Instant;

use super::{boom, told};
use crate::children::{node, settled};

/// No actor: it ends when the test says so.
#[derive(Clone, Default)]
struct Host(Arc<Mutex<Option<Notice>>>);

impl Host {
    fn end(&self, exit: Exit) {
        if let Some(notice) = self.0.lock().expect("nobody panics with it").take() {
            notice.ended(exit);
        }
    }
}

impl Start for Host {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(self.clone()))
    }
}

impl Refers for Host {
    type Ref = Host;
}

impl Supervised for Host {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        *self.0.lock().expect("nobody panics with it") = Some(notice);
        Box::pin(async { Ok(()) })
    }

    fn stop(&mut self, exit: Exit) {
        self.end(exit);
    }

    fn kill(&mut self) {
        self.end(Exit::Killed);
    }

    fn give_up(&mut self) {}

    fn is_alive(&self) -> bool {
        self.0.lock().expect("nobody panics with it").is_some()
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(self.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_in_the_last_step_of_becoming_ready_did_not_start() {
    let node = node().await;
    let spec = ChildSpec::of("a", Host::default()).ready_when(|host| async move {
        host.end(boom());
        Ok(())
    });
    let supervisor = Supervisor::one_for_one().start(&node).await.expect("it starts");
    assert!(matches!(supervisor.start_child(spec).await, Err(SupervisorError::Start(exit)) if exit == boom()));
    let shown = supervisor.sys().state().await.expect("it lives");
    assert_eq!(shown.as_deref(), Some("one_for_one: 0 children, 0 places, 0 ends under way"));
}

/// Ends neither when it is asked to nor when it is killed.
#[derive(Clone, Default)]
struct Deaf {
    host: Host,
    given_up: Arc<AtomicU32>,
    /// What its supervisor said that it saw.
    stopped: Arc<Mutex<Vec<Exit>>>,
}

impl Start for Deaf {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(self.clone()))
    }
}

impl Supervised for Deaf {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        self.host.start(notice)
    }

    fn stop(&mut self, _: Exit) {}

    fn kill(&mut self) {}

    fn give_up(&mut self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        self.host.is_alive()
    }

    fn stopped(&mut self, exit: &Exit) {
        self.stopped.lock().expect("nobody panics with it").push(exit.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn who_heeds_nothing_is_given_up_when_both_limits_are_over() {
    let limit = Duration::from_secs(7);
    for (shutdown, took) in [(Shutdown::Within(limit), 7_100), (Shutdown::BrutalKill, 100)] {
        let (node, deaf) = (node().await, Deaf::default());
        let spec = ChildSpec::of("a", deaf.clone()).shutdown(shutdown);
        let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
        let mut reports = SupervisorReport::topic(&node).listen();
        let began = Instant::now();
        supervisor.terminate_child("a").await.expect("it is given up");
        assert_eq!(began.elapsed().as_millis(), took, "{shutdown:?}");
        assert_eq!(deaf.given_up.load(Ordering::Relaxed), 1);
        assert_eq!(*deaf.stopped.lock().expect("nobody panics with it"), [Exit::Unresponsive]);
        assert_eq!(told(&mut reports).await, Happened::Stopped { child: "a".into(), exit: Exit::Unresponsive });
        let shown = supervisor.sys().state().await.expect("it lives");
        assert_eq!(
            shown.as_deref(),
            Some("one_for_one: 1 children, 0 places, 0 ends under way"),
            "nobody waits for it"
        );
        let late = deaf.host.0.lock().expect("nobody panics with it").take().expect("it is still there");
        supervisor.restart_child("a").await.expect("its place is free");
        late.ended(boom());
        settled(&supervisor).await;
        let line = &supervisor.which_children().await.expect("it lives")[0];
        assert_eq!((line.state, line.is_alive), (State::Running(2), true), "the late end is the first one's");
    }
}

#[tokio::test(start_paused = true)]
async fn dynamic_children_stop_all_at_once() {
    let (node, deaf) = (node().await, Deaf::default());
    let spec = ChildSpec::of("w", deaf.clone()).shutdown(Shutdown::Within(Duration::from_secs(7)));
    let supervisor = Supervisor::simple_one_for_one(spec).start(&node).await.expect("it starts");
    for _ in 0..3 {
        supervisor.start_dynamic(None).await.expect("it starts");
    }
    let began = Instant::now();
    supervisor.stop().within(Duration::from_secs(60)).await.expect("it stops");
    assert_eq!(began.elapsed().as_millis(), 7_100, "as long as one of them");
    assert_eq!(deaf.given_up.load(Ordering::Relaxed), 3);
}
