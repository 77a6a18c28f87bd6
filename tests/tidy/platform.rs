//! `runtime` compiles for macOS and Windows too: nothing in it is Linux's alone.
use crate::lexer::Kind;
use crate::rule::{Found, Rule, Sample};
use crate::tree::{Tree, is_below};

pub const RULES: &[Rule] = &[Rule {
    name: "platform",
    remedy: "find a call that every system has, or move it to the room `process`",
    check: linux_only,
    samples: &[
        Sample {
            files: &[(
                "runtime/src/a.rs",
                "use std::os::linux::fs;\nuse libc::c_int;\nfn f() { rustix::x(); }\nconst P: &str = \"/proc/self/stat\";\nuse std::os::unix::x;\n",
            )],
            caught: &[
                "runtime/src/a.rs:1",
                "runtime/src/a.rs:2",
                "runtime/src/a.rs:3",
                "runtime/src/a.rs:4",
                "runtime/src/a.rs:5",
            ],
        },
        Sample {
            files: &[
                (
                    "runtime/src/a.rs",
                    "/// Reads no /proc.\nfn f() {}\n#[cfg(test)]\nmod tests { const P: &str = \"/proc/self/stat\"; }\n",
                ),
                ("runtime/tests/it/main.rs", "const P: &str = \"/proc/self/stat\";\n"),
                ("process/src/a.rs", "use libc::c_int;\n"),
                ("benches/src/a.rs", "const P: &str = \"/proc/self/stat\";\n"),
            ],
            caught: &[],
        },
    ],
}];

const PACKAGES: &[&str] = &["libc", "rustix", "nix"];

fn linux_only(tree: &Tree, found: &mut Found) {
    for krate in tree.crates.iter().filter(|krate| krate.folder == "runtime") {
        let dependencies = krate.dependencies();
        for dependency in
            dependencies.iter().filter(|dependency| !dependency.dev && PACKAGES.contains(&dependency.package.as_str()))
        {
            let path = krate.path("Cargo.toml");
            let line = tree.file(&path).map_or(1, |file| file.line_of(&dependency.alias));
            found.at(&path, line, format!("`{}` is not there on every system", dependency.package));
        }
    }
    for (file, source) in tree.rust().filter(|(file, _)| is_below(&file.path, "runtime/src")) {
        for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| !token.test) {
            let names_package = PACKAGES.iter().any(|package| token.is(package));
            let is_system = ["linux", "unix"].iter().any(|system| source.reads(at, &["os", ":", ":", system]));
            let is_path =
                token.kind == Kind::Text && (token.text.starts_with("/proc") || token.text.starts_with("/sys/"));
            if names_package && source.reads(at + 1, &[":", ":"]) || is_system || is_path {
                found.at(&file.path, token.line, format!("`{}` is not there on every system", token.text));
            }
        }
    }
}
