//! Names that say nothing, and synonyms for words that OTP has.
use crate::rule::{Found, Rule, Sample};
use crate::tree::Tree;

const EMPTY: &[&str] = &["common", "core", "helper", "helpers", "misc", "types", "util", "utils"];

const SYNONYMS: &[(&str, &str)] = &[
    ("max_restarts", "intensity"),
    ("retry_policy", "the restart type, or the failover policy"),
    ("restart_window", "period"),
    ("ask", "call"),
];

pub const RULES: &[Rule] = &[
    Rule {
        name: "empty-name",
        remedy: "name the subject; shared code belongs to the lowest room whose subject it is",
        check: empty_names,
        samples: &[
            Sample {
                files: &[
                    ("jobs/src/utils.rs", ""),
                    ("jobs/src/core/mod.rs", ""),
                    ("jobs/src/lib.rs", "pub mod common {}\n"),
                    ("tests/it/helpers.rs", ""),
                    ("jobs-types/Cargo.toml", "[package]\nname = \"jobs-types\"\n"),
                ],
                caught: &[
                    "jobs-types/Cargo.toml:1",
                    "jobs/src/core/mod.rs:1",
                    "jobs/src/lib.rs:1",
                    "jobs/src/utils.rs:1",
                    "tests/it/helpers.rs:1",
                ],
            },
            Sample {
                files: &[
                    ("jobs/src/restart_core.rs", "use core::fmt;\nlet core = 1;\n"),
                    ("jobs/src/commons.rs", ""),
                    ("docs/core.md", ""),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "role-name",
        remedy: "name the thing or the decision: InFlight, Lease, SwapCore",
        check: role_names,
        samples: &[
            Sample {
                files: &[("jobs/src/a.rs", "struct JobManager;\nenum X {}\ntrait StoreHelper {}\n")],
                caught: &["jobs/src/a.rs:1", "jobs/src/a.rs:3"],
            },
            Sample {
                files: &[("jobs/src/a.rs", "struct Lease;\nstruct EventHandler;\nuse peer::ConnectionManager;\n")],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "synonym",
        remedy: "use OTP's own word in OTP's meaning",
        check: synonyms,
        samples: &[
            Sample {
                files: &[("jobs/src/a.rs", "pub fn max_restarts(self) {}\npub fn ask() {}\n")],
                caught: &["jobs/src/a.rs:1", "jobs/src/a.rs:2"],
            },
            Sample {
                files: &[
                    ("jobs/src/a.rs", "pub fn intensity(self) {} // max_restarts\nfn ask() {}\n"),
                    ("benches/src/kameo.rs", "actor.ask(x);\n"),
                ],
                caught: &[],
            },
        ],
    },
];

fn empty_names(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        let stem = file.path.trim_end_matches(".rs");
        if let Some(part) = stem.split('/').find(|part| EMPTY.contains(part)) {
            found.at(&file.path, 1, format!("a module called {part}"));
        }
        for at in source.places(&["mod", "*"]) {
            let name = &source.tokens[at + 1];
            if EMPTY.contains(&name.text.as_str()) {
                found.at(&file.path, name.line, format!("a module called {}", name.text));
            }
        }
    }
    for krate in &tree.crates {
        if krate.name.split('-').any(|part| EMPTY.contains(&part)) {
            found.at(&krate.path("Cargo.toml"), 1, format!("a crate called {}", krate.name));
        }
    }
}

fn role_names(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        for keyword in ["struct", "enum", "trait"] {
            for at in source.places(&[keyword, "*"]) {
                let name = &source.tokens[at + 1];
                if name.text.ends_with("Manager") || name.text.ends_with("Helper") {
                    found.at(&file.path, name.line, format!("{} names a role, not a thing", name.text));
                }
            }
        }
    }
}

fn synonyms(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        for (word, ours) in SYNONYMS {
            for at in source.places(&["pub", "fn", word]) {
                found.at(&file.path, source.tokens[at].line, format!("`{word}`; our word is {ours}"));
            }
        }
    }
}
