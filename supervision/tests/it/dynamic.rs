//! Goal: children on demand come, go and are restarted as their arguments say, and never more than there may be. Method:
//! the supervisor over real actors, a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Node, Ref, Reply, UntypedRef};
use proscenium_supervision::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorRef, NodeTree, Restart, State, Supervisor, SupervisorError,
};

use crate::children::{node, until, watched};

/// Says what it was made of, and ends as it is told.
struct Worker {
    arg: u32,
    made: usize,
    fails: bool,
}

enum Do {
    Arg(Reply<(u32, usize)>),
    Exit(Exit),
}

impl Actor for Worker {
    type Msg = Do;
    type Ref = Ref<Self>;

    async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        if self.fails { Err(Exit::custom("nope")) } else { Ok(()) }
    }

    async fn handle(&mut self, _: &mut Context<Self>, msg: Do) -> Result<(), Exit> {
        match msg {
            Do::Arg(reply) => reply.send((self.arg, self.made)),
            Do::Exit(exit) => return Err(exit),
        }
        Ok(())
    }
}

/// Workers that count how many were made.
fn workers() -> DynamicSupervisor<Worker, u32> {
    let made = Arc::new(AtomicUsize::new(0));
    DynamicSupervisor::extra_arguments(made, |made, arg| Worker {
        arg,
        made: made.fetch_add(1, Ordering::Relaxed) + 1,
        fails: false,
    })
}

async fn crash(worker: &Ref<Worker>) {
    worker.tell(Do::Exit(Exit::custom("boom"))).await.expect("it takes it");
}

#[tokio::test(start_paused = true)]
async fn a_restart_makes_a_child_anew_from_its_own_argument() {
    let node = node().await;
    let workers = workers().intensity(5, Duration::from_secs(5)).start(&node).await.expect("it starts");
    let seven = workers.start_child(7).await.expect("it starts");
    let eight = workers.start_child(8).await.expect("it starts");
    assert_eq!(seven.call(Do::Arg).await.expect("it lives"), (7, 1));
    crash(&seven).await;
    assert_eq!(seven.call(Do::Arg).await.expect("the next one answers"), (7, 3), "the ref is good, the actor new");
    assert_eq!(eight.call(Do::Arg).await.expect("it lives"), (8, 2), "the other was left alone");
}

#[tokio::test(start_paused = true)]
async fn a_start_past_max_children_is_refused_with_the_limit() {
    let node = node().await;
    let workers = workers().max_children(2).start(&node).await.expect("it starts");
    let first = workers.start_child(1).await.expect("there is room");
    workers.start_child(2).await.expect("there is room");
    let refused = workers.start_child(3).await.expect_err("there is none");
    assert!(matches!(refused, SupervisorError::MaxChildren { limit: 2 }), "{refused}");
    assert!(refused.to_string().contains("2 children") && refused.to_string().contains("max_children"), "{refused}");
    assert_eq!(workers.count_children().await.expect("it lives").active, 2, "nothing of it is left");
    workers.terminate_child(&first).await.expect("it stops");
    workers.start_child(3).await.expect("there is room again");
}

/// Its first start goes well, all others fail until it is told otherwise.
#[tokio::test(start_paused = true)]
async fn a_child_that_is_being_restarted_counts() {
    let node = node().await;
    let (made, good) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (count, limit) = (made.clone(), good.clone());
    let workers = DynamicSupervisor::new(move |arg: u32| {
        let made = count.fetch_add(1, Ordering::SeqCst) + 1;
        Worker { arg, made, fails: made > limit.load(Ordering::SeqCst) }
    });
    let workers = workers.max_children(1).intensity(1_000_000, Duration::from_secs(1));
    let workers = workers.start(&node).await.expect("it starts");
    let worker = workers.start_child(1).await.expect("it starts");
    crash(&worker).await;
    until(async || workers.which_children().await.expect("it lives")[0].0.state == State::Restarting).await;
    let refused = workers.start_child(2).await.expect_err("its place is taken");
    assert!(matches!(refused, SupervisorError::MaxChildren { limit: 1 }), "{refused}");
    good.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(worker.call(Do::Arg).await.expect("it came back").0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_to_start_leaves_nothing() {
    let node = node().await;
    let workers = DynamicSupervisor::new(|fails: bool| Worker { arg: 0, made: 0, fails });
    let workers = workers.max_children(1).start(&node).await.expect("it starts");
    let failed = workers.start_child(true).await.expect_err("init says no");
    assert!(matches!(&failed, SupervisorError::Start(exit) if *exit == Exit::custom("nope")), "{failed}");
    assert_eq!(workers.count_children().await.expect("it lives").workers, 0);
    workers.start_child(false).await.expect("it took no place");
}

#[tokio::test(start_paused = true)]
async fn a_terminated_child_is_gone_and_stays_so() {
    let node = node().await;
    let workers = workers().start(&node).await.expect("it starts");
    let children = [workers.start_child(1).await.expect("starts"), workers.start_child(2).await.expect("starts")];
    workers.terminate_child(&children[0]).await.expect("it stops");
    assert_eq!(children[0].gone().await, Exit::Shutdown);
    workers.terminate_child(&children[0]).await.expect("it is gone already");
    let left = workers.which_children().await.expect("it lives");
    let [(info, Some(actor))] = &left[..] else { panic!("{left:?}") };
    assert_eq!((info.place, actor), (children[1].place(), children[1].actor()));
    workers.terminate_child(info).await.expect("a line of the list names it as well");
    assert_eq!(workers.count_children().await.expect("it lives").workers, 0);
}

#[tokio::test(start_paused = true)]
async fn each_child_has_the_flags_and_the_name_of_its_own_spec() {
    let node = node().await;
    let workers = DynamicSupervisor::of(|(name, restart): (&'static str, Restart)| {
        ChildSpec::new("worker", || Worker { arg: 0, made: 0, fails: false }).named(name).restart(restart)
    });
    let workers = workers.intensity(5, Duration::from_secs(5)).start(&node).await.expect("it starts");
    let stays = workers.start_child(("stays", Restart::Permanent)).await.expect("it starts");
    let goes = workers.start_child(("goes", Restart::Temporary)).await.expect("it starts");
    crash(&stays).await;
    crash(&goes).await;
    goes.gone().await;
    assert_eq!(node.whereis::<Worker>("stays").expect("it was restarted"), *stays.actor());
    let left = workers.which_children().await.expect("it lives");
    assert_eq!(left.iter().map(|(info, _)| info.flags.restart).collect::<Vec<_>>(), [Restart::Permanent]);
    let taken = workers.start_child(("stays", Restart::Permanent)).await.expect_err("the name is taken");
    assert!(matches!(taken, SupervisorError::Start(_)), "{taken}");
}

/// Its ref, over a restart of the dynamic supervisor itself.
#[tokio::test(start_paused = true)]
async fn below_another_supervisor_it_is_restarted_empty_and_its_ref_is_good() {
    let node = node().await;
    let below = workers().intensity(0, Duration::from_secs(1)).max_children(1);
    let tree = Supervisor::one_for_one().child(below.child_spec("workers")).start(&node).await.expect("it starts");
    let workers: DynamicSupervisorRef<Worker, u32> = tree.reference("workers").await.expect("it runs");
    assert_eq!(tree.supervisor("workers").await.expect("it is one").id(), workers.supervisor().id());
    let worker = workers.start_child(1).await.expect("it starts");
    let shown = node.tree().await.to_string();
    assert!(shown.contains("workers") && shown.contains("Worker"), "its children are in the tree: {shown}");
    let gone = ended(worker.untyped()).await;
    crash(&worker).await;
    assert_eq!(gone.await, Exit::Shutdown, "one crash too many: the supervisor ends, and forgets its child");
    let again = workers.start_child(2).await.expect("the next one takes starts");
    assert_eq!(again.call(Do::Arg).await.expect("it runs").0, 2);
    assert_eq!(tree.count_children().await.expect("it lives").supervisors, 1);
}

async fn ended(actor: UntypedRef) -> impl Future<Output = Exit> {
    let mut gone = Box::pin(async move { actor.gone().await });
    assert!(futures_util::poll!(&mut gone).is_pending());
    gone
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_supervisor_ends_its_children() {
    let node = node().await;
    let workers = workers().start(&node).await.expect("it starts");
    let child = workers.start_child(1).await.expect("it starts");
    let down = watched(child.untyped()).await;
    workers.supervisor().stop().await.expect("it stops");
    assert_eq!(down.await, Exit::Shutdown);
    assert!(matches!(workers.start_child(2).await, Err(SupervisorError::Gone(_))));
}

/// A start in the handler of an actor, which then is its supervisor's parent.
struct Owner(Option<DynamicSupervisorRef<Worker, u32>>);

impl Actor for Owner {
    type Msg = Reply<DynamicSupervisorRef<Worker, u32>>;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.0 = Some(workers().start_link(cx).await?);
        Ok(())
    }

    async fn handle(&mut self, _: &mut Context<Self>, msg: Self::Msg) -> Result<(), Exit> {
        msg.send(self.0.clone().expect("init has made it"));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_linked_one_ends_with_who_started_it() {
    let node: Node = node().await;
    let owner = node.spawn(Owner(None)).await.expect("it starts");
    let workers = owner.call(|reply| reply).await.expect("it lives");
    let child = workers.start_child(1).await.expect("it starts");
    let down = watched(child.untyped()).await;
    owner.exit(Exit::Shutdown);
    assert_eq!(down.await, Exit::Shutdown);
}
