//! What is wrong with a plan is found, all of it at once.

use proptest::prelude::*;

use super::*;
use crate::test_plans::{any_plan, chain, conduct, failing_to, plan, plugin, rust, sink, source};

fn faults(plan: &Plan) -> Vec<String> {
    check(plan).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_fault(parts: impl IntoIterator<Item = Part>, fault: &str) {
    assert_eq!(faults(&plan(parts)), [fault]);
}

#[test]
fn a_plan_without_a_fault_passes() {
    assert_eq!(faults(&chain()), [""; 0]);
    let routed = plan([
        source("in"),
        rust("by_country", "in", "eu us rest"),
        plugin("score", "by_country/eu by_country/us", "bad"),
        sink("out", "score"),
        sink("bad", "score/bad"),
    ]);
    assert_eq!(faults(&routed), [""; 0], "`by_country/rest` is a route that nobody takes, and its usual outlet too");
    let failing = plan([source("in"), failing_to(rust("a", "in", ""), "b"), rust("b", "in", ""), sink("out", "a b")]);
    assert_eq!(faults(&failing), [""; 0]);
}

#[test]
fn names_are_well_formed_unique_and_not_the_pipelines_own() {
    let letters = "take letters from a to z, digits, `_`, `-` and `.`";
    for (name, what) in [
        ("", format!("the name is empty; {letters}")),
        ("a/b", format!("a name has no `/`; {letters}")),
        ("ä", format!("a name has no `ä`; {letters}")),
        ("a\n", format!("a name has no `\\n`; {letters}")),
        ("..", "a name does not begin with `.`; begin with a letter or a digit".into()),
        ("-f", "a name does not begin with `-`; begin with a letter or a digit".into()),
        (&"x".repeat(65), "the name has 65 letters; 64 are the limit: shorten it".into()),
        ("control", "the pipeline itself uses this name; give the part another one".into()),
        ("dead_letters", "the pipeline itself uses this name; give the part another one".into()),
    ] {
        assert_fault([source("in"), sink(name, "in")], &format!("`{}`, name: {what}", name.escape_debug()));
    }
    assert_eq!(faults(&plan([source("in"), sink(&"x".repeat(64), "in"), sink("A-1.b_c", "in")])), [""; 0]);
    let twice = [source("in"), sink("out", "in"), sink("out", "in")];
    assert_fault(twice, "`out`, name: part 2 has this name already; give each part a name of its own");
}

#[test]
fn records_come_from_somewhere_that_is_there() {
    let out = |from: &str| [source("orders"), rust("tag", "orders", "eu us"), sink("null", "tag"), sink("out", from)];
    for (from, fault) in [
        ("", "its records come from nowhere; name the part that it follows"),
        ("ordesr", "there is no part `ordesr`; did you mean `orders`?"),
        ("quite_else", "there is no part `quite_else`; name one that is there"),
        ("tag/eu tag/eu", "it takes `tag/eu` twice; once is enough: its records would come twice"),
        ("tag/xyz", "`tag` has no route `xyz`; its routes are: eu, us"),
        ("tag/eux", "`tag` has no route `eux`; did you mean `tag/eu`?"),
        ("orders/eu", "`orders` has no route `eu`; it has none: take `orders`"),
        ("null", "`null` is a sink, where records end; take the records from the part before it"),
    ] {
        assert_fault(out(from), &format!("`out`, from: {fault}"));
    }
    let mut late = source("late");
    late.from = sink("x", "in").from;
    assert_fault(
        [source("in"), late, sink("out", "in late")],
        "`late`, from: a source takes no records from other parts; leave `from` out",
    );
}

#[test]
fn what_a_part_passes_on_is_taken_by_somebody() {
    let fault = |part: &str| {
        format!(
            "`{part}`, from: nobody takes what it passes on; let a stage or a sink take `{part}`; a null sink, if nothing comes there"
        )
    };
    assert_fault([source("in"), source("idle"), sink("out", "in")], &fault("idle"));
    assert_fault([source("in"), rust("tag", "in", ""), sink("out", "in")], &fault("tag"));
    assert_fault([source("in"), rust("tag", "in", "eu"), sink("out", "in")], &fault("tag"));
    assert_fault([source("in"), plugin("tag", "in", "eu"), sink("out", "in tag/eu")], &fault("tag"));
    let none = faults(&plan([]));
    assert_eq!(none.len(), 2, "{none:?}");
}

#[test]
fn a_circle_is_named() {
    assert_fault(
        [source("in"), rust("a", "in c", ""), rust("b", "a", ""), rust("c", "b", ""), sink("out", "c")],
        "`a`, from: records would go in a circle: a → b → c → a; take one of these steps out",
    );
    assert_fault(
        [source("in"), rust("a", "in a", ""), sink("out", "a")],
        "`a`, from: records would go in a circle: a → a; take one of these steps out",
    );
    let two = [
        source("in"),
        rust("a", "in b", ""),
        rust("b", "a", ""),
        rust("between", "b", ""),
        rust("c", "between d", ""),
        rust("d", "c", ""),
        sink("out", "d"),
    ];
    let two = faults(&plan(two));
    assert!(matches!(&two[..], [one, other] if one.contains("a → b → a") && other.contains("c → d → c")), "{two:?}");
}

#[test]
fn what_fails_goes_to_a_stage_and_not_in_a_circle() {
    let to = |stage: &str| {
        [source("in"), failing_to(rust("a", "in", ""), stage), rust("spare", "in", ""), sink("out", "a spare")]
    };
    for (stage, fault) in [
        ("a", "what fails in it would go to itself; name another stage"),
        ("spar", "there is no stage `spar`; did you mean `spare`?"),
        ("b", "there is no stage `b`; name one that is there"),
        ("in", "`in` is a source; name a stage"),
        ("out", "`out` is a sink; name a stage"),
    ] {
        assert_fault(to(stage), &format!("`a`, failover: {fault}"));
    }
    let remedy = "fail over to a stage whose records do not come here again";
    let (a, b) = (failing_to(rust("a", "in", ""), "b"), failing_to(rust("b", "in", ""), "a"));
    assert_fault(
        [source("in"), a, b, sink("out", "a b")],
        &format!("`a`, failover: what fails would go in a circle: a → b → a; {remedy}"),
    );
    assert_fault(
        [source("in"), rust("a", "in", ""), failing_to(rust("b", "a", ""), "a"), sink("out", "b")],
        &format!("`b`, failover: what fails would go in a circle: a → b → a; {remedy}"),
    );
}

type Change = fn(&mut Plan);

#[test]
fn every_number_has_its_limits() {
    let cases: &[(Change, Option<&str>)] = &[
        (|plan| plan.settings.window = 4096, None),
        (|plan| plan.settings.window = 4097, Some("window: it is 4097 chunks; give it 1 to 4096 chunks")),
        (|plan| plan.settings.window = 0, Some("window: it is 0 chunks; give it 1 to 4096 chunks")),
        (|plan| plan.settings.chunk.records = 65_537, Some("chunk: it is 65537 records; give it 1 to 65536 records")),
        (|plan| plan.settings.chunk.bytes = 64 << 20, None),
        (|plan| plan.settings.chunk.bytes = 0, Some("chunk: it is 0 bytes; give it 1 to 67108864 bytes")),
        (|plan| plan.settings.record_limit = 0, Some("record_limit: it is 0 bytes; give it 1 to 67108864 bytes")),
        (|plan| plan.settings.drain = Duration::ZERO, Some("drain: it is 0ns; give it more than 0, and a day at most")),
        (
            |plan| plan.settings.linger = Duration::MAX,
            Some("linger: it is 18446744073709551615.999999999s; give it more than 0, and a day at most"),
        ),
        (
            |plan| plan.settings.checkpoint_every = Duration::ZERO,
            Some("checkpoint_every: it is 0ns; give it more than 0, and a day at most"),
        ),
        (
            |plan| plan.settings.state = Some("".into()),
            Some("state: the folder's name is empty; name a folder, or leave the setting out"),
        ),
        (
            |plan| plan.name = "a b".into(),
            Some("name: a name has no ` `; take letters from a to z, digits, `_`, `-` and `.`"),
        ),
        (|plan| conduct(&mut plan.parts[1]).instances = 64.try_into().unwrap(), None),
        (
            |plan| conduct(&mut plan.parts[1]).instances = 65.try_into().unwrap(),
            Some("`validation`, instances: it has 65 instances; give it 1 to 64"),
        ),
        (
            |plan| conduct(&mut plan.parts[2]).retries.pause = Duration::ZERO,
            Some("`tag`, retries: it is 0ns; give it more than 0, and a day at most"),
        ),
        (
            |plan| conduct(&mut plan.parts[2]).retries.longest = Duration::from_millis(1),
            Some("`tag`, retries: the longest pause, 1ms, is shorter than the first, 100ms; make it as long at least"),
        ),
        (
            |plan| {
                conduct(&mut plan.parts[2]).failover =
                    Failover::CircuitBreaker { failures: 0, cooldown: Duration::from_secs(1) }
            },
            Some("`tag`, failover: the circuit opens after 0 failures; give it 1 at least"),
        ),
        (
            |plan| {
                conduct(&mut plan.parts[2]).failover =
                    Failover::CircuitBreaker { failures: 1, cooldown: Duration::ZERO }
            },
            Some("`tag`, failover: it is 0ns; give it more than 0, and a day at most"),
        ),
    ];
    for (change, fault) in cases {
        let mut plan = chain();
        change(&mut plan);
        assert_eq!(faults(&plan), Vec::from_iter(*fault));
    }
    let day = Duration::from_secs(24 * 60 * 60);
    let mut long = chain();
    long.settings.drain = day;
    let Kind::Plugin(stage) = &mut long.parts[1].kind else { unreachable!() };
    (stage.library, stage.timeout) = ("".into(), day + Duration::from_nanos(1));
    let Kind::Sink(stage) = &mut long.parts[3].kind else { unreachable!() };
    stage.when_down = Some(WhenDown::SetAside(Duration::ZERO));
    stage.retries = Retries { max: 0, pause: day, longest: day };
    let fields: Vec<_> = check(&long).unwrap_err().iter().map(|fault| (fault.nth, fault.field)).collect();
    assert_eq!(fields, [(Some(1), "library"), (Some(1), "timeout")], "to set aside at once is no fault");
}

#[test]
fn a_thousand_parts_are_the_limit() {
    let many =
        |sinks: usize| plan([source("in")].into_iter().chain((0..sinks).map(|nth| sink(&format!("s{nth}"), "in"))));
    assert_eq!(faults(&many(999)), [""; 0]);
    assert_eq!(faults(&many(1_000)), ["parts: there are 1001 parts; 1000 are the limit: divide the pipeline"]);
}

#[test]
fn routes_have_names_of_their_own() {
    let parts = [source("in"), plugin("tag", "in", "eu eu e/u"), sink("out", "tag")];
    let faults = faults(&plan(parts));
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("`tag`, routes: two routes are called `eu`"), "{faults:?}");
    assert!(faults[1].starts_with("`tag`, routes: the route `e/u`: a name has no `/`"), "{faults:?}");
}

#[test]
fn all_faults_are_told_at_once() {
    let mut plan = plan([source("in/"), rust("a", "nobody", ""), rust("a", "a", ""), sink("control", "")]);
    plan.settings.window = 0;
    let fields: Vec<_> = check(&plan).unwrap_err().iter().map(|fault| (fault.nth, fault.field)).collect();
    let expected = [
        (None, "window"),
        (Some(0), "name"),
        (Some(0), "from"),
        (Some(1), "from"),
        (Some(2), "name"),
        (Some(3), "name"),
        (Some(3), "from"),
    ];
    assert_eq!(fields, expected);
}

/// Those that records come to from `start`, step by step.
fn reached(start: impl IntoIterator<Item = String>, next: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut queue: Vec<String> = start.into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = queue.pop() {
        if seen.insert(name.clone()) {
            queue.extend(next(&name));
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_a_plan_that_passes_every_part_is_reached_every_way_ends_and_none_comes_back(plan in any_plan()) {
        let names = |is: fn(&Kind) -> bool| plan.parts.iter().filter(move |part| is(&part.kind)).map(|part| part.name.clone());
        let followers = |name: &str| -> Vec<String> {
            let takes = |part: &&Part| part.from.iter().any(|port| port.part == name);
            plan.parts.iter().filter(takes).map(|part| part.name.clone()).collect()
        };
        let ways = |name: &str| {
            let mut ways = followers(name);
            let conduct = plan.parts.iter().find(|part| part.name == name).and_then(Part::conduct);
            if let Some(Failover::FailoverTo(stage)) = conduct.map(|conduct| &conduct.failover) {
let is_it = |part: &&Part| part.name == *stage && part.conduct().is_some();
                ways.extend(plan.parts.iter().find(is_it).map(|part| part.name.clone()));
            }
            ways
        };
        let all: BTreeSet<String> = plan.parts.iter().map(|part| part.name.clone()).collect();
        let circle = all.iter().find(|name| reached(ways(name), ways).contains(*name));
        match check(&plan) {
            Ok(()) => {
                prop_assert_eq!(circle, None);
                prop_assert_eq!(reached(names(|kind| matches!(kind, Kind::Source(_))), followers), all.clone());
                for name in &all {
                    let ends = reached([name.clone()], followers);
                    prop_assert!(names(|kind| matches!(kind, Kind::Sink(_))).any(|sink| ends.contains(&sink)), "{}", name);
                }
            }
            Err(faults) => {
                let told = faults.iter().any(|fault| fault.what.contains("circle") || fault.what.contains("itself"));
                prop_assert_eq!(told, circle.is_some(), "{:?} {:?}", circle, faults);
            }
        }
    }
}
