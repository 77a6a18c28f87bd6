//! The lane's protocols, checked by loom over every interleaving with three preemptions at most, or five.
//!
//! `make loom` runs them. A lost wake-up shows as a deadlock, a lost or doubled entry as a failed assertion, a slot
//! touched by two sides as loom's own report.
//!
//! `Owned`, which keeps the hand, is here as it is, with a full fence for each of its two barriers: that the system's
//! barrier is as strong as a fence no model can check.
//!
//! Seeded bugs that they were seen to catch, each put in by hand and taken out again:
//!
//! | place | bug | caught by |
//! |---|---|---|
//! | `append` | a push on a parked consumer wakes nobody | `a_push_wakes_a_consumer_that_parks` and others |
//! | `append` | a push while suspended clears `PARKED` without waking | `what_is_pushed_while_suspended_…` |
//! | `room` | the door is not looked at | `closing_…`, `a_drain_…` |
//! | `push_sys` | it does not ring | `a_request_reaches_a_consumer_in_any_state` |
//! | `refill` | it looks, unlocks, locks and parks without a second look | `a_push_wakes_…`, `a_request_…`, `senders_wait_…` |
//! | `refill` | it parks over waiting requests | `a_request_reaches_a_consumer_in_any_state` |
//! | `refill` | it does not ask whose lane it is | `a_fence_hands_…`, `a_fenced_consumer_…` |
//! | `next` | it counts after it has left the hand | `a_fence_hands_…` |
//! | `take_one` | an entry of a `DropOldest` lane is counted when handled, not when taken | `dropping_the_oldest_…` |
//! | `Owned` | it does not ask whose hand it is; either barrier is left out | `a_fence_hands_…`, `closing_…` |
//! | `Owned` | a seizure does not wait for the owner; the owner leaves it relaxed | `a_fence_hands_…`, `closing_…` |
//! | `Owned` | an owner after a seizure that does without the lock | `who_was_given_up_…` |
//! | `Belled` | it does not say that it rings, or not long enough; who exchanges does not wait | `the_bell_…` |
//! | `take_sys` | a fenced consumer takes its successor's requests | `a_fenced_consumer_…` |
//! | `ring_end` | it does not wake; it passes the stop hook by | `an_end_signal_reaches_a_consumer_…`, `…_a_task_that_waits_elsewhere` |
//! | `ring_end`, `attach` | the successor is ended by its predecessor's signal | `an_end_signal_for_a_predecessor_…` |
//! | `close` | the consumer is not woken; what is in hand is forgotten | `closing_refuses_or_hands_back` |
//! | `drain` | it does not ring, or does not wake who waits for room | `a_drain_…` |
//! | `settle` | room comes back without a grant | `senders_wait_for_room_…`, `a_dropped_wait_…` |
//! | `Reserve` | dropped, it keeps its permit, or its place, or passes nothing on | `a_dropped_wait_…` |
//! | `take_one` | what is taken grants nothing | `senders_of_all_weights_…`, `who_waits_where_the_oldest_…` |
//! | `Reserve` | dropped without a permit, it grants nothing to those behind it | `a_heavy_wait_that_is_dropped_…` |
//! | `displace` | what it frees beyond its own need is granted to nobody | `what_is_displaced_…` |
//! | slot, `finish` | the waker is taken after the end is stored; the end is stored relaxed | `a_call_is_not_late_…`, `an_answer_…` |
//! | slot, `poll` | the caller sleeps without a second look | `an_answer_reaches_a_caller_that_goes_to_sleep` |
//! | slot, `abandon` | both sides recycle, or neither; the value is leaked | `a_call_given_up_…` |
//! | slot, `sweep` | it does not lock, or does not wake | `the_sweeper_wakes_…`, `a_late_call_…` |
//! | slot, `term` | the generation is not looked at; the stamp is stored relaxed | `…_the_call_outside_of_it_is_used_again` |
//! | slot, `term` | a locked slot is taken for one that was answered | `…_the_call_outside_of_it_was_given_up_late` |
//! | slot, `is_late` | the generation is not looked at | `a_call_is_not_late_…` |

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::thread;

use super::entry::Entry;
use super::lock::Owned;
use super::pool;
use super::queue::{END, Lane, Pushed, Refused, SYS};
use super::room::Reserve;
use super::sample::{SIGNAL, entry, number};
use super::slot::{Answer, Await, Caller, Dropped, Seen, Slot, Tag, pair};
use super::tenancy::{Next, Tenancy};
use crate::mailbox::{Overflow, Unit};

mod bytes;

/// Requests are told from entries by this.
const REQUEST: u32 = 9_000;

type Queue = Lane<u32, u32>;
struct Home(Queue);

impl AsRef<Queue> for Home {
    fn as_ref(&self) -> &Queue {
        &self.0
    }
}

impl std::ops::Deref for Home {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.0
    }
}

fn home(capacity: usize) -> Arc<Home> {
    Arc::new(Home(Lane::new(capacity, Overflow::Wait)))
}

/// A lane and its first incarnation, which has attached itself, or which the lane was made with.
fn home_of_first(made_with_it: bool, capacity: usize) -> (Arc<Home>, u32) {
    if made_with_it {
        return (Arc::new(Home(Lane::with(capacity, Unit::Messages, Overflow::Wait, 1))), 1);
    }
    let lane = home(capacity);
    let first = lane.attach(0, |_| true).unwrap();
    (lane, first)
}

const UNBOUNDED: usize = usize::MAX;

fn model(body: impl Fn() + Send + Sync + 'static) {
    preempted(3, body);
}

fn preempted(times: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(times);
    builder.check(body);
}

/// A task that sleeps until it is woken.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

struct Sleeper {
    bell: Arc<Bell>,
    waker: Waker,
}

impl Sleeper {
    fn new() -> Self {
        let bell = Arc::new(Bell(Notify::new()));
        Sleeper { waker: Waker::from(bell.clone()), bell }
    }

    fn rest(&self) {
        self.bell.0.wait();
    }

    fn wait<R>(&self, mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
        loop {
            match poll(&self.waker) {
                Poll::Ready(ready) => return ready,
                Poll::Pending => self.rest(),
            }
        }
    }
}

/// What ended a consumer's stay.
#[derive(PartialEq, Eq, Debug)]
enum Left {
    Enough,
    Drained,
    Gone,
    Ended,
}

/// The companion's loop: requests first, then what is in hand, then the next batch, or sleep.
fn serve(lane: &Queue, incarnation: u32, got: &mut Vec<u32>, enough: impl Fn(&[u32]) -> bool) -> Left {
    let sleeper = Sleeper::new();
    let mut tenancy = lane.enter(incarnation, Some(sleeper.waker.clone()));
    while !enough(got) {
        if lane.ctl() & END != 0 {
            return Left::Ended;
        }
        if lane.ctl() & SYS != 0 {
            obey(lane, incarnation, &mut tenancy, got);
            if enough(got) {
                break;
            }
        }
        if let Some(entry) = tenancy.next() {
            got.push(number(entry.entry()));
            continue;
        }
        match tenancy.why() {
            Next::Parked => sleeper.rest(),
            Next::Sys => obey(lane, incarnation, &mut tenancy, got),
            Next::Drained => return Left::Drained,
            Next::Gone => return Left::Gone,
            Next::Entries | Next::Turn => {}
        }
    }
    Left::Enough
}

const SUSPEND: u32 = REQUEST + 1;
const RESUME: u32 = REQUEST + 2;

fn obey(lane: &Queue, incarnation: u32, tenancy: &mut Tenancy<'_, u32, u32>, got: &mut Vec<u32>) {
    for request in lane.take_sys(incarnation) {
        if request == SUSPEND || request == RESUME {
            tenancy.suspend(request == SUSPEND);
        }
        got.push(request);
    }
}

/// An incarnation that handles until it has `want`.
fn serve_all(lane: &Queue, incarnation: u32, want: usize) -> Vec<u32> {
    let mut got = Vec::new();
    assert_eq!(serve(lane, incarnation, &mut got, |got| got.len() == want), Left::Enough);
    got
}

/// Entries are `10 * sender + number`.
fn assert_order(got: &[u32]) {
    for sender in 0..10 {
        let mine: Vec<_> = got.iter().filter(|entry| **entry < REQUEST && *entry / 10 == sender).collect();
        assert!(mine.is_sorted(), "{got:?}");
    }
}

fn push(lane: &Queue, number: u32) -> Result<Pushed<Entry<u32>>, Refused<Entry<u32>>> {
    lane.push(number)
}

/// How many entries there is room for, by trying; the lane is full after that.
fn room(lane: &Queue) -> usize {
    (0..).take_while(|entry| matches!(push(lane, *entry), Ok(Pushed::Queued))).count()
}

/// As a tell does: at once, or when there is room. False: the lane takes nothing any more.
fn tell(lane: &Arc<Home>, number: u32) -> bool {
    match push(lane, number) {
        Ok(_) => return true,
        Err(Refused::Full(_)) => {}
        Err(Refused::Draining(_) | Refused::Closed(_)) => return false,
    }
    let mut reserve = Reserve::new(lane.clone(), 1);
    Sleeper::new().wait(|waker| reserve.poll(waker));
    match reserve.fill(entry(number)) {
        Ok(()) => true,
        Err(Refused::Draining(_) | Refused::Closed(_)) => false,
        Err(Refused::Full(_)) => panic!("the wait for room ended without room"),
    }
}

fn sorted(mut entries: Vec<u32>) -> Vec<u32> {
    entries.sort_unstable();
    entries
}

// ---- the wake protocol ----

#[test]
fn a_push_wakes_a_consumer_that_parks() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let sender = lane.clone();
        let sender = thread::spawn(move || {
            push(&sender, 10).unwrap();
            push(&sender, 11).unwrap();
        });
        assert_eq!(serve_all(&lane, first, 2), [10, 11]);
        sender.join().unwrap();
        assert_eq!(lane.len(), 0);
    });
}

#[test]
fn two_senders_keep_their_order_and_wake_the_consumer() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let senders = [vec![10, 11], vec![20]].map(|entries| {
            let lane = lane.clone();
            thread::spawn(move || entries.into_iter().for_each(|entry| drop(push(&lane, entry).unwrap())))
        });
        let got = serve_all(&lane, first, 3);
        assert_order(&got);
        assert_eq!(sorted(got), [10, 11, 20]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn a_request_reaches_a_consumer_in_any_state() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let sender = thread::spawn(move || drop(push(&one, 10).unwrap()));
        let asker = thread::spawn(move || two.push_sys(REQUEST).unwrap());
        assert_eq!(sorted(serve_all(&lane, first, 2)), [10, REQUEST]);
        sender.join().unwrap();
        asker.join().unwrap();
    });
}

#[test]
fn what_is_pushed_while_suspended_is_handled_after_the_resume() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        lane.push_sys(SUSPEND).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let sender = thread::spawn(move || drop(push(&one, 10).unwrap()));
        let asker = thread::spawn(move || two.push_sys(RESUME).unwrap());
        assert_eq!(serve_all(&lane, first, 3), [SUSPEND, RESUME, 10]);
        sender.join().unwrap();
        asker.join().unwrap();
    });
}

// ---- the end of an incarnation ----

#[test]
fn an_end_signal_reaches_a_consumer_that_parks() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let sender = thread::spawn(move || drop(push(&one, 10).unwrap()));
        let killer = thread::spawn(move || assert!(two.ring_end(first)));
        let mut got = Vec::new();
        assert_eq!(serve(&lane, first, &mut got, |_| false), Left::Ended);
        sender.join().unwrap();
        killer.join().unwrap();
        got.extend(lane.close().entries.into_iter().map(number));
        assert_eq!(got, [10]);
    });
}

/// A handler's await is no place of the lane's, and a stop hook runs when the consumer has left: both are reached.
#[test]
fn an_end_signal_reaches_a_task_that_waits_elsewhere() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let killer = lane.clone();
        let killer = thread::spawn(move || assert!(killer.ring_end(first)));
        let sleeper = Sleeper::new();
        lane.set_task(first, sleeper.waker.clone());
        drop(lane.enter(first, None));
        let hook = Sleeper::new();
        lane.set_task(first, hook.waker.clone());
        hook.wait(|_| if lane.ctl() & END != 0 { Poll::Ready(()) } else { Poll::Pending });
        killer.join().unwrap();
    });
}

#[test]
fn an_end_signal_for_a_predecessor_does_not_end_its_successor() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let killer = lane.clone();
        let killer = thread::spawn(move || killer.ring_end(first));
        lane.fence(first);
        let second = lane.attach(0, |_| true).unwrap();
        push(&lane, 10).unwrap();
        assert_eq!(serve_all(&lane, second, 1), [10]);
        killer.join().unwrap();
        assert_eq!(lane.ctl() & END, 0);
    });
}

/// The consumer that is fenced off may be anywhere: before its first look, in the middle of a batch, about to park.
#[test]
fn a_fence_hands_what_is_unhandled_to_the_successor() {
    for made_with_it in [false, true] {
        model(move || {
            let (lane, first) = home_of_first(made_with_it, 4);
            (10..13).for_each(|entry| drop(push(&lane, entry).unwrap()));
            let stuck = lane.clone();
            let stuck = thread::spawn(move || {
                let mut got = Vec::new();
                let left = serve(&stuck, first, &mut got, |got| got.len() == 3);
                assert_eq!(left == Left::Gone, got.len() < 3);
                got
            });
            lane.fence(first);
            let second = lane.attach(0, |_| true).unwrap();
            push(&lane, 20).unwrap();
            let mut later = Vec::new();
            assert_eq!(serve(&lane, second, &mut later, |got| got.contains(&20)), Left::Enough);
            let mut all = stuck.join().unwrap();
            all.extend(later);
            assert_eq!(all, [10, 11, 12, 20]);
            assert_eq!(room(&lane), 4);
        });
    }
}

/// The first is still at its vain look into the hand while the second is given up, too.
#[test]
fn who_was_given_up_does_not_cover_for_its_successor() {
    preempted(5, || {
        let hand = Arc::new(Owned::new(0, 1));
        let looks = |owner| {
            let hand = hand.clone();
            thread::spawn(move || {
                if let Some(mut count) = hand.by_owner(owner) {
                    *count += 1;
                }
            })
        };
        let (first, stuck) = (hand.give(1), looks(hand.give(1)));
        hand.seize();
        let late = looks(hand.give(2));
        assert!(hand.by_owner(first).is_none());
        hand.seize();
        *hand.by_nobody().unwrap() += 1;
        stuck.join().unwrap();
        late.join().unwrap();
    });
}

/// A sender that rings does so without the lock, and by reference: the bell is not changed under its hands.
#[test]
fn the_bell_is_exchanged_when_nobody_rings_it() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        lane.set_task(first, Sleeper::new().waker);
        let mut parked = lane.enter(first, None);
        assert!(parked.next().is_none());
        let senders = [10, 20].map(|entry| {
            let lane = lane.clone();
            thread::spawn(move || drop(push(&lane, entry).unwrap()))
        });
        lane.fence(first);
        let second = lane.attach(0, |_| true).unwrap();
        assert_eq!(sorted(serve_all(&lane, second, 2)), [10, 20]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        drop(parked);
    });
}

/// Requests that come between the fence and the successor are the successor's.
#[test]
fn a_fenced_consumer_takes_no_request_of_its_successor() {
    model(|| {
        let lane = home(UNBOUNDED);
        let first = lane.attach(0, |_| true).unwrap();
        let stuck = lane.clone();
        let stuck = thread::spawn(move || {
            let mut got = Vec::new();
            let left = serve(&stuck, first, &mut got, |_| false);
            assert!(matches!(left, Left::Ended | Left::Gone));
            assert_eq!(got, []);
        });
        lane.ring_end(first); // Wakes it, should it sleep.
        lane.fence(first);
        lane.push_sys(REQUEST).unwrap();
        let second = lane.attach(0, |_| true).unwrap();
        assert_eq!(serve_all(&lane, second, 1), [REQUEST]);
        stuck.join().unwrap();
    });
}

#[test]
fn closing_refuses_or_hands_back() {
    for made_with_it in [false, true] {
        model(move || {
            let (lane, first) = home_of_first(made_with_it, 2);
            push(&lane, 8).unwrap();
            push(&lane, 9).unwrap();
            let consumer = lane.clone();
            let consumer = thread::spawn(move || {
                let mut got = Vec::new();
                assert_eq!(serve(&consumer, first, &mut got, |_| false), Left::Gone);
                got
            });
            let sender = lane.clone();
            let sender = thread::spawn(move || (10..12).filter(|entry| tell(&sender, *entry)).collect::<Vec<_>>());
            let left = lane.close();
            let accepted = sender.join().unwrap();
            let mut all = consumer.join().unwrap();
            all.extend(left.entries.into_iter().map(number));
            assert_eq!(all, [&[8, 9], &accepted[..]].concat());
            assert_eq!(push(&lane, 13), Err(Refused::Closed(entry(13))));
            assert_eq!(lane.close().entries, []);
        });
    }
}

#[test]
fn a_drain_handles_what_was_accepted_and_frees_who_waits() {
    model(|| {
        let lane = home(1);
        let first = lane.attach(0, |_| true).unwrap();
        push(&lane, 10).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let sender = thread::spawn(move || tell(&one, 20));
        let stopper = thread::spawn(move || two.drain());
        let mut got = Vec::new();
        assert_eq!(serve(&lane, first, &mut got, |_| false), Left::Drained);
        let accepted = sender.join().unwrap();
        stopper.join().unwrap();
        assert_eq!(got, if accepted { vec![10, 20] } else { vec![10] });
        assert_eq!(lane.len(), 0);
    });
}

// ---- room ----

#[test]
fn senders_wait_for_room_in_order_and_all_get_through() {
    preempted(2, || {
        let lane = home(1);
        let first = lane.attach(0, |_| true).unwrap();
        let senders = [vec![10, 11], vec![20]].map(|entries| {
            let lane = lane.clone();
            thread::spawn(move || assert!(entries.into_iter().all(|entry| tell(&lane, entry))))
        });
        let got = serve_all(&lane, first, 3);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_order(&got);
        assert_eq!(sorted(got), [10, 11, 20]);
        assert_eq!(room(&lane), 1);
    });
}

/// The wait is dropped while it waits, or when it was granted room a moment ago: the next in line must not starve.
#[test]
fn a_dropped_wait_passes_its_room_on() {
    model(|| {
        let lane = home(1);
        let first = lane.attach(0, |_| true).unwrap();
        push(&lane, 10).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let fickle = thread::spawn(move || {
            let _ = Reserve::new(one, 1).poll(&Sleeper::new().waker);
        });
        let sender = thread::spawn(move || assert!(tell(&two, 30)));
        assert_eq!(serve_all(&lane, first, 2), [10, 30]);
        fickle.join().unwrap();
        sender.join().unwrap();
        assert_eq!(room(&lane), 1);
    });
}

#[test]
fn dropping_the_oldest_loses_nothing_untold_and_keeps_the_newest() {
    model(|| {
        let lane = Arc::new(Home(Lane::new(1, Overflow::DropOldest)));
        let first = lane.attach(0, |_| true).unwrap();
        lane.push_exempt(entry(SIGNAL), 1).unwrap();
        push(&lane, 10).unwrap();
        let sender = lane.clone();
        let sender = thread::spawn(move || push(&sender, 11).unwrap());
        let mut all = Vec::new();
        assert_eq!(serve(&lane, first, &mut all, |got| got.contains(&11)), Left::Enough);
        if let Pushed::Dropped(oldest) = sender.join().unwrap() {
            assert_eq!(oldest, entry(10));
            assert_eq!(all, [SIGNAL, 11]);
        } else {
            assert_eq!(all, [SIGNAL, 10, 11]);
        }
        assert_eq!(lane.len(), 0);
    });
}

// ---- reply slots ----

/// Counts how many there are of it: each value sent must be dropped or received, once.
type Token = Arc<()>;

impl Dropped for u32 {
    fn dropped(end: impl FnOnce(Self) + 'static) {
        end(0);
    }
}

fn call(node: u32) -> (Answer<Token, u32>, Await<Token, u32>) {
    pair(node, 5_000)
}

/// How a call ended for its caller.
#[derive(PartialEq, Eq, Debug)]
enum Outcome {
    Answered,
    Failed(u32),
    Late,
    Fenced,
}

fn wait(answer: &mut Await<Token, u32>) -> Outcome {
    Sleeper::new().wait(|waker| match answer.poll(&Context::from_waker(waker)) {
        Seen::Answer(_token) => Poll::Ready(Outcome::Answered),
        Seen::Failure(why) => Poll::Ready(Outcome::Failed(why)),
        Seen::Late(_) => Poll::Ready(Outcome::Late),
        Seen::Fenced => Poll::Ready(Outcome::Fenced),
        Seen::Pending => Poll::Pending,
    })
}

#[test]
fn an_answer_reaches_a_caller_that_goes_to_sleep() {
    model(|| {
        let token = Token::default();
        let (answer, mut caller) = call(1);
        let sent = token.clone();
        let callee = thread::spawn(move || assert!(answer.send(sent).is_ok()));
        assert_eq!(wait(&mut caller), Outcome::Answered);
        callee.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
        assert_eq!(pool::idle(), 1);
    });
}

#[test]
fn a_dropped_reply_wakes_its_caller() {
    model(|| {
        let (answer, mut caller) = call(1);
        let callee = thread::spawn(move || drop(answer));
        assert_eq!(wait(&mut caller), Outcome::Failed(0));
        callee.join().unwrap();
        assert_eq!(pool::idle(), 1);
    });
}

/// Before it was polled, asleep, or answered a moment ago.
#[test]
fn a_call_given_up_leaves_the_slot_to_one_of_the_two() {
    for polled in [false, true] {
        model(move || {
            let token = Token::default();
            let (answer, mut caller) = call(1);
            let sent = token.clone();
            let callee = thread::spawn(move || drop(answer.send(sent)));
            if polled {
                drop(caller.poll(&Context::from_waker(&Sleeper::new().waker)));
            }
            drop(caller);
            callee.join().unwrap();
            assert_eq!(Arc::strong_count(&token), 1);
            assert_eq!(pool::idle(), 1);
        });
    }
}

/// Stamps the call, then finds it late. Two at a time may meet in a slot here: three that spin on it are too much for
/// loom's scheduler, which may pass by the one that holds it for ever.
fn sweep(slot: &Slot, node: u32) {
    slot.sweep(node, 0);
    slot.sweep(node, 6_000);
}

/// The call is answered, or skipped because it is late.
#[test]
fn a_late_call_is_answered_or_late_and_never_both() {
    model(|| {
        let token = Token::default();
        let (answer, mut caller) = call(1);
        let ((slot, generation), sent) = (answer.slot(), token.clone());
        let sleeper = Sleeper::new();
        assert!(matches!(caller.poll(&Context::from_waker(&sleeper.waker)), Seen::Pending));
        let swept = slot.clone();
        let sweeper = thread::spawn(move || sweep(&swept, 1));
        let answered = if slot.is_late(generation) {
            drop(answer); // As the companion does with a message that waited too long.
            false
        } else {
            answer.send(sent.clone()).is_ok()
        };
        sweeper.join().unwrap();
        sleeper.rest();
        assert_eq!(wait(&mut caller), if answered { Outcome::Answered } else { Outcome::Late });
        drop(sent);
        assert_eq!(Arc::strong_count(&token), 1);
        assert_eq!(pool::idle(), 1);
    });
}

#[test]
fn the_sweeper_wakes_a_caller_that_looks_again() {
    model(|| {
        let (answer, mut caller) = call(1);
        let (swept, _) = answer.slot();
        assert!(matches!(caller.poll(&Context::from_waker(&Sleeper::new().waker)), Seen::Pending));
        let again = swept.clone();
        let sweeper = thread::spawn(move || sweep(&swept, 1));
        let sleeper = Sleeper::new();
        if matches!(caller.poll(&Context::from_waker(&sleeper.waker)), Seen::Pending) {
            // A sweep passes by a slot that its caller has hold of, and comes again.
            sweeper.join().unwrap();
            again.sweep(1, 12_000);
            again.sweep(1, 18_000);
            sleeper.rest();
            assert_eq!(wait(&mut caller), Outcome::Late);
        } else {
            sweeper.join().unwrap();
        }
        drop(caller);
        drop(answer);
        assert_eq!(pool::idle(), 1);
    });
}

#[test]
fn a_call_given_up_while_it_is_swept_leaves_the_slot_to_the_callee() {
    model(|| {
        let (answer, mut caller) = call(1);
        let (swept, _) = answer.slot();
        assert!(matches!(caller.poll(&Context::from_waker(&Sleeper::new().waker)), Seen::Pending));
        let sweeper = thread::spawn(move || sweep(&swept, 1));
        drop(caller);
        assert!(!answer.is_waited_for());
        drop(answer);
        sweeper.join().unwrap();
        assert_eq!(pool::idle(), 1);
    });
}

/// The sweeper may hold on to what it saw while the slot changes hands.
#[test]
fn a_sweep_of_the_former_call_does_not_touch_the_next_one() {
    model(|| {
        let (answer, mut caller) = call(1);
        let (swept, _) = answer.slot();
        let sleeper = Sleeper::new();
        let cx = Context::from_waker(&sleeper.waker);
        assert!(matches!(caller.poll(&cx), Seen::Pending));
        let again = swept.clone();
        let sweeper = thread::spawn(move || sweep(&swept, 1));
        drop(answer);
        drop(caller);
        let (answer, mut caller) = call(2);
        assert!(matches!(caller.poll(&cx), Seen::Pending));
        sweeper.join().unwrap();
        assert!(again.sweep(2, 100_000)); // The first look that counts: it stamps the call.
        assert!(matches!(caller.poll(&cx), Seen::Pending));
        assert!(answer.send(Token::default()).is_ok());
        assert_eq!(wait(&mut caller), Outcome::Answered);
    });
}

#[test]
fn a_call_is_not_late_because_the_next_one_in_its_slot_is() {
    model(|| {
        let (answer, mut caller) = call(1);
        let (slot, generation) = answer.slot();
        let callee = thread::spawn(move || {
            assert!(answer.send(Token::default()).is_ok());
            assert!(!slot.is_late(generation));
        });
        assert_eq!(wait(&mut caller), Outcome::Answered);
        let (answer, mut caller) = call(2);
        assert!(matches!(caller.poll(&Context::from_waker(&Sleeper::new().waker)), Seen::Pending));
        let (slot, _) = answer.slot();
        slot.sweep(2, 0);
        slot.sweep(2, 6_000);
        callee.join().unwrap();
        assert_eq!(wait(&mut caller), Outcome::Late);
        drop(answer);
        assert_eq!(pool::idle(), 1);
    });
}

/// A call with another one in hand, asleep.
fn call_within(outer: Tag, limit_ms: u64) -> (Answer<Token, u32>, Await<Token, u32>) {
    let (answer, mut caller) = pair(1, limit_ms);
    caller.belongs_to(Caller { actor: 7, in_hand: outer.to_bits() });
    assert!(matches!(caller.poll(&Context::from_waker(&Sleeper::new().waker)), Seen::Pending));
    (answer, caller)
}

/// The sweeper reads the slot of the outer call without a lock, while that changes hands.
#[test]
fn a_call_is_not_late_because_the_slot_of_the_call_outside_of_it_is_used_again() {
    model(|| {
        let sleeper = Sleeper::new();
        let cx = Context::from_waker(&sleeper.waker);
        let (outer, mut caller) = call(1);
        assert!(matches!(caller.poll(&cx), Seen::Pending));
        let (slot, _) = outer.slot();
        slot.sweep(1, 0);
        let (answer, mut inner) = call_within(outer.tag(), 50_000);
        let (swept, _) = answer.slot();
        let sweeper = thread::spawn(move || swept.sweep(1, 1_000));
        assert!(outer.send(Token::default()).is_ok());
        drop(caller);
        let (next, mut caller) = pair::<Token, u32>(1, 500);
        assert!(matches!(caller.poll(&cx), Seen::Pending));
        slot.sweep(1, 0);
        assert!(sweeper.join().unwrap());
        assert!(matches!(inner.poll(&cx), Seen::Pending));
        drop((next, answer));
    });
}

/// Whatever the outer call's slot is at when the sweeper looks, it is not taken for one that was answered.
#[test]
fn a_call_is_late_when_the_call_outside_of_it_was_given_up_late() {
    model(|| {
        let (outer, mut caller) = call(1);
        let (answer, mut inner) = call_within(outer.tag(), 50_000);
        let (swept, _) = answer.slot();
        let again = swept.clone();
        let sweeper = thread::spawn(move || swept.sweep(1, 10));
        assert!(matches!(caller.poll(&Context::from_waker(&Sleeper::new().waker)), Seen::Pending));
        assert!(matches!(caller.give_up(), Seen::Late(_)));
        assert!(sweeper.join().unwrap());
        assert!(again.sweep(1, 30));
        assert_eq!(wait(&mut inner), Outcome::Late);
        drop((outer, answer));
        assert_eq!(pool::idle(), 2);
    });
}
