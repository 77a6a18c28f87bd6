//! Nothing half-done: a macro that panics in place of work, a mark for later, a promise.
use crate::lexer::Kind;
use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree};

const MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

/// Marks are looked for as they are written, promises in any case. They are spelt so that this file holds none.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const PROMISES: &[&str] = &[
    concat!("for ", "now"),
    concat!("not yet ", "supported"),
    concat!("not yet ", "implemented"),
    concat!("not ", "implemented yet"),
    concat!("coming ", "soon"),
    concat!("future ", "work"),
];

pub const RULES: &[Rule] = &[
    Rule {
        name: "stub",
        remedy: "leave it out until it works",
        check: macros,
        samples: &[
            Sample {
                files: &[
                    ("jobs/src/a.rs", "fn f() {\n    todo!()\n}\nfn g() { unimplemented!(\"x\"); dbg!(y); }\n"),
                    ("tests/a.rs", "dbg!(x);\n"),
                ],
                caught: &["jobs/src/a.rs:2", "jobs/src/a.rs:4", "jobs/src/a.rs:4", "tests/a.rs:1"],
            },
            Sample {
                files: &[("jobs/src/a.rs", "// todo!()\nlet s = \"dbg!(x)\"; let todo = 1; if !todo {}\n")],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "mark",
        remedy: "do it now, or leave it out; what is known to be missing belongs in the docs as a limit",
        check: marks,
        samples: &[
            Sample {
                files: &[
                    (
                        "jobs/src/a.rs",
                        concat!(
                            "// TO",
                            "DO: more\nfn f() {}\n/// Good\n/// enough for ",
                            "now.\nconst S: &str = \"Not yet ",
                            "supported\";\n"
                        ),
                    ),
                    ("docs/a.md", concat!("Text.\nFIX", "ME\n")),
                    ("scripts/a.sh", concat!("# XX", "X\n")),
                ],
                caught: &["docs/a.md:2", "jobs/src/a.rs:1", "jobs/src/a.rs:4", "jobs/src/a.rs:5", "scripts/a.sh:1"],
            },
            Sample {
                files: &[
                    ("jobs/src/a.rs", "// Todos, AUTODOC, for nowhere.\nconst TODOS: u8 = 1;\n"),
                    ("docs/a.md", "What a node does not do for nobody.\n"),
                    ("LICENSE-MIT", concat!("future ", "work")),
                ],
                caught: &[],
            },
        ],
    },
];

fn macros(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        for name in MACROS {
            for at in source.places(&[name, "!"]).filter(|&at| !source.reads(at + 2, &["="])) {
                found.at(&file.path, source.tokens[at].line, format!("`{name}!`"));
            }
        }
    }
}

fn marks(tree: &Tree, found: &mut Found) {
    let texts = tree.files.iter().filter(|file| !file.name().starts_with("LICENSE") && file.name() != "Cargo.lock");
    for file in texts {
        for (line, text) in prose(file) {
            let low = text.to_lowercase();
            let mark = MARKS.iter().find(|mark| has_word(text, mark));
            if let Some(what) = mark.or_else(|| PROMISES.iter().find(|promise| has_word(&low, promise))) {
                found.at(&file.path, line, format!("“{what}”"));
            }
        }
    }
}

/// What people read in a file, by line: comments and strings of Rust outside tests, and all of any other text.
fn prose(file: &File) -> Vec<(usize, &str)> {
    let Some(source) = &file.rust else {
        return file.text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect();
    };
    let comments = source.comments.iter().map(|comment| (comment.line, comment.text.as_str()));
    let texts = source.tokens.iter().filter(|token| token.kind == Kind::Text && !token.test);
    let all = comments.chain(texts.map(|token| (token.line, token.text.as_str())));
    all.flat_map(|(first, text)| text.lines().enumerate().map(move |(at, line)| (first + at, line))).collect()
}

/// Whether `word` stands in `text` with no letter on either side.
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn a_word_has_no_letter_on_either_side() {
    for (text, word, want) in [
        ("a now b", "now", true),
        ("now", "now", true),
        ("know", "now", false),
        ("nowhere, now", "now", true),
        ("now_s", "now", false),
    ] {
        assert_eq!(has_word(text, word), want, "{word} in {text}");
    }
}
