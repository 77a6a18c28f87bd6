//! Where `unsafe` may stand, and that each use says why it is sound.
use std::collections::BTreeSet;

use crate::lexer::Source;
use crate::rooms::{self, Unsafe};
use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "unsafe",
        remedy: "do it in safe code, or in the room that is there for it (tests/tidy/rooms.rs)",
        check: places,
        samples: &[
            Sample {
                files: &[
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/cell.rs", "fn f() {\n    // SAFETY: sure.\n    unsafe { g() }\n}\n"),
                ],
                caught: &["runtime/src/cell.rs:3"],
            },
            Sample {
                files: &[
                    ("Cargo.toml", "[package]\nname = \"proscenium\"\n"),
                    ("tests/it/main.rs", "unsafe impl Send for X {}\n"),
                ],
                caught: &["tests/it/main.rs:1"],
            },
            Sample {
                files: &[
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/lane/slot.rs", "unsafe { g() }\n"),
                    ("runtime/src/lane/mod.rs", "// unsafe { g() }\nconst UNSAFE: &str = \"unsafe { g() }\";\n"),
                    ("shm-channel/Cargo.toml", "[package]\nname = \"proscenium-shm-channel\"\n"),
                    ("shm-channel/src/ring.rs", "unsafe { g() }\n"),
                    ("runtime/tests/ui/refused.rs", "unsafe { g() }\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "unsafe-attribute",
        remedy: "begin the crate with #![forbid(unsafe_code)], or #![deny(unsafe_code)] where tests/tidy/rooms.rs has exceptions",
        check: attributes,
        samples: &[
            Sample {
                files: &[
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    ("jobs/src/lib.rs", "//! Jobs.\n#![deny(unsafe_code)]\n"),
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/lib.rs", "//! Actors. #![deny(unsafe_code)]\nmod a;\n"),
                ],
                caught: &["jobs/src/lib.rs:1", "runtime/src/lib.rs:1"],
            },
            Sample {
                files: &[
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    ("jobs/src/lib.rs", "//! Jobs.\n#![forbid(unsafe_code)]\n"),
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/lib.rs", "#![deny(unsafe_code)]\n"),
                    ("shm-channel/Cargo.toml", "[package]\nname = \"proscenium-shm-channel\"\n"),
                    ("shm-channel/src/lib.rs", "//! Rings.\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "safety",
        remedy: "write a SAFETY comment right above: one bullet per precondition, each with what proves it",
        check: comments,
        samples: &[
            Sample {
                files: &[(
                    "shm-channel/src/ring.rs",
                    "fn f() {\n    unsafe { g() }\n}\n// SAFETY: of something else.\nstruct X;\nunsafe impl Send for X {}\n/// Docs only.\nunsafe fn h() {}\n",
                )],
                caught: &["shm-channel/src/ring.rs:2", "shm-channel/src/ring.rs:6", "shm-channel/src/ring.rs:8"],
            },
            Sample {
                files: &[(
                    "shm-channel/src/ring.rs",
                    "fn f() {\n    // JUSTIFICATION: …\n    // SAFETY:\n    // - in bounds: …\n    let x =\n        a.b(|y| unsafe { g(y) });\n    unsafe { g() } // SAFETY: …\n}\n\
                     // SAFETY: no pointer inside.\n#[cfg(unix)]\nunsafe impl Send for X {}\n\
                     /// # Safety\n/// Call it once.\nunsafe fn h() {}\ntype F = unsafe fn();\n#[unsafe(no_mangle)]\nextern \"C\" fn i() {}\n",
                )],
                caught: &[],
            },
        ],
    },
];

fn may_be_unsafe(tree: &Tree, file: &File) -> bool {
    let krate = tree.crate_of(&file.path);
    match krate.and_then(|krate| rooms::room_in(&krate.folder)).map(|room| room.unsafe_code) {
        Some(Unsafe::Everywhere) => true,
        Some(Unsafe::In(files)) => files.contains(&file.path.as_str()),
        Some(Unsafe::Nowhere) => false,
        None => rooms::is_outside(&file.path),
    }
}

fn places(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust().filter(|(file, _)| !may_be_unsafe(tree, file)) {
        for at in source.places(&["unsafe"]) {
            found.at(&file.path, source.tokens[at].line, "unsafe code outside the places for it");
        }
    }
}

fn attributes(tree: &Tree, found: &mut Found) {
    for krate in &tree.crates {
        let (Some(room), Some(root)) = (rooms::room_in(&krate.folder), tree.crate_root(krate)) else { continue };
        let level = match room.unsafe_code {
            Unsafe::Nowhere => "forbid",
            Unsafe::In(_) => "deny",
            Unsafe::Everywhere => continue,
        };
        let attribute = ["#", "!", "[", level, "(", "unsafe_code"];
        if root.rust.as_ref().is_some_and(|source| source.places(&attribute).next().is_none()) {
            found.at(&root.path, 1, format!("the crate has no #![{level}(unsafe_code)]"));
        }
    }
}

fn comments(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        let argued = argued_lines(source);
        for at in source.places(&["unsafe"]) {
            let line = source.tokens[at].line;
            let is_type = source.reads(at + 1, &["fn", "("]) || source.reads(at + 1, &["extern", "*", "fn", "("]);
            let is_attribute = source.reads(at.saturating_sub(1), &["[", "unsafe", "("]);
            if !is_type && !is_attribute && !is_argued(&lines, &argued, line) {
                found.at(&file.path, line, "unsafe code that does not say why it is sound");
            }
        }
    }
}

/// The lines of comments that argue for safety.
fn argued_lines(source: &Source) -> BTreeSet<usize> {
    let argues = |text: &str| text.contains("SAFETY:") || text.contains("# Safety");
    let comments = source.comments.iter().filter(|comment| argues(&comment.text));
    comments.flat_map(|comment| comment.line..=comment.last_line()).collect()
}

/// Whether an argument stands on the line itself, or in the comment above the statement that the line belongs to.
fn is_argued(lines: &[&str], argued: &BTreeSet<usize>, line: usize) -> bool {
    let mut at = line;
    let mut in_comment = false;
    loop {
        if argued.contains(&at) {
            return true;
        }
        let Some(above) = at.checked_sub(2).and_then(|above| lines.get(above)) else { return false };
        let above = above.trim();
        let is_comment = above.starts_with("//");
        let ends_statement = above.is_empty() || above.ends_with([';', '{', '}']);
        if !is_comment && !above.starts_with("#[") && (in_comment || ends_statement) {
            return false;
        }
        in_comment |= is_comment;
        at -= 1;
    }
}
