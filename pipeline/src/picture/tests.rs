//! Plans as pictures: what they look like, and that none is too wide or leaves a part out.

use std::time::Duration;

use proptest::prelude::*;

use super::picture;
use crate::test_plans::{any_plan, chain, conduct, failing_to, plan, plugin, rust, sink, source};
use crate::test_snapshot::assert_snapshot;
use crate::{Failover, Kind, Part, Share};

fn with_params(mut part: Part, params: &[(&str, &str)]) -> Part {
    let Kind::Plugin(stage) = &mut part.kind else { panic!("`{}` is no plugin", part.name) };
    stage.params = params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    part
}

#[test]
fn a_chain_is_a_column_of_boxes() {
    let mut plan = chain();
    plan.parts[1] = with_params(plan.parts[1].clone(), &[("strict_mode", "true"), ("max_length", "4096")]);
    conduct(&mut plan.parts[2]).instances = 4.try_into().unwrap();
    conduct(&mut plan.parts[2]).failover = Failover::CircuitBreaker { failures: 5, cooldown: Duration::from_secs(30) };
    plan.settings.state = Some("state/orders".into());
    assert_snapshot("picture_chain", &picture(&plan));
}

#[test]
fn branches_merges_routes_and_long_ways_are_drawn() {
    let mut score = failing_to(plugin("score", "by_country/eu by_country/us", "bad slow"), "simple_score");
    conduct(&mut score).instances = 2.try_into().unwrap();
    conduct(&mut score).share = Share::InTurns;
    let parts = [
        source("shop"),
        source("phone"),
        rust("clean", "shop phone", ""),
        rust("by_country", "clean", "eu us rest"),
        score,
        rust("simple_score", "by_country/rest", ""),
        sink("scored", "score simple_score"),
        sink("bad", "score/bad"),
        sink("archive", "clean"),
    ];
    assert_snapshot("picture_branches", &picture(&plan(parts)));
}

#[test]
fn lines_that_cross_do_not_touch() {
    let parts = [source("a"), source("b"), sink("x", "a b"), sink("y", "a b"), source("c"), sink("z", "c a")];
    assert_snapshot("picture_crossing", &picture(&plan(parts)));
}

#[test]
fn what_is_too_wide_is_listed() {
    let sinks = (0..8).map(|nth| sink(&format!("out_{nth}"), "in"));
    assert_snapshot("picture_wide", &picture(&plan([source("in")].into_iter().chain(sinks))));
}

#[test]
fn a_circle_is_listed_and_nothing_in_a_name_moves_the_cursor() {
    let evil = with_params(
        plugin("b", "a", ""),
        &[("colour", "\u{1b}[31m"), ("lines", "one\ntwo"), ("long", &"x".repeat(1_000))],
    );
    assert_snapshot("picture_circle", &picture(&plan([source("in"), rust("a", "in b", ""), evil, sink("out", "b")])));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_has_a_picture_of_a_hundred_columns_with_a_box_for_each_part(plan in any_plan()) {
        let text = picture(&plan);
        let body = || text.lines().skip(2);
        prop_assert!(body().all(|line| line.chars().count() <= 100), "{}", text);
        for part in &plan.parts {
            let title = format!("┌─ {} ─", part.name);
            prop_assert_eq!(text.matches(&title).count(), 1, "{}", text);
        }
        prop_assert_eq!(text.matches('┌').count() >= plan.parts.len(), true);
        // A box's sides are whole: no line runs through one.
        for line in body().filter(|line| line.contains("┌─ ")) {
            prop_assert!(!line.contains("▼"), "{}", text);
        }
    }
}
