//! Other flags and specs while a supervisor runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::{Exit, actor_fn};
use proscenium_supervision::restart_core::Event;
use proscenium_supervision::{
    ChildSpec, Notice, Placing, Renewal, Restart, SpecError, Start, Started, Starting, State, Strategy, SupFlags,
    Supervised, Supervisor, SupervisorError,
};
use tokio::sync::oneshot;

use crate::children::{Child, Do, Log, node, settled};
use crate::decisions::{Sup, crash, flags};

fn spec(id: &str) -> ChildSpec<()> {
    ChildSpec::of(id, ())
}

fn change(strategy: Strategy, specs: Vec<ChildSpec<()>>) -> Event<ChildSpec<()>> {
    Event::Change(flags(strategy, 5), specs)
}

#[test]
fn a_change_touches_no_process_and_holds_from_the_next_start_on() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 5);
    let specs = vec![spec("b").restart(Restart::Temporary), spec("d")];
    assert_eq!(sup.on(change(Strategy::OneForAll, specs)), ["renew b", "reply Done"]);
    assert_eq!(sup.state("b"), State::Running(1));
    assert_eq!(sup.state("d"), State::Down, "a new child waits for restart_child");
    assert_eq!(sup.on(Event::Restart("d".into())), ["start d", "reply running"]);
    assert_eq!(sup.exit("a", crash()), ["stop d", "stop c", "stop b", "forget", "start a", "start c", "start d"]);
}

#[test]
fn what_the_intensity_has_counted_counts_after_a_change() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 5);
    for _ in 0..3 {
        sup.exit("a", crash());
    }
    let flags = SupFlags { intensity: 3, ..SupFlags::default() };
    assert_eq!(sup.on(Event::Change(flags, vec![])), ["reply Done"]);
    assert_eq!(sup.exit("a", crash()), ["stop c", "stop b", "end shutdown"]);
}

#[test]
fn a_period_that_was_changed_holds_for_what_was_counted_before() {
    for (period, is_over) in [(1, false), (3, true), (9, true)] {
        let mut sup = Sup::of_three(Strategy::OneForOne, 1);
        sup.exit("a", crash());
        sup.on(Event::Change(SupFlags { period, ..SupFlags::default() }, vec![]));
        sup.ms = 3_000;
        sup.exit("a", crash());
        assert_eq!(sup.core.is_over(), is_over, "{period} s");
    }
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let significant = || spec("x").significant().restart(Restart::Transient);
    let rows = [
        (change(Strategy::OneForOne, vec![spec("d"), spec("d")]), SpecError::DuplicateChildName("d".into())),
        (change(Strategy::SimpleOneForOne, vec![spec("d")]), SpecError::OtherKind),
        (Event::Change(SupFlags { period: 0, ..SupFlags::default() }, vec![]), SpecError::ZeroPeriod),
    ];
    for (event, error) in rows {
        let mut sup = Sup::of_three(Strategy::OneForOne, 0);
        let want = format!("reply Refused({error:?})");
        assert_eq!(sup.on(event), [want]);
        assert_eq!(sup.core.children().count(), 3);
        assert_eq!(sup.core.flags().intensity, 0);
    }
    let mut sup = Sup::of_three(Strategy::OneForOne, 0);
    let refused = sup.on(change(Strategy::OneForOne, vec![spec("d"), significant()]));
    assert!(refused[0].starts_with("reply Refused(BadCombination"), "{refused:?}");
    assert_eq!(sup.core.children().count(), 3);
}

/// Says which version it is when asked to count.
fn versioned(log: &Log, version: u32) -> Child {
    Child { handled: 100 * version, ..Child::new("a", log) }
}

#[tokio::test(start_paused = true)]
async fn a_changed_child_is_the_old_one_until_it_restarts_and_keeps_its_refs_and_its_queue() {
    let node = node().await;
    let log = Log::default();
    let top = || Supervisor::one_for_one().intensity(9, Duration::from_secs(1));
    let tree = |version| top().child(versioned(&log, version).spec());
    let supervisor = tree(1).start(&node).await.expect("it starts");
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    supervisor.change(tree(2)).await.expect("it fits");
    assert_eq!(child.call(Do::Count).await.expect("it runs"), 101, "the old one");
    child.tell(Do::Panic).await.expect("there is room");
    assert_eq!(child.call(Do::Count).await.expect("the next one answers"), 201, "from a ref of before");
    // Another closure for the same actor.
    let other = versioned(&log, 3);
    supervisor.change(top().child(ChildSpec::new("a", move || Child { ..other.clone() }))).await.expect("it fits");
    child.tell(Do::Panic).await.expect("there is room");
    assert_eq!(child.call(Do::Count).await.expect("the next one answers"), 301);
}

#[tokio::test(start_paused = true)]
async fn a_child_of_another_type_begins_in_a_place_of_its_own() {
    let node = node().await;
    let log = Log::default();
    let supervisor = Supervisor::one_for_one().child(Child::new("a", &log).spec()).start(&node).await;
    let supervisor = supervisor.expect("it starts");
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    let other = Supervisor::one_for_one().child(ChildSpec::new("a", || actor_fn(|_: String| ())));
    supervisor.change(other).await.expect("it fits");
    child.tell(Do::Exit(Exit::custom("boom"))).await.expect("there is room");
    assert_eq!(child.gone().await, Exit::Shutdown, "its place is closed");
    settled(&supervisor).await;
    assert!(matches!(supervisor.child::<Child>("a").await, Err(SupervisorError::NotFound)));
    let children = supervisor.which_children().await.expect("it lives");
    assert_eq!((children[0].state, children[0].is_alive), (State::Running(2), true));
}

#[tokio::test(start_paused = true)]
async fn dynamic_children_take_the_new_spec_and_keep_starts_of_their_own() {
    let node = node().await;
    let log = Log::default();
    let supervisor = Supervisor::simple_one_for_one(versioned(&log, 1).spec()).start(&node).await.expect("it starts");
    let own: Arc<dyn Start> = Arc::new(proscenium_supervision::ActorChild::new({
        let own = versioned(&log, 7);
        move || own.clone()
    }));
    let Ok(Started::Running(_)) = supervisor.start_dynamic(None).await else { panic!("it did not start") };
    let Ok(Started::Running(_)) = supervisor.start_dynamic(Some(own)).await else { panic!("it did not start") };
    let next = versioned(&log, 2).spec().restart(Restart::Transient);
    supervisor.change(Supervisor::simple_one_for_one(next)).await.expect("it fits");
    let children = supervisor.which_children().await.expect("it lives");
    assert_eq!(children.len(), 2);
    assert!(children.iter().all(|child| child.flags.restart == Restart::Transient));
    let error = supervisor.change(Supervisor::one_for_one()).await.expect_err("it is another kind");
    assert!(matches!(error, SupervisorError::Spec(SpecError::OtherKind)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_change_while_a_restart_waits_holds_for_that_restart() {
    let node = node().await;
    let log = Log::default();
    let delay = proscenium_supervision::Backoff::constant(Duration::from_secs(5));
    let tree = |version| Supervisor::one_for_one().child(versioned(&log, version).spec().backoff(delay));
    let supervisor = tree(1).start(&node).await.expect("it starts");
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    child.tell(Do::Panic).await.expect("there is room");
    settled(&supervisor).await;
    supervisor.change(tree(2)).await.expect("it fits");
    assert_eq!(child.call(Do::Count).within(Duration::from_secs(60)).await.expect("the next one answers"), 201);
}

type Told = oneshot::Receiver<Result<(), Exit>>;

/// A child that is changed while it runs, when the test says so.
struct Gradual(Arc<Mutex<Option<Told>>>);

struct GradualPlace(Option<Notice>);

impl Start for Gradual {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(GradualPlace(None)))
    }

    fn renew(&self, _: &Placing, _: &mut dyn Supervised) -> Renewal {
        match self.0.lock().unwrap().take() {
            None => Renewal::Taken,
            Some(told) => Renewal::UnderWay(Box::pin(async { told.await.expect("it is told") })),
        }
    }
}

impl Supervised for GradualPlace {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        self.0 = Some(notice);
        Box::pin(async { Ok(()) })
    }

    fn stop(&mut self, exit: Exit) {
        self.0.take().into_iter().for_each(|notice| notice.ended(exit.clone()));
    }

    fn kill(&mut self) {
        self.stop(Exit::Killed);
    }

    fn give_up(&mut self) {}

    fn is_alive(&self) -> bool {
        self.0.is_some()
    }

    fn reference(&self) -> Option<Box<dyn std::any::Any + Send>> {
        Some(Box::new(7_u32))
    }
}

/// Catches a supervisor that waits for the change itself, and one that leaves the place of a child that has refused.
#[tokio::test(start_paused = true)]
async fn a_change_of_a_child_that_runs_is_waited_for_by_who_asked_and_a_refusal_is_told() {
    let node = node().await;
    let told = Arc::new(Mutex::new(None));
    let tree = || Supervisor::one_for_one().child(ChildSpec::of("g", Gradual(told.clone())));
    let supervisor = tree().start(&node).await.expect("it starts");
    for refusal in [None, Some(Exit::custom("too big"))] {
        let (tell, hear) = oneshot::channel();
        *told.lock().unwrap() = Some(hear);
        let changing = tokio::spawn({
            let (supervisor, tree) = (supervisor.clone(), tree());
            async move { supervisor.change(tree).await }
        });
        settled(&supervisor).await;
        // It is the supervisor's turn again and again while the change is under way.
        while told.lock().unwrap().is_some() {
            assert_eq!(supervisor.which_children().await.expect("it answers").len(), 1);
        }
        assert!(!changing.is_finished(), "the change is under way");
        tell.send(refusal.clone().map_or(Ok(()), Err)).expect("it is waited for");
        match (changing.await.expect("it does not panic"), refusal) {
            (Ok(()), None) => {}
            (Err(SupervisorError::NotRenewed(children)), Some(exit)) => {
                assert_eq!(children, [("g".into(), exit)]);
            }
            (other, _) => panic!("{other:?}"),
        }
        assert_eq!(supervisor.reference::<u32>("g").await.expect("it has its place"), 7);
    }
    // Nobody waits any more, and nothing is left for the next one.
    supervisor.change(tree()).await.expect("it takes it at once");
    supervisor.stop().await.expect("it stops");
}
