//! What supervisors tell of, and the tree that a node shows.

use std::time::Duration;

use proscenium_runtime::{Exit, Heard, Listener, Node};
use proscenium_supervision::{
    Backoff, ChildSpec, NodeTree, Quarantine, Restart, StartError, Supervisor, SupervisorRef, SupervisorReport,
};

use crate::children::{Child, Do, Log, node, settled, until, watched};

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
        "shop/payments: gateway started, for the 2. time",
        "shop/payments: audit started, for the 2. time",
        "shop/payments: gateway ended: boom",
        "shop/payments: gateway restarted too often; giving up",
        "shop/payments: audit was stopped: shutdown",
        "shop/payments: ends: shutdown",
        "shop: payments ended: shutdown",
        "shop/payments: gateway started",
        "shop/payments: audit started",
        "shop: payments started, for the 2. time",
    ];
    assert_eq!(told(&mut reports).await, want);
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
   │  └─ audit  running, 1 restart, queue 3
   ├─ mailer  in quarantine, queue 0
   └─ later  restarting, queue 0
";
    assert_eq!(node.tree().await.to_string(), want);
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
async fn a_tree_that_contains_itself_does_not_start() {
    let node = node().await;
    let Err(StartError::Start(error)) = endless().start(&node).await else { panic!("it started") };
    assert!(error.to_string().contains("is below 1000 supervisors; does the tree contain itself?"), "{error}");
    until(async || node.actor_count() == 0).await;
}
