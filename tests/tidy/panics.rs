//! A panic is for a bug of ours: no `unwrap` in a library, few `expect`, and each with its proof.
use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::{Kind, Source};
use crate::rooms::BENCHES;
use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree, is_below};

/// Of 1,000 lines of code.
const EXPECTS: usize = 4;
/// What is shorter is no proof.
const PROOF: usize = 12;

pub const RULES: &[Rule] = &[
    Rule {
        name: "unwrap",
        remedy: "return the error, or prove that there is none: expect(\"why this cannot be\")",
        check: unwraps,
        samples: &[
            Sample {
                files: &[(
                    "jobs/src/a.rs",
                    "fn f() {\n    x.unwrap();\n    y\n        .unwrap_err();\n    Option::unwrap(z);\n}\n",
                )],
                caught: &["jobs/src/a.rs:2", "jobs/src/a.rs:4", "jobs/src/a.rs:5"],
            },
            Sample {
                files: &[("jobs/src/a.rs", "fn f() {\n    x.expect(\"\");\n    y.expect(reason);\n}\n")],
                caught: &["jobs/src/a.rs:2", "jobs/src/a.rs:3"],
            },
            Sample {
                files: &[
                    (
                        "jobs/src/a.rs",
                        "/// x.unwrap()\nfn f() {\n    x.unwrap_or_default();\n    y.expect(\"the walk starts at the root\");\n}\n#[cfg(test)]\nmod tests { fn f() { x.unwrap(); y.expect(\"\"); } }\n",
                    ),
                    ("tests/it/main.rs", "fn f() { x.unwrap(); }\n"),
                    ("benches/src/main.rs", "fn f() { x.unwrap(); }\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "expects",
        remedy: "turn some into errors; 4 in 1,000 lines of code are the ceiling, and the first is free",
        check: expects,
        samples: &[
            Sample {
                files: &[
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    ("jobs/src/a.rs", "x.expect(\"it was put there above\");\n"),
                    ("jobs/src/b.rs", "x.expect(\"it was put there above\");\n"),
                ],
                caught: &["jobs/src/b.rs:1"],
            },
            Sample {
                files: &[
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    (
                        "jobs/src/a.rs",
                        "x.expect(\"it was put there above\");\n#[cfg(test)]\nmod tests { fn f() { y.expect(\"\"); } }\n",
                    ),
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/a.rs", "x.expect(\"it was put there above\");\n"),
                ],
                caught: &[],
            },
        ],
    },
];

fn libraries(tree: &Tree) -> impl Iterator<Item = (&File, &Source)> {
    tree.rust()
        .filter(|(file, _)| file.is_source() && !is_below(&file.path, BENCHES) && !file.path.starts_with("tests/"))
}

fn unwraps(tree: &Tree, found: &mut Found) {
    for (file, source) in libraries(tree) {
        for (at, token) in source.tokens.iter().enumerate().skip(1).filter(|(_, token)| !token.test) {
            let is_path = source.tokens[at - 1].is(".") || source.tokens[at - 1].is(":");
            if is_path && (token.is("unwrap") || token.is("unwrap_err")) {
                found.at(&file.path, token.line, format!("`{}` in a library", token.text));
            } else if is_path && token.is("expect") && source.reads(at + 1, &["("]) {
                let proof =
                    source.tokens.get(at + 2).filter(|token| token.kind == Kind::Text && token.text.len() >= PROOF);
                if proof.is_none() {
                    found.at(&file.path, token.line, "`expect` without a reason why it cannot fail");
                }
            }
        }
    }
}

fn expects(tree: &Tree, found: &mut Found) {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (file, source) in libraries(tree) {
        let Some(krate) = tree.crate_of(&file.path) else { continue };
        let code: BTreeSet<_> = source.tokens.iter().filter(|token| !token.test).map(|token| token.line).collect();
        *lines.entry(&krate.name).or_default() += code.len();
        let here = source.places(&[".", "expect", "("]).map(|at| &source.tokens[at + 1]).filter(|token| !token.test);
        places.entry(&krate.name).or_default().extend(here.map(|token| (file.path.as_str(), token.line)));
    }
    for (krate, places) in places {
        let allowed = (lines[krate] * EXPECTS).div_ceil(1_000);
        if let Some((path, line)) = places.get(allowed) {
            let what = format!(
                "{krate} has {} `expect` in {} lines of code, where {allowed} may be",
                places.len(),
                lines[krate]
            );
            found.at(path, *line, what);
        }
    }
}
