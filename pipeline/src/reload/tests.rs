//! What a reload has to do: found, ordered, and taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Side, Step, roll_back, steps};
use crate::test_plans::any_plan;
use crate::test_plans::{chain, conduct, plugin, rust, sink, source, with_setting};
use crate::{Applies, Change, Failover, Kind, Part, Plan, Share, WhenDown, difference};

fn text(plan: &Plan) -> String {
    format!("{plan:?}")
}

/// A change's first word.
fn word(change: &impl std::fmt::Debug) -> String {
    let text = format!("{change:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The parts' changes, and the steps, in words.
fn reload(change: impl Fn(&mut Plan)) -> (String, String) {
    let (old, mut new) = (chain(), chain());
    change(&mut new);
    let parts = difference(&old, &new).parts;
    let changes = parts
        .iter()
        .map(|part| format!("{}: {}", part.part, part.changes.iter().map(word).collect::<Vec<_>>().join(" ")));
    let steps = steps(&old, &new);
    (changes.collect::<Vec<_>>().join(", "), steps.iter().map(word).collect::<Vec<_>>().join(" "))
}

fn plugin_of(plan: &mut Plan) -> &mut proscenium_pipeline::PluginStage {
    let Kind::Plugin(stage) = &mut plan.parts[1].kind else { unreachable!() };
    stage
}

#[test]
fn each_change_asks_for_no_more_than_it_needs() {
    type Edit = fn(&mut Plan);
    let cases: &[(Edit, &str, &str)] = &[
        (|_| (), "", ""),
        (|plan| plugin_of(plan).params = vec![("strict".into(), "true".into())], "validation: Params", "Alter"),
        (|plan| plugin_of(plan).library = "new.so".into(), "validation: Swap", "Alter"),
        (
            |plan| {
                (plugin_of(plan).library, plugin_of(plan).params) = ("new.so".into(), vec![("a".into(), "b".into())]);
            },
            "validation: Swap",
            "Alter",
        ),
        (|plan| plugin_of(plan).timeout = Duration::from_secs(1), "validation: Conduct", "Alter"),
        (|plan| conduct(&mut plan.parts[2]).failover = Failover::FailFast, "tag: Conduct", "Alter"),
        (|plan| conduct(&mut plan.parts[2]).instances = 2.try_into().unwrap(), "tag: Scale", "Drain Alter Resume"),
        (|plan| conduct(&mut plan.parts[1]).share = Share::InTurns, "validation: Scale", "Drain Alter Resume"),
        (
            |plan| plugin_of(plan).grants.network = true,
            "validation: Replace",
            "Prepare Drain Detach Attach Resume Discard",
        ),
        (
            |plan| plugin_of(plan).routes = vec!["x".into()],
            "validation: Replace",
            "Prepare Drain Detach Attach Resume Discard",
        ),
        (
            |plan| plan.parts[0] = with_setting(source("in"), 1),
            "in: Replace",
            "Prepare Drain Detach Attach Resume Discard",
        ),
        (
            |plan| {
                let Kind::Sink(stage) = &mut plan.parts[3].kind else { unreachable!() };
                stage.when_down = Some(WhenDown::Stop);
            },
            "out: WhenDown",
            "Alter",
        ),
        (|plan| plan.parts.push(sink("copy", "tag")), "copy: Added", "Prepare Drain Attach Resume"),
        (
            |plan| {
                plan.parts.remove(2);
                plan.parts[2].from[0].part = "validation".into();
            },
            "out: Rewired, tag: Removed",
            "Drain Detach Rewire Resume Discard",
        ),
        (
            |plan| {
                plan.parts[2].name = "label".into();
                plan.parts[3].from[0].part = "label".into();
            },
            "label: Added, out: Rewired, tag: Removed",
            "Prepare Drain Detach Attach Rewire Resume Discard",
        ),
        (|plan| plan.parts.swap(1, 2), "", ""),
        (|plan| plan.settings.drain = Duration::from_millis(1), "", "Set"),
        (|plan| plan.settings.window = 4, "", ""),
        (|plan| plan.settings.intensity = 4, "", ""),
    ];
    for (change, changes, steps) in cases {
        assert_eq!(reload(change), (changes.to_string(), steps.to_string()));
    }
}

#[test]
fn a_plugin_that_shares_out_in_turns_is_scaled_while_records_flow() {
    let mut old = chain();
    conduct(&mut old.parts[1]).share = Share::InTurns;
    let mut new = old.clone();
    conduct(&mut new.parts[1]).instances = 4.try_into().unwrap();
    assert_eq!(steps(&old, &new).iter().map(word).collect::<Vec<_>>(), ["Alter"]);
}

#[test]
fn settings_say_when_they_hold() {
    let mut new = chain();
    (new.name, new.settings.window, new.settings.drain) = ("other".into(), 2, Duration::from_secs(1));
    new.settings.intensity = 0;
    let difference = difference(&chain(), &new);
    let found: Vec<_> = difference.settings.iter().map(|setting| (setting.field, setting.applies)).collect();
    let expected = [
        ("name", Applies::AtStart),
        ("window", Applies::AtStart),
        ("drain", Applies::Running),
        ("intensity", Applies::AtStart),
    ];
    assert_eq!(found, expected);
    assert_eq!(difference.at_start(), ["name", "window", "intensity"]);
    assert_eq!(difference.unchanged.len(), 4);
}

/// A pipeline that carries steps out, and is strict about their order.
#[derive(Debug)]
struct Flow {
    plan: Plan,
    /// Started, and not in the flow.
    beside: BTreeMap<(Side, String), String>,
    is_drained: bool,
    drains: usize,
}

impl Flow {
    fn of(plan: &Plan) -> Self {
        Flow { plan: plan.clone(), beside: BTreeMap::new(), is_drained: false, drains: 0 }
    }

    fn part(&mut self, name: &str) -> &mut Part {
        self.plan.parts.iter_mut().find(|part| part.name == name).unwrap_or_else(|| panic!("no `{name}` in the flow"))
    }

    fn make(&mut self, step: &Step) {
        match step {
            Step::Prepare(side, part) => {
                let before = self.beside.insert((*side, part.name.clone()), format!("{part:?}"));
                assert_eq!(before, None, "prepared twice");
            }
            Step::Discard(side, part) => {
                let found = self.beside.remove(&(*side, part.name.clone()));
                assert_eq!(found, Some(format!("{part:?}")), "discarded, but not beside");
            }
            Step::Alter { part, change, .. } => {
                let scales = matches!(change, Change::Scale { .. });
                let is_plugin = matches!(self.part(part).kind, Kind::Plugin(_));
                assert!(self.is_drained || !scales || is_plugin, "keys move while records flow");
                change.apply(self.part(part));
            }
            Step::Drain => {
                assert!(!std::mem::replace(&mut self.is_drained, true));
                self.drains += 1;
            }
            Step::Resume => {
                assert!(std::mem::replace(&mut self.is_drained, false));
                for port in self.plan.parts.iter().flat_map(|part| &part.from) {
                    let is_there = self.plan.parts.iter().any(|part| part.name == port.part);
                    assert!(is_there, "records flow, and nobody is `{port}`");
                }
            }
            Step::Detach(side, part) => {
                assert!(self.is_drained);
                let at = self.plan.parts.iter().position(|other| other.name == part.name).expect("it is in the flow");
                let gone = self.plan.parts.remove(at);
                assert_eq!(format!("{gone:?}"), format!("{part:?}"));
                let before = self.beside.insert((*side, part.name.clone()), format!("{part:?}"));
                assert_eq!(before, None);
            }
            Step::Attach(side, part) => {
                assert!(self.is_drained);
                let found = self.beside.remove(&(*side, part.name.clone()));
                assert_eq!(found, Some(format!("{part:?}")), "attached, but not prepared");
                assert!(self.plan.parts.iter().all(|other| other.name != part.name), "two of one name in the flow");
                self.plan.parts.push(part.clone());
            }
            Step::Rewire { part, old, new } => {
                assert!(self.is_drained);
                let from = &mut self.part(part).from;
                assert_eq!(from, old);
                from.clone_from(new);
            }
            Step::Set { old, new } => {
                assert_eq!(&self.plan.settings, old);
                self.plan.settings = new.clone();
            }
        }
    }

    /// The order in which parts are named means nothing to what flows.
    fn is(&self, plan: &Plan) -> Result<(), TestCaseError> {
        let sorted = |plan: &Plan| {
            let mut parts: Vec<String> = plan.parts.iter().map(|part| format!("{part:?}")).collect();
            parts.sort();
            parts
        };
        prop_assert_eq!(sorted(&self.plan), sorted(plan));
        prop_assert!(self.beside.is_empty() && !self.is_drained, "{:?}", self);
        Ok(())
    }
}

/// Plans whose parts differ in all that parts can differ in. Joined to names only that are there.
fn any_variant() -> impl Strategy<Value = Plan> {
    let edits = proptest::collection::vec((0..8_u8, 0..12_u8, 1..4_u8), 0..6);
    (any_plan(), edits, any::<prop::sample::Index>()).prop_map(|(mut plan, edits, turn)| {
        for (at, edit, value) in edits {
            let Some(part) = plan.parts.get_mut(at as usize) else { continue };
            let seconds = Duration::from_secs(value.into());
            match (edit, &mut part.kind) {
                (0, _) => *part = with_setting(part.clone(), value),
                (1, Kind::Plugin(stage)) => stage.params = vec![("a".into(), value.to_string())],
                (2, Kind::Plugin(stage)) => stage.timeout = seconds,
                (3, Kind::Plugin(stage)) => stage.routes.push(format!("r{value}")),
                (4, Kind::Sink(stage)) => stage.when_down = Some(WhenDown::SetAside(seconds)),
                (5, Kind::Plugin(_) | Kind::Rust(_)) => conduct(part).retries.max = value.into(),
                (6, Kind::Plugin(_) | Kind::Rust(_)) => conduct(part).instances = (value as usize).try_into().unwrap(),
                (7, Kind::Plugin(_) | Kind::Rust(_)) => conduct(part).share = Share::InTurns,
                (8, _) => plan.settings.window = value.into(),
                (9, _) => plan.settings.drain = seconds,
                (10, _) => plan.settings.intensity = value.into(),
                (11, _) => plan.name = format!("orders{value}"),
                _ => (),
            }
        }
        let turn = turn.index(plan.parts.len());
        plan.parts.rotate_left(turn);
        let names: Vec<String> = plan.parts.iter().map(|part| part.name.clone()).collect();
        for part in &mut plan.parts {
            part.from.retain(|port| names.contains(&port.part));
        }
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_difference_applied_gives_the_new_plan_and_the_one_back_the_old(old in any_variant(), new in any_variant()) {
        prop_assert_eq!(text(&difference(&old, &new).apply(&old)), text(&new));
        prop_assert_eq!(text(&difference(&new, &old).apply(&new)), text(&old));
        prop_assert!(difference(&old, &old).is_empty());
        prop_assert!(steps(&old, &old).is_empty());
    }

    #[test]
    fn the_steps_lead_to_the_new_plan_with_one_drain_and_from_any_step_back(old in any_variant(), new in any_variant()) {
        let steps = steps(&old, &new);
        let mut flow = Flow::of(&old);
        for made in 0..=steps.len() {
            let mut back = Flow::of(&old);
            for step in steps[..made].iter().chain(&roll_back(&steps[..made])) {
                back.make(step);
            }
            back.is(&old)?;
            prop_assert_eq!(&back.plan.settings, &old.settings);
            if let Some(step) = steps.get(made) {
                flow.make(step);
            }
        }
        flow.is(&new)?;
        prop_assert!(flow.drains <= 1);
        // The others hold from the next start on.
        let (drain, checkpoint_every) = (new.settings.drain, new.settings.checkpoint_every);
        let expected = crate::plan::Settings { drain, checkpoint_every, ..old.settings.clone() };
        prop_assert_eq!(&flow.plan.settings, &expected);
    }
}

#[test]
fn a_part_that_changes_in_many_ways_has_each_of_them_and_one_that_is_replaced_only_that() {
    let mut many = plugin("validation", "in", "");
    conduct(&mut many).instances = 2.try_into().unwrap();
    conduct(&mut many).retries.max = 9;
    let Kind::Plugin(stage) = &mut many.kind else { unreachable!() };
    stage.params = vec![("a".into(), "b".into())];
    let (changes, order) = reload(move |plan| plan.parts[1] = many.clone());
    assert_eq!((&*changes, &*order), ("validation: Params Conduct Scale", "Alter Alter Drain Alter Resume"));
    let (changes, order) = reload(|plan| plan.parts[1] = rust("validation", "in", ""));
    assert_eq!((&*changes, &*order), ("validation: Replace", "Prepare Drain Detach Attach Resume Discard"));
}
