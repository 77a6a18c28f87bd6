//! The report says of each layer how it is, and what it costs is within its bound.
use proscenium_plugin_runner::sandbox::Layer;

use crate::child::{End, is_ci, run};

/// The layers that a process puts up by itself.
fn own_layers() -> impl Iterator<Item = Layer> {
    Layer::ALL.into_iter().filter(|layer| *layer != Layer::Cgroup)
}

#[test]
fn every_layer_is_active_or_says_why_not() {
    let outcome = run("whoever it is", true, "");
    assert_eq!(outcome.end, End::Done, "{}", outcome.text);
    for layer in own_layers() {
        let line = outcome.text.lines().find(|line| line.starts_with(layer.name()));
        let line = line.unwrap_or_else(|| panic!("{layer:?} is not in {}", outcome.text));
        assert!(!line.contains("FAILED"), "{line}");
        let must = is_ci() || !matches!(layer, Layer::Landlock | Layer::Seccomp);
        assert!(outcome.is_active(layer) || !must, "{line}");
    }
}

#[test]
fn nothing_is_left_of_the_environment() {
    let outcome = run("environment", true, "");
    assert_eq!(outcome.end, End::Done, "{}", outcome.text);
}

#[test]
fn a_working_folder_that_is_not_empty_is_a_failure_by_name() {
    let outcome = run("a working folder that is not empty", true, "");
    let line = outcome.text.lines().find(|line| line.starts_with("working folder")).unwrap();
    assert!(line.contains("FAILED") && line.contains("is not empty"), "{line}");
}

#[test]
fn the_walls_stand_in_a_fraction_of_a_spawn() {
    let cost = || {
        let text = run("cost", true, "").text;
        text.lines().find_map(|line| line.strip_prefix("cost ")?.parse::<u64>().ok()).unwrap()
    };
    let mut costs: Vec<u64> = (0..21).map(|_| cost()).collect();
    costs.sort_unstable();
    let (best, median) = (costs[0], costs[costs.len() / 2]);
    println!("shut in within {best} µs at best, {median} µs at the median");
    // A spawn has 3 ms in all. The best of many: a busy machine is not what is measured.
    assert!(best < 1_000, "{costs:?}");
}
