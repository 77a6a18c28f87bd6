//! Names, groups and topics: they belong to a node, survive restarts, and let go at the final end.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{
    Actor, ActorCell, CallError, Context, Ended, Exit, Group, GroupEvent, Heard as Listened, Lag, Mailbox, Name,
    NameError, Node, Owner, Ref, Reply, SpawnError, TellError,
};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::soon;
use crate::doer::{BOTH, Doer, Heard, Held, Msg, Weight, ends};

async fn node(name: &str) -> Node {
    Node::start(name).await.expect("a runtime runs here")
}

async fn named(node: &Node, weight: Weight, name: impl proscenium_runtime::IntoName) -> Held {
    let (doer, heard) = Doer::new();
    Held { actor: weight.spawn(node, doer).named(name).await.expect("it starts"), heard }
}

// ---- names ----

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Shard {
    Of { table: String, part: u32 },
    Main,
}

/// Caught: two equal keys told apart.
#[tokio::test]
async fn any_hashable_key_is_a_name() {
    let node = node("keys").await;
    let of = |part| Shard::Of { table: "users".into(), part };
    let keys = [
        Name::from("users"),
        Name::from(String::from("users/1")),
        Name::key(1_u32),
        Name::key(1_u64),
        Name::key((1_u32, "a")),
        Name::key(of(1)),
        Name::key(of(2)),
        Name::key(Shard::Main),
    ];
    let mut all = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        all.push(named(&node, BOTH[at % 2], key.clone()).await);
    }
    for (key, held) in keys.iter().zip(&all) {
        assert_eq!(node.whereis::<Doer>(key.clone()).expect("it is named"), held.actor, "{key}");
        assert_eq!(node.lookup(key.clone()).map(|actor| actor.id()), Some(held.actor.id()));
    }
    assert_eq!(node.whereis::<Doer>(Name::key(of(2))).expect("equal keys"), all[6].actor);
    assert_eq!(node.registered().len(), keys.len());
    assert!(matches!(node.whereis::<Doer>(Name::key(2_u32)), Err(NameError::Unknown(_))));
}

/// Caught: `register` that replaces.
#[tokio::test]
async fn a_name_that_is_taken_says_by_whom_and_init_does_not_run() {
    struct Loud(mpsc::UnboundedSender<()>);

    impl Actor for Loud {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
            let _ = self.0.send(());
            Ok(())
        }

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Ok(())
        }
    }

    let node = node("taken").await;
    for weight in BOTH {
        let holder = named(&node, weight, "cache").await;
        let (said, mut inits) = mpsc::unbounded_channel();
        match weight.spawn(&node, Loud(said)).named("cache").await {
            Err(SpawnError::Name(error @ NameError::Taken { .. })) => {
                let NameError::Taken { name, by } = &error else { unreachable!() };
                assert_eq!((name, by.id()), (&Name::from("cache"), holder.actor.id()));
                let text = error.to_string();
                assert!(text.contains("\"cache\" is taken by") && text.contains("choose another name"), "{text}");
                assert!(text.contains("Doer"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(inits.try_recv().is_err(), "init ran");
        assert_eq!(node.actor_count(), 1, "nothing of it is left");
        let other = weight.doer(&node).await;
        assert!(matches!(node.register("cache", &other.actor), Err(NameError::Taken { .. })));
        assert_eq!(node.whereis::<Doer>("cache").expect("as before"), holder.actor);
        for held in [&holder, &other] {
            held.actor.kill();
            soon(held.actor.gone()).await;
        }
    }
}

/// Caught: `whereis` that answers `Unknown` for another type.
#[tokio::test]
async fn whereis_of_another_type_says_both_types() {
    let node = node("types").await;
    named(&node, Weight::Light, "doer").await;
    struct Other;
    impl Actor for Other {
        type Msg = ();
        type Ref = Ref<Self>;
        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Ok(())
        }
    }
    match node.whereis::<Other>("doer") {
        Err(error @ NameError::OtherType { found, expected, .. }) => {
            assert!(found.ends_with("Doer") && expected.ends_with("Other"), "{error}");
            assert!(error.to_string().contains("ask for that type"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let unknown = node.whereis::<Other>("nobody").expect_err("nobody has it").to_string();
    assert!(unknown.contains(".named(\"nobody\")"), "{unknown}");
}

/// Monitors the holder of "cache" often, and looks for the name at each DOWN: the first of many comes while the others
/// are still to be sent.
struct Looking {
    found: mpsc::UnboundedSender<bool>,
}

const MONITORS: usize = 3_000;

impl Actor for Looking {
    type Msg = (Ref<Doer>, Reply<()>);
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, (holder, reply): Self::Msg) -> Result<(), Exit> {
        for _ in 0..MONITORS {
            cx.monitor(&holder);
        }
        reply.send(());
        Ok(())
    }

    async fn handle_down(&mut self, cx: &mut Context<Self>, _: proscenium_runtime::Down) -> Result<(), Exit> {
        let _ = self.found.send(cx.node().lookup("cache").is_some());
        Ok(())
    }
}

/// Caught: `tell_of_end` before `close`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_free_before_anybody_hears_of_the_end() {
    let node = node("free").await;
    for weight in BOTH {
        for round in 0..5 {
            let holder = named(&node, weight, "cache").await;
            let (found, mut looked) = mpsc::unbounded_channel();
            let looking = weight.spawn(&node, Looking { found }).await.expect("it starts");
            let target = holder.actor.clone();
            soon(looking.call(|reply| (target, reply))).await.expect("it monitors");
            holder.actor.kill();
            for _ in 0..MONITORS {
                assert!(!soon(looked.recv()).await.expect("a DOWN"), "{weight:?}, round {round}: still taken");
            }
            looking.kill();
            soon(looking.gone()).await;
        }
    }
}

/// Caught: `unregister` that leaves the name in the map.
#[tokio::test]
async fn an_actor_may_have_several_names_and_lose_them() {
    let node = node("several").await;
    let held = named(&node, Weight::Light, "a").await;
    node.register("b", &held.actor).expect("free");
    node.unregister("a").expect("taken");
    assert!(node.lookup("a").is_none());
    assert_eq!(node.whereis::<Doer>("b").expect("kept"), held.actor);
    assert!(matches!(node.unregister("a"), Err(NameError::Unknown(_))));
    let other = named(&node, Weight::Light, "a").await;
    held.actor.kill();
    soon(held.actor.gone()).await;
    assert_eq!(node.whereis::<Doer>("a").expect("another's now"), other.actor);
    assert!(matches!(node.register("b", &held.actor), Err(NameError::Gone(_))), "a dead actor gets no name");
    assert!(node.lookup("b").is_none());
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

/// Caught: `conclude` that closes a kept actor; a membership that does not end with it.
#[tokio::test]
async fn names_and_groups_stay_over_a_restart_and_end_with_the_actor() {
    let node = node("restart").await;
    let (exited, mut ended) = mpsc::unbounded_channel();
    let (tell, heard) = mpsc::unbounded_channel();
    let cell = ActorCell::light(&node, Mailbox::DEFAULT, Arc::new(Keeper(exited))).expect("the node runs");
    cell.name("kept").expect("free");
    cell.start(Doer::telling(tell.clone())).await.expect("it starts");
    let held = Held { actor: cell.reference(), heard };
    let group: Group<Doer> = node.group("workers");
    let mut events = group.monitor();
    assert!(group.join(&held.actor));
    for _ in 0..3 {
        held.actor.kill();
        soon(ended.recv()).await.expect("heard");
        assert_eq!(node.whereis::<Doer>("kept").expect("between two incarnations"), held.actor);
        assert_eq!(group.members(), std::slice::from_ref(&held.actor));
        cell.start(Doer::telling(tell.clone())).await.expect("it starts");
        held.settled().await;
    }
    assert_eq!(node.whereis::<Doer>("kept").expect("kept"), held.actor);
    cell.close(&Exit::Shutdown);
    soon(held.actor.gone()).await;
    assert!(node.lookup("kept").is_none());
    assert_eq!(group.members(), []);
    let id = held.actor.id();
    assert_eq!(soon(events.next()).await, Some(GroupEvent::Joined(id)));
    assert_eq!(soon(events.next()).await, Some(GroupEvent::Left(id)), "once, and only at the end");
}

#[tokio::test]
async fn two_nodes_share_nothing() {
    let (one, two) = (node("same").await, node("same").await);
    let a = named(&one, Weight::Light, "cache").await;
    let b = named(&two, Weight::Light, "cache").await;
    assert_eq!(one.whereis::<Doer>("cache").expect("named"), a.actor);
    assert_eq!(two.whereis::<Doer>("cache").expect("named"), b.actor);
    let (group_one, group_two) = (one.group::<Doer>("g"), two.group::<Doer>("g"));
    group_one.join(&a.actor);
    assert_eq!(group_two.members(), []);
    let mut listener = two.topic::<u32>("t").listen();
    let mut reports = two.reports();
    one.topic::<u32>("t").publish(1).await;
    two.topic::<u32>("t").publish(2).await;
    assert_eq!(soon(listener.next()).await, Some(Listened::Message(2)));
    ends(&a.actor, Exit::custom("one")).await;
    soon(a.actor.gone()).await;
    ends(&b.actor, Exit::custom("two")).await;
    soon(b.actor.gone()).await;
    match soon(reports.next()).await {
        Some(proscenium_runtime::Reported::Crash(report)) => assert_eq!(report.exit, Exit::custom("two")),
        other => panic!("{other:?}"),
    }
    one.stop().await.expect("it stops");
    named(&two, Weight::Ordinary, "after").await.settled().await;
}

/// Monitors on one actor out of two nodes are two. Seen to fail while monitors were numbered by the watcher's node.
#[tokio::test]
async fn monitors_out_of_two_nodes_do_not_replace_each_other() {
    let (one, two) = (node("one").await, node("two").await);
    let target = Weight::Light.doer(&two).await;
    let mut watchers = [Weight::Light.doer(&one).await, Weight::Light.doer(&two).await];
    for watcher in &watchers {
        let watched = target.actor.clone();
        watcher.does(move |cx| cx.monitor(&watched)).await;
    }
    assert_eq!(target.actor.sys().status().watchers, 2);
    target.actor.kill();
    for watcher in &mut watchers {
        assert!(matches!(watcher.next().await, Heard::Down(_)));
    }
}

// ---- groups ----

struct Worker(u32);

#[derive(Clone)]
enum Job {
    Note(mpsc::UnboundedSender<u32>),
    Count,
}

enum Work {
    Job(Job),
    Which(Reply<u32>),
}

impl Actor for Worker {
    type Msg = Work;
    type Ref = Ref<Self>;
    const MAILBOX: Mailbox = Mailbox::bounded(1);

    async fn handle(&mut self, _: &mut Context<Self>, work: Work) -> Result<(), Exit> {
        match work {
            Work::Job(Job::Note(tell)) => drop(tell.send(self.0)),
            Work::Job(Job::Count) => self.0 += 1,
            Work::Which(reply) => reply.send(self.0),
        }
        Ok(())
    }
}

impl Clone for Work {
    fn clone(&self) -> Self {
        match self {
            Work::Job(job) => Work::Job(job.clone()),
            Work::Which(_) => Work::Job(Job::Count), // Replies cannot be copied; broadcasts have none.
        }
    }
}

async fn workers(node: &Node, group: &Group<Worker>, count: u32) -> Vec<Ref<Worker>> {
    let mut all = Vec::new();
    for number in 0..count {
        let worker = BOTH[number as usize % 2].spawn(node, Worker(number)).await.expect("it starts");
        assert!(group.join(&worker));
        all.push(worker);
    }
    all
}

/// Caught: a second join counted; no `Left` at the end.
#[tokio::test]
async fn members_join_once_leave_and_leave_at_their_end() {
    let node = node("group").await;
    let group: Group<Worker> = node.group("workers");
    let mut events = group.monitor();
    let all = workers(&node, &group, 3).await;
    assert!(!group.join(&all[0]), "twice is once");
    assert!(group.leave(&all[1]));
    assert!(!group.leave(&all[1]), "it was none any more");
    all[2].kill();
    soon(all[2].gone()).await;
    assert_eq!(group.members(), [all[0].clone()]);
    assert!(!group.join(&all[2]), "it has ended");
    assert_eq!(group.members(), [all[0].clone()]);
    let ids: Vec<_> = all.iter().map(Ref::id).collect();
    let want = [
        GroupEvent::Joined(ids[0]),
        GroupEvent::Joined(ids[1]),
        GroupEvent::Joined(ids[2]),
        GroupEvent::Left(ids[1]),
        GroupEvent::Left(ids[2]),
    ];
    for event in want {
        assert_eq!(soon(events.next()).await, Some(event));
    }
    assert_eq!(node.group::<Worker>("workers").members().len(), 1, "the same group, by its name");
    assert_eq!(node.group::<Worker>("others").members().len(), 0);
    assert_eq!(node.group::<Doer>("workers").members().len(), 0, "of another type");
}

/// Caught: a broadcast that stops after the first.
#[tokio::test]
async fn a_broadcast_reaches_all_and_says_who_it_did_not_reach() {
    let node = node("broadcast").await;
    let group: Group<Worker> = node.group("workers");
    let all = workers(&node, &group, 4).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    all[1].sys().suspend().expect("it lives");
    all[1].tell(Work::Job(Job::Count)).now().expect("room for one");
    let outcome = group.broadcast(&Work::Job(Job::Note(tell)));
    assert_eq!(outcome.len(), 4);
    for (id, told) in &outcome {
        if *id == all[1].id() {
            assert!(matches!(told, Err(TellError::Full(()))), "{told:?}");
        } else {
            assert!(told.is_ok(), "{told:?}");
        }
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(soon(told.recv()).await.expect("told"));
    }
    heard.sort_unstable();
    assert_eq!(heard, [0, 2, 3]);
}

/// Caught: a multi-call that waits for twice its limit.
#[tokio::test(start_paused = true)]
async fn a_multi_call_gives_what_came_in_time_by_member() {
    let node = node("multi").await;
    let group: Group<Worker> = node.group("workers");
    let all = workers(&node, &group, 4).await;
    all[2].sys().suspend().expect("it lives");
    let started = tokio::time::Instant::now();
    let limit = Duration::from_millis(1_500);
    let answers = group.multi_call(Work::Which, limit).await;
    let waited = started.elapsed();
    assert!(waited >= limit && waited < limit + Duration::from_millis(200), "{waited:?}");
    let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    assert!(ids.is_sorted() && ids.len() == 4);
    for (id, answer) in answers {
        let number = all.iter().position(|worker| worker.id() == id).expect("a member") as u32;
        match answer {
            Ok(said) => assert_eq!((said, number != 2), (number, true)),
            Err(error) => assert!(number == 2 && matches!(error, CallError::Timeout { .. }), "{error:?}"),
        }
    }
}

/// Caught: events dropped silently.
#[tokio::test]
async fn a_slow_watcher_of_a_group_is_told_how_many_events_it_lost() {
    let node = node("lag").await;
    let group: Group<Worker> = node.group("workers");
    let mut events = group.monitor();
    let worker = node.spawn_light(Worker(0)).await.expect("it starts");
    for _ in 0..200 {
        group.join(&worker);
        group.leave(&worker);
    }
    assert_eq!(soon(events.next()).await, Some(GroupEvent::Lagged(400 - 256)));
    assert_eq!(soon(events.next()).await, Some(GroupEvent::Joined(worker.id())));
}

// ---- topics ----

/// Caught: a second subscription beside the first.
#[tokio::test]
async fn subscribers_get_what_is_published_in_order() {
    let node = node("topic").await;
    let topic = node.topic::<u32>("prices");
    let mut held = Vec::new();
    for weight in BOTH {
        let doer = weight.doer(&node).await;
        topic.subscribe(doer.actor.recipient(Msg::Note), Lag::Skip);
        topic.subscribe(doer.actor.recipient(Msg::Note), Lag::Skip); // Again: it replaces.
        held.push(doer);
    }
    for number in 0..10 {
        let published = node.topic::<u32>("prices").publish(number).await;
        assert_eq!((published.delivered, published.skipped, published.unsubscribed), (2, 0, 0));
    }
    for doer in &mut held {
        for number in 0..10 {
            assert_eq!(doer.next().await, Heard::Note(number));
        }
    }
    assert!(topic.unsubscribe(&held[0].actor));
    assert!(!topic.unsubscribe(&held[0].actor));
    assert_eq!(topic.publish(10).await.delivered, 1);
    assert_eq!(topic.subscribers(), [held[1].actor.id()]);
    assert_eq!(node.topic::<u64>("prices").subscribers(), [], "a topic of another type");
    held[1].actor.kill();
    soon(held[1].actor.gone()).await;
    let published = topic.publish(11).await;
    assert_eq!((published.delivered, published.unsubscribed), (0, 1), "who is gone is forgotten");
    assert_eq!(topic.subscribers(), []);
}

async fn full(node: &Node) -> Held {
    let doer = Weight::Light.doer_with(node, Mailbox::bounded(1)).await;
    doer.actor.sys().suspend().expect("it lives");
    doer.actor.tell(Msg::Note(0)).now().expect("room for one");
    doer
}

/// Caught: `Lag::Unsubscribe` treated as `Skip`.
#[tokio::test(start_paused = true)]
async fn who_is_slow_is_treated_as_its_subscription_says() {
    let node = node("slow").await;
    let topic = node.topic::<u32>("prices");
    let mut quick = Weight::Light.doer(&node).await;
    topic.subscribe(quick.actor.recipient(Msg::Note), Lag::Skip);

    let skipping = full(&node).await;
    topic.subscribe(skipping.actor.recipient(Msg::Note), Lag::Skip);
    let published = topic.publish(1).await;
    assert_eq!((published.delivered, published.skipped, published.unsubscribed), (1, 1, 0));
    assert_eq!(topic.skipped(), 1);
    topic.unsubscribe(&skipping.actor);

    let leaving = full(&node).await;
    topic.subscribe(leaving.actor.recipient(Msg::Note), Lag::Unsubscribe);
    let published = topic.publish(2).await;
    assert_eq!((published.delivered, published.skipped, published.unsubscribed), (1, 0, 1));
    assert_eq!(topic.subscribers(), [quick.actor.id()]);

    let mut waited_for = full(&node).await;
    topic.subscribe(waited_for.actor.recipient(Msg::Note), Lag::Wait(Duration::from_secs(3)));
    let started = tokio::time::Instant::now();
    let published = topic.publish(3).await;
    assert_eq!((published.delivered, published.skipped), (1, 1));
    assert_eq!(started.elapsed().as_secs(), 3);
    let (done, is_done) = oneshot::channel();
    let publisher = topic.clone();
    tokio::spawn(async move { done.send(publisher.publish(4).await) });
    tokio::task::yield_now().await;
    waited_for.actor.sys().resume().expect("it lives");
    assert_eq!(soon(is_done).await.expect("published").delivered, 2);
    assert_eq!([waited_for.next().await, waited_for.next().await], [Heard::Note(0), Heard::Note(4)]);
    for number in 1..=4 {
        assert_eq!(quick.next().await, Heard::Note(number), "nobody's slowness costs another a message");
    }
}

/// Caught: `Lagged` passed over in `Listener::next`.
#[tokio::test]
async fn a_slow_listener_is_told_how_many_messages_it_lost() {
    let node = node("listener").await;
    let topic = node.topic::<u32>("prices");
    let mut listener = topic.listen();
    for number in 0..300 {
        topic.publish(number).await;
    }
    assert_eq!(soon(listener.next()).await, Some(Listened::Lagged(300 - 256)));
    assert_eq!(soon(listener.next()).await, Some(Listened::Message(300 - 256)));
}
