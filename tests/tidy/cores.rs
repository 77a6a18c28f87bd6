//! A core (`*_core.rs`) decides and does nothing else: no clock, no task, no lock, no input, no chance of its own.
use crate::rule::{Found, Rule, Sample};
use crate::tree::Tree;

/// Words that have no place in a core. `std::time::Duration` has: it is a value.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio", "tokio type"),
    ("Instant", "clock"),
    ("SystemTime", "clock"),
    ("spawn", "task"),
    ("async", "task"),
    ("await", "task"),
    ("thread", "thread"),
    ("Mutex", "lock"),
    ("RwLock", "lock"),
    ("Condvar", "lock"),
    ("rand", "ambient chance"),
    ("RandomState", "ambient chance"),
    ("env", "environment"),
    ("fs", "file system"),
    ("net", "network"),
    ("println", "output"),
    ("eprintln", "output"),
    ("tracing", "output"),
];

pub const RULES: &[Rule] = &[Rule {
    name: "core",
    remedy: "make it an event, an action or an argument (`now`), and leave the doing to the shell",
    check: cores,
    samples: &[
        Sample {
            files: &[(
                "supervision/src/restart_core.rs",
                "use std::time::{Duration, Instant};\nfn on(&mut self) {\n    let at = self.clock;\n    tokio::spawn(async {});\n    self.seen: Mutex<u8>;\n}\n",
            )],
            caught: &[
                "supervision/src/restart_core.rs:1",
                "supervision/src/restart_core.rs:4",
                "supervision/src/restart_core.rs:4",
                "supervision/src/restart_core.rs:4",
                "supervision/src/restart_core.rs:5",
            ],
        },
        Sample {
            files: &[
                (
                    "supervision/src/restart_core.rs",
                    "//! No tokio, no Instant.\nuse std::time::Duration;\nfn on(&mut self, now: Now) -> Vec<Action> { self.env; \"spawn\" }\n",
                ),
                ("supervision/src/supervisor.rs", "tokio::spawn(async {});\n"),
            ],
            caught: &[],
        },
    ],
}];

fn cores(tree: &Tree, found: &mut Found) {
    for (file, source) in tree.rust().filter(|(file, _)| file.name().ends_with("_core.rs")) {
        for (at, token) in source.tokens.iter().enumerate() {
            let is_field =
                at > 0 && source.tokens[at - 1].is(".") && !source.reads(at + 1, &["("]) && !token.is("await");
            let forbidden = FORBIDDEN.iter().find(|(word, _)| token.is(word) && !is_field);
            if let Some((word, what)) = forbidden {
                found.at(&file.path, token.line, format!("`{word}`: a core has no {what}"));
            }
        }
    }
}
