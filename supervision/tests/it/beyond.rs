//! What a child can have beyond OTP: delays, quarantine, excuses, and what is remembered of its exits.

use std::time::Duration;

use proscenium_runtime::{Exit, Now};
use proscenium_supervision::restart_core::{Action, Event, Outcome, RestartCore};
use proscenium_supervision::{Backoff, ChildSpec, PolicyConflict, Quarantine, Restart, SpecError, State, Strategy};

use crate::decisions::{Sup, crash, failed, flags};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// `a`, `b`, `c`, started; `b` has more to it.
fn three(strategy: Strategy, intensity: usize, b: impl Fn(ChildSpec<()>) -> ChildSpec<()>) -> Sup {
    let plain = |id: &str| ChildSpec::of(id, ());
    let mut sup = Sup::of(flags(strategy, intensity), vec![plain("a"), b(plain("b")), plain("c")]);
    sup.on(Event::Begin);
    sup
}

/// The delay of `b` that was ordered last is over.
fn waited(sup: &mut Sup) -> Vec<String> {
    let child = sup.place("b");
    let starts = sup.core.exits(child).last().expect("it has ended before").start;
    sup.on(Event::Waited(child, starts))
}

#[test]
fn a_restart_with_a_backoff_waits_and_the_others_do_not() {
    let mut sup = three(Strategy::OneForOne, 99, |b| b.backoff(Backoff::exponential(ms(100), ms(300))));
    for delay in ["100ms", "200ms", "300ms", "300ms"] {
        assert_eq!(sup.exit("b", crash()), [format!("wait b {delay}")]);
        assert_eq!(sup.state("b"), State::Restarting);
        assert_eq!(sup.exit("a", crash()), ["start a"]);
        assert_eq!(waited(&mut sup), ["start b"]);
    }
    // As long as the longest delay after the last one was over, it has kept up.
    sup.ms = 599;
    assert_eq!(sup.exit("b", crash()), ["wait b 300ms"]);
    assert_eq!(waited(&mut sup), ["start b"]);
    sup.ms = 599 + 300 + 300;
    assert_eq!(sup.exit("b", crash()), ["wait b 100ms"]);
}

/// The delays of one child that ends again and again, with jitter of a half.
fn jittered(seed: u64) -> Vec<Duration> {
    let spec = ChildSpec::of("b", ()).backoff(Backoff::constant(secs(1)).jitter(0.5));
    let core = RestartCore::new(flags(Strategy::OneForOne, 99), vec![spec]).expect("it goes with the supervisor");
    let (mut core, now) = (core.seeded(seed), Now::default());
    let mut next = core.on(Event::Begin, now);
    let mut delays = Vec::new();
    while delays.len() < 64 {
        let Some(Action::Start { child, start }) = next.first().cloned() else { panic!("{next:?}") };
        drop(core.on(Event::Started(Outcome::Running), now));
        let waits = core.on(Event::Exited { child, start, exit: crash() }, now);
        let Some(Action::Wait(_, _, delay)) = waits.last() else { panic!("{waits:?}") };
        delays.push(*delay);
        next = core.on(Event::Waited(child, start), now);
    }
    delays
}

#[test]
fn jitter_is_by_chance_and_a_seed_repeats_it() {
    let delays = jittered(1);
    assert!(delays.iter().all(|delay| (ms(500)..=secs(1)).contains(delay)), "{delays:?}");
    let sum: Duration = delays.iter().sum();
    assert!((40..=56).contains(&sum.as_secs()), "three quarters of a second on average: {sum:?} for 64");
    assert!(delays.iter().any(|delay| *delay < ms(600)) && delays.iter().any(|delay| *delay > ms(900)), "{delays:?}");
    assert_eq!(delays, jittered(1));
    assert_ne!(delays, jittered(2));
}

#[test]
fn those_that_are_restarted_with_it_stop_at_once_and_wait_with_it() {
    let rows = [
        (Strategy::OneForAll, vec!["stop c", "stop a", "wait b 1s"], vec!["start a", "start b", "start c"]),
        (Strategy::RestForOne, vec!["stop c", "wait b 1s"], vec!["start b", "start c"]),
    ];
    for (strategy, at_once, later) in rows {
        let mut sup = three(strategy, 9, |b| b.backoff(Backoff::constant(secs(1))));
        assert_eq!(sup.exit("b", crash()), at_once, "{strategy:?}");
        assert_eq!(waited(&mut sup), later, "{strategy:?}");
    }
}

#[test]
fn a_delayed_restart_is_counted_once_and_a_retry_of_it_again() {
    let mut sup = three(Strategy::OneForOne, 2, |b| b.backoff(Backoff::constant(ms(10))));
    assert_eq!(sup.exit("b", crash()), ["wait b 10ms"]);
    sup.fate("b", failed());
    assert_eq!(waited(&mut sup), ["start b", "again b"]);
    assert_eq!(sup.again("b"), ["wait b 10ms"]);
    let starts = 2; // That of the failed one, which the second delay was ordered after.
    let child = sup.place("b");
    assert_eq!(sup.on(Event::Waited(child, starts)), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["stop c", "stop a", "end shutdown"], "the third within the period");
}

#[test]
fn a_delay_that_came_too_late_starts_nothing() {
    let mut sup = three(Strategy::OneForOne, 9, |b| b.backoff(Backoff::constant(secs(1))));
    let child = sup.place("b");
    assert_eq!(sup.exit("b", crash()), ["wait b 1s"]);
    assert_eq!(sup.on(Event::Terminate("b".into())), ["retire b", "reply Done"]);
    assert!(sup.on(Event::Waited(child, 1)).is_empty(), "a child that was terminated is not restarted by itself");
    assert_eq!(sup.on(Event::Restart("b".into())), ["start b", "reply running"]);
    assert_eq!(sup.exit("b", crash()), ["wait b 1s"]);
    assert!(sup.on(Event::Waited(child, 1)).is_empty(), "the first delay, again");
    assert_eq!(sup.on(Event::Waited(child, 2)), ["start b"]);
    sup.on(Event::Terminate("b".into()));
    assert_eq!(sup.on(Event::Delete("b".into())), ["forget", "reply Done"]);
    assert!(sup.on(Event::Waited(child, 2)).is_empty(), "it is gone");
}

#[test]
fn a_child_with_a_quarantine_is_set_aside_alone_and_counts_for_itself() {
    let mut sup = three(Strategy::OneForOne, 1, |b| b.quarantine(Quarantine::after(2, secs(5))));
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert_eq!(sup.exit("a", crash()), ["start a"], "the supervisor's own intensity is untouched");
    assert!(sup.exit("b", crash()).is_empty());
    assert_eq!(sup.state("b"), State::Quarantined);
    sup.ms = 60_000;
    assert_eq!(sup.exit("c", crash()), ["start c"]);
    assert_eq!(sup.on(Event::Restart("b".into())), ["start b", "reply running"]);
    assert_eq!(sup.exit("b", crash()), ["start b"], "its period is over");
}

#[test]
fn a_quarantine_with_a_time_is_over_after_it() {
    let quarantine = Quarantine::after(1, secs(5)).retry_after(secs(60));
    let mut sup = three(Strategy::OneForOne, 1, |b| b.quarantine(quarantine));
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["wait b 60s"]);
    assert_eq!(sup.state("b"), State::Quarantined);
    sup.ms = 60_000;
    assert_eq!(waited(&mut sup), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["wait b 60s"]);
    // A failed start in quarantine's end counts as a restart does.
    sup.ms = 120_000;
    sup.fate("b", failed());
    assert_eq!(waited(&mut sup), ["start b", "again b"]);
    assert_eq!(sup.again("b"), ["start b"]);
}

#[test]
fn a_restart_child_that_fails_leaves_the_child_in_quarantine_for_its_time() {
    let quarantine = Quarantine::after(0, secs(5)).retry_after(secs(60));
    let mut sup = three(Strategy::OneForOne, 1, |b| b.quarantine(quarantine));
    assert_eq!(sup.exit("b", crash()), ["wait b 60s"]);
    sup.fate("b", failed());
    assert_eq!(sup.on(Event::Restart("b".into())), ["start b", "wait b 60s", "reply Failed(Exit(nope))"]);
    assert_eq!(sup.state("b"), State::Quarantined);
    assert!(sup.on(Event::Waited(sup.place("b"), 1)).is_empty(), "the time before");
    assert_eq!(waited(&mut sup), ["start b"]);
}

#[test]
fn an_allowance_that_was_changed_holds_from_the_next_exit_on() {
    let of = |count| ChildSpec::of("b", ()).quarantine(Quarantine::after(count, secs(5))).excuses(count, secs(5));
    let mut sup = three(Strategy::OneForOne, 9, |_| of(0));
    sup.on(Event::Change(flags(Strategy::OneForOne, 9), vec![of(2)]));
    let excused = |sup: &mut Sup| {
        let State::Running(start) = sup.state("b") else { panic!("b does not run") };
        sup.on(Event::Excused { child: sup.place("b"), start, exit: crash() })
    };
    for _ in 0..2 {
        assert_eq!(excused(&mut sup), ["start b"]);
        assert_eq!(sup.exit("b", crash()), ["start b"]);
    }
    sup.on(Event::Change(flags(Strategy::OneForOne, 9), vec![of(3)]));
    assert_eq!(excused(&mut sup), ["start b"]);
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert!(sup.exit("b", crash()).is_empty());
    assert_eq!(sup.state("b"), State::Quarantined);
}

#[test]
fn an_excused_exit_counts_nowhere_until_the_excuses_are_used_up() {
    let mut sup = three(Strategy::OneForOne, 1, |b| b.excuses(2, secs(5)).backoff(Backoff::constant(secs(1))));
    let excused = |sup: &mut Sup| {
        let child = sup.place("b");
        let State::Running(start) = sup.state("b") else { panic!("b does not run") };
        sup.on(Event::Excused { child, start, exit: crash() })
    };
    assert_eq!(excused(&mut sup), ["start b"], "at once");
    assert_eq!(excused(&mut sup), ["start b"]);
    assert_eq!(excused(&mut sup), ["start b"], "the first that the supervisor counts");
    assert_eq!(sup.exit("a", crash()), ["stop c", "stop b", "end shutdown"], "the second");
    // Without an allowance an excuse is none.
    let mut sup = three(Strategy::OneForOne, 1, |b| b);
    assert_eq!(excused(&mut sup), ["start b"]);
    assert_eq!(excused(&mut sup), ["stop c", "stop a", "end shutdown"]);
}

#[test]
fn the_last_twenty_exits_of_a_child_are_remembered() {
    let mut sup = three(Strategy::OneForOne, 100, |b| b);
    for n in 1..=25 {
        sup.ms = n;
        sup.exit("b", Exit::custom(n.to_string()));
    }
    sup.fate("b", failed());
    sup.exit("b", crash());
    let exits: Vec<_> = sup.core.exits(sup.place("b")).map(|past| (past.start, past.exit.to_string())).collect();
    assert_eq!(exits.len(), 20);
    assert_eq!(exits[0], (8, "8".into()));
    assert_eq!(exits[18], (26, "crash".into()));
    assert_eq!(exits[19], (27, "nope".into()), "a start that failed, too");
    assert_eq!(sup.core.exits(sup.place("a")).count(), 0);
}

#[test]
fn a_policy_that_can_come_to_nothing_is_refused() {
    let temporary = || ChildSpec::of("x", ()).restart(Restart::Temporary);
    let rows = [
        (Strategy::OneForOne, temporary().backoff(Backoff::constant(secs(1))), Some(PolicyConflict::Temporary)),
        (Strategy::OneForOne, temporary().excuses(1, secs(1)), Some(PolicyConflict::Temporary)),
        (Strategy::OneForOne, temporary().start_within(secs(1)), None),
        (
            Strategy::OneForAll,
            ChildSpec::of("x", ()).quarantine(Quarantine::after(1, secs(1))),
            Some(PolicyConflict::QuarantineOfOneOfMany),
        ),
        (
            Strategy::RestForOne,
            ChildSpec::of("x", ()).quarantine(Quarantine::after(1, secs(1))),
            Some(PolicyConflict::QuarantineOfOneOfMany),
        ),
        (Strategy::SimpleOneForOne, ChildSpec::of("x", ()).quarantine(Quarantine::after(1, secs(1))), None),
    ];
    for (row, (strategy, spec, why)) in rows.into_iter().enumerate() {
        let got = RestartCore::new(flags(strategy, 1), vec![spec]).map(drop);
        let want = why.map_or(Ok(()), |why| Err(SpecError::BadPolicy { child: "x".into(), why }));
        assert_eq!(got, want, "row {row}");
    }
}
