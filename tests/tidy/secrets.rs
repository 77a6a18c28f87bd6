//! What must not leave the machine it was written on: its paths, its hosts, the talk of those who wrote it.
use crate::rule::{Found, Rule, Sample};
use crate::stubs::has_word;
use crate::tree::{File, Tree};

/// Looked for in lower case. They are spelt so that this file holds none.
const WORDS: &[&str] = &[
    concat!("ag", "ent"),
    concat!("ag", "ents"),
    concat!("subag", "ent"),
    concat!("subag", "ents"),
    concat!("cla", "ude"),
    concat!("anthro", "pic"),
    concat!("ll", "m"),
    concat!("artif", "actory"),
];

const PARTS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/tm", "p/team"),
    concat!("/tm", "p/target-"),
    concat!("/ro", "ot/"),
    concat!("index.crates", ".io"),
    concat!("contract", ".md"),
];

/// Notes that are named without being here lead nowhere.
const NOTES: &[&str] =
    &["DESIGN.md", "STYLE.md", "MISSION.md", "hot-lane.md", "node-links.md", "oracle-format.md", "ABI.md"];

pub const RULES: &[Rule] = &[
    Rule {
        name: "leak",
        remedy: "say it in the user's terms, or leave it out",
        check: leaks,
        samples: &[
            Sample {
                files: &[
                    ("src/a.rs", concat!("// see /wo", "rk/main\nconst A: &str = \"Ag", "ents\";\n")),
                    ("docs/a.md", concat!("Done in iss", "ue #3.\nFrom sha", "red/notes.\nfine\n")),
                    (".ci/run", concat!("curl https://x.artif", "actory.y\n")),
                ],
                caught: &[".ci/run:1", "docs/a.md:1", "docs/a.md:2", "src/a.rs:1", "src/a.rs:2"],
            },
            Sample {
                files: &[
                    ("src/a.rs", "// agency, reagents, an issue with 3 causes, src/shared/state.rs, framework/main\n"),
                    ("docs/a.md", "Issue tracker. See rust-lang/rust#12345. HTTP's User-Agent.\n"),
                    ("deny.toml", concat!("# https://index.crates", ".io\n")),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "dangling-note",
        remedy: "write down here what it says, or name a file that is in the tree",
        check: notes,
        samples: &[
            Sample { files: &[("src/a.rs", "fn f() {}\n// As STYLE.md says.\n")], caught: &["src/a.rs:2"] },
            Sample {
                files: &[("src/a.rs", "// As STYLE.md says.\n// TIGER_STYLE.md\n"), ("docs/STYLE.md", "")],
                caught: &[],
            },
        ],
    },
];

fn leaks(tree: &Tree, found: &mut Found) {
    for (file, line, text) in lines(tree) {
        let low = text.to_lowercase().replace("user-agent", "");
        let word = WORDS.iter().find(|word| has_word(&low, word));
        let part =
            PARTS.iter().find(|part| low.contains(**part) && file.name() != "deny.toml" && file.name() != "Cargo.lock");
        if let Some(leaked) = word.or(part) {
            found.at(&file.path, line, format!("“{leaked}”"));
        } else if names_an_issue(&low) {
            found.at(&file.path, line, "the number of an issue");
        } else if names_the_folder(&low) {
            found.at(&file.path, line, "a folder that is not here");
        }
    }
}

fn lines(tree: &Tree) -> impl Iterator<Item = (&File, usize, &str)> {
    tree.files.iter().flat_map(|file| file.text.lines().enumerate().map(move |(at, line)| (file, at + 1, line)))
}

fn names_an_issue(low: &str) -> bool {
    [concat!("iss", "ue #"), concat!("iss", "ue ")].iter().any(|start| {
        low.match_indices(start).any(|(at, _)| low[at + start.len()..].starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn names_the_folder(low: &str) -> bool {
    low.match_indices(concat!("sha", "red/"))
        .any(|(at, _)| !low[..at].ends_with(|c: char| c.is_alphanumeric() || "/_-.".contains(c)))
}

fn notes(tree: &Tree, found: &mut Found) {
    let dangling: Vec<_> = NOTES.iter().filter(|note| !tree.files.iter().any(|file| file.name() == **note)).collect();
    for (file, line, text) in lines(tree).filter(|(file, _, _)| !file.path.starts_with("tests/tidy/")) {
        if let Some(note) = dangling.iter().find(|note| has_word(text, note)) {
            found.at(&file.path, line, format!("{note} is named, but not in the tree"));
        }
    }
}
