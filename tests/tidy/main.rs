//! The rules of the house as one test, so that a review need not look for them.
//!
//! ```text
//!   files ──▶ tree ──▶ rules (pure: a tree in, violations out) ──▶ one report, path:line: rule: what; remedy
//!              ▲ lexer, scope                    ▲
//!              └───────────── samples ───────────┘ each rule brings bad trees that it must catch, and good ones
//! ```
//!
//! A new room is a line in `rooms.rs`. A rule that cannot be kept is changed here, with the reason.
mod arrows;
mod changelog;
mod cores;
mod lengths;
mod lexer;
mod light;
mod map;
mod naming;
mod orphans;
mod panics;
mod platform;
mod rooms;
mod rule;
mod scope;
mod secrets;
mod stubs;
mod tests_of_ours;
mod tree;
mod unsafety;
mod words;

use std::path::Path;

use rule::Rule;
use tree::Tree;

fn rules() -> Vec<&'static Rule> {
    let all = [
        arrows::RULES,
        changelog::RULES,
        cores::RULES,
        lengths::RULES,
        map::RULES,
        naming::RULES,
        orphans::RULES,
        panics::RULES,
        platform::RULES,
        secrets::RULES,
        stubs::RULES,
        tests_of_ours::RULES,
        unsafety::RULES,
        words::RULES,
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(tree.file("Cargo.toml").is_some() && tree.rust().next().is_some(), "nothing was read");
    let violations: Vec<_> = rules().into_iter().flat_map(|rule| rule.violations(&tree)).collect();
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} found\n{}\n", lines.len(), lines.join("\n"));
}

#[test]
fn every_rule_catches_its_bad_samples_and_nothing_else() {
    let mut faults = Vec::new();
    for rule in rules() {
        for (number, sample) in rule.samples.iter().enumerate() {
            let violations = rule.violations(&sample.tree());
            let places: Vec<_> = violations.iter().map(|found| format!("{}:{}", found.path, found.line)).collect();
            let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
            if places != sample.caught {
                faults.push(format!(
                    "{}, sample {number}: wanted {:?}, found\n{}\n",
                    rule.name,
                    sample.caught,
                    lines.join("\n")
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_rule_has_a_bad_and_a_good_sample() {
    for rule in rules() {
        let bad = rule.samples.iter().filter(|sample| !sample.caught.is_empty()).count();
        assert!(bad > 0, "{} has no bad sample", rule.name);
        assert!(bad < rule.samples.len(), "{} has no good sample", rule.name);
    }
}

#[test]
fn a_violation_names_place_rule_and_remedy() {
    let rule = rules()[0];
    let bad =
        rule.samples.iter().find(|sample| !sample.caught.is_empty()).map(|sample| rule.violations(&sample.tree()));
    let line = bad.and_then(|violations| violations.first().map(ToString::to_string)).unwrap_or_default();
    let parts: Vec<_> = line.split(": ").collect();
    assert!(parts[0].contains(':') && parts[1] == rule.name && line.ends_with(rule.remedy), "{line}");
}
