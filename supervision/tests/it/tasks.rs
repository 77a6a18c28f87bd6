//! Goal: tasks give their value or their reason, end when they should, and are never more than they may be. Method: the
//! supervisor over real tasks, a paused clock; what runs is counted by the tasks themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proscenium_runtime::{Actor, AnyRef, Context, Exit, Ref, Reply, Task};
use proscenium_supervision::{
    OnTimeout, Order, Restart, Shutdown, StreamOptions, Supervisor, SupervisorError, TaskError, TaskSupervisor,
    TaskSupervisorRef,
};
use tokio::time::timeout;

use crate::children::{node, until, watched};

const SECOND: Duration = Duration::from_secs(1);

async fn tasks(supervisor: TaskSupervisor) -> TaskSupervisorRef {
    supervisor.start(&node().await).await.expect("it starts")
}

/// Work that takes so long, on the paused clock.
async fn takes(time: Duration) {
    assert!(timeout(time, std::future::pending::<()>()).await.is_err());
}

async fn none_left(tasks: &TaskSupervisorRef) {
    until(async || tasks.count_children().await.expect("it lives").workers == 0).await;
}

/// How many run now, and how many ran at most.
#[derive(Clone, Default)]
struct Gauge(Arc<[AtomicUsize; 2]>);

struct Running(Gauge);

impl Gauge {
    fn enter(&self) -> Running {
        let now = self.0[0].fetch_add(1, Ordering::SeqCst) + 1;
        self.0[1].fetch_max(now, Ordering::SeqCst);
        Running(self.clone())
    }

    fn now(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0[0].fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_gives_its_value_or_its_reason_and_leaves_others_alone() {
    let tasks = tasks(TaskSupervisor::new()).await;
    let slow = tasks.async_nolink(takes(SECOND)).await.expect("it starts");
    let crash: Task<()> = tasks.async_nolink(async { panic!("boom") }).await.expect("it starts");
    assert_eq!(tasks.async_nolink(async { 7 }).await.expect("it starts").await, Ok(7));
    assert!(matches!(crash.await, Err(Exit::Panic(panic)) if &*panic.message == "boom"));
    let killed = tasks.async_nolink(std::future::pending::<()>()).await.expect("it starts");
    killed.kill();
    assert_eq!(killed.await, Err(Exit::Killed));
    assert_eq!(slow.await, Ok(()), "four siblings have ended meanwhile");
    none_left(&tasks).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_past_max_children_is_refused_and_not_run() {
    let tasks = tasks(TaskSupervisor::new().max_children(1)).await;
    let first = tasks.async_nolink(std::future::pending::<()>()).await.expect("there is room");
    let gauge = Gauge::default();
    let inner = gauge.clone();
    let refused = tasks.async_nolink(async move { drop(inner.enter()) }).await.expect_err("there is none");
    assert!(matches!(refused, SupervisorError::MaxChildren { limit: 1 }), "{refused}");
    first.kill();
    first.to_untyped().gone().await;
    tasks.async_nolink(async {}).await.expect("there is room again").await.expect("it is done");
    assert_eq!(gauge.most(), 0);
}

/// Starts a linked task, and gives what came of it.
struct Caller(TaskSupervisorRef);

enum Ask {
    Crash,
    Value(Reply<u32>),
    Forever(Reply<Task<()>>),
}

impl Actor for Caller {
    type Msg = Ask;
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Ask) -> Result<(), Exit> {
        match msg {
            Ask::Crash => {
                let crash = self.0.async_(cx, async { panic!("linked") });
                let _: Result<(), Exit> = crash.await?.await;
                std::future::pending::<()>().await; // The exit signal ends this.
            }
            Ask::Value(reply) => {
                // It may have ended before anybody could link with it from here.
                let task = self.0.async_(cx, async { 7 }).await?;
                reply.send(task.await?);
            }
            Ask::Forever(reply) => {
                let start = self.0.async_(cx, std::future::pending::<()>());
                reply.send(start.await?);
            }
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_linked_task_takes_its_caller_along_when_it_crashes_and_only_then() {
    let tasks = tasks(TaskSupervisor::new()).await;
    let caller = tasks.supervisor().node().spawn(Caller(tasks.clone())).await.expect("it starts");
    for _ in 0..100 {
        assert_eq!(caller.call(Ask::Value).await.expect("it lives on"), 7);
    }
    let down = watched(caller.untyped()).await;
    caller.tell(Ask::Crash).await.expect("it takes it");
    assert!(matches!(down.await, Exit::Panic(panic) if &*panic.message == "linked"));
    none_left(&tasks).await;
}

#[tokio::test(start_paused = true)]
async fn a_linked_task_ends_with_its_caller() {
    let tasks = tasks(TaskSupervisor::new()).await;
    let caller = tasks.supervisor().node().spawn(Caller(tasks.clone())).await.expect("it starts");
    let task = caller.call(Ask::Forever).await.expect("it is started");
    let unlinked = tasks.async_nolink(takes(SECOND)).await.expect("it starts");
    caller.exit(Exit::custom("boom"));
    assert_eq!(task.await, Err(Exit::custom("boom")));
    assert_eq!(unlinked.await, Ok(()), "it has nothing to do with that");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_supervisor_ends_tasks_as_their_shutdown_says() {
    let rows = [
        (Shutdown::BrutalKill, Err(Exit::Killed), 0),
        (Shutdown::Within(SECOND / 2), Err(Exit::Killed), 500),
        (Shutdown::Within(2 * SECOND), Ok(()), 1_000),
        (Shutdown::Infinity, Ok(()), 1_000),
    ];
    for (shutdown, want, took) in rows {
        let tasks = tasks(TaskSupervisor::new().shutdown(shutdown)).await;
        let task = tasks.async_nolink(takes(SECOND)).await.expect("it starts");
        let began = tokio::time::Instant::now();
        tasks.supervisor().stop().await.expect("it stops");
        assert_eq!((task.await, began.elapsed().as_millis()), (want, took), "{shutdown:?}");
        assert!(matches!(tasks.async_nolink(async {}).await, Err(SupervisorError::Gone(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_awaits_is_restarted_as_it_says() {
    let rows = [
        (Restart::Temporary, Err(Exit::custom("boom")), 1),
        (Restart::Transient, Err(Exit::custom("boom")), 3),
        (Restart::Transient, Ok(()), 1),
    ];
    for (row, (restart, first, runs)) in rows.into_iter().enumerate() {
        let tasks = tasks(TaskSupervisor::new().intensity(5, SECOND)).await;
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, fate) = (count.clone(), first.clone());
        let make = move || {
            let (run, fate) = (counted.fetch_add(1, Ordering::SeqCst), fate.clone());
            async move { if run < 2 { fate } else { Ok(()) } }
        };
        let child = tasks.start_child_with(restart, make).await.expect("it starts");
        child.to_untyped().gone().await;
        assert_eq!(count.load(Ordering::SeqCst), runs, "row {row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_awaits_runs_once_and_can_be_terminated() {
    let tasks = tasks(TaskSupervisor::new()).await;
    let gauge = Gauge::default();
    let (crash, forever) = (gauge.clone(), gauge.clone());
    let crash = tasks.start_child(async move {
        let _running = crash.enter();
        panic!("boom")
    });
    crash.await.expect("it starts").to_untyped().gone().await;
    let forever = tasks.start_child(async move {
        let _running = forever.enter();
        std::future::pending::<()>().await;
    });
    let forever = forever.await.expect("it starts");
    until(async || gauge.now() == 1).await;
    assert_eq!(tasks.which_children().await.expect("it lives")[0].place, forever.place());
    tasks.terminate_child(&forever).await.expect("it ends");
    assert_eq!((gauge.now(), gauge.most()), (0, 1));
}

fn at_once(max_concurrency: usize) -> StreamOptions {
    StreamOptions { max_concurrency, ..StreamOptions::default() }
}

/// Task n takes `ms[n]`; gives the numbers in the order of their results, and the most that ran at once.
async fn stream(options: StreamOptions, ms: &'static [u64]) -> (Vec<Result<usize, String>>, usize) {
    // No more than may run at once may be there at once.
    let tasks = tasks(TaskSupervisor::new().max_children(options.max_concurrency.max(1))).await;
    let gauge = Gauge::default();
    let inner = gauge.clone();
    let mut results = tasks.async_stream(0..ms.len(), options, move |n| {
        let gauge = inner.clone();
        async move {
            let _running = gauge.enter();
            takes(Duration::from_millis(ms[n])).await;
            assert!(n != 13, "thirteen");
            n
        }
    });
    let mut all = Vec::new();
    while let Some(result) = results.next().await {
        all.push(result.map_err(|error| match error {
            TaskError::Exit(Exit::Panic(panic)) => panic.message.to_string(),
            TaskError::TimedOut(limit) => format!("{limit:?}"),
            other => other.to_string(),
        }));
    }
    none_left(&tasks).await;
    (all, gauge.most())
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_results_in_the_order_of_its_items_or_as_they_are_done() {
    const MS: &[u64] = &[300, 100, 200];
    let given = StreamOptions { order: Order::AsGiven, ..at_once(3) };
    assert_eq!(stream(given, MS).await, (vec![Ok(0), Ok(1), Ok(2)], 3));
    let done = StreamOptions { order: Order::AsDone, ..at_once(3) };
    assert_eq!(stream(done, MS).await, (vec![Ok(1), Ok(2), Ok(0)], 3));
}

#[tokio::test(start_paused = true)]
async fn a_stream_runs_no_more_tasks_at_once_than_it_may() {
    const MS: &[u64] = &[10, 40, 20, 30, 10, 40, 20, 30, 10];
    for (max_concurrency, most) in [(0, 1), (1, 1), (2, 2), (4, 4), (100, 9)] {
        for order in [Order::AsGiven, Order::AsDone] {
            let (all, ran) = stream(StreamOptions { order, ..at_once(max_concurrency) }, MS).await;
            assert_eq!((all.len(), ran), (9, most), "{max_concurrency} {order:?}");
            assert!(all.iter().all(Result::is_ok), "the place of each was free: {all:?}");
        }
    }
}

/// On several threads a value can be had before the supervisor has heard of its task's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_starts_the_next_task_when_the_place_of_one_is_free() {
    let tasks = tasks(TaskSupervisor::new().max_children(2)).await;
    let mut results = tasks.async_stream(0..2_000, at_once(2), |n: u32| async move { n });
    let mut next = 0;
    while let Some(result) = results.next().await {
        assert_eq!(result.expect("there was a place for it"), next);
        next += 1;
    }
    assert_eq!(next, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_a_stream_is_the_error_of_its_item() {
    const MS: &[u64] = &[0; 15];
    let (all, _) = stream(at_once(2), MS).await;
    let mut want: Vec<_> = (0..15).map(Ok).collect();
    want[13] = Err("thirteen".to_owned());
    assert_eq!(all, want);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_ends_the_stream_or_is_killed() {
    const MS: &[u64] = &[10, 6_000, 10, 10];
    let late = || Err("5s".to_owned());
    let (all, _) = stream(at_once(2), MS).await;
    assert_eq!(all, [Ok(0), late()], "by default the stream ends, and with it what runs");
    let kill = StreamOptions { on_timeout: OnTimeout::KillTask, ..at_once(2) };
    assert_eq!(stream(kill, MS).await.0, [Ok(0), late(), Ok(2), Ok(3)]);
    let patient = StreamOptions { timeout: None, ..at_once(2) };
    assert_eq!(stream(patient, MS).await.0, [Ok(0), Ok(1), Ok(2), Ok(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_ends_its_tasks_also_those_that_are_about_to_start() {
    let tasks = tasks(TaskSupervisor::new()).await;
    let gauge = Gauge::default();
    for polls in 1..4 {
        let inner = gauge.clone();
        let mut results = tasks.async_stream(0..10, at_once(3), move |_| {
            let gauge = inner.clone();
            async move {
                let _running = gauge.enter();
                std::future::pending::<()>().await;
            }
        });
        for _ in 0..polls {
            assert!(futures_util::poll!(Box::pin(results.next())).is_pending(), "the first polls order the starts");
            tokio::task::yield_now().await;
        }
        if polls == 3 {
            until(async || gauge.now() == 3).await;
        }
        drop(results);
        none_left(&tasks).await;
        assert_eq!(gauge.now(), 0, "after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_what_was_not_started_and_why() {
    let tasks = tasks(TaskSupervisor::new().max_children(1)).await;
    let other = tasks.async_nolink(std::future::pending::<()>()).await.expect("it takes the only place");
    let mut results = tasks.async_stream([1], at_once(1), |n: u32| async move { n });
    let refused = results.next().await.expect("there is one item");
    assert!(matches!(refused, Err(TaskError::NotStarted(SupervisorError::MaxChildren { limit: 1 }))), "{refused:?}");
    assert!(results.next().await.is_none());
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn below_another_supervisor_it_has_a_ref_of_its_own() {
    let node = node().await;
    let tree = Supervisor::one_for_one().child(TaskSupervisor::new().child_spec("tasks"));
    let tree = tree.start(&node).await.expect("it starts");
    let tasks: TaskSupervisorRef = tree.reference("tasks").await.expect("it runs");
    let task = tasks.async_nolink(std::future::pending::<()>()).await.expect("it starts");
    tree.stop().await.expect("it stops");
    assert_eq!(task.await, Err(Exit::Killed), "the tree's end is the task's");
}
