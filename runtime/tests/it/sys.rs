//! Looking inside a running actor: what is shown, what is not, and that it overtakes the messages.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Life, Mailbox, Node, Ref, SysError};
use tokio::sync::oneshot;

use crate::both_weights::soon;
use crate::capture;
use crate::doer::{BOTH, Doer, Heard, Held, Msg, Weight};

async fn node(name: &str) -> Node {
    Node::start(name).await.expect("a runtime runs here")
}

/// Keeps the handler awaiting until what this gives is dropped.
async fn busy(held: &Held) -> oneshot::Sender<()> {
    let (release, gate) = oneshot::channel::<()>();
    let (entered, inside) = oneshot::channel();
    let work = async move {
        let _ = entered.send(());
        let _ = gate.await;
    };
    drop(held.awaits(work).await);
    soon(inside).await.expect("the handler runs");
    release
}

/// Caught: `handled` counted before the handler.
#[tokio::test]
async fn status_shows_what_can_be_seen_from_outside() {
    let node = node("status").await;
    for weight in BOTH {
        let (doer, heard) = Doer::new();
        let spawn = weight.spawn(&node, doer).named(format!("{weight:?}")).mailbox(Mailbox::bounded(10));
        let held = Held { actor: spawn.await.expect("it starts"), heard };
        let other = weight.doer(&node).await;
        let (linked, watched) = (other.actor.clone(), other.actor.clone());
        held.does(move |cx| cx.link(&linked)).await;
        held.settled().await;
        let target = held.actor.clone();
        other.does(move |cx| cx.monitor(&target)).await;
        other.does(move |cx| cx.monitor(&watched)).await;

        let release = busy(&held).await;
        for number in 0..3 {
            held.actor.tell(Msg::Note(number)).await.expect("there is room");
        }
        let status = held.actor.sys().status();
        assert_eq!(status.actor, held.actor.id());
        assert_eq!(status.name.as_ref().map(ToString::to_string), Some(format!("{weight:?}")));
        assert!(status.type_name.ends_with("Doer"));
        assert_eq!((status.life, status.incarnation), (Life::Running, 1));
        assert_eq!((status.queued, status.capacity, status.in_hand), (3, Some(10), Some("wait")));
        assert_eq!((status.handled, status.dropped), (2, 0));
        assert_eq!((status.links, status.watchers), (vec![other.actor.id()], 1));
        let shown = held.actor.sys().status().to_string();
        assert!(shown.contains("Running, queue 3/10, handled 2"), "{shown}");

        drop(release);
        held.settled().await;
        assert_eq!(held.actor.sys().status().queued, 0);
        held.actor.kill();
        soon(held.actor.gone()).await;
        let status = held.actor.sys().status();
        assert_eq!((status.life, status.incarnation, status.in_hand), (Life::Gone, 0, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_a_stuck_actor_is_there_at_once() {
    let node = node("stuck").await;
    let held = Weight::Light.doer(&node).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = oneshot::channel();
    let work = move |_: &mut Context<Doer>| {
        let _ = entered.send(());
        let _ = gate.recv();
        Ok(())
    };
    held.actor.tell(Msg::Do(Box::new(work))).await.expect("it lives");
    soon(inside).await.expect("the handler runs");
    held.actor.tell(Msg::Note(1)).await.expect("there is room");
    let status = held.actor.sys().status();
    assert_eq!((status.life, status.in_hand, status.queued), (Life::Running, Some("do"), 1));
    assert!(node.actors().iter().any(|status| status.actor == held.actor.id() && status.in_hand == Some("do")));
    drop(release);
    held.settled().await;
}

struct Open(u32);

impl Actor for Open {
    type Msg = u32;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _: &mut Context<Self>, by: u32) -> Result<(), Exit> {
        self.0 += by;
        Ok(())
    }

    fn format_status(&self) -> Option<String> {
        Some(format!("sum {}", self.0))
    }
}

/// Caught: a default `format_status` that shows the type's name.
#[tokio::test]
async fn state_is_shown_only_where_the_actor_opts_in() {
    let node = node("state").await;
    for weight in BOTH {
        let closed = weight.doer(&node).await;
        assert_eq!(soon(closed.actor.sys().state()).await.expect("it lives"), None);
        let open = weight.spawn(&node, Open(1)).await.expect("it starts");
        open.tell(2).await.expect("it lives");
        // The request may overtake the message.
        let shown = soon(open.sys().state()).await.expect("it lives");
        assert!(matches!(shown.as_deref(), Some("sum 1" | "sum 3")), "{shown:?}");
    }
}

/// Caught: typed requests that are dropped.
#[tokio::test]
async fn inspect_reads_and_replace_state_changes_between_two_messages() {
    let node = node("replace").await;
    for weight in BOTH {
        let open = weight.spawn(&node, Open(40)).await.expect("it starts");
        assert_eq!(soon(open.sys().inspect(|open| open.0)).await.expect("it lives"), 40);
        let before = soon(open.sys().replace_state(|open| std::mem::replace(&mut open.0, 2))).await;
        assert_eq!(before.expect("it lives"), 40);
        open.tell(5).await.expect("it lives");
        let stopped = soon(open.stop().into_future()).await;
        assert_eq!(stopped.expect("it stops"), Exit::Normal);
    }
}

/// Caught: requests looked at only when the queue is empty.
#[tokio::test]
async fn a_request_overtakes_what_is_queued() {
    let node = node("overtakes").await;
    for weight in BOTH {
        let open = weight.spawn(&node, Open(0)).await.expect("it starts");
        for _ in 0..100 {
            open.tell(1).now().expect("there is room");
        }
        // The runtime has one thread: nothing was handled before this was asked.
        assert_eq!(soon(open.sys().inspect(|open| open.0)).await.expect("it lives"), 0, "{weight:?}");
    }
}

/// Caught: a tenancy that does not know that it is suspended.
#[tokio::test]
async fn a_suspended_actor_leaves_messages_alone_and_answers_requests() {
    let node = node("suspend").await;
    for weight in BOTH {
        let mut held = weight.doer(&node).await;
        held.actor.tell(Msg::Note(1)).now().expect("there is room");
        held.actor.sys().suspend().expect("it lives");
        held.actor.tell(Msg::Note(2)).now().expect("there is room");
        assert_eq!(soon(held.actor.sys().inspect(|_| 7)).await.expect("it lives"), 7);
        let status = held.actor.sys().status();
        assert_eq!((status.life, status.queued), (Life::Suspended, 2));
        assert_eq!(held.so_far(), []);
        held.actor.tell(Msg::Note(3)).await.expect("messages wait");
        held.actor.sys().resume().expect("it lives");
        for number in 1..=3 {
            assert_eq!(held.next().await, Heard::Note(number), "{weight:?}");
        }
        assert_eq!(held.actor.sys().status().life, Life::Running);
    }
}

/// Caught: an end signal that does not wake a parked task.
#[tokio::test]
async fn a_suspended_actor_hears_kill_exit_and_stop() {
    let node = node("suspended").await;
    for weight in BOTH {
        let suspended = async || {
            let held = weight.doer(&node).await;
            held.actor.sys().suspend().expect("it lives");
            soon(held.actor.sys().inspect(|_| ())).await.expect("it lives");
            held
        };
        let held = suspended().await;
        held.actor.kill();
        assert_eq!(soon(held.actor.gone()).await, Exit::Killed);
        let held = suspended().await;
        held.actor.exit(Exit::custom("boom"));
        assert_eq!(soon(held.actor.gone()).await, Exit::custom("boom"));
        let held = suspended().await;
        let stopped = soon(held.actor.stop().within(Duration::from_millis(50)).into_future()).await;
        assert_eq!(stopped.expect("it stops"), Exit::Normal, "with nothing queued, or at its limit");
    }
}

/// Caught: the notes read newest first.
#[tokio::test]
async fn history_tells_the_last_kinds_and_when() {
    let node = node("history").await;
    for weight in BOTH {
        let held = weight.doer(&node).await;
        assert_eq!(soon(held.actor.sys().history()).await.expect("it lives"), []);
        let other = weight.doer(&node).await;
        let (watched, linked) = (other.actor.clone(), other.actor.clone());
        held.does(move |cx| {
            cx.trap_exit(true);
            cx.monitor(&watched);
            cx.link(&linked);
        })
        .await;
        held.actor.tell(Msg::Note(1)).await.expect("it lives");
        other.actor.kill();
        soon(other.actor.gone()).await;
        held.settled().await;
        let history = soon(held.actor.sys().history()).await.expect("it lives");
        let kinds: Vec<_> = history.iter().map(|recorded| recorded.kind).collect();
        assert_eq!(kinds[..2], ["do", "note"]);
        assert_eq!(kinds[4..], ["do"]);
        let mut signals = kinds[2..4].to_vec();
        signals.sort_unstable();
        assert_eq!(signals, ["DOWN", "EXIT"]);
        let times: Vec<_> = history.iter().map(|recorded| recorded.at.expect("noted")).collect();
        assert!(times.is_sorted(), "{times:?}");

        for number in 0..100 {
            held.actor.tell(Msg::Note(number)).await.expect("it lives");
        }
        held.settled().await;
        let history = soon(held.actor.sys().history()).await.expect("it lives");
        assert_eq!(history.len(), 64, "the last 64");
        assert_eq!(history.last().map(|recorded| recorded.kind), Some("do"));
    }
}

/// Caught: tracing that cannot be turned off.
#[tokio::test]
async fn trace_tells_kinds_and_no_payloads_until_it_is_turned_off() {
    let node = node("trace").await;
    let mut events = capture::events();
    for weight in BOTH {
        let held = weight.doer(&node).await;
        held.actor.sys().trace(true).expect("it lives");
        held.actor.tell(Msg::Note(4711)).await.expect("it lives");
        held.settled().await;
        held.actor.sys().trace(false).expect("it lives");
        held.actor.tell(Msg::Note(4711)).await.expect("it lives");
        held.settled().await;
        let mine = held.actor.id().to_string();
        let mut kinds = Vec::new();
        while let Ok(event) = events.try_recv() {
            if event.target == "proscenium::trace" && event.field("actor") == mine {
                assert!(!format!("{event:?}").contains("4711"), "{event:?}");
                kinds.push(event.field("kind").to_owned());
            }
        }
        assert_eq!(kinds, ["note", "do"], "{weight:?}");
        held.actor.kill();
        soon(held.actor.gone()).await;
    }
}

/// Caught: a request without a limit.
#[tokio::test(start_paused = true)]
async fn a_request_to_a_busy_actor_says_what_it_is_at() {
    let node = node("busy").await;
    for weight in BOTH {
        let held = weight.doer(&node).await;
        let release = busy(&held).await;
        held.actor.tell(Msg::Note(1)).await.expect("there is room");
        let started = tokio::time::Instant::now();
        let asked = held.actor.sys().state().await;
        match &asked {
            Err(SysError::Busy { in_hand: Some("wait"), queued: 1 }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(started.elapsed().as_secs(), 5);
        let text = asked.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("wait") && text.contains("its handler must yield, or run with `thread`"), "{text}");
        drop(release);
        held.settled().await;
    }
}

/// Caught: `NoProc` for every actor that has ended.
#[tokio::test]
async fn a_request_to_an_ended_actor_says_why_it_ended() {
    let node = node("gone").await;
    for weight in BOTH {
        let held = weight.doer(&node).await;
        held.actor.exit(Exit::custom("boom"));
        soon(held.actor.gone()).await;
        let errors = [
            held.actor.sys().state().await.err(),
            held.actor.sys().history().await.err(),
            held.actor.sys().inspect(|_| ()).await.err(),
            held.actor.sys().suspend().err(),
            held.actor.sys().resume().err(),
            held.actor.sys().trace(true).err(),
        ];
        for error in errors {
            let error = error.expect("it has ended");
            assert!(matches!(&error, SysError::Gone(exit) if *exit == Exit::custom("boom")), "{error:?}");
            assert!(error.to_string().contains("start it again"), "{error}");
        }
    }
}

/// A request that waits when the actor ends is told so at once. Caught: `NoProc` for every actor that has ended.
#[tokio::test]
async fn a_request_that_waits_at_the_end_is_told_of_it() {
    let node = node("waits").await;
    for weight in BOTH {
        let held = weight.doer(&node).await;
        let release = busy(&held).await;
        let asked = {
            let actor = held.actor.clone();
            let (polled, is_polled) = oneshot::channel();
            let task = tokio::spawn(async move {
                let sys = actor.sys();
                let mut asked = std::pin::pin!(sys.state());
                let mut polled = Some(polled);
                std::future::poll_fn(|cx| {
                    let outcome = asked.as_mut().poll(cx);
                    if let Some(polled) = polled.take() {
                        let _ = polled.send(());
                    }
                    outcome
                })
                .await
            });
            soon(is_polled).await.expect("it asks");
            task
        };
        held.actor.exit(Exit::custom("boom"));
        let asked = soon(asked).await.expect("no panic");
        assert!(matches!(&asked, Err(SysError::Gone(exit)) if *exit == Exit::custom("boom")), "{asked:?}");
        drop(release);
    }
}

/// Caught: `top_mailboxes` shortest first.
#[tokio::test]
async fn the_node_shows_its_actors_and_the_longest_mailboxes() {
    let node = node("top").await;
    let mut all = Vec::new();
    for (at, length) in [3_u32, 0, 7, 1, 5].into_iter().enumerate() {
        let held = BOTH[at % 2].doer(&node).await;
        held.actor.sys().suspend().expect("it lives");
        for number in 0..length {
            held.actor.tell(Msg::Note(number)).now().expect("there is room");
        }
        all.push(held);
    }
    let top: Vec<_> = node.top_mailboxes(3).into_iter().map(|status| (status.actor, status.queued)).collect();
    let want = [(all[2].actor.id(), 7), (all[4].actor.id(), 5), (all[0].actor.id(), 3)];
    assert_eq!(top, want);
    assert_eq!(node.top_mailboxes(100).len(), 5);
    let ids: Vec<_> = node.actors().into_iter().map(|status| status.actor).collect();
    assert!(ids.is_sorted() && ids.len() == 5 && all.iter().all(|held| ids.contains(&held.actor.id())), "{ids:?}");
    assert_eq!((node.actor_count(), node.statistics().actors, node.statistics().started), (5, 5, 5));
    all[0].actor.kill();
    soon(all[0].actor.gone()).await;
    assert_eq!((node.actors().len(), node.statistics().started), (4, 5));
    assert!(node.actor(all[0].actor.id()).is_none());
    assert_eq!(node.actor(all[1].actor.id()).map(|actor| actor.id()), Some(all[1].actor.id()));
}
