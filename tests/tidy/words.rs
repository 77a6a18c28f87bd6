//! What the docs tell people to type is there: words of the Makefile, examples, packages, files that are linked to.
use std::collections::BTreeSet;

use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree};

pub const RULES: &[Rule] = &[
    Rule {
        name: "make-word",
        remedy: "add the word to the Makefile, or name one that `make help` lists",
        check: make_words,
        samples: &[
            Sample {
                files: &[
                    ("Makefile", ".PHONY: all ghost\nall: ## Everything.\n\ttrue\n"),
                    ("README.md", "Run `make demo`, or\n```sh\n$ make all bogus # and wait\n```\nto make sure.\n"),
                    ("src/a.rs", "/// Run `make nothing`.\nfn f() {}\n"),
                    (".ci/run", "# `make lint`\n"),
                ],
                caught: &[".ci/run:1", "Makefile:1", "README.md:1", "README.md:3", "src/a.rs:1"],
            },
            Sample {
                files: &[
                    ("Makefile", ".PHONY: all test-runtime\nall test-runtime: all ## Everything.\n\ttrue\n"),
                    (
                        "README.md",
                        "`make all test-runtime`, and make haste. `cmake x`\n```sh\nCARGO_TARGET_DIR=x make -j2 all && true\nmake all   # make everything\n```\n",
                    ),
                    ("src/a.rs", "const S: &str = \"`make demo`\"; // make it so\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "cargo-word",
        remedy: "write the example or package, or name one that is there",
        check: cargo_words,
        samples: &[
            Sample {
                files: &[
                    ("Cargo.toml", "[package]\nname = \"proscenium\"\n"),
                    ("README.md", "`cargo run --example tour`\n`cargo test -p proscenium-attic`\n"),
                    ("Makefile", "demo:\n\t$(CARGO) run --release --example tour\n"),
                ],
                caught: &["Makefile:2", "README.md:1", "README.md:2"],
            },
            Sample {
                files: &[
                    ("Cargo.toml", "[package]\nname = \"proscenium\"\n"),
                    ("examples/tour.rs", ""),
                    ("examples/big/main.rs", ""),
                    (
                        "README.md",
                        "`cargo run --example tour`, `cargo run --release --example big`, `cargo test -p proscenium`, `cargo run --example NAME`, `mkdir -p x`\n",
                    ),
                ],
                caught: &[],
            },
            Sample {
                files: &[
                    ("Cargo.toml", "[package]\nname = \"proscenium\"\n"),
                    ("cli/Cargo.toml", "[package]\nname = \"proscenium-cli\"\n"),
                    ("cli/examples/shell.rs", ""),
                    (
                        "README.md",
                        "`cargo run -p proscenium-cli --example shell`\n`cargo run -p proscenium-cli --example tour`\n`cargo run --example shell`\n",
                    ),
                ],
                caught: &["README.md:2", "README.md:3"],
            },
        ],
    },
    Rule {
        name: "link",
        remedy: "write the file, or mend the path",
        check: links,
        samples: &[
            Sample {
                files: &[("docs/a.md", "[x](b.md) and [y](../src/lib.rs)\n")],
                caught: &["docs/a.md:1", "docs/a.md:1"],
            },
            Sample {
                files: &[
                    (
                        "docs/a.md",
                        "[x](b.md#part) [z](#here) [w](https://example.org) [v](sub/)\n```rust\na[0](x.md)\n```\n",
                    ),
                    ("docs/b.md", "[y](../src/lib.rs) `[y](nowhere.md)`\n"),
                    ("docs/sub/c.md", ""),
                    ("src/lib.rs", ""),
                ],
                caught: &[],
            },
        ],
    },
];

fn make_words(tree: &Tree, found: &mut Found) {
    let Some(makefile) = tree.file("Makefile") else { return };
    let (targets, phony) = targets(&makefile.text);
    for word in phony.difference(&targets) {
        found.at("Makefile", makefile.line_of(".PHONY"), format!("`{word}` is listed, but there is no such word"));
    }
    for file in &tree.files {
        for (line, command) in commands(file) {
            for word in words_after_make(command).filter(|word| !targets.contains(word)) {
                found.at(&file.path, line, format!("`make {word}`: there is no such word"));
            }
        }
    }
}

/// The words that a Makefile has rules for, and those that it lists as words.
fn targets(makefile: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut targets, mut phony) = (BTreeSet::new(), BTreeSet::new());
    for (names, rest) in
        makefile.lines().filter(|line| !line.starts_with(['\t', '#'])).filter_map(|line| line.split_once(':'))
    {
        if names == ".PHONY" {
            phony.extend(rest.split_whitespace());
        } else if !rest.starts_with('=') {
            targets.extend(names.split_whitespace());
        }
    }
    (targets, phony)
}

/// What a reader would type: inline code anywhere in prose, and the lines of code blocks in Markdown.
fn commands(file: &File) -> Vec<(usize, &str)> {
    let is_markdown = file.path.ends_with(".md");
    let mut found = Vec::new();
    let mut in_block = false;
    for (number, line) in prose(file) {
        if is_markdown && line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(line.split("&&").map(|command| (number, command)));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|command| (number, command)));
        }
    }
    found
}

/// The comments of a Rust file, the whole of another.
fn prose(file: &File) -> Vec<(usize, &str)> {
    match &file.rust {
        None => file.text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect(),
        Some(source) => {
            let lines = source
                .comments
                .iter()
                .flat_map(|comment| comment.text.lines().enumerate().map(|(at, line)| (comment.line + at, line)));
            lines.collect()
        }
    }
}

fn words_after_make(command: &str) -> impl Iterator<Item = &str> {
    let command = command.split('#').next().unwrap_or_default();
    let mut words = command.split_whitespace().skip_while(|word| *word == "$" || word.contains('='));
    let is_make = words.next() == Some("make");
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    words.filter(move |_| is_make).filter(|word| !word.starts_with('-') && !word.contains('=')).take_while(is_word)
}

fn cargo_words(tree: &Tree, found: &mut Found) {
    for file in tree.files.iter().filter(|file| file.rust.is_none() || !file.path.starts_with("tests/")) {
        for (line, text) in
            prose(file).into_iter().filter(|(_, text)| text.contains("cargo ") || text.contains("$(CARGO) "))
        {
            let packages = after(text, "-p");
            // Without a package it is one of the root's.
            let folder = packages.iter().find_map(|package| tree.crates.iter().find(|krate| krate.name == *package));
            let folder = folder.map(|krate| format!("{}/", krate.folder)).filter(|folder| folder != "/");
            for example in after(text, "--example") {
                let place = format!("{}examples/{example}", folder.as_deref().unwrap_or_default());
                let paths = [format!("{place}.rs"), format!("{place}/main.rs")];
                if !paths.iter().any(|path| tree.file(path).is_some()) {
                    found.at(&file.path, line, format!("there is no example {example}"));
                }
            }
            for package in packages.into_iter().filter(|package| package.starts_with("proscenium")) {
                if !tree.crates.iter().any(|krate| krate.name == package) {
                    found.at(&file.path, line, format!("there is no package {package}"));
                }
            }
        }
    }
}

/// The lower-case words that follow a flag.
fn after<'a>(text: &'a str, flag: &str) -> Vec<&'a str> {
    let words: Vec<&str> = text.split([' ', '`', '"', '\'', ',', ')', '\t']).collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == flag);
    let names = pairs.map(|pair| pair[1].trim_end_matches(['.', ';', ':']));
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
}

fn links(tree: &Tree, found: &mut Found) {
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut in_block = false;
        for (number, line) in file.text.lines().enumerate() {
            in_block ^= line.trim_start().starts_with("```");
            let prose = if in_block { String::new() } else { line.split('`').step_by(2).collect() };
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|target| !target.contains("://") && !target.starts_with(['#', '<'])) {
                let path = resolve(&file.path, target.split('#').next().unwrap_or_default());
                if !tree.files.iter().any(|file| crate::tree::is_below(&file.path, &path)) {
                    found.at(&file.path, number + 1, format!("there is no {path}"));
                }
            }
        }
    }
}

/// `target` as seen from the file that links to it, as a path from the root.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
