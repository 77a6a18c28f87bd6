//! What supervisors tell of, and the tree that a node shows.

use std::time::Duration;

use proscenium_runtime::{Exit, Heard, Listener, Node, actor_fn};
use proscenium_supervision::{
    AutoShutdown, Backoff, ChildSpec, NodeTree, Placing, Quarantine, Restart, Start, StartError, Supervised,
    Supervisor, SupervisorRef, SupervisorReport,
};

use crate::children::{Child, Do, Log, node, settled, until, watched};
use crate::events::{events, keep_events};

/// All that was told until now.
async fn told(reports: &mut Listener<SupervisorReport>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Ok(Some(Heard::Message(report))) = tokio::time::timeout(Duration::from_millis(1), reports.next()).await {
        lines.push(report.to_string());
    }
    lines
}

async fn crash(supervisor: &SupervisorRef, id: &str) {
    let child = supervisor.child::<Child>(id).await.expect("it runs");
    child.tell(Do::Exit(Exit::custom("boom"))).await.expect("its mailbox is there");
}

async fn shop(node: &Node, log: &Log) -> SupervisorRef {
    let payments = {
        let log = log.clone();
        move || {
            let gateway = Child::new("gateway", &log).spec();
            Supervisor::rest_for_one()
                .child(gateway)
                .child(Child::new("audit", &log).spec().restart(Restart::Transient))
        }
    };
    let mailer = Child::new("mailer", log).spec().quarantine(Quarantine::after(0, Duration::from_secs(5)));
    let shop = Supervisor::one_for_one().named("shop").child(ChildSpec::supervisor("payments", payments)).child(mailer);
    shop.start(node).await.expect("it starts")
}

#[tokio::test(start_paused = true)]
async fn an_escalation_reads_as_one_story() {
    let node = node().await;
    let mut reports = SupervisorReport::topic(&node).listen();
    let shop = shop(&node, &Log::default()).await;
    let story = ["shop/payments: gateway started", "shop/payments: audit started", "shop: payments started"];
    assert_eq!(told(&mut reports).await, [&story[..], &["shop: mailer started"]].concat());
    let payments = shop.supervisor("payments").await.expect("it runs");
    let down = watched(payments.untyped()).await;
    crash(&payments, "gateway").await;
    settled(&payments).await;
    crash(&payments, "gateway").await;
    assert_eq!(down.await, Exit::Shutdown);
    settled(&shop).await;
    let want = [
        "shop/payments: gateway ended: boom",
        "shop/payments: audit was stopped: shutdown",
        "shop/payments: gateway started, for the 2nd time",
        "shop/payments: audit started, for the 2nd time",
        "shop/payments: gateway ended: boom",
        "shop/payments: gateway restarted too often; giving up",
        "shop/payments: audit was stopped: shutdown",
        "shop/payments: ends: shutdown",
        "shop: payments ended: shutdown",
        "shop/payments: gateway started",
        "shop/payments: audit started",
        "shop: payments started, for the 2nd time",
    ];
    assert_eq!(told(&mut reports).await, want);
}

#[tokio::test(start_paused = true)]
async fn the_same_story_is_told_by_events_with_fields() {
    keep_events();
    let node = node().await;
    let shop = shop(&node, &Log::default()).await;
    let payments = shop.supervisor("payments").await.expect("it runs");
    let down = watched(payments.untyped()).await;
    events();
    crash(&payments, "gateway").await;
    settled(&payments).await;
    crash(&payments, "gateway").await;
    assert_eq!(down.await, Exit::Shutdown);
    settled(&shop).await;
    let story: Vec<String> = events().into_iter().filter(|event| !event.starts_with("DEBUG")).collect();
    let want = [
        ("ERROR message=it::children::Child<", "queued=0"), // The actor's own crash report.
        ("ERROR message=child ended path=\"shop/payments\"", "child=gateway exit=boom"),
        ("ERROR message=it::children::Child<", "queued=0"),
        ("ERROR message=child ended path=\"shop/payments\"", "child=gateway exit=boom"),
        ("ERROR message=supervisor gives up: too many restarts path=\"shop/payments\"", "child=gateway"),
        ("INFO message=supervisor ended path=\"shop/payments\"", "exit=shutdown"),
        ("INFO message=child ended path=\"shop\"", "child=payments exit=shutdown"),
    ];
    assert_eq!(story.len(), want.len(), "{story:#?}");
    for (event, (starts, ends)) in story.iter().zip(want) {
        assert!(event.starts_with(starts) && event.trim_end().ends_with(ends), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_leaves_no_spec_is_told_of_all_the_same() {
    let node = node().await;
    let log = Log::default();
    let supervisor = Supervisor::one_for_one().named("top").start(&node).await.expect("it starts");
    supervisor.start_child(Child::new("once", &log).spec().restart(Restart::Temporary)).await.expect("it starts");
    let mut reports = SupervisorReport::topic(&node).listen();
    crash(&supervisor, "once").await;
    settled(&supervisor).await;
    assert_eq!(told(&mut reports).await, ["top: once ended: boom"]);
    assert_eq!(supervisor.count_children().await.expect("it lives").specs, 0);
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_states_restarts_and_queues() {
    let node = node().await;
    let shop = shop(&node, &Log::default()).await;
    let later = Child::new("later", &Log::default()).spec().backoff(Backoff::constant(Duration::from_secs(9)));
    shop.start_child(later).await.expect("it starts");
    let payments = shop.supervisor("payments").await.expect("it runs");
    let audit = payments.child::<Child>("audit").await.expect("it runs");
    crash(&payments, "gateway").await;
    settled(&payments).await;
    audit.sys().suspend().expect("it runs");
    for _ in 0..3 {
        audit.tell(Do::Panic).await.expect("there is room");
    }
    crash(&shop, "mailer").await;
    crash(&shop, "later").await;
    settled(&shop).await;
    payments.terminate_child("gateway").await.expect("it stops");
    let want = "\
test
└─ shop  one_for_one, 1 of 1 restarts in 5 s
   ├─ payments  running, rest_for_one, 1 of 1 restarts in 5 s
   │  ├─ gateway  down, 1 restart
   │  └─ audit  suspended, transient, 1 restart, queue 3
   ├─ mailer  in quarantine (boom), queue 0
   └─ later  restarting (boom), backoff, queue 0
";
    assert_eq!(node.tree().await.to_string(), want);
}

/// Catches a reason that stays when it is the reason no more: of a child that crashed, and was stopped later.
#[tokio::test(start_paused = true)]
async fn the_tree_says_why_a_child_is_down_and_what_is_special_about_it() {
    let node = node().await;
    let log = Log::default();
    let child = |name| Child::new(name, &log).spec();
    let top = Supervisor::one_for_one()
        .named("top")
        .auto_shutdown(AutoShutdown::AllSignificant)
        .intensity(9, Duration::from_secs(5))
        .child(child("done").restart(Restart::Transient).significant())
        .child(child("stopped").backoff(Backoff::constant(Duration::ZERO)))
        .child(child("once").restart(Restart::Temporary))
        .child(ChildSpec::new("alias", || actor_fn(|_: u32| ())).named("somebody"));
    let top = top.start(&node).await.expect("it starts");
    let other = child("other").restart(Restart::Transient).significant();
    top.start_child(other).await.expect("it starts");
    let done = top.child::<Child>("done").await.expect("it runs");
    done.tell(Do::Panic).await.expect("its mailbox is there");
    settled(&top).await;
    done.tell(Do::Exit(Exit::shutdown_with("all is done\nat last"))).await.expect("its mailbox is there");
    crash(&top, "stopped").await;
    until(async || top.exits("done").await.expect("it is there").len() == 2).await;
    until(async || top.exits("stopped").await.expect("it is there").len() == 1).await;
    top.terminate_child("stopped").await.expect("it stops");
    let want = "\
test
└─ top  one_for_one, auto_shutdown all_significant, 2 of 9 restarts in 5 s
   ├─ done  down (shutdown: all is done), transient, significant, 1 restart
   ├─ stopped  down, backoff, 1 restart
   ├─ once  running, temporary, queue 0
   ├─ alias  running, named somebody, queue 0
   └─ other  running, transient, significant, queue 0
";
    assert_eq!(node.tree().await.to_string(), want);
}

#[tokio::test(start_paused = true)]
async fn dynamic_children_are_told_apart_and_a_branch_is_a_picture_of_its_own() {
    let node = node().await;
    let child = Child::new("cart", &Log::default());
    let carts = Supervisor::simple_one_for_one(child.spec()).named("carts").start(&node).await.expect("it starts");
    for _ in 0..3 {
        carts.start_dynamic(None).await.expect("it starts");
    }
    let mut reports = SupervisorReport::topic(&node).listen();
    let second = carts.which_children().await.expect("it lives")[1].place;
    carts.terminate_dynamic(second).await.expect("it stops");
    let third = node.tree().await.supervisors[0].answer.as_ref().expect("it answers").children[1].status.clone();
    let third = node.actor(third.expect("it is an actor").actor).and_then(|third| third.downcast::<Child>());
    third.expect("it runs").tell(Do::Exit(Exit::custom("boom"))).await.expect("there is room");
    let want =
        ["carts: cart#1 was stopped: shutdown", "carts: cart#2 ended: boom", "carts: cart#2 started, for the 2nd time"];
    assert_eq!(told(&mut reports).await, want);
    let tree = node.tree().await;
    let want = "\
carts  simple_one_for_one, 1 of 1 restarts in 5 s
├─ cart#0  running, queue 0
└─ cart#2  running, 1 restart, queue 0
";
    assert_eq!(tree.supervisors[0].to_string(), want);
    let names: Vec<_> = tree.supervisors[0].answer.iter().flat_map(|carts| &carts.children).collect();
    assert_eq!(names.iter().map(|twig| twig.name.as_str()).collect::<Vec<_>>(), ["cart#0", "cart#2"]);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_shows_in_the_tree_at_what() {
    let node = node().await;
    let top = Supervisor::one_for_one().named("top").child(Child::new("a", &Log::default()).spec());
    let top = top.start(&node).await.expect("it starts");
    let child = top.child::<Child>("a").await.expect("it runs");
    let (asked, asks) = tokio::sync::oneshot::channel();
    child.tell(Do::Await(asks)).await.expect("there is room");
    child.tell(Do::Panic).await.expect("there is room");
    until(async || child.sys().status().in_hand.is_some()).await;
    let shown = node.tree().await.to_string();
    let kind = child.sys().status().in_hand.expect("it waits");
    assert!(shown.ends_with(&format!("a  running, queue 1, at {kind}\n")), "{shown}");
    drop(asked);
}

#[tokio::test(start_paused = true)]
async fn a_busy_supervisor_is_shown_as_such_and_a_long_list_is_cut() {
    let node = node().await;
    let log = Log::default();
    let many = (0..25).fold(Supervisor::one_for_one().named("many"), |many, n| {
        let child = Child::new("x", &log);
        many.child(ChildSpec::new(format!("c{n}"), move || child.clone()))
    });
    many.start(&node).await.expect("it starts");
    let stuck = Supervisor::one_for_one().named("stuck").child(Child::new("x", &log).spec()).start(&node).await;
    stuck.expect("it starts").sys().suspend().expect("it runs");
    let shown = node.tree().await.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1], "├─ many  one_for_one, 0 of 1 restarts in 5 s");
    assert_eq!(lines[21], "│  ├─ c19  running, queue 0");
    assert_eq!(lines[22], "│  └─ and 5 more");
    assert!(lines[23].starts_with("└─ stuck  busy, queue "), "{shown}");
}

fn nested(depth: usize) -> Supervisor {
    let leaf = ChildSpec::new("leaf", || proscenium_runtime::actor_fn(|_: u32| ()));
    match depth {
        0 => Supervisor::one_for_one().child(leaf),
        _ => Supervisor::one_for_one().child(ChildSpec::supervisor("s", move || nested(depth - 1))),
    }
}

#[tokio::test(start_paused = true)]
async fn supervisors_nest_deeply() {
    let node = node().await;
    let top = nested(900).start(&node).await.expect("it starts");
    assert_eq!(node.actor_count(), 902);
    let shown = node.tree().await.to_string();
    assert_eq!(shown.lines().count(), 903);
    assert!(shown.ends_with("leaf  running, queue 0\n"), "{shown}");
    top.stop().await.expect("it stops");
    assert_eq!(node.actor_count(), 0);
}

fn endless() -> Supervisor {
    Supervisor::one_for_one().child(ChildSpec::supervisor("below", endless))
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_far_below_says_where() {
    let node = node().await;
    let failing = || {
        let child = ChildSpec::of("gateway", Broken);
        Supervisor::one_for_one().child(ChildSpec::new("ledger", || actor_fn(|_: u32| ()))).child(child)
    };
    let shop = Supervisor::one_for_one().child(ChildSpec::supervisor("payments", failing));
    let Err(error) = shop.start(&node).await else { panic!("it started") };
    assert!(error.to_string().ends_with("failed_to_start_child \"payments/gateway\": no route"), "{error}");
    assert_eq!(node.actor_count(), 0);
}

/// Never starts.
struct Broken;

impl Start for Broken {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Err(Exit::custom("no route"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_contains_itself_does_not_start() {
    let node = node().await;
    let Err(StartError::Start(error)) = endless().start(&node).await else { panic!("it started") };
    let want = "…/below/below/below is below 1000 supervisors; does the tree contain itself?";
    assert!(error.to_string().contains(want), "{error}");
    assert!(error.to_string().len() < 300, "{error}");
    until(async || node.actor_count() == 0).await;
}

/// Catches a path without the place, which all supervisors of one spec would share.
#[tokio::test(start_paused = true)]
async fn supervisors_on_demand_have_paths_of_their_own() {
    let node = node().await;
    let rooms = Supervisor::simple_one_for_one(ChildSpec::supervisor("room", || nested(0))).named("rooms");
    let rooms = rooms.start(&node).await.expect("it starts");
    let mut reports = SupervisorReport::topic(&node).listen();
    for _ in 0..2 {
        rooms.start_dynamic(None).await.expect("it starts");
    }
    let want =
        ["rooms/room#0: leaf started", "rooms: room#0 started", "rooms/room#1: leaf started", "rooms: room#1 started"];
    assert_eq!(told(&mut reports).await, want);
}
