//! Goal: what happens while something else is under way, and what comes too late. Method: real actors; an end is awaited by
//! a monitor, and an order of messages is made by suspending who takes them.

use std::time::Duration;

use proscenium_runtime::Exit;
use proscenium_supervision::{ChildSpec, State, Supervisor, SupervisorError};

use crate::children::{Child, Do, Log, node, settled, watched};

const SECOND: Duration = Duration::from_secs(1);

fn boom() -> Exit {
    Exit::custom("boom")
}

/// The second exit waits in the mailbox, which the next incarnation of the supervisor has, too, and its children have the
/// same places and starts.
#[tokio::test(start_paused = true)]
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
    below.sys().resume().expect("it runs");
    assert_eq!(down.await, Exit::Shutdown);
    settled(&top).await;
    settled(&below).await;
    let line = &top.which_children().await.expect("it lives")[0];
    assert_eq!((line.state, line.is_alive), (State::Running(2), true));
    assert_eq!(log.take(), ["start x", "start y", "stop x boom", "stop y boom", "start x", "start y"]);
}

#[tokio::test(start_paused = true)]
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
