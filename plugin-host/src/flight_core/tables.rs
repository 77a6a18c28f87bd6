//! What the core decides, row by row.

use super::*;

const PATIENCE: Patience = Patience { timeout: Duration::from_secs(1), grace: Duration::from_millis(100) };
const CRASH: Class = Class::Crash(11);

fn terms(policy: Failover) -> Terms {
    Terms { order: Order::Ordered, patience: PATIENCE, policy, retries: Retries::default() }
}

fn core(policy: Failover) -> FlightCore {
    FlightCore::new(2, terms(policy))
}

fn hand(batch: u64, first: u32, count: u32, attempt: u32) -> Action {
    Action::Hand { batch: BatchId(batch), portion: Portion { first, count, is_suspect: false }, attempt }
}

fn suspect(batch: u64, record: u32, attempt: u32) -> Action {
    Action::Hand { batch: BatchId(batch), portion: Portion::suspect(record), attempt }
}

fn aside(batch: u64, first: u32, count: u32, why: Why) -> Action {
    let is_suspect = why == Why::Poison;
    Action::SetAside { batch: BatchId(batch), portion: Portion { first, count, is_suspect }, why }
}

fn release(batch: u64) -> Action {
    Action::Release(BatchId(batch))
}

fn given(batch: u64, records: u32) -> Event {
    Event::Given { batch: BatchId(batch), records }
}

fn fine() -> Event {
    Event::Done(Seen::Verdicts(Vec::new()))
}

fn code(code: ReturnCode) -> Event {
    Event::Done(Seen::Code(code.number()))
}

fn ended(class: Class, progress: Option<u32>) -> Event {
    Event::Ended { class, progress }
}

fn gone(class: Class, is_excused: bool) -> Action {
    Action::Gone { class, is_excused }
}

#[track_caller]
fn check(mut core: FlightCore, rows: impl IntoIterator<Item = (u64, Event, Vec<Action>)>) {
    for (row, (ms, event, want)) in rows.into_iter().enumerate() {
        let what = format!("{event:?}");
        let mut got = Vec::new();
        core.on(event, Now::from_millis(ms), &mut got);
        assert_eq!(got, want, "row {row} at {ms} ms: {what}");
    }
}

#[test]
fn batches_are_handed_to_the_depth_and_leave_in_order() {
    check(
        core(Failover::default()),
        [
            (0, given(1, 10), vec![]),
            (0, given(2, 10), vec![]),
            (0, given(3, 10), vec![]),
            (1, Event::Ready, vec![hand(1, 0, 10, 0), hand(2, 0, 10, 0)]),
            (2, fine(), vec![release(1), hand(3, 0, 10, 0)]),
            (3, fine(), vec![release(2)]),
            (4, fine(), vec![release(3)]),
        ],
    );
}

#[test]
fn what_is_not_acknowledged_is_replayed_in_order() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 10), vec![hand(1, 0, 10, 0)]),
            (0, given(2, 10), vec![hand(2, 0, 10, 0)]),
            (1, fine(), vec![release(1)]),
            (2, ended(Class::Killed(9), Some(3)), vec![gone(Class::Killed(9), false)]),
            (3, given(3, 10), vec![]),
            (4, Event::Ready, vec![hand(2, 0, 10, 1), hand(3, 0, 10, 0)]),
        ],
    );
}

#[test]
fn a_poison_record_is_found_by_progress_and_proven_alone() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 10), vec![hand(1, 0, 10, 0)]),
            (0, given(2, 5), vec![hand(2, 0, 5, 0)]),
            (1, ended(CRASH, Some(4)), vec![gone(CRASH, true)]),
            (2, Event::Ready, vec![hand(1, 0, 4, 1)]), // Batch 2 waits for all of batch 1.
            (3, fine(), vec![suspect(1, 4, 1)]),
            (4, ended(CRASH, Some(0)), vec![aside(1, 4, 1, Why::Poison), gone(CRASH, true)]),
            (5, Event::Ready, vec![hand(1, 5, 5, 2), hand(2, 0, 5, 1)]),
            (6, fine(), vec![release(1)]),
            (7, fine(), vec![release(2)]),
        ],
    );
}

#[test]
fn without_progress_each_record_goes_alone() {
    for progress in [None, Some(3), Some(u32::MAX)] {
        check(
            core(Failover::default()),
            [
                (0, Event::Ready, vec![]),
                (0, given(1, 3), vec![hand(1, 0, 3, 0)]),
                (1, ended(CRASH, progress), vec![gone(CRASH, true)]),
                (2, Event::Ready, vec![suspect(1, 0, 1)]),
                (3, fine(), vec![suspect(1, 1, 1)]),
                (4, ended(CRASH, None), vec![aside(1, 1, 1, Why::Poison), gone(CRASH, true)]),
                (5, Event::Ready, vec![suspect(1, 2, 2)]),
                (6, fine(), vec![release(1)]),
            ],
        );
    }
}

#[test]
fn a_false_progress_costs_one_end_more() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 3), vec![hand(1, 0, 3, 0)]),
            (1, ended(CRASH, Some(0)), vec![gone(CRASH, true)]), // It was record 2.
            (2, Event::Ready, vec![suspect(1, 0, 1)]),
            (3, fine(), vec![hand(1, 1, 2, 1)]),
            (4, ended(CRASH, Some(0)), vec![gone(CRASH, true)]),
            (5, Event::Ready, vec![suspect(1, 1, 2)]),
            (6, fine(), vec![suspect(1, 2, 2)]),
            (7, ended(CRASH, Some(0)), vec![aside(1, 2, 1, Why::Poison), gone(CRASH, true), release(1)]),
        ],
    );
}

#[test]
fn a_record_that_is_alone_from_the_start_is_proven_by_a_second_end() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 1), vec![hand(1, 0, 1, 0)]),
            (1, ended(CRASH, Some(0)), vec![gone(CRASH, true)]),
            (2, Event::Ready, vec![suspect(1, 0, 1)]),
            (
                3,
                ended(Class::Exit(0), Some(0)),
                vec![aside(1, 0, 1, Why::Poison), gone(Class::Exit(0), true), release(1)],
            ),
        ],
    );
}

#[test]
fn who_is_killed_from_outside_is_not_the_record_s_fault_however_often() {
    let mut rows = vec![(0, Event::Ready, vec![]), (0, given(1, 2), vec![hand(1, 0, 2, 0)])];
    for attempt in 1..10 {
        rows.push((1, ended(Class::Killed(9), Some(0)), vec![gone(Class::Killed(9), false)]));
        rows.push((2, Event::Ready, vec![hand(1, 0, 2, attempt)]));
    }
    check(core(Failover::default()), rows);
}

#[test]
fn a_call_that_takes_too_long_is_cancelled_and_then_ended() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (0, given(2, 2), vec![hand(2, 0, 2, 0)]),
            (900, fine(), vec![release(1)]),
            (1_899, Event::Tick, vec![]), // The second began at 900.
            (1_900, Event::Tick, vec![Action::Cancel(true)]),
            (1_999, Event::Tick, vec![]),
            (2_000, Event::Tick, vec![Action::End(Class::Timeout)]),
            (2_001, Event::Tick, vec![]),
            (2_002, ended(Class::Killed(9), Some(1)), vec![gone(Class::Timeout, true)]),
            (2_003, Event::Ready, vec![hand(2, 0, 1, 1)]),
        ],
    );
}

#[test]
fn one_that_gives_up_when_asked_to_is_not_killed() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (1_000, Event::Tick, vec![Action::Cancel(true)]),
            (1_001, code(ReturnCode::Cancelled), vec![Action::Cancel(false), suspect(1, 0, 0)]),
            (1_002, fine(), vec![suspect(1, 1, 0)]),
            (2_002, Event::Tick, vec![Action::Cancel(true)]),
            (2_003, code(ReturnCode::Cancelled), vec![Action::Cancel(false), aside(1, 1, 1, Why::Poison), release(1)]),
        ],
    );
}

#[test]
fn results_that_come_before_the_end_count_and_their_batch_is_not_blamed() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (0, given(2, 2), vec![hand(2, 0, 2, 0)]),
            (1_000, Event::Tick, vec![Action::Cancel(true)]),
            (1_100, Event::Tick, vec![Action::End(Class::Timeout)]),
            (1_101, fine(), vec![release(1)]),
            (1_102, ended(Class::Killed(9), Some(0)), vec![gone(Class::Timeout, false)]),
            (1_103, Event::Ready, vec![hand(2, 0, 2, 1)]),
        ],
    );
}

#[test]
fn a_heap_that_is_too_small_gets_halves_and_then_single_records() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 3), vec![hand(1, 0, 3, 0)]),
            (1, code(ReturnCode::NoSpace), vec![hand(1, 0, 1, 0)]),
            (2, fine(), vec![hand(1, 1, 2, 0)]),
            (3, code(ReturnCode::NoSpace), vec![hand(1, 1, 1, 0)]),
            (4, code(ReturnCode::NoSpace), vec![aside(1, 1, 1, Why::TooLarge), hand(1, 2, 1, 0)]),
            (5, fine(), vec![release(1)]),
        ],
    );
}

#[test]
fn a_record_that_asks_for_a_retry_holds_back_what_stands_behind_it() {
    let again = |ms| Event::Done(Seen::Verdicts(vec![(1, Duration::from_millis(ms))]));
    let mut rows = vec![
        (0, Event::Ready, vec![]),
        (0, given(1, 3), vec![hand(1, 0, 3, 0)]),
        (0, again(50), vec![]),
        (0, given(2, 1), vec![]),
        (49, Event::Tick, vec![]),
        (50, Event::Tick, vec![hand(1, 1, 1, 0), hand(2, 0, 1, 0)]),
        (60, again(3_600_000), vec![]), // Cut to the longest pause.
        (61, fine(), vec![]),
        (10_060, Event::Tick, vec![hand(1, 1, 1, 0)]),
        (10_060, again(0), vec![hand(1, 1, 1, 0)]),
        (10_061, again(0), vec![aside(1, 1, 1, Why::RetriesUsedUp), release(1), release(2)]),
    ];
    check(core(Failover::default()), rows.clone());
    // Unordered, nothing waits for it.
    rows.splice(
        3..,
        [
            (0, given(2, 1), vec![hand(2, 0, 1, 0)]),
            (1, fine(), vec![release(2)]),
            (50, Event::Tick, vec![hand(1, 1, 1, 0)]),
            (51, fine(), vec![release(1)]),
        ],
    );
    let core = FlightCore::new(2, Terms { order: Order::Unordered, ..terms(Failover::default()) });
    check(core, rows);
}

#[test]
fn each_policy_has_its_way_with_a_batch_that_fails() {
    let fail = ReturnCode::Fail.number();
    let rows = [
        (Failover::DeadLetter, vec![aside(1, 0, 2, Why::Failed { code: fail }), release(1), hand(2, 0, 2, 0)]),
        (Failover::SkipAndContinue, vec![aside(1, 0, 2, Why::Skipped { code: fail }), release(1), hand(2, 0, 2, 0)]),
        (
            Failover::FailoverTo("spare".into()),
            vec![aside(1, 0, 2, Why::FailedOver { code: fail }), release(1), hand(2, 0, 2, 0)],
        ),
        (Failover::FailFast, vec![Action::Fail { code: fail }, hand(1, 0, 2, 0)]),
        (
            Failover::StopPartition,
            vec![
                Action::Stop { code: fail },
                Action::GiveBack { batch: BatchId(1) },
                Action::GiveBack { batch: BatchId(2) },
            ],
        ),
    ];
    for (policy, want) in rows {
        let mut core = FlightCore::new(1, terms(policy.clone()));
        for event in [Event::Ready, given(1, 2), given(2, 2)] {
            core.on(event, Now::from_millis(0), &mut Vec::new());
        }
        let mut got = Vec::new();
        core.on(code(ReturnCode::Fail), Now::from_millis(1), &mut got);
        assert_eq!(got, want, "{policy:?}");
    }
}

#[test]
fn retry_with_backoff_waits_longer_each_time_and_gives_up() {
    let fail = || code(ReturnCode::Fail);
    check(
        core(Failover::RetryWithBackoff),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (0, fail(), vec![]),
            (99, Event::Tick, vec![]),
            (100, Event::Tick, vec![hand(1, 0, 2, 1)]),
            (100, fail(), vec![]),
            (300, Event::Tick, vec![hand(1, 0, 2, 2)]),
            (300, fail(), vec![]),
            (700, Event::Tick, vec![hand(1, 0, 2, 3)]),
            (700, fail(), vec![aside(1, 0, 2, Why::Failed { code: -1 }), release(1)]),
        ],
    );
}

#[test]
fn an_open_circuit_sets_aside_and_tries_one_batch_after_the_cool_down() {
    let policy = Failover::CircuitBreaker { failures: 2, cooldown: Duration::from_secs(1) };
    let failed = |batch| aside(batch, 0, 1, Why::Failed { code: -1 });
    let open = |batch| vec![aside(batch, 0, 1, Why::CircuitOpen), release(batch)];
    check(
        core(policy),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 1), vec![hand(1, 0, 1, 0)]),
            (0, code(ReturnCode::Fail), vec![failed(1), release(1)]),
            (1, given(2, 1), vec![hand(2, 0, 1, 0)]),
            (1, code(ReturnCode::Fail), vec![failed(2), release(2)]),
            (1_000, given(3, 1), open(3)),
            (1_001, given(4, 1), vec![hand(4, 0, 1, 0)]),
            (1_001, given(5, 1), vec![aside(5, 0, 1, Why::CircuitOpen)]), // It leaves behind the fourth.
            (1_002, code(ReturnCode::Fail), vec![failed(4), release(4), release(5)]),
            (2_001, given(6, 1), open(6)),
            (2_002, given(7, 1), vec![hand(7, 0, 1, 0)]),
            (2_003, fine(), vec![release(7)]),
            (2_003, given(8, 1), vec![hand(8, 0, 1, 0)]),
        ],
    );
}

#[test]
fn a_breach_and_a_plugin_beyond_use_end_the_process_and_count_like_crashes() {
    for (event, class) in [(Event::Done(Seen::Breach), Class::Violation), (code(ReturnCode::Fatal), Class::Fatal)] {
        check(
            core(Failover::default()),
            [
                (0, Event::Ready, vec![]),
                (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
                (1, event, vec![Action::End(class)]),
                (2, ended(Class::Killed(9), Some(1)), vec![gone(class, true)]),
                (3, Event::Ready, vec![hand(1, 0, 1, 1)]),
            ],
        );
    }
}

#[test]
fn a_process_that_closes_its_channel_is_ended_unless_it_was_at_its_end() {
    let rows = [
        (Class::Killed(9), Class::Channel, true),
        (CRASH, CRASH, true),
        (Class::Exit(3), Class::Exit(3), true),
        (Class::Killed(15), Class::Killed(15), false),
    ];
    for (seen, class, is_excused) in rows {
        check(
            core(Failover::default()),
            [
                (0, Event::Ready, vec![]),
                (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
                (1, Event::End(Class::Channel), vec![Action::End(Class::Channel)]),
                (1, Event::End(Class::Channel), vec![]),
                (2, ended(seen, Some(1)), vec![gone(class, is_excused)]),
            ],
        );
    }
}

#[test]
fn a_process_that_somebody_has_stopped_is_ended_for_its_time_and_blames_no_record() {
    let (timeout, stopped) = (Class::Timeout, Class::Killed(crate::end::STOP));
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (1_000, Event::Tick, vec![Action::Cancel(true)]),
            (1_100, Event::Tick, vec![Action::End(timeout)]),
            (1_101, ended(stopped, Some(1)), vec![gone(stopped, false)]),
            (1_102, Event::Ready, vec![hand(1, 0, 2, 1)]),
        ],
    );
}

#[test]
fn a_flush_is_replayed_and_never_excuses_an_end() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 0), vec![hand(1, 0, 0, 0)]),
            (1, ended(CRASH, Some(0)), vec![gone(CRASH, false)]),
            (2, Event::Ready, vec![hand(1, 0, 0, 1)]),
            (3, fine(), vec![release(1)]),
        ],
    );
}

#[test]
fn nothing_is_handed_out_while_a_swap_holds_it() {
    check(
        core(Failover::default()),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (1, Event::Hold, vec![]),
            (1, given(2, 2), vec![]),
            (2, fine(), vec![release(1)]),
            (3, Event::Ready, vec![hand(2, 0, 2, 0)]),
        ],
    );
}

#[test]
fn a_plugin_that_stops_lets_through_what_the_process_has() {
    check(
        core(Failover::StopPartition),
        [
            (0, Event::Ready, vec![]),
            (0, given(1, 2), vec![hand(1, 0, 2, 0)]),
            (0, given(2, 2), vec![hand(2, 0, 2, 0)]),
            (0, given(3, 2), vec![]),
            (
                1,
                code(ReturnCode::Fail),
                vec![
                    Action::Stop { code: -1 },
                    Action::GiveBack { batch: BatchId(1) },
                    Action::GiveBack { batch: BatchId(3) },
                ],
            ),
            (2, fine(), vec![release(2)]),
        ],
    );
}

#[test]
fn a_flush_that_ends_each_process_is_given_up_after_the_retries() {
    let mut rows = vec![
        (0, Event::Ready, vec![]),
        (0, given(1, 0), vec![hand(1, 0, 0, 0)]),
        (0, given(2, 1), vec![hand(2, 0, 1, 0)]),
    ];
    for attempt in 1..=3 {
        rows.push((1, ended(CRASH, None), vec![gone(CRASH, false)]));
        rows.push((2, Event::Ready, vec![hand(1, 0, 0, attempt), hand(2, 0, 1, attempt)]));
    }
    rows.push((3, ended(CRASH, None), vec![Action::GiveUp { batch: BatchId(1) }, gone(CRASH, false)]));
    rows.push((4, Event::Ready, vec![hand(2, 0, 1, 4)]));
    rows.push((5, fine(), vec![release(2)]));
    check(core(Failover::default()), rows);
}

#[test]
fn a_spec_that_was_changed_holds_from_the_next_call_on() {
    let renewed = |timeout: u64, policy: Failover| {
        let patience = Patience { timeout: Duration::from_millis(timeout), grace: Duration::from_millis(5) };
        Event::Renewed(Box::new(Terms { patience, ..terms(policy) }))
    };
    let open = Failover::CircuitBreaker { failures: 1, cooldown: Duration::from_secs(3_600) };
    let failed = Why::Failed { code: ReturnCode::Fail.number() };
    let skipped = Why::Skipped { code: ReturnCode::Fail.number() };
    let fails = || Event::Done(Seen::Code(ReturnCode::Fail.number()));
    let aside = |batch, why: &Why| {
        let portion = Portion::whole(1);
        Action::SetAside { batch: BatchId(batch), portion, why: why.clone() }
    };
    let rows = vec![
        (0, Event::Ready, vec![]),
        (0, given(1, 1), vec![hand(1, 0, 1, 0)]),
        (0, given(2, 1), vec![hand(2, 0, 1, 0)]),
        // Of the call in work nothing changes, though its time would be up.
        (500, renewed(20, Failover::SkipAndContinue), vec![]),
        (500, Event::Tick, vec![]),
        (999, fails(), vec![aside(1, &skipped), release(1)]),
        // The next one has the new time, and the new grace.
        (1_018, Event::Tick, vec![]),
        (1_019, Event::Tick, vec![Action::Cancel(true)]),
        (1_020, renewed(9_000, open.clone()), vec![]),
        (1_024, Event::Tick, vec![Action::End(Class::Timeout)]),
        (
            1_025,
            Event::Ended { class: Class::Killed(9), progress: Some(0) },
            vec![Action::Gone { class: Class::Timeout, is_excused: true }],
        ),
        (1_026, Event::Ready, vec![Action::Hand { batch: BatchId(2), portion: Portion::suspect(0), attempt: 1 }]),
        (
            1_027,
            fails(),
            vec![Action::SetAside { batch: BatchId(2), portion: Portion::suspect(0), why: failed }, release(2)],
        ),
        (1_028, given(3, 1), vec![aside(3, &Why::CircuitOpen), release(3)]),
        // Another policy knows of no open circuit; the same one has not forgotten it.
        (1_029, renewed(20, open), vec![]),
        (1_030, given(4, 1), vec![aside(4, &Why::CircuitOpen), release(4)]),
        (1_031, renewed(20, Failover::DeadLetter), vec![]),
        (1_032, given(5, 1), vec![hand(5, 0, 1, 0)]),
    ];
    check(core(Failover::default()), rows);
}

#[test]
fn results_that_waited_for_their_turn_leave_when_no_order_is_asked_for_any_more() {
    let unordered = Terms { order: Order::Unordered, ..terms(Failover::default()) };
    let again = Event::Done(Seen::Verdicts(vec![(0, Duration::from_secs(9))]));
    let rows = vec![
        (0, Event::Ready, vec![]),
        (0, given(1, 1), vec![hand(1, 0, 1, 0)]),
        (0, given(2, 1), vec![hand(2, 0, 1, 0)]),
        (1, again, vec![]),
        (2, fine(), vec![]),
        (3, Event::Renewed(Box::new(unordered)), vec![release(2)]),
    ];
    check(core(Failover::default()), rows);
}
