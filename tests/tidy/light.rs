//! How much `cargo add proscenium` brings in: a small actor framework stays small.
use std::process::Command;

/// ractor with tokio brings 44.
const LIMIT: usize = 70;

/// The crates in the output of `cargo tree`, each once.
fn crates(tree: &str) -> Vec<&str> {
    let mut lines: Vec<&str> =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

fn fault(crates: &[&str]) -> Option<String> {
    let too_many = crates.len() > LIMIT;
    too_many.then(|| {
        format!(
            "Cargo.toml:1: light: {} crates by default, where {LIMIT} may be; put the new one behind a feature\n{}",
            crates.len(),
            crates.join("\n")
        )
    })
}

#[test]
fn the_default_features_stay_light() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--prefix", "none", "--package", env!("CARGO_PKG_NAME")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test, so it can be run");
    let text = String::from_utf8_lossy(&tree.stdout);
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let crates = crates(&text);
    assert!(crates.iter().any(|line| line.starts_with("proscenium-runtime v")), "this is no tree of ours:\n{text}");
    assert_eq!(fault(&crates), None);
}

#[test]
fn a_crate_counts_once() {
    assert_eq!(crates("b v1\na v1\nb v1 (*)\n\n"), ["a v1", "b v1"]);
}

#[test]
fn one_crate_too_many_is_a_fault() {
    let names: Vec<String> = (0..=LIMIT).map(|number| format!("c{number} v1")).collect();
    let crates: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(fault(&crates[..LIMIT]), None);
    assert!(fault(&crates).is_some_and(|fault| fault.contains("71 crates") && fault.contains("c70 v1")));
}
