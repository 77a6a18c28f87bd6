//! Waiting for room that is measured: a grant depends on who is first, so other edges owe one.

use super::*;

fn home_in_bytes(limit: usize, overflow: Overflow) -> Arc<Home> {
    Arc::new(Home(Lane::in_bytes(limit, overflow)))
}

/// As a tell does, of an entry that weighs so much.
fn tell(lane: &Arc<Home>, number: u32, weight: usize) {
    if lane.push_slowly(entry(number), weight).is_err() {
        wait_and_fill(lane, number, weight);
    }
}

fn wait_and_fill(lane: &Arc<Home>, number: u32, weight: usize) {
    let mut reserve = Reserve::new(lane.clone(), weight);
    Sleeper::new().wait(|waker| reserve.poll(waker));
    assert_eq!(reserve.fill(entry(number)), Ok(()));
}

/// The last is heavier than the bound. Catches a `take_one` that grants nothing.
#[test]
fn senders_of_all_weights_get_through() {
    preempted(2, || {
        let lane = home_in_bytes(3, Overflow::Wait);
        let first = lane.attach(0, |_| true).unwrap();
        lane.push_slowly(entry(10), 2).unwrap();
        let senders = [(20, 1), (30, 9)].map(|(entry, weight)| {
            let lane = lane.clone();
            thread::spawn(move || tell(&lane, entry, weight))
        });
        let got = serve_all(&lane, first, 3);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(sorted(got), [10, 20, 30]);
        assert_eq!(lane.bytes(), Some(0));
    });
}

/// Nobody consumes: what the heavy one leaves is all that the light one gets. Catches a cancelled wait that grants nothing
/// because it had nothing.
#[test]
fn a_heavy_wait_that_is_dropped_lets_the_light_one_behind_it_in() {
    model(|| {
        let lane = home_in_bytes(3, Overflow::Wait);
        lane.push_slowly(entry(10), 2).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let fickle = thread::spawn(move || {
            let _ = Reserve::new(one, 3).poll(&Sleeper::new().waker);
        });
        let sender = thread::spawn(move || tell(&two, 20, 1));
        fickle.join().unwrap();
        sender.join().unwrap();
        assert_eq!(lane.bytes(), Some(3));
        assert_eq!(lane.close().entries, [10, 20].map(entry));
    });
}

/// Catches a permit that the newcomer's displacement takes, and room that it leaves without a grant.
#[test]
fn what_is_displaced_makes_room_for_who_waits() {
    model(|| {
        let lane = home_in_bytes(3, Overflow::DropOldest);
        lane.push_slowly(entry(10), 3).unwrap();
        let (one, two) = (lane.clone(), lane.clone());
        let waiter = thread::spawn(move || wait_and_fill(&one, 20, 2));
        let sender =
            thread::spawn(move || assert_eq!(two.push_slowly(entry(30), 1), Ok(Pushed::Displaced(vec![entry(10)]))));
        sender.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(lane.bytes(), Some(3));
        assert_eq!(lane.len(), 2);
    });
}

#[test]
fn a_fence_keeps_the_account() {
    model(|| {
        let lane = home_in_bytes(4, Overflow::Wait);
        let first = lane.attach(0, |_| true).unwrap();
        lane.push_slowly(entry(10), 1).unwrap();
        lane.push_slowly(entry(11), 3).unwrap();
        let stuck = lane.clone();
        let stuck = thread::spawn(move || {
            let mut got = Vec::new();
            serve(&stuck, first, &mut got, |got| got.len() == 2);
            got
        });
        lane.fence(first);
        let second = lane.attach(0, |_| true).unwrap();
        let sender = lane.clone();
        let sender = thread::spawn(move || tell(&sender, 20, 4));
        let mut later = Vec::new();
        assert_eq!(serve(&lane, second, &mut later, |got| got.contains(&20)), Left::Enough);
        let mut all = stuck.join().unwrap();
        sender.join().unwrap();
        all.extend(later);
        assert_eq!(all, [10, 11, 20]);
        assert_eq!(lane.bytes(), Some(0));
    });
}

/// A stream waits whatever the policy is.
#[test]
fn who_waits_where_the_oldest_is_dropped_is_woken() {
    model(|| {
        let lane = Arc::new(Home(Lane::new(1, Overflow::DropOldest)));
        let first = lane.attach(0, |_| true).unwrap();
        push(&lane, 10).unwrap();
        let stream = lane.clone();
        let stream = thread::spawn(move || wait_and_fill(&stream, 20, 1));
        assert_eq!(serve_all(&lane, first, 2), [10, 20]);
        stream.join().unwrap();
    });
}
