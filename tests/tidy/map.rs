//! `lib.rs` is a map, every crate documents what is public, and public errors can grow.
use crate::lexer::Source;
use crate::rooms;
use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "map",
        remedy: "lib.rs holds docs, attributes, mod and pub use; move the rest to a module",
        check: maps,
        samples: &[
            Sample {
                files: &[(
                    "jobs/src/lib.rs",
                    "//! Jobs.\nmod a;\npub struct X {\n    y: u8,\n}\npub const C: u8 = 1;\npub mod b {\n    pub use crate::a::Z;\n    fn f() {}\n}\n",
                )],
                caught: &["jobs/src/lib.rs:3", "jobs/src/lib.rs:6", "jobs/src/lib.rs:9"],
            },
            Sample { files: &[("jobs/src/lib.rs", "mod a;\n")], caught: &["jobs/src/lib.rs:1"] },
            Sample {
                files: &[
                    (
                        "jobs/src/lib.rs",
                        "//! Jobs.\n#![forbid(unsafe_code)]\n#[cfg(x)]\nmod a;\npub mod b {\n    pub use crate::a::{Z, Y};\n}\npub(crate) mod c;\n\
                         extern crate self as jobs;\n#[cfg(test)]\nmod t { fn f() {} }\n#[cfg(doctest)]\n#[doc = include_str!(\"../README.md\")]\nmod readme {}\n",
                    ),
                    (
                        "macros/src/lib.rs",
                        "//! Macros.\nmod a;\n/// Docs.\n#[proc_macro_attribute]\npub fn actor(a: TokenStream) -> TokenStream {\n    a::expand(a)\n}\n",
                    ),
                    ("jobs/src/a.rs", "fn f() {}\n"),
                    ("plugins/template/rust/src/lib.rs", "struct X;\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "docs",
        remedy: "take the workspace's lints ([lints] workspace = true, with missing_docs in it), or write #![warn(missing_docs)]",
        check: docs,
        samples: &[
            Sample {
                files: &[
                    (
                        "Cargo.toml",
                        "[workspace.lints.rust]\nmissing_docs = \"allow\"\n[package]\nname = \"proscenium\"\n[lints]\nworkspace = true\n",
                    ),
                    ("src/lib.rs", "//! It.\n"),
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    ("jobs/src/lib.rs", "//! Jobs.\n"),
                ],
                caught: &["Cargo.toml:1", "jobs/Cargo.toml:1"],
            },
            Sample {
                files: &[
                    (
                        "Cargo.toml",
                        "[workspace.lints.rust]\nmissing_docs = \"warn\"\n[package]\nname = \"proscenium\"\n[lints]\nworkspace = true\n",
                    ),
                    ("src/lib.rs", "//! It.\n"),
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n"),
                    ("jobs/src/lib.rs", "#![warn(missing_docs)]\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "open-error",
        remedy: "mark it #[non_exhaustive]: an error that cannot grow makes every new one a breaking change",
        check: open_errors,
        samples: &[
            Sample {
                files: &[("jobs/src/error.rs", "#[derive(Debug)]\npub enum StartError {\n    Full,\n}\n")],
                caught: &["jobs/src/error.rs:2"],
            },
            Sample {
                files: &[(
                    "jobs/src/error.rs",
                    "#[derive(Debug)]\n#[non_exhaustive]\npub enum StartError { Full }\nenum InnerError { A }\npub enum Policy { A }\npub(crate) enum OtherError { A }\n",
                )],
                caught: &[],
            },
        ],
    },
];

fn maps(tree: &Tree, found: &mut Found) {
    for (file, source) in tree
        .rust()
        .filter(|(file, _)| file.path == "src/lib.rs" || file.path.ends_with("/src/lib.rs") && !is_template(file))
    {
        if !file.text.starts_with("//!") {
            found.at(&file.path, 1, "a map without a word on what is in it");
        }
        items(source, 0, source.tokens.len(), &mut |line, what| found.at(&file.path, line, what));
    }
}

/// What is to be copied is one file, so that it is read at a glance.
fn is_template(file: &File) -> bool {
    file.path.starts_with("plugins/template/")
}

/// Goes through the items between two tokens, and reports each that is no map item.
fn items(source: &Source, start: usize, end: usize, report: &mut dyn FnMut(usize, String)) {
    let mut at = start;
    let mut is_macro = false;
    while at < end {
        let token = &source.tokens[at];
        if source.reads(at, &["#"]) {
            let open = if source.reads(at + 1, &["!"]) { at + 2 } else { at + 1 };
            is_macro |= source.tokens.get(open + 1).is_some_and(|token| token.text.starts_with("proc_macro"));
            at = source.closing(open) + 1;
            continue;
        }
        if token.is("pub") {
            at += 1;
            if source.reads(at, &["("]) {
                at = source.closing(at) + 1;
            }
            continue;
        }
        let last = item_end(source, at, end);
        if source.reads(at, &["mod", "*", "{"]) {
            if !token.test {
                items(source, at + 3, last, report);
            }
        } else if !(["use", "mod", "extern"].iter().any(|word| token.is(word))
            || token.test
            || is_macro && token.is("fn"))
        {
            let name = source.tokens.get(at + 1).map_or("", |token| token.text.as_str());
            report(token.line, format!("`{} {name}` in a map", token.text));
        }
        is_macro = false;
        at = last + 1;
    }
}

/// The last token of the item that begins at `at`: a semicolon, or the brace that closes its body.
fn item_end(source: &Source, at: usize, end: usize) -> usize {
    let is_use = source.tokens[at].is("use");
    let mut i = at;
    while i < end {
        if source.tokens[i].is(";") {
            return i;
        }
        if ["(", "[", "{"].iter().any(|open| source.tokens[i].is(open)) {
            let closing = source.closing(i);
            if source.tokens[i].is("{") && !is_use {
                return closing;
            }
            i = closing;
        }
        i += 1;
    }
    end.saturating_sub(1)
}

fn docs(tree: &Tree, found: &mut Found) {
    let is_on = |level: Option<&toml::Value>| level.and_then(toml::Value::as_str).is_some_and(|level| level != "allow");
    let root = tree.crates.iter().find(|krate| krate.folder.is_empty());
    let shared =
        is_on(root.and_then(|root| root.manifest.get("workspace")?.get("lints")?.get("rust")?.get("missing_docs")));
    for krate in tree.crates.iter().filter(|krate| !rooms::is_outside(&krate.folder)) {
        let lints = krate.manifest.get("lints");
        let inherits = lints.and_then(|lints| lints.get("workspace")?.as_bool()).unwrap_or(false);
        let source = tree.crate_root(krate).and_then(|root| root.rust.as_ref());
        let says = ["warn", "deny", "forbid"].into_iter().any(|level| {
            source.is_some_and(|source| source.places(&["[", level, "(", "missing_docs"]).next().is_some())
        });
        if !(inherits && shared || says) {
            found.at(&krate.path("Cargo.toml"), 1, format!("{} may leave public items without a word", krate.name));
        }
    }
}

fn open_errors(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust().filter(|(file, _)| file.is_source()) {
        for at in source.places(&["pub", "enum", "*"]) {
            let name = &source.tokens[at + 2];
            let before = &source.tokens[..at];
            let start = before
                .iter()
                .rposition(|token| [";", "{", "}"].iter().any(|end| token.is(end)))
                .map_or(0, |end| end + 1);
            let is_open = before[start..].iter().any(|token| token.is("non_exhaustive"));
            if name.text.ends_with("Error") && !name.test && !is_open {
                found.at(&file.path, name.line, format!("{} cannot get a new variant", name.text));
            }
        }
    }
}
