//! Everything at once, on threads: crashes, kills and requests by the thousand; and when it is quiet again, all accounts are
//! to agree.

use std::sync::Arc;

use proscenium_runtime::{Exit, Node};
use proscenium_supervision::{
    ChildSpec, Place, Restart, Shutdown, Started, State, Supervisor, SupervisorError, SupervisorRef,
};

use super::racer::{Plan, Racer, Say};
use super::{SECOND, boom, gone};
use crate::children::{Log, node, until};
use crate::random::{Random, seed};

const TASKS: u64 = 4;
const EACH: u64 = 1_000;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// More than the storm has.
const RESTARTS: usize = 1_000_000;

/// Runs `blow` in so many tasks at once, each with chance of its own.
async fn storm<F: Future<Output = ()> + Send + 'static>(blow: impl Fn(Random) -> F) {
    let seed = seed().unwrap_or(1);
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(blow(Random::of_seed(seed * TASKS + task)))).collect();
    for task in tasks {
        task.await.expect("it does not panic");
    }
}

fn may_be_refused<T>(answer: Result<T, SupervisorError>) {
    if let Err(error @ (SupervisorError::Gone(_) | SupervisorError::Spec(_))) = answer {
        panic!("{error}");
    }
}

/// One of them ends by itself.
fn strike(racer: &proscenium_runtime::Ref<Racer>, random: &mut Random) {
    match random.below(5) {
        0 => racer.kill(),
        1 => drop(racer.tell(Say::Panic).now()),
        2 => drop(racer.tell(Say::Exit(Exit::Normal)).now()),
        _ => drop(racer.tell(Say::Exit(boom())).now()),
    }
}

/// Waits until what was told before has been heard; then a child that is to run runs, and no other is there.
async fn all_accounts_agree(node: &Node, supervisor: &SupervisorRef, plan: impl Fn(&str, Place) -> Plan) {
    until(async || {
        let lines = supervisor.which_children().await.expect("it lives");
        for line in lines.iter().filter(|line| matches!(line.state, State::Running(_))) {
            let _ = plan(line.id.as_str(), line.place).me().call(Say::Count).await; // Behind all that it was told.
        }
        let again = supervisor.which_children().await.expect("it lives");
        again == lines && again.iter().all(|line| line.state == State::Down || line.is_alive)
    })
    .await;
    let lines = supervisor.which_children().await.expect("it lives");
    let running = lines.iter().filter(|line| line.state != State::Down).count();
    assert_eq!(node.actor_count(), 1 + running, "{lines:?}");
    for line in &lines {
        let alive = usize::from(line.state != State::Down);
        assert_eq!(plan(line.id.as_str(), line.place).alive(), alive, "{line:?}");
    }
    let counts = supervisor.count_children().await.expect("it lives");
    assert_eq!(counts.active, running);
    let shown = supervisor.sys().state().await.expect("it lives").expect("it says something");
    let want = format!(": {} children, {running} places, 0 ends under way", lines.len());
    assert!(shown.ends_with(&want), "{shown}");
}

/// Of both weights.
fn plans(log: &Log) -> Arc<Vec<Plan>> {
    let plans = NAMES.iter().enumerate().map(|(n, name)| Plan::new(name, log).terse().light(n % 2 == 1));
    Arc::new(plans.collect())
}

async fn static_storm(supervisor: Supervisor) {
    let (node, log) = (node().await, Log::default());
    let plans = plans(&log);
    let spec = |plan: &Plan| plan.spec().shutdown(Shutdown::Infinity);
    let supervisor = plans.iter().fold(supervisor, |supervisor, plan| supervisor.child(spec(plan)));
    let supervisor = supervisor.intensity(RESTARTS, SECOND).start(&node).await.expect("all start");
    storm(|mut random| {
        let (supervisor, plans) = (supervisor.clone(), plans.clone());
        async move {
            for _ in 0..EACH {
                let plan = random.of(&plans);
                match random.below(10) {
                    0 | 1 => may_be_refused(supervisor.terminate_child(plan.name).await),
                    2 | 3 => may_be_refused(supervisor.restart_child(plan.name).await),
                    4 => may_be_refused(supervisor.delete_child(plan.name).await),
                    5 => may_be_refused(supervisor.start_child(spec(&plan).restart(Restart::Transient)).await),
                    _ => strike(&plan.me(), &mut random),
                }
            }
        }
    })
    .await;
    let of = |id: &str, _| plans.iter().find(|plan| plan.name == id).expect("it has a plan").clone();
    all_accounts_agree(&node, &supervisor, of).await;
    supervisor.stop().await.expect("it stops");
    gone(&node, &plans.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_under_one_for_one() {
    static_storm(Supervisor::one_for_one()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_under_one_for_all() {
    static_storm(Supervisor::one_for_all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_under_rest_for_one() {
    static_storm(Supervisor::rest_for_one()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_dynamic_children() {
    let (node, log) = (node().await, Log::default());
    let template = Plan::new("w", &log).terse().spec().restart(Restart::Transient);
    let supervisor = Supervisor::simple_one_for_one(template).intensity(RESTARTS, SECOND);
    let supervisor = supervisor.start(&node).await.expect("it starts");
    let all = Arc::new(std::sync::Mutex::new(Vec::<(Place, Plan)>::new()));
    storm(|mut random| {
        let (supervisor, all, log) = (supervisor.clone(), all.clone(), log.clone());
        async move {
            for _ in 0..EACH {
                let known = all.lock().expect("nobody panics with it").clone();
                if known.is_empty() || random.one_in(4) {
                    let plan = Plan::new("w", &log).terse().light(random.one_in(2));
                    let started = supervisor.start_dynamic(Some(Arc::new(plan.child()))).await;
                    let Ok(Started::Running(place)) = started else { panic!("{started:?}") };
                    all.lock().expect("nobody panics with it").push((place, plan));
                    continue;
                }
                let (place, plan) = random.of(&known);
                match random.below(6) {
                    0 => may_be_refused(supervisor.terminate_dynamic(place).await),
                    1 => may_be_refused(supervisor.terminate_process(place, 1 + random.below(3) as u32).await),
                    _ => strike(&plan.me(), &mut random),
                }
            }
        }
    })
    .await;
    let known = all.lock().expect("nobody panics with it").clone();
    let of = |_: &str, place| known.iter().find(|known| known.0 == place).expect("it was started").1.clone();
    all_accounts_agree(&node, &supervisor, of).await;
    supervisor.stop().await.expect("it stops");
    gone(&node, &known.iter().map(|(_, plan)| plan).collect::<Vec<_>>()).await;
}

/// Supervisors end and are killed with whatever they were at; their children go with them, and so do their exits.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_over_two_floors() {
    let (node, log) = (node().await, Log::default());
    let plans = plans(&log);
    let floor = {
        let plans = plans.clone();
        move || {
            let below = Supervisor::one_for_one().intensity(3, SECOND);
            plans.iter().fold(below, |below, plan| below.child(plan.spec().named(plan.name)))
        }
    };
    let top = Supervisor::one_for_one().intensity(RESTARTS, SECOND).child(ChildSpec::supervisor("below", floor));
    let top = top.start(&node).await.expect("all start");
    storm(|mut random| {
        let (top, plans) = (top.clone(), plans.clone());
        async move {
            for _ in 0..EACH {
                match random.below(12) {
                    0 => may_be_refused(top.terminate_child("below").await),
                    1 | 2 => may_be_refused(top.restart_child("below").await),
                    3 => {
                        if let Ok(below) = top.supervisor("below").await {
                            below.kill();
                        }
                    }
                    _ => strike(&random.of(&plans).me(), &mut random),
                }
            }
        }
    })
    .await;
    may_be_refused(top.restart_child("below").await);
    until(async || {
        let line = top.which_children().await.expect("it lives").remove(0);
        let Ok(below) = top.supervisor("below").await else { return false };
        for plan in plans.iter() {
            let _ = plan.me().call(Say::Count).await;
        }
        let Ok(children) = below.which_children().await else { return false };
        line.is_alive && children.len() == NAMES.len() && children.iter().all(|child| child.is_alive)
    })
    .await;
    until(async || node.actor_count() == 2 + NAMES.len() && plans.iter().all(|plan| plan.alive() == 1)).await;
    let shown = top.sys().state().await.expect("it lives");
    assert_eq!(shown.as_deref(), Some("one_for_one: 1 children, 1 places, 0 ends under way"));
    top.stop().await.expect("it stops");
    gone(&node, &plans.iter().collect::<Vec<_>>()).await;
}
