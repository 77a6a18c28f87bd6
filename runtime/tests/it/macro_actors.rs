//! Goal: an actor written with `#[actor]` does what the attributes say, as one written by hand would.
//! Method: one actor for each group of marks; the errors of the macro itself are in `tests/ui`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::{
    Actor, CallError, Context, CrashPolicy, Down, Exit, Exited, Life, Mailbox, Overflow, Reply, SpawnError, TellError,
    Undelivered, actor,
};
use tokio::sync::oneshot;

use crate::both_weights::{World, look, soon};

both_weights!(()
    casts_and_calls_are_methods_of_the_ref,
    async_handlers_may_wait,
    a_result_is_the_callers,
    an_error_of_a_cast_ends_the_actor,
    a_call_with_a_reply_answers_when_it_likes,
    infos_are_made_by_the_actor_itself,
    downs_and_exits_are_infos,
    hooks_run_in_their_turn,
    a_generic_actor_works_for_each_type,
    the_attributes_set_mailbox_and_overflow,
    the_attributes_set_the_crash_policy,
    the_kinds_are_the_names_of_the_methods,
    state_is_shown_only_where_the_actor_opts_in,
    the_ref_finds_its_actor_by_name,
    a_ref_of_a_tell_may_be_tried_or_limited,
);
both_weights!((start_paused = true)
    a_timer_sends_an_info,
);
both_weights!((flavor = "multi_thread", worker_threads = 1)
    a_thread_actor_may_block,
    a_thread_actor_stops_and_is_killed_like_any_other,
);

struct Counter {
    n: u64,
}

#[actor(crate = proscenium_runtime)]
impl Counter {
    /// Adds to the count.
    #[cast]
    fn add(&mut self, by: u64) {
        self.n += by;
    }

    #[cast]
    fn reset(&mut self) {
        self.n = 0;
    }

    #[call]
    fn get(&self) -> u64 {
        self.n
    }

    #[call]
    fn swap(&mut self, to: u64, scale: u64) -> u64 {
        std::mem::replace(&mut self.n, to * scale)
    }

    #[call]
    async fn slowly(&mut self, gate: oneshot::Receiver<u64>) -> u64 {
        self.n += gate.await.unwrap_or_default();
        self.doubled()
    }

    fn doubled(&self) -> u64 {
        2 * self.n
    }
}

async fn casts_and_calls_are_methods_of_the_ref(world: World) {
    let counter: CounterRef = world.spawn(Counter { n: 0 }).await.expect("it starts");
    counter.add(2).await.expect("there is room");
    counter.add(3).await.expect("there is room");
    assert_eq!(counter.get().await, Ok(5));
    assert_eq!(counter.swap(2, 10).await, Ok(5));
    assert_eq!(counter.clone().get().await, Ok(20));
    counter.reset().await.expect("there is room");
    assert_eq!(counter.get().await, Ok(0));
    let mut plain = Counter { n: 1 };
    plain.add(1);
    assert_eq!(plain.get(), 2, "the methods stay methods");
}

async fn async_handlers_may_wait(world: World) {
    let counter = world.spawn(Counter { n: 1 }).await.expect("it starts");
    let (open, gate) = oneshot::channel();
    let mut call = counter.slowly(gate);
    assert!(look(&mut call).is_pending());
    counter.add(100).await.expect("there is room");
    open.send(4).expect("it waits");
    assert_eq!(soon(call).await, Ok(10), "one message at a time");
    assert_eq!(counter.get().await, Ok(105));
}

#[derive(Default)]
struct Shelf {
    books: BTreeMap<String, u32>,
    waiting: Vec<Reply<u32>>,
}

#[actor(crate = proscenium_runtime)]
impl Shelf {
    #[call]
    fn take(&mut self, title: String) -> Result<u32, String> {
        self.books.remove(&title).ok_or(title)
    }

    #[cast]
    fn put(&mut self, title: String, count: &'static str) -> Result<(), std::num::ParseIntError> {
        self.books.insert(title, count.parse()?);
        Ok(())
    }

    #[call]
    fn wait(&mut self, reply: Reply<u32>) {
        self.waiting.push(reply);
    }

    #[cast]
    fn serve(&mut self, value: u32) {
        self.waiting.drain(..).for_each(|reply| reply.send(value));
    }
}

async fn a_result_is_the_callers(world: World) {
    let shelf = world.spawn(Shelf::default()).await.expect("it starts");
    shelf.put("one".into(), "1").await.expect("there is room");
    assert_eq!(shelf.take("one".into()).await, Ok(Ok(1)));
    assert_eq!(shelf.take("one".into()).await, Ok(Err("one".into())));
    assert!(shelf.is_running(), "an error of a call ends nobody");
}

async fn an_error_of_a_cast_ends_the_actor(world: World) {
    let shelf = world.spawn(Shelf::default()).await.expect("it starts");
    shelf.put("two".into(), "two").await.expect("there is room");
    let Exit::Error(error) = soon(shelf.gone()).await else { panic!("it is an error") };
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

async fn a_call_with_a_reply_answers_when_it_likes(world: World) {
    let shelf = world.spawn(Shelf::default()).await.expect("it starts");
    let (mut one, mut two) = (shelf.wait(), shelf.wait());
    assert!(look(&mut one).is_pending());
    assert!(look(&mut two).is_pending());
    shelf.serve(7).await.expect("there is room");
    assert_eq!((soon(one).await, soon(two).await), (Ok(7), Ok(7)));
}

type Heard = Arc<Mutex<Vec<String>>>;

struct Clerk {
    heard: Heard,
    init: Result<(), Exit>,
}

impl Clerk {
    fn new(heard: &Heard) -> Self {
        Clerk { heard: heard.clone(), init: Ok(()) }
    }

    fn hear(&self, what: impl Into<String>) {
        self.heard.lock().expect("nobody panics under it").push(what.into());
    }
}

#[actor(crate = proscenium_runtime)]
impl Clerk {
    #[init]
    fn begin(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.hear(format!("init {}", cx.incarnation()));
        self.init.clone()
    }

    #[cast]
    fn arm(&mut self, cx: &mut Context<Self>, after: Duration) {
        cx.send_after(after, ClerkMsg::tick(1));
        cx.continue_with(ClerkMsg::armed());
    }

    #[info]
    fn tick(&mut self, n: u32) {
        self.hear(format!("tick {n}"));
    }

    #[info]
    fn armed(&self) {
        self.hear("armed");
    }

    #[cast]
    fn watch(&mut self, cx: &mut Context<Self>, other: CounterRef) {
        cx.monitor(&other);
        cx.trap_exit(true);
        cx.link(&other);
    }

    #[info]
    fn down(&mut self, down: Down) {
        self.hear(format!("down {}", down.exit));
    }

    #[info]
    fn exited(&mut self, exited: Exited) {
        self.hear(format!("exit {}", exited.exit));
    }

    #[cast]
    fn quit(&mut self, cx: &mut Context<Self>) {
        cx.stop(Exit::Shutdown);
    }

    #[call]
    fn all(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics under it").clone()
    }

    #[terminate]
    async fn end(&mut self, exit: &Exit) {
        tokio::task::yield_now().await;
        self.hear(format!("end {exit}"));
    }
}

async fn infos_are_made_by_the_actor_itself(world: World) {
    let heard = Heard::default();
    let clerk = world.spawn(Clerk::new(&heard)).await.expect("it starts");
    clerk.arm(Duration::ZERO).await.expect("there is room");
    let ticked = async { while clerk.all().await.expect("it runs").last().is_none_or(|last| last != "tick 1") {} };
    soon(ticked).await;
    assert_eq!(clerk.all().await.expect("it runs"), ["init 1", "armed", "tick 1"]);
}

async fn a_timer_sends_an_info(world: World) {
    let clerk = world.spawn(Clerk::new(&Heard::default())).await.expect("it starts");
    clerk.arm(Duration::from_secs(9)).await.expect("there is room");
    assert_eq!(clerk.all().await.expect("it runs"), ["init 1", "armed"]);
    tokio::time::advance(Duration::from_secs(8)).await;
    assert_eq!(clerk.all().await.expect("it runs"), ["init 1", "armed"]);
    tokio::time::advance(Duration::from_millis(1_001)).await;
    tokio::task::yield_now().await;
    assert_eq!(clerk.all().await.expect("it runs"), ["init 1", "armed", "tick 1"]);
}

async fn downs_and_exits_are_infos(world: World) {
    let clerk = world.spawn(Clerk::new(&Heard::default())).await.expect("it starts");
    let counter = world.spawn(Counter { n: 0 }).await.expect("it starts");
    clerk.watch(counter.clone()).await.expect("there is room");
    assert_eq!(soon(clerk.all()).await.expect("it runs"), ["init 1"]);
    counter.exit(Exit::custom("gone"));
    soon(counter.gone()).await;
    let heard = async { while clerk.all().await.expect("it runs").len() < 3 {} };
    soon(heard).await;
    assert_eq!(clerk.all().await.expect("it runs"), ["init 1", "down gone", "exit gone"]);
}

async fn hooks_run_in_their_turn(world: World) {
    let heard = Heard::default();
    let clerk = world.spawn(Clerk::new(&heard)).await.expect("it starts");
    clerk.quit().await.expect("there is room");
    assert_eq!(soon(clerk.gone()).await, Exit::Shutdown);
    assert_eq!(*heard.lock().expect("nobody panics under it"), ["init 1", "end shutdown"]);

    let failing = Clerk { heard: Heard::default(), init: Err(Exit::Ignore) };
    assert!(matches!(world.spawn(failing).await, Err(SpawnError::Init(Exit::Ignore))));
}

struct Stack<T: Send + 'static, const LIMIT: usize> {
    items: Vec<T>,
}

#[actor(crate = proscenium_runtime)]
impl<T: Send + Clone + 'static, const LIMIT: usize> Stack<T, LIMIT> {
    #[cast]
    fn push(&mut self, item: T) {
        if self.items.len() < LIMIT {
            self.items.push(item);
        }
    }

    #[call]
    fn items(&self) -> Vec<T> {
        self.items.clone()
    }
}

async fn a_generic_actor_works_for_each_type(world: World) {
    let words = world.spawn(Stack::<&str, 2> { items: Vec::new() }).await.expect("it starts");
    let numbers = world.spawn(Stack::<u8, 9> { items: Vec::new() }).await.expect("it starts");
    for word in ["a", "b", "c"] {
        words.push(word).await.expect("there is room");
    }
    numbers.push(7).await.expect("there is room");
    assert_eq!(words.items().await, Ok(vec!["a", "b"]));
    assert_eq!(numbers.items().await, Ok(vec![7]));
}

struct Small;

const BOUND: usize = 2;

#[actor(mailbox = BOUND, overflow = drop_oldest, crash = set_aside, crate = proscenium_runtime)]
impl Small {
    #[call]
    async fn hold(&mut self, entered: oneshot::Sender<()>, gate: Arc<tokio::sync::Semaphore>) -> bool {
        let _ = entered.send(());
        gate.acquire().await.is_ok()
    }

    #[cast]
    fn item(&mut self, n: u32, lost: Arc<AtomicU32>) {
        assert!(n != 13, "thirteen");
        lost.store(n, Ordering::SeqCst);
    }

    #[undelivered]
    fn lost(msg: SmallMsg, why: &Undelivered) {
        if let (SmallMsg::Item { lost, .. }, Undelivered::Crashed(_)) = (msg, why) {
            lost.store(100, Ordering::SeqCst);
        }
    }
}

#[actor(mailbox = unbounded, crash = retry_once, crate = proscenium_runtime)]
impl Retrying {
    #[cast]
    fn strike(&mut self, left: Arc<AtomicU32>) {
        let lethal = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        assert!(!lethal, "struck");
        self.survived += 1;
    }

    #[call]
    fn survived(&self) -> u32 {
        self.survived
    }
}

struct Retrying {
    survived: u32,
}

async fn the_attributes_set_mailbox_and_overflow(world: World) {
    assert_eq!(Counter::MAILBOX, Mailbox::DEFAULT);
    assert_eq!(Small::MAILBOX, Mailbox::bounded(2).overflow(Overflow::DropOldest));
    assert_eq!(Retrying::MAILBOX, Mailbox::unbounded());
    let small = world.spawn(Small).await.expect("it starts");
    assert_eq!(small.sys().status().capacity, Some(2));
}

async fn the_attributes_set_the_crash_policy(world: World) {
    assert_eq!(
        (Counter::CRASH, Small::CRASH, Retrying::CRASH),
        (CrashPolicy::Drop, CrashPolicy::SetAside, CrashPolicy::RetryOnce)
    );
    let (cell, mut ends) = world.cell::<Retrying>(Retrying::MAILBOX).await;
    cell.start(Retrying { survived: 0 }).await.expect("it starts");
    let retrying: RetryingRef = cell.reference();
    retrying.strike(Arc::new(AtomicU32::new(1))).await.expect("there is room");
    assert_eq!(ends.next().await, (1, Exit::panic("struck")));
    cell.start(Retrying { survived: 0 }).await.expect("it starts");
    assert_eq!(soon(retrying.survived()).await, Ok(1));

    let lost = Arc::new(AtomicU32::new(0));
    let small = world.spawn(Small).await.expect("it starts");
    small.item(13, lost.clone()).await.expect("there is room");
    assert_eq!(soon(small.gone()).await, Exit::panic("thirteen"));
    assert_eq!(lost.load(Ordering::SeqCst), 100, "it is set aside");
}

async fn the_kinds_are_the_names_of_the_methods(world: World) {
    let small = world.spawn(Small).await.expect("it starts");
    let ((entered, inside), gate) = (oneshot::channel(), Arc::new(tokio::sync::Semaphore::new(0)));
    let mut held = small.hold(entered, gate.clone());
    assert!(look(&mut held).is_pending());
    soon(inside).await.expect("it gets there");
    assert_eq!(small.sys().status().in_hand, Some("hold"));
    gate.add_permits(1);
    assert_eq!(soon(held).await, Ok(true));
    let counter = world.spawn(Counter { n: 0 }).await.expect("it starts");
    counter.add(1).await.expect("there is room");
    counter.get().await.expect("it runs");
    let history = counter.sys().history().await.expect("it runs");
    assert_eq!(history.iter().map(|recorded| recorded.kind).collect::<Vec<_>>(), ["add", "get"]);
}

struct Shown(&'static str);

#[actor(crate = proscenium_runtime)]
impl Shown {
    #[cast]
    fn set(&mut self, to: &'static str) {
        self.0 = to;
    }

    #[status]
    fn status(&self) -> String {
        format!("shows {}", self.0)
    }
}

async fn state_is_shown_only_where_the_actor_opts_in(world: World) {
    let shown = world.spawn(Shown("one")).await.expect("it starts");
    assert_eq!(shown.sys().state().await.expect("it runs").as_deref(), Some("shows one"));
    let counter = world.spawn(Counter { n: 0 }).await.expect("it starts");
    assert_eq!(counter.sys().state().await.expect("it runs"), None);
}

async fn the_ref_finds_its_actor_by_name(world: World) {
    let counter = world.spawn(Counter { n: 3 }).named("counter").await.expect("the name is free");
    let found: CounterRef = Counter::whereis(&world.node, "counter").expect("it is there");
    assert_eq!(found.get().await, Ok(3));
    assert_eq!(found.id(), counter.id());
    assert!(Shelf::whereis(&world.node, "counter").is_err(), "it is another type");
    assert!(Counter::whereis(&world.node, "nobody").is_err());
}

async fn a_ref_of_a_tell_may_be_tried_or_limited(world: World) {
    let counter = world.spawn(Counter { n: 0 }).mailbox(Mailbox::bounded(1)).await.expect("it starts");
    let (open, gate) = oneshot::channel();
    let mut held = counter.slowly(gate);
    assert!(look(&mut held).is_pending());
    tokio::task::yield_now().await;
    counter.add(1).now().expect("there is room");
    assert!(matches!(counter.add(1).now(), Err(TellError::Full(_))));
    let late = counter.add(1).within(Duration::from_millis(5)).await;
    assert!(matches!(late, Err(TellError::Timeout { .. })));
    assert_eq!(counter.get().now().await, Err(CallError::Full));
    assert!(matches!(counter.get().within(Duration::from_millis(5)).await, Err(CallError::Timeout { .. })));
    open.send(1).expect("it waits");
    assert_eq!(soon(held).await, Ok(2));
    assert_eq!(soon(counter.get().within(Duration::from_secs(10))).await, Ok(2));
}

struct Blocking {
    gate: std::sync::mpsc::Receiver<u32>,
}

#[actor(thread, crate = proscenium_runtime)]
impl Blocking {
    #[call]
    fn block(&mut self) -> Option<u32> {
        self.gate.recv().ok()
    }

    #[call]
    fn thread(&self) -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[cast]
    async fn wait(&mut self, entered: oneshot::Sender<()>) {
        let _ = entered.send(());
        std::future::pending::<()>().await;
    }
}

/// On a runtime with one worker: a handler that blocks it would hang the other actor, and this test.
async fn a_thread_actor_may_block(world: World) {
    let (open, gate) = std::sync::mpsc::channel();
    let blocking = world.spawn(Blocking { gate }).await.expect("it starts");
    let counter = world.spawn(Counter { n: 1 }).await.expect("it starts");
    let caller = blocking.clone();
    let call = tokio::spawn(async move { caller.block().await });
    while blocking.sys().status().in_hand != Some("block") {
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(counter.get()).await, Ok(1), "others go on");
    open.send(5).expect("it waits");
    assert_eq!(soon(call).await.expect("no panic"), Ok(Some(5)));
    let name = soon(blocking.thread()).await.expect("it runs");
    assert!(name.is_some_and(|name| name.starts_with("actor-")), "a thread of its own");
}

async fn a_thread_actor_stops_and_is_killed_like_any_other(world: World) {
    let thread = || async {
        let (open, gate) = std::sync::mpsc::channel();
        (open, world.spawn(Blocking { gate }).await.expect("it starts"))
    };
    let (_open, idle) = thread().await;
    assert_eq!(soon(idle.stop().into_future()).await.expect("it stops"), Exit::Normal);
    let (_open, busy) = thread().await;
    let (entered, inside) = oneshot::channel();
    busy.wait(entered).await.expect("there is room");
    soon(inside).await.expect("it gets there");
    busy.kill();
    assert_eq!(soon(busy.gone()).await, Exit::Killed);
    assert_eq!(busy.sys().status().life, Life::Gone);
}
