//! A panic costs the actor that it happened in, and nothing else; a crash report says what it was at.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proscenium_runtime::{
    Actor, ActorCell, Context, CrashPolicy, CrashReport, Ended, Exit, Mailbox, NameError, Node, Owner, Ref, Reply,
    Reported, Reports, SpawnError, actor_fn,
};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::soon;
use crate::capture;
use crate::doer::{BOTH, Doer, Heard, Held, Weight, ends, panics};

/// What a panic carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Payload {
    Text,
    /// A value whose own `Drop` panics: who catches the panic has to bear that too.
    Bomb,
}

const PAYLOADS: [Payload; 2] = [Payload::Text, Payload::Bomb];

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the payload's own Drop"); // A second panic at once would abort.
    }
}

impl Payload {
    fn burst(self) -> ! {
        match self {
            Payload::Text => panic!("burst"),
            Payload::Bomb => std::panic::panic_any(Bomb),
        }
    }

    fn exit(self) -> Exit {
        match self {
            Payload::Text => Exit::panic("burst"),
            Payload::Bomb => Exit::panic("a value that is no text"),
        }
    }
}

/// A value whose `Drop` panics.
struct Fragment(Payload, Arc<AtomicUsize>);

impl Drop for Fragment {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        if !std::thread::panicking() {
            self.0.burst();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Nowhere,
    Init,
    Terminate,
    State,
    Status,
}

/// Panics at its place, or when it is told to.
struct Fragile {
    at: Place,
    payload: Payload,
}

enum Msg {
    Burst,
    /// Its handler returns this.
    End(Exit),
    /// Dropped by its handler.
    Take(Fragment),
    /// Dropped by its handler, which returns this.
    TakeAndEnd(Fragment, Exit),
    /// The handler waits with it in hand.
    Hold(Fragment, oneshot::Sender<()>),
    Arm(Fragment),
    Attach(Payload),
    AttachForEver(Fragment),
    Ask(Reply<u32>),
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if self.at == Place::State && !std::thread::panicking() {
            self.payload.burst();
        }
    }
}

impl Actor for Fragile {
    type Msg = Msg;
    type Ref = Ref<Self>;

    async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        if self.at == Place::Init { self.payload.burst() } else { Ok(()) }
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Burst => self.payload.burst(),
            Msg::End(exit) => return Err(exit),
            Msg::Take(fragment) => drop(fragment),
            Msg::TakeAndEnd(_fragment, exit) => return Err(exit),
            Msg::Hold(_fragment, holding) => {
                let _ = holding.send(());
                std::future::pending::<()>().await;
            }
            Msg::Arm(fragment) => drop(cx.send_after(Duration::from_secs(3600), Msg::Take(fragment))),
            Msg::Attach(payload) => cx.pipe(async move { payload.burst() }, |()| Msg::Burst),
            Msg::AttachForEver(fragment) => {
                let work = async move {
                    let _fragment = fragment;
                    std::future::pending::<()>().await;
                };
                cx.pipe(work, |()| Msg::Burst);
            }
            Msg::Ask(reply) => reply.send(1),
        }
        Ok(())
    }

    async fn terminate(&mut self, _: &mut Context<Self>, _: &Exit) {
        if self.at == Place::Terminate {
            self.payload.burst();
        }
    }

    fn format_status(&self) -> Option<String> {
        if self.at == Place::Status { self.payload.burst() } else { None }
    }
}

/// A node with somebody who must not notice anything.
struct Scene {
    node: Node,
    weight: Weight,
    payload: Payload,
    bystander: Ref<Fragile>,
    dropped: Arc<AtomicUsize>,
}

impl Scene {
    async fn victim(&self, at: Place) -> Ref<Fragile> {
        let fragile = Fragile { at, payload: self.payload };
        self.weight.spawn(&self.node, fragile).named("victim").await.expect("it starts")
    }

    fn fragment(&self) -> Fragment {
        Fragment(self.payload, self.dropped.clone())
    }

    /// The victim is gone for this reason, said to all who asked, and nothing else is.
    async fn costs_only(&self, victim: &Ref<Fragile>, exit: Exit) {
        let gone = soon(victim.gone()).await;
        assert_eq!(gone, exit, "{:?} {:?}", self.weight, self.payload);
        self.goes_on().await;
    }

    async fn goes_on(&self) {
        let what = (self.weight, self.payload);
        assert_eq!(soon(self.bystander.call(Msg::Ask)).await, Ok(1), "{what:?}: the bystander");
        let found = self.node.whereis::<Fragile>("victim");
        assert!(matches!(found, Err(NameError::Unknown(_))), "{what:?}: {found:?}");
        let next = self.victim(Place::Nowhere).await;
        assert_eq!(soon(next.call(Msg::Ask)).await, Ok(1), "{what:?}: a later spawn");
        soon(next.stop().into_future()).await.expect("it stops");
    }
}

/// Runs `play` over both weights and both payloads; afterwards the node stops in order, so nobody was left behind.
async fn scenes(play: impl AsyncFn(&Scene)) {
    for weight in BOTH {
        for payload in PAYLOADS {
            let node = Node::start("panics").await.expect("a runtime runs here");
            let bystander = Fragile { at: Place::Nowhere, payload };
            let bystander = weight.spawn(&node, bystander).named("bystander").await.expect("it starts");
            let scene = Scene { node, weight, payload, bystander, dropped: Arc::default() };
            play(&scene).await;
            let stopped = soon(scene.node.stop().within(Duration::from_secs(3)).into_future()).await;
            assert!(stopped.is_ok(), "{weight:?} {payload:?}: {stopped:?}");
            assert_eq!(scene.node.actor_count(), 0, "{weight:?} {payload:?}");
        }
    }
}

/// Who monitors the victim; polled once, so that the monitor is set.
async fn watched(victim: &Ref<Fragile>) -> tokio::task::JoinHandle<Exit> {
    let victim = victim.clone();
    let (set, is_set) = oneshot::channel();
    let watching = tokio::spawn(async move {
        let mut down = std::pin::pin!(victim.monitor());
        let mut set = Some(set);
        std::future::poll_fn(|cx| {
            let polled = down.as_mut().poll(cx);
            if let Some(set) = set.take() {
                let _ = set.send(());
            }
            polled
        })
        .await
        .exit
    });
    is_set.await.expect("it polls");
    watching
}

/// Caught: `guarded` that drops the payload bare.
#[tokio::test]
async fn in_a_handler() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let watching = watched(&victim).await;
        victim.tell(Msg::Burst).await.expect("it lives");
        assert_eq!(soon(watching).await.expect("no panic"), scene.payload.exit());
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

/// Caught: `init` awaited outside `guarded`.
#[tokio::test]
async fn in_init() {
    scenes(async |scene| {
        let fragile = Fragile { at: Place::Init, payload: scene.payload };
        match soon(scene.weight.spawn(&scene.node, fragile).named("victim").into_future()).await {
            Err(SpawnError::Init(exit)) => assert_eq!(exit, scene.payload.exit()),
            other => panic!("{other:?}"),
        }
        scene.goes_on().await;
    })
    .await;
}

/// Caught: a panic of the stop hook that leaves the exit as it was.
#[tokio::test]
async fn in_the_stop_hook() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Terminate).await;
        victim.tell(Msg::End(Exit::Normal)).await.expect("it lives");
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

/// Caught: `drop_state` without its `catch_unwind`. With a bomb: seen to fail while the payload was dropped outside it.
#[tokio::test]
async fn in_the_drop_of_the_state() {
    scenes(async |scene| {
        for exit in [Exit::Normal, Exit::custom("boom")] {
            let victim = scene.victim(Place::State).await;
            let watching = watched(&victim).await;
            victim.tell(Msg::End(exit.clone())).await.expect("it lives");
            assert_eq!(soon(watching).await.expect("no panic"), exit, "{:?}", scene.payload);
            scene.costs_only(&victim, exit).await;
        }
        let victim = scene.victim(Place::State).await;
        victim.tell(Msg::Burst).await.expect("it lives");
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

/// Caught: `undeliver` without its `catch_unwind`. With a bomb: seen to fail while the payload was dropped outside it.
#[tokio::test]
async fn in_the_drop_of_messages_that_are_queued_at_the_end() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let watching = watched(&victim).await;
        victim.sys().suspend().expect("it lives");
        for _ in 0..3 {
            victim.tell(Msg::Take(scene.fragment())).await.expect("it lives");
        }
        victim.kill();
        assert_eq!(soon(watching).await.expect("no panic"), Exit::Killed, "{:?}", scene.payload);
        assert_eq!(scene.dropped.load(Ordering::SeqCst), 3, "each was handed on");
        scene.costs_only(&victim, Exit::Killed).await;
    })
    .await;
}

/// Caught: `guarded` that drops the payload bare.
#[tokio::test]
async fn in_the_drop_of_the_message_in_hand() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        victim.tell(Msg::Take(scene.fragment())).await.expect("it lives");
        scene.costs_only(&victim, scene.payload.exit()).await;

        let victim = scene.victim(Place::Nowhere).await;
        victim.tell(Msg::TakeAndEnd(scene.fragment(), Exit::Normal)).await.expect("it lives");
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

/// Caught: `future.set(None)` outside `catch_unwind`.
#[tokio::test]
async fn in_the_drop_of_the_message_in_hand_at_a_kill() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let watching = watched(&victim).await;
        let (holding, held) = oneshot::channel();
        victim.tell(Msg::Hold(scene.fragment(), holding)).await.expect("it lives");
        soon(held).await.expect("the handler runs");
        victim.exit(Exit::custom("boom"));
        assert_eq!(soon(watching).await.expect("no panic"), Exit::custom("boom"), "{:?}", scene.payload);
        scene.costs_only(&victim, Exit::custom("boom")).await;
    })
    .await;
}

/// Caught: `drop(cx)` outside `catch_unwind` in `Life::end`. With a bomb: seen to hang while the payload was dropped
/// outside it: the end was never told.
#[tokio::test]
async fn in_the_drop_of_a_timers_message() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let watching = watched(&victim).await;
        victim.tell(Msg::Arm(scene.fragment())).await.expect("it lives");
        victim.tell(Msg::End(Exit::Normal)).await.expect("it lives");
        let down = soon(watching).await.expect("no panic");
        assert_eq!(down, Exit::Normal, "{:?}", scene.payload);
        scene.costs_only(&victim, Exit::Normal).await;
    })
    .await;
}

/// Caught: the panic of an attached future that ends nobody.
#[tokio::test]
async fn in_an_attached_future() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        victim.tell(Msg::Attach(scene.payload)).await.expect("it lives");
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

#[tokio::test]
async fn in_the_drop_of_an_attached_future() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        victim.tell(Msg::AttachForEver(scene.fragment())).await.expect("it lives");
        assert_eq!(soon(victim.call(Msg::Ask)).await, Ok(1));
        victim.tell(Msg::End(Exit::Normal)).await.expect("it lives");
        scene.costs_only(&victim, Exit::Normal).await;
    })
    .await;
}

#[tokio::test]
async fn in_format_status() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Status).await;
        let shown = soon(victim.sys().state()).await;
        match scene.payload {
            Payload::Text => {
                assert_eq!(shown.expect("it lives").as_deref(), Some("(panic in format_status)"));
                assert_eq!(soon(victim.call(Msg::Ask)).await, Ok(1), "it lives on");
            }
            Payload::Bomb => drop(shown),
        }
        victim.kill();
        soon(victim.gone()).await;
        scene.goes_on().await;
    })
    .await;
}

#[tokio::test]
async fn in_an_inspection() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let payload = scene.payload;
        let seen = soon(victim.sys().inspect(move |_| payload.burst())).await;
        assert!(seen.is_err(), "no answer out of a panic");
        scene.costs_only(&victim, scene.payload.exit()).await;
    })
    .await;
}

/// Seen to fail while requests that nobody answered were dropped outside `catch_unwind`.
#[tokio::test]
async fn in_the_drop_of_an_inspection_that_nobody_made() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let (holding, held) = oneshot::channel();
        let harmless = Fragment(scene.payload, scene.dropped.clone());
        let watching = watched(&victim).await;
        victim.tell(Msg::Hold(harmless, holding)).await.expect("it lives");
        soon(held).await.expect("the handler runs");
        let fragment = scene.fragment();
        let sys = victim.sys();
        let mut asked = Box::pin(sys.inspect(move |_| drop(fragment)));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx).is_ready())).await;
        assert!(!first, "it waits");
        victim.kill();
        assert_eq!(soon(watching).await.expect("no panic"), Exit::Killed);
        drop(soon(asked).await);
        scene.costs_only(&victim, Exit::Killed).await;
    })
    .await;
}

/// The wrap of a recipient is the sender's code: it costs the sender.
#[tokio::test]
async fn in_the_wrap_of_a_recipient() {
    scenes(async |scene| {
        let victim = scene.victim(Place::Nowhere).await;
        let payload = scene.payload;
        let recipient = scene.bystander.recipient(move |(): ()| payload.burst());
        let sender = scene.weight.spawn(&scene.node, actor_fn(move |(): ()| drop(recipient.tell_now(()))));
        let sender = sender.await.expect("it starts");
        sender.tell(()).await.expect("it lives");
        assert_eq!(soon(sender.gone()).await, scene.payload.exit());
        victim.kill();
        scene.costs_only(&victim, Exit::Killed).await;
    })
    .await;
}

/// A copy is kept for the crash policy: its drop is user code too. Seen to fail while `conclude` dropped it bare.
#[tokio::test]
async fn in_the_drop_of_the_copy_that_was_kept() {
    struct Keeping;

    impl Actor for Keeping {
        type Msg = (Option<Fragment>, Exit);
        type Ref = Ref<Self>;
        const CRASH: CrashPolicy = CrashPolicy::SetAside;

        fn duplicate((fragment, exit): &Self::Msg) -> Option<Self::Msg> {
            let copy = fragment.as_ref().map(|fragment| Fragment(fragment.0, fragment.1.clone()));
            Some((copy, exit.clone()))
        }

        async fn handle(&mut self, _: &mut Context<Self>, (fragment, exit): Self::Msg) -> Result<(), Exit> {
            std::mem::forget(fragment); // Only the copy is to harm.
            Err(exit)
        }
    }

    scenes(async |scene| {
        for exit in [Exit::Normal, Exit::custom("boom")] {
            let keeping = scene.weight.spawn(&scene.node, Keeping).await.expect("it starts");
            keeping.tell((Some(scene.fragment()), exit.clone())).await.expect("it lives");
            assert_eq!(soon(keeping.gone()).await, exit, "{:?}", scene.payload);
            scene.goes_on().await;
        }
    })
    .await;
}

/// Caught: an exit without the place.
#[tokio::test]
async fn an_exit_says_where_the_panic_was() {
    let node = Node::start("panics").await.expect("a runtime runs here");
    let doer = Weight::Light.doer(&node).await;
    doer.actor.tell(panics("boom")).await.expect("it lives");
    match soon(doer.actor.gone()).await {
        Exit::Panic(panicked) => {
            let at = panicked.location.as_deref().expect("the hook noted it");
            let mut parts = at.rsplitn(3, ':');
            let (column, line, file) = (parts.next(), parts.next(), parts.next());
            assert!(file.is_some_and(|file| file.ends_with("doer.rs")), "{at}");
            assert!(line.is_some_and(|line| line.parse::<u32>().is_ok()) && column.is_some(), "{at}");
        }
        other => panic!("{other:?}"),
    }
}

struct Keeper(mpsc::UnboundedSender<Ended>);

impl Owner for Keeper {
    fn restarts(&self, _: u64, _: &Exit) -> bool {
        true
    }

    fn exited(&self, ended: Ended) {
        let _ = self.0.send(ended);
    }
}

#[tokio::test]
async fn the_mailbox_of_a_restarted_actor_is_intact() {
    let node = Node::start("panics").await.expect("a runtime runs here");
    let (exited, mut ended) = mpsc::unbounded_channel();
    let (tell, heard) = mpsc::unbounded_channel();
    let cell = ActorCell::light(&node, Mailbox::DEFAULT, Arc::new(Keeper(exited))).expect("the node runs");
    cell.start(Doer::telling(tell.clone())).await.expect("it starts");
    let mut held = Held { actor: cell.reference(), heard };
    for number in 0..40 {
        if number % 10 == 5 {
            held.actor.tell(panics("boom")).await.expect("it lives");
        }
        held.actor.tell(crate::doer::Msg::Note(number)).await.expect("it lives");
    }
    for incarnation in 1..=4 {
        assert_eq!(soon(ended.recv()).await.expect("heard").incarnation, incarnation);
        cell.start(Doer::telling(tell.clone())).await.expect("it starts");
    }
    held.settled().await;
    let notes = held.so_far().into_iter().filter(|heard| matches!(heard, Heard::Note(_))).collect::<Vec<_>>();
    assert_eq!(notes, (0..40).map(Heard::Note).collect::<Vec<_>>());
}

// ---- crash reports ----

async fn next_crash(reports: &mut Reports) -> CrashReport {
    match soon(reports.next()).await {
        Some(Reported::Crash(report)) => *report,
        other => panic!("{other:?}"),
    }
}

/// Caught: `in_hand` cleared before the report.
#[tokio::test]
async fn a_crash_report_says_what_the_actor_was_at() {
    let node = Node::start("reporting").await.expect("a runtime runs here");
    let mut events = capture::events();
    for weight in BOTH {
        let mut reports = node.reports();
        let (doer, _heard) = Doer::new();
        let actor = weight.spawn(&node, doer).named("clerk").await.expect("it starts");
        for number in 0..3 {
            actor.tell(crate::doer::Msg::Note(number)).await.expect("it lives");
        }
        actor.tell(panics("boom")).await.expect("it lives");
        for number in 0..2 {
            actor.tell(crate::doer::Msg::Note(number)).await.expect("it lives");
        }
        let report = next_crash(&mut reports).await;
        assert_eq!(report.actor, actor.id());
        assert_eq!(report.name.as_ref().map(ToString::to_string).as_deref(), Some("clerk"));
        assert!(report.type_name.ends_with("Doer"));
        assert_eq!((report.incarnation, &report.exit), (1, &Exit::panic("boom")));
        assert!(report.exit.to_string().contains("doer.rs:"), "{}", report.exit);
        assert_eq!((report.in_hand, report.handled, report.queued), (Some("do"), 3, 2));
        let kinds: Vec<_> = report.history.iter().map(|recorded| recorded.kind).collect();
        assert_eq!(kinds, ["note", "note", "note", "do"]);
        assert!(report.history.iter().all(|recorded| recorded.at.is_some()), "{:?}", report.history);
        assert_eq!(report.message, None);
        assert!(soon(actor.gone()).await == Exit::panic("boom"));

        let event = loop {
            let event = soon(events.recv()).await.expect("captured");
            if event.target == "proscenium::crash" && event.field("node") == "reporting" {
                break event;
            }
        };
        assert_eq!((event.field("name"), event.field("in_hand"), event.field("queued")), ("clerk", "do", "2"));
        assert!(event.field("exit").contains("boom"));
    }
}

/// Caught: every exit reported.
#[tokio::test]
async fn orderly_ends_and_kills_are_not_reported() {
    let node = Node::start("panics").await.expect("a runtime runs here");
    let mut reports = node.reports();
    for exit in [Exit::Normal, Exit::Shutdown, Exit::shutdown_with("done")] {
        let doer = Weight::Light.doer(&node).await;
        ends(&doer.actor, exit).await;
        soon(doer.actor.gone()).await;
    }
    let doer = Weight::Light.doer(&node).await;
    doer.actor.kill();
    soon(doer.actor.gone()).await;
    let doer = Weight::Light.doer(&node).await;
    ends(&doer.actor, Exit::custom("the first to be told")).await;
    assert_eq!(next_crash(&mut reports).await.exit, Exit::custom("the first to be told"));
}

/// Crashes on its only message.
struct Secretive<const SHOWS: bool>;

#[derive(Clone)]
struct Secret(&'static str);

impl<const SHOWS: bool> Actor for Secretive<SHOWS> {
    type Msg = Secret;
    type Ref = Ref<Self>;
    const CRASH: CrashPolicy = CrashPolicy::SetAside;
    const KINDS: &'static [&'static str] = &["secret"];

    fn duplicate(msg: &Secret) -> Option<Secret> {
        Some(msg.clone())
    }

    async fn handle(&mut self, _: &mut Context<Self>, _: Secret) -> Result<(), Exit> {
        Err(Exit::custom("boom"))
    }

    fn format_status(&self) -> Option<String> {
        SHOWS.then(|| "state 4711".into())
    }

    fn format_message(msg: &Secret) -> Option<String> {
        SHOWS.then(|| format!("it is {}", msg.0))
    }
}

/// Copies its messages for the crash policy, and leaves all else as it is.
struct Silent;

impl Actor for Silent {
    type Msg = Secret;
    type Ref = Ref<Self>;
    const CRASH: CrashPolicy = CrashPolicy::SetAside;

    fn duplicate(msg: &Secret) -> Option<Secret> {
        Some(msg.clone())
    }

    async fn handle(&mut self, _: &mut Context<Self>, _: Secret) -> Result<(), Exit> {
        Err(Exit::custom("boom"))
    }
}

/// Its own code runs, and panics, between the queue and the handler.
struct Touchy<const KIND: bool>;

impl<const KIND: bool> Actor for Touchy<KIND> {
    type Msg = oneshot::Sender<()>;
    type Ref = Ref<Self>;
    const CRASH: CrashPolicy = if KIND { CrashPolicy::Drop } else { CrashPolicy::RetryOnce };

    fn kind(_: &Self::Msg) -> u8 {
        assert!(!KIND, "in kind");
        0
    }

    fn duplicate(_: &Self::Msg) -> Option<Self::Msg> {
        panic!("in duplicate")
    }

    async fn handle(&mut self, _: &mut Context<Self>, _: Self::Msg) -> Result<(), Exit> {
        unreachable!("it panics before")
    }
}

/// Caught: a message that is kept from its drop while the actor's own code looks at it is leaked with what it holds.
#[tokio::test]
async fn a_message_is_dropped_when_the_actors_look_at_it_panics() {
    let node = Node::start("touchy").await.expect("a runtime runs here");
    let (in_kind, in_duplicate) = (node.spawn(Touchy::<true>).await, node.spawn(Touchy::<false>).await);
    let ((one, one_dropped), (two, two_dropped)) = (oneshot::channel(), oneshot::channel());
    let (in_kind, in_duplicate) = (in_kind.expect("it starts"), in_duplicate.expect("it starts"));
    in_kind.tell(one).await.expect("it lives");
    in_duplicate.tell(two).await.expect("it lives");
    assert!(soon(one_dropped).await.is_err() && soon(two_dropped).await.is_err());
    assert_eq!(
        (soon(in_kind.gone()).await, soon(in_duplicate.gone()).await),
        (Exit::panic("in kind"), Exit::panic("in duplicate"))
    );
}

async fn report_of<const SHOWS: bool>(node: &Node) -> CrashReport {
    let mut reports = node.reports();
    let actor = node.spawn(Secretive::<SHOWS>).await.expect("it starts");
    actor.tell(Secret("payload 4711")).await.expect("it lives");
    next_crash(&mut reports).await
}

/// Caught: a default `format_message` that shows something.
#[tokio::test]
async fn payloads_are_in_a_report_only_where_the_actor_opts_in() {
    let node = Node::start("panics").await.expect("a runtime runs here");
    let hidden = report_of::<false>(&node).await;
    assert_eq!(hidden.message, None);
    assert!(!format!("{hidden} {hidden:?}").contains("4711"), "{hidden:?}");
    // Nor do the defaults show anything.
    let mut reports = node.reports();
    let silent = node.spawn(Silent).await.expect("it starts");
    silent.tell(Secret("payload 4711")).await.expect("it lives");
    let silent = next_crash(&mut reports).await;
    assert_eq!(silent.message, None);
    assert!(!format!("{silent} {silent:?}").contains("4711"), "{silent:?}");

    let shown = report_of::<true>(&node).await;
    assert_eq!(shown.message.as_deref(), Some("it is payload 4711"));
    assert!(shown.to_string().contains("secret = it is payload 4711"), "{shown}");
}

/// `format_status` is "for `sys` and crash reports".
#[tokio::test]
async fn state_is_in_a_report_where_the_actor_opts_in() {
    let node = Node::start("panics").await.expect("a runtime runs here");
    let shown = report_of::<true>(&node).await;
    assert!(format!("{shown} {shown:?}").contains("state 4711"), "{shown:?}");
}

/// Caught: `Lagged` passed over in `Reports::next`.
#[tokio::test]
async fn a_slow_subscriber_is_told_how_many_reports_it_lost() {
    const CRASHES: u64 = 300;
    let node = Node::start("panics").await.expect("a runtime runs here");
    let mut reports = node.reports();
    for _ in 0..CRASHES {
        let doer = Weight::Light.doer(&node).await;
        ends(&doer.actor, Exit::custom("boom")).await;
        soon(doer.actor.gone()).await;
    }
    let lost = match soon(reports.next()).await {
        Some(Reported::Lagged(lost)) => lost,
        other => panic!("{other:?}"),
    };
    assert_eq!(lost, CRASHES - 256);
    for _ in 0..256 {
        next_crash(&mut reports).await;
    }
}
