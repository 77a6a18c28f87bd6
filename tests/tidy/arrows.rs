//! Who may depend on whom, and who may name which package of others: in the manifests, and in the code.
use crate::lexer::{Kind, Source};
use crate::rooms::{self, BENCHES, RESERVED, Reserved, Room};
use crate::rule::{Found, Rule, Sample};
use crate::tree::{Crate, Tree, is_below};

pub const RULES: &[Rule] = &[
    Rule {
        name: "room",
        remedy: "name it proscenium-<room>, list it in the workspace, and give a new room a decision record and a line in tests/tidy/rooms.rs",
        check: known_rooms,
        samples: &[
            Sample {
                files: &[
                    ("Cargo.toml", "[workspace]\nmembers = [\".\"]\n[package]\nname = \"proscenium\"\n"),
                    ("runtime/Cargo.toml", "[package]\nname = \"runtime\"\n"),
                    ("attic/Cargo.toml", "[package]\nname = \"proscenium-attic\"\n"),
                ],
                caught: &["attic/Cargo.toml:2", "runtime/Cargo.toml:1", "runtime/Cargo.toml:2"],
            },
            Sample {
                files: &[
                    ("Cargo.toml", "[workspace]\nmembers = [\".\", \"runtime\"]\n[package]\nname = \"proscenium\"\n"),
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("tests/light/Cargo.toml", "[package]\nname = \"light\"\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "arrow",
        remedy: "turn the dependency round, or write a decision record and add the arrow to tests/tidy/rooms.rs",
        check: arrows,
        samples: &[
            Sample {
                files: &[(
                    "supervision/Cargo.toml",
                    "[package]\nname = \"proscenium-supervision\"\n[dependencies]\nproscenium-runtime.workspace = true\nproscenium-cluster.workspace = true\n",
                )],
                caught: &["supervision/Cargo.toml:5"],
            },
            Sample {
                files: &[(
                    "process/Cargo.toml",
                    "[package]\nname = \"proscenium-process\"\n[dependencies]\nlibc = \"0.2\"\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n",
                )],
                caught: &["process/Cargo.toml:6"],
            },
            Sample {
                files: &[(
                    "runtime/Cargo.toml",
                    "[package]\nname = \"proscenium-runtime\"\n[dependencies]\np = { package = \"proscenium-process\", path = \"../process\" }\n",
                )],
                caught: &["runtime/Cargo.toml:4"],
            },
            Sample {
                files: &[(
                    "Cargo.toml",
                    "[package]\nname = \"proscenium\"\n[dependencies]\nproscenium-runtime.workspace = true\n[dev-dependencies]\nproscenium = { path = \".\" }\n",
                )],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "reserved",
        remedy: "go through the room that owns it (tests/tidy/rooms.rs), and keep its types out of public signatures",
        check: reserved,
        samples: &[
            Sample {
                files: &[
                    (
                        "jobs/Cargo.toml",
                        "[package]\nname = \"proscenium-jobs\"\n[dependencies]\nanyhow = \"1\"\nr = { package = \"ractor\", version = \"1\" }\n",
                    ),
                    (
                        "jobs/src/lib.rs",
                        "use foca::Foca;\nfn f() -> ractor_cluster::Node {}\nuse {std::fmt, libloading};\n",
                    ),
                ],
                caught: &[
                    "jobs/Cargo.toml:4",
                    "jobs/Cargo.toml:5",
                    "jobs/src/lib.rs:1",
                    "jobs/src/lib.rs:2",
                    "jobs/src/lib.rs:3",
                ],
            },
            Sample {
                files: &[
                    ("runtime/Cargo.toml", "[package]\nname = \"proscenium-runtime\"\n"),
                    ("runtime/src/lib.rs", "pub use ractor::ActorId;\n"),
                ],
                caught: &["runtime/src/lib.rs:1"],
            },
            Sample {
                files: &[
                    ("Cargo.toml", "[package]\nname = \"proscenium\"\n"),
                    (
                        "runtime/Cargo.toml",
                        "[package]\nname = \"proscenium-runtime\"\n[dependencies]\nractor = \"1\"\n",
                    ),
                    ("runtime/src/cell.rs", "use ractor::ActorCell; // foca::Foca\n"),
                    ("benches/src/peers.rs", "use ractor::Actor;\n"),
                    ("benches/peers/a/Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\nractor = \"1\"\n"),
                    ("src/lib.rs", "let ractor = 1; let s = \"ractor::x\"; row.ractor::<u8>();\n"),
                ],
                caught: &[],
            },
        ],
    },
    Rule {
        name: "source",
        remedy: "take a released version from crates.io, by a version requirement",
        check: sources,
        samples: &[
            Sample {
                files: &[
                    (
                        "jobs/Cargo.toml",
                        "[package]\nname = \"proscenium-jobs\"\n[dependencies]\na = \"*\"\nb = { git = \"https://example.org/b\" }\n",
                    ),
                    ("Cargo.lock", "[[package]]\nname = \"b\"\nsource = \"git+https://example.org/b\"\n"),
                ],
                caught: &["Cargo.lock:3", "jobs/Cargo.toml:4", "jobs/Cargo.toml:5"],
            },
            Sample {
                files: &[
                    ("jobs/Cargo.toml", "[package]\nname = \"proscenium-jobs\"\n[dependencies]\na = \"1\"\n"),
                    (
                        "Cargo.lock",
                        "[[package]]\nname = \"a\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
                    ),
                ],
                caught: &[],
            },
        ],
    },
];

fn known_rooms(tree: &Tree, found: &mut Found) {
    for krate in tree.crates.iter().filter(|krate| !rooms::is_outside(&krate.folder)) {
        let manifest = krate.path("Cargo.toml");
        let Some(room) = rooms::room_in(&krate.folder) else {
            found.at(&manifest, line_of_name(tree, krate), format!("the folder {} is no room", krate.folder));
            continue;
        };
        if room.package != krate.name {
            let what = format!("{} is the package of a room that is called {}", krate.name, room.package);
            found.at(&manifest, line_of_name(tree, krate), what);
        }
        if !is_member(tree, krate) {
            found.at(&manifest, 1, "the workspace does not list it");
        }
    }
}

fn is_member(tree: &Tree, krate: &Crate) -> bool {
    let root = tree.crates.iter().find(|krate| krate.folder.is_empty());
    let members = root.and_then(|root| root.manifest.get("workspace")?.get("members")?.as_array());
    let folder = if krate.folder.is_empty() { "." } else { &krate.folder };
    members.is_some_and(|members| members.iter().any(|member| member.as_str() == Some(folder)))
}

fn line_of_name(tree: &Tree, krate: &Crate) -> usize {
    tree.file(&krate.path("Cargo.toml")).map_or(1, |file| file.line_of("name ="))
}

/// The line of a dependency, by the name it has in the manifest.
fn line_of_dependency(tree: &Tree, krate: &Crate, alias: &str) -> usize {
    let begins = |line: &str| {
        let rest = line.trim_start().strip_prefix(alias);
        rest.is_some_and(|rest| rest.starts_with([' ', '=', '.'])) || line.contains(&format!("dependencies.{alias}]"))
    };
    let file = tree.file(&krate.path("Cargo.toml"));
    file.and_then(|file| file.text.lines().position(begins)).map_or(1, |at| at + 1)
}

fn arrows(tree: &Tree, found: &mut Found) {
    for krate in &tree.crates {
        let Some(room) = rooms::room_in(&krate.folder) else { continue };
        for dependency in krate.dependencies() {
            let package = dependency.package.as_str();
            let allowed = if is_ours(package) {
                room.ours.contains(&package) || dependency.dev && room.ours_in_tests.contains(&package)
            } else {
                dependency.dev || room.others.is_none_or(|others| others.contains(&package))
            };
            if !allowed {
                let line = line_of_dependency(tree, krate, &dependency.alias);
                found.at(&krate.path("Cargo.toml"), line, format!("{} may not depend on {package}", room_name(room)));
            } else if room.folder == "shm-channel" && package == "tokio" && !dependency.optional && !dependency.dev {
                let line = line_of_dependency(tree, krate, &dependency.alias);
                found.at(&krate.path("Cargo.toml"), line, "tokio is for one adapter here, so it must be optional");
            }
        }
    }
}

fn is_ours(package: &str) -> bool {
    package == "proscenium" || package.starts_with("proscenium-")
}

fn room_name(room: &Room) -> &str {
    if room.folder.is_empty() { "the facade" } else { room.folder }
}

fn reserved(tree: &Tree, found: &mut Found) {
    for krate in tree.crates.iter().filter(|krate| !is_below(&krate.folder, BENCHES)) {
        for dependency in krate.dependencies() {
            if RESERVED.iter().any(|reserved| reserved.package == dependency.package && reserved.room != krate.folder) {
                let line = line_of_dependency(tree, krate, &dependency.alias);
                found.at(
                    &krate.path("Cargo.toml"),
                    line,
                    format!("{} is reserved for another room", dependency.package),
                );
            }
        }
    }
    for (file, source) in tree.rust() {
        let folder = tree.crate_of(&file.path).map_or("", |krate| krate.folder.as_str());
        if is_below(&file.path, BENCHES) {
            continue;
        }
        for Reserved { package, room } in RESERVED {
            for at in source.places(&[package]).filter(|&at| is_path_start(source, at)) {
                if *room != folder {
                    found.at(
                        &file.path,
                        source.tokens[at].line,
                        format!("{package} is named outside its room, {room}"),
                    );
                } else if source.reads(at.saturating_sub(2), &["pub", "use"]) {
                    found.at(&file.path, source.tokens[at].line, format!("{package} is re-exported"));
                }
            }
        }
    }
}

/// Whether the word at `at` names a crate: it begins a path, or stands in a `use` or an `extern crate`.
fn is_path_start(source: &Source, at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| &source.tokens[before]);
    if before.is_some_and(|token| token.is("."))
        || at >= 3 && source.reads(at - 2, &[":", ":"]) && source.tokens[at - 3].kind == Kind::Word
    {
        return false;
    }
    if source.reads(at + 1, &[":", ":"]) || before.is_some_and(|token| token.is("use") || token.is("crate")) {
        return true;
    }
    // `use {a, ractor}`: the statement that it stands in begins with `use`.
    let statement =
        source.tokens[..at].iter().rposition(|token| token.is(";") || token.is("}")).map_or(0, |end| end + 1);
    source.tokens[statement..at].iter().take(2).any(|token| token.is("use"))
}

fn sources(tree: &Tree, found: &mut Found) {
    for krate in &tree.crates {
        let path = krate.path("Cargo.toml");
        let Some(file) = tree.file(&path) else { continue };
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if line.contains("git = \"") {
                found.at(&path, number + 1, "a dependency on a git repository");
            } else if line.ends_with("= \"*\"") || line.contains("version = \"*\"") {
                found.at(&path, number + 1, "a dependency on any version");
            }
        }
    }
    let lock = tree.file("Cargo.lock").into_iter().flat_map(|file| file.text.lines().enumerate());
    for (number, line) in lock {
        if line.starts_with("source = ") && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
        {
            found.at("Cargo.lock", number + 1, format!("a package that is not from crates.io: {line}"));
        }
    }
}
