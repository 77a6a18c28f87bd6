//! How tests wait, and that every one of them runs.
use crate::rule::{Found, Rule, Sample};
use crate::tree::Tree;

pub const RULES: &[Rule] = &[
    Rule {
        name: "sleep",
        remedy: "await the event itself (a monitor, a reply, an exit), pause the clock and advance it, or drive the core with times of your own",
        check: sleeps,
        samples: &[
            Sample {
                files: &[
                    (
                        "jobs/src/a.rs",
                        "#[cfg(test)]\nmod tests {\n    async fn f() { tokio::time::sleep(x).await; }\n}\n",
                    ),
                    ("jobs/tests/it/main.rs", "fn f() {\n    sleep(x);\n    std::thread::sleep_ms(5);\n}\n"),
                ],
                caught: &["jobs/src/a.rs:3", "jobs/tests/it/main.rs:2", "jobs/tests/it/main.rs:3"],
            },
            Sample {
                files: &[
                    (
                        "jobs/src/a.rs",
                        "async fn f() { tokio::time::sleep(x).await; }\n#[cfg(test)]\nmod tests {\n    // No sleep(x).\n    fn g() { \"sleep(x)\" }\n}\n",
                    ),
                    ("examples/a.rs", "async fn f() { tokio::time::sleep(x).await; }\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "ignored",
        remedy: "make it run, or delete it: a test that does not run proves nothing",
        check: ignored,
        samples: &[
            Sample {
                files: &[(
                    "jobs/src/a.rs",
                    "#[cfg(test)]\nmod tests {\n    #[test]\n    #[ignore = \"slow\"]\n    fn f() {}\n    #[cfg_attr(not(feature = \"x\"), ignore)]\n    fn g() {}\n}\n",
                )],
                caught: &["jobs/src/a.rs:4", "jobs/src/a.rs:6"],
            },
            Sample {
                files: &[("jobs/src/a.rs", "/// ```ignore\nfn ignore() { let ignore = [ignore]; }\n")],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "doctest",
        remedy: "make it compile and run (`no_run` only for what needs another node); text that is no code is ```text",
        check: doctests,
        samples: &[
            Sample {
                files: &[
                    ("jobs/src/a.rs", "/// ```ignore\n/// x\n/// ```\nfn f() {}\n"),
                    ("docs/a.md", "Text\n```rust,ignore\nx\n```\n"),
                ],
                caught: &["docs/a.md:2", "jobs/src/a.rs:1"],
            },
            Sample {
                files: &[
                    ("jobs/src/a.rs", "/// ```\n/// x\n/// ```\n/// ```text\n/// ignore\n/// ```\nfn f() {}\n"),
                    ("docs/a.md", "```rust,no_run\n```\n```sh\nignore\n```\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "uncompiled",
        remedy: "give it to rustdoc: #[cfg(doctest)] #[doc = include_str!(\"../docs/page.md\")] mod page {}",
        check: uncompiled,
        samples: &[
            Sample {
                files: &[
                    ("docs/a.md", "Text\n```rust\nx\n```\n"),
                    ("README.md", "```rust,no_run\n```\n"),
                    ("src/lib.rs", "// include_str!(\"../README.md\")\n"),
                ],
                caught: &["README.md:1", "docs/a.md:2"],
            },
            Sample {
                files: &[
                    ("docs/a.md", "```rust\nx\n```\n"),
                    ("docs/b.md", "```sh\nx\n```\n"),
                    ("docs/decisions/0001-a.md", "```rust\nx\n```\n"),
                    ("src/lib.rs", "#[doc = include_str!(\"../docs/a.md\")]\nmod a {}\n"),
                ],
                caught: &[],
            },
        ],
    },
];

fn sleeps(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        for name in ["sleep", "sleep_ms", "sleep_until"] {
            for at in source.places(&[name, "("]).filter(|&at| source.tokens[at].test) {
                found.at(&file.path, source.tokens[at].line, format!("a test that waits for the clock: `{name}`"));
            }
        }
    }
}

fn ignored(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust() {
        for at in source.places(&["#", "["]) {
            let close = source.closing(at + 1);
            let conditional = source.reads(at + 2, &["cfg_attr"]);
            let ignores = source.reads(at + 2, &["ignore"])
                || conditional
                    && (at + 3..close).any(|i| source.tokens[i].is("ignore") && source.tokens[i - 1].is(","));
            if ignores {
                found.at(&file.path, source.tokens[at].line, "a test that is ignored");
            }
        }
    }
}

fn doctests(tree: &Tree, found: &mut Found) {
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md") || file.is_source()) {
        let comments = file.rust.iter().flat_map(|source| &source.comments);
        let lines =
            comments.flat_map(|comment| comment.text.lines().enumerate().map(|(at, line)| (comment.line + at, line)));
        let text = file.rust.is_none().then(|| file.text.lines().enumerate().map(|(at, line)| (at + 1, line)));
        for (number, line) in lines.chain(text.into_iter().flatten()) {
            let fence = line.trim_start_matches(['/', '!', '*', ' ']).strip_prefix("```");
            if fence.is_some_and(|words| words.split(',').any(|word| word.trim().starts_with("ignore"))) {
                found.at(&file.path, number, "an example that is never compiled");
            }
        }
    }
}

/// Records of decisions tell what was, so what they show need not compile.
fn uncompiled(tree: &Tree, found: &mut Found) {
    let is_page = |path: &str| path == "README.md" || path.starts_with("docs/") && !path.starts_with("docs/decisions/");
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md") && is_page(&file.path)) {
        let Some(line) = file.text.lines().position(|line| line.starts_with("```rust")) else { continue };
        let is_given = tree.rust().any(|(_, source)| {
            source
                .places(&["include_str", "!", "(", "*"])
                .any(|at| source.tokens[at + 3].text.ends_with(&format!("../{}", file.path)))
        });
        if !is_given {
            found.at(&file.path, line + 1, "code that is never compiled");
        }
    }
}
