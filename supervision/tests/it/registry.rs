//! Goal: a key finds who is registered under it, while they live and the registry does. Method: real actors, a paused clock;
//! at the end many of them at once.

use std::sync::mpsc::{Receiver, Sender, channel};

use proscenium_runtime::{Actor, AnyRef, Context, Exit, Node, Ref, Reply};
use proscenium_supervision::{
    ChildSpec, Registry, RegistryError, RegistryKeeper, Restart, Shutdown, Supervisor, SupervisorRef,
};

use crate::children::{node, settled, until};

type Keys = Registry<String, u32>;

/// Registers itself as it is told, and in `init` under its own key.
struct Member {
    keys: Keys,
    own: Option<&'static str>,
}

enum Do {
    Register(&'static str, u32, Reply<Result<(), RegistryError>>),
    Unregister(&'static str, Reply<bool>),
    /// Says that it is here, does not yield until it may go on, then registers and says how that went.
    Late(Sender<Result<(), RegistryError>>, Receiver<()>),
    Exit(Exit),
}

impl Actor for Member {
    type Msg = Do;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        if let Some(own) = self.own {
            self.keys.register(cx, own.to_owned(), cx.incarnation())?;
        }
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Do) -> Result<(), Exit> {
        match msg {
            Do::Register(key, value, reply) => reply.send(self.keys.register(cx, key.to_owned(), value)),
            Do::Unregister(key, reply) => reply.send(self.keys.unregister(cx, key)),
            Do::Late(says, may_go_on) => {
                says.send(Ok(())).expect("the test listens");
                may_go_on.recv().expect("the test says so");
                says.send(self.keys.register(cx, "late".to_owned(), 0)).expect("the test listens");
            }
            Do::Exit(exit) => return Err(exit),
        }
        Ok(())
    }
}

async fn member(node: &Node, keys: &Keys) -> Ref<Member> {
    node.spawn(Member { keys: keys.clone(), own: None }).await.expect("it starts")
}

async fn register(member: &Ref<Member>, key: &'static str, value: u32) -> Result<(), RegistryError> {
    member.call(|reply| Do::Register(key, value, reply)).await.expect("it answers")
}

fn values(keys: &Keys, key: &str) -> Vec<u32> {
    keys.lookup(key).into_iter().map(|(_, value)| value).collect()
}

#[tokio::test(start_paused = true)]
async fn a_unique_key_is_one_actors_until_that_lets_go_or_is_gone() {
    let node = node().await;
    let keys = Keys::unique();
    keys.start(&node).await.expect("it starts");
    let [first, second] = [member(&node, &keys).await, member(&node, &keys).await];
    register(&first, "key", 1).await.expect("it is free");
    let taken = register(&second, "key", 2).await.expect_err("it is not");
    assert!(matches!(&taken, RegistryError::AlreadyRegistered { by } if by.id() == first.id()), "{taken}");
    assert_eq!((values(&keys, "key"), keys.count()), (vec![1], 1));
    register(&first, "key", 3).await.expect("it is its own");
    assert_eq!((values(&keys, "key"), keys.count()), (vec![3], 1), "the value is new, the entry the same");
    assert!(first.call(|reply| Do::Unregister("key", reply)).await.expect("it answers"));
    assert!(!first.call(|reply| Do::Unregister("key", reply)).await.expect("it answers"), "there is none left");
    register(&second, "key", 2).await.expect("it is free again");
    assert_eq!(keys.whereis::<Member, _>("key"), Some(second.clone()));
    second.kill();
    second.gone().await;
    assert_eq!((keys.lookup("key").len(), keys.count(), keys.keys(&second).len()), (0, 0, 0));
    register(&first, "key", 4).await.expect("it is free again");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_key_has_many_actors_once_each() {
    let node = node().await;
    let keys = Keys::duplicate();
    keys.start(&node).await.expect("it starts");
    let members = [member(&node, &keys).await, member(&node, &keys).await, member(&node, &keys).await];
    for (value, member) in members.iter().enumerate() {
        register(member, "key", value as u32).await.expect("there is room for all");
    }
    register(&members[1], "key", 7).await.expect("its value is new");
    register(&members[1], "other", 8).await.expect("it is another key");
    assert_eq!(values(&keys, "key"), [0, 7, 2]);
    assert_eq!(keys.keys(&members[1]), ["key", "other"]);
    let mut heard = Vec::new();
    keys.dispatch("key", |entries| heard.extend(entries.iter().map(|(actor, _)| actor.id())));
    assert_eq!(heard, members.each_ref().map(|member| member.id()));
    keys.dispatch("nobody's", |_| panic!("there is nobody to call it with"));
    members[1].kill();
    members[1].gone().await;
    assert_eq!((values(&keys, "key"), keys.lookup("other").len(), keys.count()), (vec![0, 2], 0, 2));
}

async fn tree(node: &Node, keys: &Keys) -> SupervisorRef {
    let of_member = keys.clone();
    let tree = Supervisor::rest_for_one()
        .child(keys.child_spec("keys"))
        .child(ChildSpec::new("member", move || Member { keys: of_member.clone(), own: Some("own") }));
    tree.start(node).await.expect("they start")
}

#[tokio::test(start_paused = true)]
async fn an_entry_stays_over_a_restart_of_its_actor() {
    let node = node().await;
    let keys = Keys::unique();
    let tree = tree(&node, &keys).await;
    let member = tree.child::<Member>("member").await.expect("it runs");
    register(&member, "key", 1).await.expect("it is free");
    assert_eq!(values(&keys, "own"), [1], "its first incarnation");
    member.tell(Do::Exit(Exit::custom("boom"))).await.expect("it takes it");
    until(async || values(&keys, "own") == [2]).await;
    assert_eq!(values(&keys, "key"), [1], "nobody registered that again");
    assert_eq!(keys.keys(&member), ["own", "key"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_registry_empties_it_and_those_behind_it_register_again() {
    let node = node().await;
    let keys = Keys::unique();
    let tree = tree(&node, &keys).await;
    let member = tree.child::<Member>("member").await.expect("it runs");
    register(&member, "key", 1).await.expect("it is free");
    let outside = self::member(&node, &keys).await;
    register(&outside, "outside", 1).await.expect("it is free");
    let keeper = tree.which_children().await.expect("it lives")[0].clone();
    assert!(keeper.is_alive);
    tree.terminate_child("keys").await.expect("it stops");
    assert_eq!((keys.count(), keys.keys(&outside).len()), (0, 0));
    let error = register(&outside, "outside", 1).await.expect_err("nobody keeps it");
    assert!(matches!(error, RegistryError::NotRunning), "{error}");
    tree.restart_child("keys").await.expect("it starts");
    register(&outside, "outside", 2).await.expect("it is kept again");
    register(&member, "own", 2).await.expect("it is free");
    outside.kill();
    outside.gone().await;
    assert_eq!(keys.count(), 1);
    settled(&tree).await;
    tree.stop().await.expect("it stops");
    assert_eq!(keys.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_goes_on_where_its_supervisor_takes_other_specs() {
    let node = node().await;
    let keys = Keys::unique();
    let tree = tree(&node, &keys).await;
    let outside = member(&node, &keys).await;
    register(&outside, "outside", 1).await.expect("it is free");
    let keeper = tree.child::<RegistryKeeper<String, u32>>("keys").await.expect("it runs");
    let other = Supervisor::rest_for_one().child(keys.child_spec("keys").restart(Restart::Transient));
    tree.change(other).await.expect("they go together");
    assert_eq!(values(&keys, "outside"), [1], "its process stays");
    keeper.kill();
    until(async || values(&keys, "own") == [2]).await; // The member behind it, restarted with it.
    register(&outside, "outside", 2).await.expect("the next one keeps the same registry");
    let again = tree.child::<RegistryKeeper<String, u32>>("keys").await.expect("it runs");
    assert_eq!(again, keeper, "what others hold of it stays good");
}

/// A kill runs no stop hook.
#[tokio::test(start_paused = true)]
async fn a_killed_keeper_takes_the_entries_along() {
    let node = node().await;
    let keys = Keys::unique();
    let keeper = keys.start(&node).await.expect("it starts");
    assert!(keys.start(&node).await.is_err(), "one keeper at a time");
    let member = member(&node, &keys).await;
    register(&member, "key", 1).await.expect("the second keeper has ended nothing");
    keeper.kill();
    keeper.gone().await;
    assert_eq!(keys.count(), 0);
    assert!(matches!(register(&member, "key", 1).await, Err(RegistryError::NotRunning)));
}

/// The worker thread is taken by the handler until the actor has been given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_gone_is_not_registered() {
    let node = node().await;
    let keys = Keys::unique();
    keys.start(&node).await.expect("it starts");
    let of_member = keys.clone();
    let spec = ChildSpec::new("member", move || Member { keys: of_member.clone(), own: None });
    let tree = Supervisor::one_for_one().child(spec.shutdown(Shutdown::BrutalKill)).start(&node).await;
    let tree = tree.expect("it starts");
    let member = tree.child::<Member>("member").await.expect("it runs");
    let ((says, said), (go_on, may_go_on)) = (channel(), channel());
    member.tell(Do::Late(says, may_go_on)).await.expect("it takes it");
    said.recv().expect("it is there").expect("it has done nothing yet");
    tree.terminate_child("member").await.expect("it is given up");
    member.gone().await;
    go_on.send(()).expect("it waits");
    let late = said.recv().expect("it says");
    assert!(matches!(late, Err(RegistryError::Gone)), "{late:?}");
    assert_eq!(keys.count(), 0);
}

/// Registers under a key that many want, and ends at once.
struct Passing(Keys);

impl Actor for Passing {
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        let _ = self.0.register(cx, "wanted".into(), 0);
        let _ = self.0.register(cx, cx.id().to_string(), 0);
        cx.stop(Exit::Normal);
        Ok(())
    }

    async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_those_who_come_and_go() {
    let node = node().await;
    let keys = Keys::unique();
    keys.start(&node).await.expect("it starts");
    let rounds = (0..4).map(|_| {
        let (node, keys) = (node.clone(), keys.clone());
        tokio::spawn(async move {
            for _ in 0..500 {
                let passing = node.spawn(Passing(keys.clone())).await.expect("it starts");
                assert!(keys.lookup("wanted").len() <= 1);
                passing.to_untyped().gone().await;
                assert_eq!(keys.keys(&passing).len(), 0);
            }
        })
    });
    for round in rounds.collect::<Vec<_>>() {
        round.await.expect("it holds");
    }
    assert_eq!(keys.count(), 0);
}
