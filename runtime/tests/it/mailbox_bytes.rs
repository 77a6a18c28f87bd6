//! Goal: what a mailbox bounded in bytes promises at its bound and below it.
//! Method: an actor is held inside a handler; a puppet's note of `n` weighs `n`, all else that it is told weighs 1, a
//! number to be answered the number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use proscenium_runtime::{
    Actor, CallError, Context, CrashPolicy, Exit, Mailbox, Overflow, Ref, Reply, TellError, Unit, actor,
};
use tokio::sync::oneshot;

use crate::both_weights::{World, look, soon};
use crate::kept::Kept;
use crate::marionette::{Cut, Event, Lost, Plain, ask, hold, log, note, notes, parcel, poison, run, tell_notes, told};

both_weights!(()
    tells_and_calls_wait_for_bytes,
    a_message_weighs_one_byte_at_least,
    the_status_tells_bytes,
    a_message_heavier_than_the_mailbox_goes_in_alone,
    a_heavy_tell_that_waits_is_not_passed_by_light_ones,
    a_tell_that_is_given_up_gives_its_bytes_back,
    overflow_drop_oldest_drops_as_many_as_are_in_the_way,
    overflow_drop_newest_and_fail_go_by_bytes,
    a_tell_to_oneself_never_waits_for_bytes,
    a_restart_keeps_what_waits_and_its_weight,
    a_message_that_is_retried_has_no_weight,
    an_attached_stream_goes_at_the_pace_of_the_bytes,
    a_message_is_weighed_once_and_twice_if_it_waits,
    a_panic_in_the_weight_is_the_senders,
    a_panic_in_the_weight_of_its_own_result_is_the_actors,
    the_attributes_set_the_bound_in_bytes_and_the_weight,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    many_senders_get_through_and_the_bound_holds,
);

/// Catches a wait that ends by the number of messages, and a call that is not weighed.
async fn tells_and_calls_wait_for_bytes(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [60, 30]);
    let mut given_up = puppet.call(ask(25));
    assert!(look(&mut given_up).is_pending());
    drop(given_up);
    assert_eq!(puppet.sys().status().queued, 2, "it was not sent");
    let mut tell = puppet.tell(note(20));
    assert!(look(&mut tell).is_pending());
    assert_eq!(look(&mut puppet.call(ask(10)).now()), Poll::Ready(Err(CallError::Full)), "somebody waits");
    let mut call = puppet.call(ask(25));
    assert!(look(&mut call).is_pending());
    drop(release);
    told(soon(tell).await);
    assert_eq!(soon(call).await, Ok(25));
    assert_eq!(events.take(3).await, notes([60, 30, 20]));
}

/// Catches a weight of 0 that is taken at its word.
async fn a_message_weighs_one_byte_at_least(world: World) {
    for (overflow, left) in [(Overflow::Fail, [1, 0]), (Overflow::DropOldest, [0, 0])] {
        let (puppet, mut events) = world.puppet_with(Mailbox::bytes(2).overflow(overflow)).await;
        let release = hold(&puppet).await;
        tell_notes(&puppet, [1, 0]);
        assert_eq!(puppet.tell(note(0)).now().is_ok(), overflow == Overflow::DropOldest);
        assert_eq!(puppet.sys().status().bytes, Some(2));
        drop(release);
        assert_eq!(events.take(2).await, notes(left), "{overflow:?}");
    }
}

/// Catches a count that is off by the message in hand.
async fn the_status_tells_bytes(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [60, 30]);
    let status = puppet.sys().status();
    assert_eq!((status.queued, status.bytes, status.capacity, status.unit), (2, Some(90), Some(100), Unit::Bytes));
    assert!(status.to_string().contains("queue 2 (90/100 bytes)"), "{status}");
    drop(release);
    events.take(2).await;
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(puppet.sys().status().bytes, Some(0));
    let (other, _events) = world.puppet_with(Mailbox::bounded(2)).await;
    let status = other.sys().status();
    assert_eq!((status.bytes, status.unit), (None, Unit::Messages));
}

/// Catches one that waits for ever, and one that goes in beside others.
async fn a_message_heavier_than_the_mailbox_goes_in_alone(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    assert!(matches!(puppet.tell(note(101)).now(), Err(TellError::Full(_))));
    let mut heavy = puppet.tell(note(1_000));
    assert!(look(&mut heavy).is_pending());
    drop(release);
    told(soon(heavy).await);
    assert_eq!(events.take(2).await, notes([1, 1_000]));
    let _release = hold(&puppet).await;
    told(puppet.tell(note(1_000)).now());
    assert!(matches!(puppet.tell(note(1)).now(), Err(TellError::Full(_))));
}

/// Catches newcomers, and later waiters, that fit into what a heavy one still waits for.
async fn a_heavy_tell_that_waits_is_not_passed_by_light_ones(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [50]);
    let mut heavy = puppet.tell(note(80));
    assert!(look(&mut heavy).is_pending());
    assert!(matches!(puppet.tell(note(1)).now(), Err(TellError::Full(_))));
    let mut light = puppet.tell(note(2));
    assert!(look(&mut light).is_pending(), "it stands behind the heavy one");
    drop(release);
    told(soon(heavy).await);
    told(soon(light).await);
    assert_eq!(events.take(3).await, notes([50, 80, 2]));
}

/// Catches a cancelled tell that leaves its bytes taken, or those behind it waiting.
async fn a_tell_that_is_given_up_gives_its_bytes_back(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [50]);
    let mut heavy = puppet.tell(note(80));
    assert!(look(&mut heavy).is_pending());
    let mut light = puppet.tell(note(40));
    assert!(look(&mut light).is_pending());
    drop(heavy);
    assert_eq!(puppet.sys().status().bytes, Some(90), "the light one has room now");
    drop(light);
    assert_eq!(puppet.sys().status().bytes, Some(50));
    tell_notes(&puppet, [45]);
    drop(release);
    assert_eq!(events.take(2).await, notes([50, 45]));
}

/// Catches a policy that drops one only, or more than are in the way; a dropped call that hangs until its time-out.
async fn overflow_drop_oldest_drops_as_many_as_are_in_the_way(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100).overflow(Overflow::DropOldest)).await;
    let (lost, mut undelivered) = log();
    let release = hold(&puppet).await;
    let mut call = puppet.call(ask(10));
    assert!(look(&mut call).is_pending());
    for n in [20, 30, 40] {
        told(puppet.tell(parcel(n, &lost)).await);
    }
    told(puppet.tell(note(45)).await);
    assert_eq!(look(&mut call), Poll::Ready(Err(CallError::Dropped)));
    let gone = [20, 30].map(|n| Event::Undelivered(n, Lost::Overflow));
    assert_eq!(undelivered.so_far(), gone);
    let status = puppet.sys().status();
    assert_eq!((status.dropped, status.queued, status.bytes), (3, 2, Some(85)));
    drop(release);
    assert_eq!(events.take(2).await, notes([40, 45]));
}

async fn overflow_drop_newest_and_fail_go_by_bytes(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100).overflow(Overflow::DropNewest)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [60, 50, 40]);
    assert_eq!(puppet.sys().status().dropped, 1);
    drop(release);
    assert_eq!(events.take(2).await, notes([60, 40]));

    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100).overflow(Overflow::Fail)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [60]);
    assert!(matches!(puppet.tell(note(50)).await, Err(TellError::Full(_))));
    tell_notes(&puppet, [40]);
    drop(release);
    assert_eq!(events.take(2).await, notes([60, 40]));
}

async fn a_tell_to_oneself_never_waits_for_bytes(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(10)).await;
    let message = run(|_, cx: &mut Context<_>| {
        Box::pin(async move {
            for n in 0..10 {
                told(cx.me().tell(note(n)).await);
            }
            Ok(())
        })
    });
    told(puppet.tell(message).await);
    assert_eq!(events.take(10).await, notes(0..10));
    assert_eq!(puppet.sys().status().bytes, Some(0));
}

/// Catches weights that go with the incarnation.
async fn a_restart_keeps_what_waits_and_its_weight(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::bytes(100)).await;
    kept.start().await;
    let puppet = kept.puppet.clone();
    let _release = hold(&puppet).await;
    tell_notes(&puppet, [60, 30]);
    let mut waiting = puppet.tell(note(20));
    assert!(look(&mut waiting).is_pending());
    kept.kill().await;
    assert!(look(&mut waiting).is_pending(), "the bound holds between two incarnations");
    assert_eq!(puppet.sys().status().bytes, Some(90));
    kept.start().await;
    told(soon(waiting).await);
    assert_eq!(kept.events.take(3).await, notes([60, 30, 20]));
    kept.settled().await;
    assert_eq!(puppet.sys().status().bytes, Some(0));
}

struct Retrying;
impl Cut for Retrying {
    const CRASH: CrashPolicy = CrashPolicy::RetryOnce;
}

/// Catches a retry that takes room, and gives none back.
async fn a_message_that_is_retried_has_no_weight(world: World) {
    let mut kept = Kept::<Retrying>::in_cell(&world, Mailbox::bytes(100)).await;
    kept.start().await;
    let (lost, _undelivered) = log();
    told(kept.puppet.tell(poison(70, 1, &lost)).await);
    assert!(matches!(kept.ends.next().await, (1, Exit::Panic(_))));
    let status = kept.puppet.sys().status();
    assert_eq!((status.queued, status.bytes), (1, Some(0)));
    tell_notes(&kept.puppet, [100]);
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.events.take(2).await, notes([70, 100]));
    kept.settled().await;
    assert_eq!(kept.puppet.sys().status().bytes, Some(0));
}

/// Catches a stream that waits for a place before it knows the weight, and one that nobody wakes where the oldest is
/// dropped: no policy drops what waits.
async fn an_attached_stream_goes_at_the_pace_of_the_bytes(world: World) {
    let rows = [
        Mailbox::bytes(100),
        Mailbox::bytes(100).overflow(Overflow::DropOldest),
        Mailbox::bounded(1).overflow(Overflow::DropOldest),
    ];
    for mailbox in rows {
        let (puppet, mut events) = world.puppet_with(mailbox).await;
        let (release, gate) = oneshot::channel::<()>();
        let stream = run(move |_, cx| {
            cx.attach(futures_util::stream::iter(30..70), note);
            Box::pin(async move {
                let _ = gate.await;
                Ok(())
            })
        });
        told(puppet.tell(stream).await);
        for _ in 0..100 {
            tokio::task::yield_now().await; // The stream goes on as far as it can.
        }
        let status = puppet.sys().status();
        assert!(status.queued > 0 && status.bytes.is_none_or(|bytes| bytes <= 100), "{status}");
        assert!(status.queued <= 3, "the stream is held back: {status}");
        drop(release);
        assert_eq!(events.take(40).await, notes(30..70), "{mailbox:?}");
    }
}

// ---- who weighs, and when ----

/// Weighs what it is told to weigh, and counts how often it is asked.
struct Weighed {
    asked: Arc<AtomicUsize>,
    weight: Option<usize>,
    reply: Option<Reply<usize>>,
}

impl Weighed {
    fn new(asked: &Arc<AtomicUsize>, weight: usize) -> Self {
        Weighed { asked: asked.clone(), weight: Some(weight), reply: None }
    }

    /// Nobody can tell its weight.
    fn bad(asked: &Arc<AtomicUsize>) -> Self {
        Weighed { asked: asked.clone(), weight: None, reply: None }
    }
}

struct Carrier;

impl Actor for Carrier {
    type Msg = Weighed;
    type Ref = Ref<Self>;

    fn weight(msg: &Weighed) -> usize {
        msg.asked.fetch_add(1, Ordering::Relaxed);
        msg.weight.expect("a weight")
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: Weighed) -> Result<(), Exit> {
        match msg.reply {
            Some(reply) => reply.send(msg.asked.load(Ordering::Relaxed)),
            None if msg.weight == Some(13) => cx.pipe(async move { msg.asked }, |asked| Weighed::bad(&asked)),
            None => (),
        }
        Ok(())
    }
}

fn question(asked: &Arc<AtomicUsize>, weight: usize) -> impl FnOnce(Reply<usize>) -> Weighed {
    let weighed = Weighed::new(asked, weight);
    move |reply| Weighed { reply: Some(reply), ..weighed }
}

/// Catches one that asks under a bound in messages, at each poll of a wait, or when the message leaves.
async fn a_message_is_weighed_once_and_twice_if_it_waits(world: World) {
    for (mailbox, once, twice) in
        [(Mailbox::bytes(10), 1, 2), (Mailbox::bounded(1), 0, 0), (Mailbox::unbounded(), 0, 0)]
    {
        let carrier = world.spawn(Carrier).mailbox(mailbox).await.expect("it starts");
        let (first, second) = (Arc::default(), Arc::default());
        carrier.sys().suspend().expect("it lives");
        told(carrier.tell(Weighed::new(&first, 10)).now());
        let mut waits = carrier.tell(Weighed::new(&second, 10));
        for _ in 0..5 {
            let _ = look(&mut waits);
        }
        carrier.sys().resume().expect("it lives");
        told(soon(waits).await);
        let asked = soon(carrier.call(question(&Arc::default(), 1))).await;
        assert!(asked.is_ok_and(|asked| asked <= twice), "{mailbox:?}");
        assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (once, twice), "{mailbox:?}");
    }
}

/// Catches a weight that is asked for after room was taken, or on the actor's side.
async fn a_panic_in_the_weight_is_the_senders(world: World) {
    let carrier = world.spawn(Carrier).mailbox(Mailbox::bytes(10)).await.expect("it starts");
    let asked = Arc::default();
    let sender = carrier.clone();
    let message = Weighed::bad(&asked);
    let told_by = tokio::spawn(async move { drop(sender.tell(message).now()) });
    assert!(soon(told_by).await.is_err_and(|error| error.is_panic()));
    let sender = carrier.clone();
    let message = Weighed::bad(&asked);
    let called_by =
        tokio::spawn(async move { sender.call(|reply| Weighed { reply: Some(reply), ..message }).await.is_ok() });
    assert!(soon(called_by).await.is_err_and(|error| error.is_panic()));
    let status = carrier.sys().status();
    assert_eq!((status.queued, status.bytes), (0, Some(0)));
    assert_eq!(Arc::strong_count(&asked), 1, "the messages are gone");
    told(carrier.tell(Weighed::new(&asked, 10)).now());
    assert!(soon(carrier.call(question(&asked, 10))).await.is_ok());
}

async fn a_panic_in_the_weight_of_its_own_result_is_the_actors(world: World) {
    let carrier = world.spawn(Carrier).mailbox(Mailbox::bytes(10)).await.expect("it starts");
    let asked = Arc::default();
    told(carrier.tell(Weighed::new(&asked, 13)).await);
    assert!(matches!(soon(carrier.gone()).await, Exit::Panic(_)));
    assert_eq!(carrier.sys().status().bytes, Some(0));
}

// ---- with the macro ----

struct Thumbnails(Vec<usize>);

const LIMIT: usize = 1_000;

#[actor(mailbox = bytes(LIMIT), overflow = fail, crate = proscenium_runtime)]
impl Thumbnails {
    #[cast]
    fn make(&mut self, picture: Vec<u8>) {
        self.0.push(picture.len());
    }

    #[call]
    fn made(&self) -> Vec<usize> {
        self.0.clone()
    }

    #[weight]
    fn weight_of(msg: &ThumbnailsMsg) -> usize {
        match msg {
            ThumbnailsMsg::Make { picture } => picture.len(),
            ThumbnailsMsg::Made { .. } => 1,
        }
    }
}

#[derive(Default)]
struct Plainly;

#[actor(mailbox = bytes(64 * 1024), crate = proscenium_runtime)]
impl Plainly {
    #[cast]
    fn note(&mut self, _n: u64) {}
}

async fn the_attributes_set_the_bound_in_bytes_and_the_weight(world: World) {
    assert_eq!(Thumbnails::MAILBOX, Mailbox::bytes(1_000).overflow(Overflow::Fail));
    let thumbnails: ThumbnailsRef = world.spawn(Thumbnails(Vec::new())).await.expect("it starts");
    thumbnails.sys().suspend().expect("it lives");
    told(thumbnails.make(vec![0; 600]).now());
    assert!(thumbnails.make(vec![0; 401]).now().is_err());
    told(thumbnails.make(vec![0; 300]).now());
    assert_eq!(thumbnails.sys().status().bytes, Some(900));
    thumbnails.sys().resume().expect("it lives");
    assert_eq!(soon(thumbnails.made()).await, Ok(vec![600, 300]));

    assert_eq!(Plainly::MAILBOX, Mailbox::bytes(65_536));
    let message = PlainlyMsg::Note { _n: 3 };
    assert_eq!(Plainly::weight(&message), size_of::<PlainlyMsg>(), "unless it says otherwise");
}

// ---- many at once ----

/// Catches lost wake-ups, and room that is given back twice or never.
async fn many_senders_get_through_and_the_bound_holds(world: World) {
    const SENDERS: u32 = 4;
    const EACH: u32 = 3_000;
    let (puppet, mut events) = world.puppet_with(Mailbox::bytes(100)).await;
    for sender in 0..SENDERS {
        let puppet = puppet.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                let weight = if (n + sender) % 500 == 0 { 150 } else { 1 + (n * 7 + sender) % 60 };
                if n % 10 == 3 {
                    let mut given_up = puppet.tell(note(weight));
                    if look(&mut given_up).is_ready() {
                        continue;
                    }
                }
                told(puppet.tell(note(weight)).await);
            }
        });
    }
    for handled in 0..SENDERS * EACH {
        let Event::Note(_) = events.next().await else { panic!("only notes were told") };
        if handled % 100 == 0 {
            let bytes = puppet.sys().status().bytes.expect("it is bounded in bytes");
            assert!(bytes <= 100 || bytes == 150, "{bytes}");
        }
    }
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(puppet.sys().status().bytes, Some(0));
    assert_eq!(events.so_far(), []);
}
