//! Goal: a trace runs through actors: what the handler of a call does belongs to the span in which the call was made, and
//! nothing else does.
//! Method: a subscriber of the thread's own, which notes each event with the spans around it, the outermost first.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Actor, CallError, Context, Exit, Mailbox, Ref, Reply};
use tokio::sync::oneshot;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Instrument, Metadata, Span, Subscriber, info, info_span};
use tracing_core::span::Current;

use crate::both_weights::{World, look, soon};
use crate::call_limits::{LEEWAY, takes};
use crate::calls::crash_on;
use crate::marionette::{Msg, Puppet, act, ask, hold, run, told};

both_weights!((start_paused = true)
    a_handler_runs_in_the_span_of_its_call,
    a_handler_that_is_no_async_fn_runs_in_the_span_of_its_call,
    a_trace_goes_over_several_actors,
    a_trace_goes_on_in_a_delegate,
    a_trace_goes_on_when_the_caller_has_given_up,
    the_next_message_is_outside_of_the_span,
    other_actors_are_outside_of_the_span,
    a_crash_leaves_the_span,
    a_span_ends_with_its_call,
    a_span_ends_with_a_call_that_nobody_handles,
);

const TARGET: &str = "call_traces";

#[derive(Default)]
struct Seen {
    /// Name, parent and number of holders of each span; its id is its place, counted from 1.
    spans: Vec<(&'static Metadata<'static>, Option<u64>, usize)>,
    entered: Vec<u64>,
    events: Vec<String>,
}

#[derive(Clone, Default)]
struct Tracer(Arc<Mutex<Seen>>);

impl Tracer {
    fn install() -> (Tracer, DefaultGuard) {
        let tracer = Tracer::default();
        let guard = tracing::subscriber::set_default(tracer.clone());
        (tracer, guard)
    }

    fn with<R>(&self, f: impl FnOnce(&mut Seen) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The spans around each event so far, as in `"outer inner"`.
    fn events(&self) -> Vec<String> {
        self.with(|seen| std::mem::take(&mut seen.events))
    }

    /// The spans that somebody holds.
    fn open(&self) -> usize {
        self.with(|seen| seen.spans.iter().filter(|(_, _, holders)| *holders > 0).count())
    }
}

impl Subscriber for Tracer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().ends_with(TARGET)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.with(|seen| {
            seen.spans.push((span.metadata(), seen.entered.last().copied(), 1));
            Id::from_u64(seen.spans.len() as u64)
        })
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.with(|seen| {
            let mut around = Vec::new();
            let mut at = seen.entered.last().copied();
            while let Some(id) = at {
                let (metadata, parent, _) = seen.spans[id as usize - 1];
                around.insert(0, metadata.name());
                at = parent;
            }
            seen.events.push(around.join(" "));
        });
    }

    fn enter(&self, id: &Id) {
        self.with(|seen| seen.entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        self.with(|seen| assert_eq!(seen.entered.pop(), Some(id.into_u64()), "the last one in is the first one out"));
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.with(|seen| seen.spans[id.into_u64() as usize - 1].2 += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.with(|seen| {
            let holders = &mut seen.spans[id.into_u64() as usize - 1].2;
            *holders -= 1;
            *holders == 0
        })
    }

    fn current_span(&self) -> Current {
        self.with(|seen| match seen.entered.last() {
            Some(id) => Current::new(Id::from_u64(*id), seen.spans[*id as usize - 1].0),
            None => Current::none(),
        })
    }
}

fn event() {
    info!(target: TARGET, "here");
}

fn span(name: &'static str) -> Span {
    match name {
        "outside" => info_span!(target: TARGET, "outside"),
        "first" => info_span!(target: TARGET, "first"),
        _ => info_span!(target: TARGET, "second"),
    }
}

/// The handler of a call that notes an event before and after a wait, and answers.
fn noting(reply: Reply<u32>) -> Msg {
    run(move |_, _| {
        Box::pin(async move {
            event();
            takes(Duration::from_millis(1)).await;
            event();
            reply.send(1);
            Ok(())
        })
    })
}

/// The handler of a tell that notes an event.
fn tell_of() -> Msg {
    act(|_, _| {
        event();
        Ok(())
    })
}

/// Caught: the span is entered at the first poll alone; at none.
async fn a_handler_runs_in_the_span_of_its_call(world: World) {
    let (tracer, _guard) = Tracer::install();
    let (puppet, _events) = world.puppet().await;
    assert_eq!(puppet.call(noting).instrument(span("outside")).await, Ok(1));
    assert_eq!(tracer.events(), ["outside", "outside"]);
    assert_eq!(puppet.call(noting).await, Ok(1));
    assert_eq!(tracer.events(), ["", ""], "called in no span");
    assert_eq!(puppet.call(noting).instrument(span("second")).await, Ok(1));
    assert_eq!(tracer.events(), ["second", "second"]);
}

/// Caught: the span is entered at the polls alone.
async fn a_handler_that_is_no_async_fn_runs_in_the_span_of_its_call(world: World) {
    struct Eager;
    impl Actor for Eager {
        type Msg = Reply<u32>;
        type Ref = Ref<Self>;

        fn handle(
            &mut self,
            _: &mut Context<Self>,
            reply: Reply<u32>,
        ) -> impl Future<Output = Result<(), Exit>> + Send {
            event();
            reply.send(1);
            ready(Ok(()))
        }
    }
    let (tracer, _guard) = Tracer::install();
    let eager = world.spawn(Eager).await.expect("it starts");
    assert_eq!(eager.call(|reply| reply).instrument(span("outside")).await, Ok(1));
    assert_eq!(tracer.events(), ["outside"]);
}

/// A message that notes an event and calls `to`, in a span of its own.
fn through(to: &Ref<Puppet>, name: &'static str, next: impl FnOnce(Reply<u32>) -> Msg + Send + 'static) -> Asking {
    let to = to.clone();
    Box::new(move |reply| {
        run(move |_, _| {
            let handler = async move {
                event();
                reply.send(to.call(next).await.expect("it answers"));
                event();
                Ok(())
            };
            Box::pin(async move { handler.instrument(span(name)).await })
        })
    })
}

type Asking = Box<dyn FnOnce(Reply<u32>) -> Msg + Send>;

/// Caught: no span is entered; it is at the first poll alone.
async fn a_trace_goes_over_several_actors(world: World) {
    let (tracer, _guard) = Tracer::install();
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    let (three, _three_events) = world.puppet().await;
    let chain = through(&two, "first", through(&three, "second", noting));
    assert_eq!(one.call(chain).instrument(span("outside")).await, Ok(1));
    assert_eq!(one.call(ask(2)).await, Ok(2), "the handlers are through");
    let inmost = "outside first second";
    let want = ["outside first", inmost, inmost, inmost, inmost, "outside first"];
    let mut events = tracer.events();
    events[4..].sort_by_key(|event| std::cmp::Reverse(event.len())); // Those of the ways back.
    assert_eq!(events, want);
}

/// Caught: the first handler takes the span out of the slot.
async fn a_trace_goes_on_in_a_delegate(world: World) {
    let (tracer, _guard) = Tracer::install();
    let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
    let pass_on = |reply: Reply<u32>| {
        run(move |_, _| {
            Box::pin(async move {
                told(two.delegate(reply, noting).await);
                Ok(())
            })
        })
    };
    assert_eq!(one.call(pass_on).instrument(span("outside")).await, Ok(1));
    assert_eq!(tracer.events(), ["outside", "outside"]);
}

/// Caught: no span is entered.
async fn a_trace_goes_on_when_the_caller_has_given_up(world: World) {
    let (tracer, _guard) = Tracer::install();
    let (puppet, _events) = world.puppet().await;
    let release = hold(&puppet).await;
    let mut call = Box::pin(puppet.call(noting).instrument(span("outside")));
    assert!(look(&mut call).is_pending());
    drop(call);
    drop(release);
    assert_eq!(puppet.call(ask(2)).await, Ok(2));
    assert_eq!(tracer.events(), ["outside", "outside"]);
}

/// Caught: the span is not left.
async fn the_next_message_is_outside_of_the_span(world: World) {
    let (tracer, _guard) = Tracer::install();
    let (puppet, _events) = world.puppet().await;
    let release = hold(&puppet).await;
    let mut call = Box::pin(puppet.call(noting).instrument(span("outside")));
    assert!(look(&mut call).is_pending());
    told(puppet.tell(tell_of()).now());
    drop(release);
    assert_eq!(call.await, Ok(1));
    assert_eq!(puppet.call(ask(2)).await, Ok(2));
    assert_eq!(tracer.events(), ["outside", "outside", ""]);
    assert!(Span::current().is_none());
}

/// Caught: the span is entered while the handler runs and not while it is polled.
async fn other_actors_are_outside_of_the_span(world: World) {
    let (tracer, _guard) = Tracer::install();
    let ((puppet, _events), (other, _other_events)) = (world.puppet().await, world.puppet().await);
    let (entered, inside) = oneshot::channel();
    let (release, gate) = oneshot::channel::<()>();
    let waiting = move |reply: Reply<u32>| {
        run(move |_, _| {
            Box::pin(async move {
                let _ = entered.send(());
                let _ = gate.await;
                event();
                reply.send(1);
                Ok(())
            })
        })
    };
    let mut call = Box::pin(puppet.call(waiting).instrument(span("outside")));
    assert!(look(&mut call).is_pending());
    soon(inside).await.expect("it gets there");
    told(other.tell(tell_of()).await);
    assert_eq!(other.call(ask(2)).await, Ok(2));
    drop(release);
    assert_eq!(call.await, Ok(1));
    assert_eq!(tracer.events(), ["", "outside"]);
}

/// Caught: the span is entered for good, and not for each poll.
async fn a_crash_leaves_the_span(world: World) {
    let (tracer, _guard) = Tracer::install();
    let ((puppet, _events), (other, _other_events)) = (world.puppet().await, world.puppet().await);
    let ended = puppet.call(crash_on("in the span")).instrument(span("outside")).await;
    assert_eq!(ended, Err(CallError::Exited(Exit::panic("in the span"))));
    soon(puppet.gone()).await;
    told(other.tell(tell_of()).await);
    assert_eq!(other.call(ask(2)).await, Ok(2));
    assert_eq!(tracer.events(), [""]);
    assert_eq!(tracer.with(|seen| seen.entered.len()), 0);
}

/// Caught: the slot keeps the span until it carries another one.
async fn a_span_ends_with_its_call(world: World) {
    let (tracer, _guard) = Tracer::install();
    let (puppet, _events) = world.puppet().await;
    assert_eq!(puppet.call(noting).instrument(span("outside")).await, Ok(1));
    assert_eq!(puppet.call(ask(2)).await, Ok(2), "the handler is through");
    assert_eq!(tracer.open(), 0);
}

/// Late in the queue, with no room, to an actor that is gone, and never sent.
///
/// Caught: the slot keeps the span until it carries another one.
async fn a_span_ends_with_a_call_that_nobody_handles(world: World) {
    let (tracer, _guard) = Tracer::install();
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    for limit in [LEEWAY, Duration::from_secs(2)] {
        let late = puppet.call(ask(1)).within(limit).instrument(span("outside")).await;
        assert!(matches!(late, Err(CallError::Timeout { .. })));
    }
    assert_eq!(puppet.call(ask(1)).now().instrument(span("outside")).await, Err(CallError::Full));
    span("outside").in_scope(|| drop(puppet.call(ask(1))));
    drop(release);
    assert_eq!(puppet.call(ask(2)).await, Ok(2));
    assert_eq!(tracer.open(), 0);
    puppet.kill();
    soon(puppet.gone()).await;
    let gone = puppet.call(ask(1)).instrument(span("outside")).await;
    assert_eq!(gone, Err(CallError::Exited(Exit::Killed)));
    assert_eq!(tracer.open(), 0);
}
