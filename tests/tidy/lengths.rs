//! How long a file, a function, a single example may be.
use crate::lexer::Source;
use crate::rule::{Found, Rule, Sample};
use crate::tree::Tree;

const FILE: usize = 800;
const FUNCTION: usize = 70;
const EXAMPLE: usize = 80;

/// Files whose length is not our choice.
const FREE: &[&str] = &["Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md"];

pub const RULES: &[Rule] = &[
    Rule {
        name: "file-length",
        remedy: "split it by concept; 800 lines are the limit, 200 the aim",
        check: |tree, found| files(tree, FILE, found),
        samples: &[
            Sample { files: &[("src/long.rs", LINES_801)], caught: &["src/long.rs:801"] },
            Sample { files: &[("src/long.rs", LINES_800), ("Cargo.lock", LINES_801)], caught: &[] },
        ],
    },
    Rule {
        name: "function-length",
        remedy: "keep the branches here, and give the leaves a function of their own; 70 lines are the limit",
        check: |tree, found| functions(tree, FUNCTION, found),
        samples: &[
            Sample {
                files: &[("src/a.rs", FUNCTION_71), ("tests/b.rs", FUNCTION_71)],
                caught: &["src/a.rs:2", "tests/b.rs:2"],
            },
            Sample { files: &[("src/a.rs", FUNCTION_70)], caught: &[] },
        ],
    },
    Rule {
        name: "example",
        remedy: "begin with //! and what it prints; one idea in 80 lines, or a folder with modules",
        check: examples,
        samples: &[
            Sample {
                files: &[("examples/long.rs", EXAMPLE_81), ("examples/mute.rs", "fn main() {}\n")],
                caught: &["examples/long.rs:81", "examples/mute.rs:1"],
            },
            Sample {
                files: &[("examples/big/main.rs", EXAMPLE_81), ("examples/a.rs", "//! Prints 1.\nfn main() {}\n")],
                caught: &[],
            },
        ],
    },
];

/// Text made when it is compiled: `$head`, then lines up to the count, then `$tail` as the last line.
macro_rules! lines {
    ($name:ident, $head:literal, $count:literal, $tail:literal) => {
        const $name: &str = {
            const BODY: usize = $count - 1 - lines_in($head);
            const LENGTH: usize = $head.len() + 2 * BODY + $tail.len();
            const BYTES: [u8; LENGTH] = fill::<LENGTH>($head, $tail);
            match str::from_utf8(&BYTES) {
                Ok(text) => text,
                Err(_) => panic!("the samples are ASCII"),
            }
        };
    };
}
lines!(LINES_800, "//! Long.\n", 800, "//\n");
lines!(LINES_801, "//! Long.\n", 801, "//\n");
lines!(FUNCTION_70, "//! Long.\nfn f<'a>(x: [u8; { 1 + 1 }]) -> u8\nwhere\n    X: Y,\n{\n", 71, "}\n");
lines!(FUNCTION_71, "//! Long.\nfn f<'a>(x: [u8; { 1 + 1 }]) -> u8\nwhere\n    X: Y,\n{\n", 72, "}\n");
lines!(EXAMPLE_81, "//! Long.\n", 81, "//\n");

const fn lines_in(text: &str) -> usize {
    let (mut at, mut lines) = (0, 0);
    while at < text.len() {
        lines += (text.as_bytes()[at] == b'\n') as usize;
        at += 1;
    }
    lines
}

/// `head`, then `;` lines, then `tail`.
const fn fill<const LENGTH: usize>(head: &str, tail: &str) -> [u8; LENGTH] {
    let mut bytes = [b';'; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        if at < head.len() {
            bytes[at] = head.as_bytes()[at];
        } else if at >= LENGTH - tail.len() {
            bytes[at] = tail.as_bytes()[at + tail.len() - LENGTH];
        } else if (at - head.len()) % 2 == 1 {
            bytes[at] = b'\n';
        }
        at += 1;
    }
    bytes
}

fn files(tree: &Tree, limit: usize, found: &mut Found) {
    for file in tree.files.iter().filter(|file| !FREE.contains(&file.name())) {
        let lines = file.text.lines().count();
        if lines > limit {
            found.at(&file.path, limit + 1, format!("{lines} lines"));
        }
    }
}

fn functions(tree: &Tree, limit: usize, found: &mut Found) {
    for (file, source) in tree.rust() {
        for at in source.places(&["fn", "*"]).filter(|&at| !source.tokens[at + 1].is("(")) {
            let Some(open) = body(source, at) else { continue };
            let (first, last) = (source.tokens[at].line, source.tokens[source.closing(open)].line);
            let lines = last + 1 - first;
            if lines > limit {
                found.at(&file.path, first, format!("`{}` has {lines} lines", source.tokens[at + 1].text));
            }
        }
    }
}

/// The brace that opens the body of the function at `at`, if it has one.
fn body(source: &Source, at: usize) -> Option<usize> {
    let mut i = at;
    while i < source.tokens.len() {
        let token = &source.tokens[i];
        if token.is("(") || token.is("[") {
            i = source.closing(i);
        } else if token.is("{") {
            return Some(i);
        } else if token.is(";") || token.is("}") || token.is(")") {
            return None;
        }
        i += 1;
    }
    None
}

fn examples(tree: &Tree, found: &mut Found) {
    for file in tree.files.iter().filter(|file| file.path.starts_with("examples/") && file.path.ends_with(".rs")) {
        let is_folder = file.path.matches('/').count() > 1;
        let is_start = !is_folder || file.name() == "main.rs";
        if is_start && !file.text.starts_with("//!") {
            found.at(&file.path, 1, "an example that does not say what it prints");
        }
        let lines = file.text.lines().count();
        if !is_folder && lines > EXAMPLE {
            found.at(&file.path, EXAMPLE + 1, format!("{lines} lines"));
        }
    }
}
