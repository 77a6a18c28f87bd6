//! Rust files that no module brings in: they are not compiled, and their tests do not run.
use crate::rule::{Found, Rule, Sample};
use crate::tree::{File, Tree};

/// Folders whose files are programs, or tests, of their own.
const OF_ROOTS: &[&str] = &["benches", "bin", "examples", "targets", "tests"];

pub const RULES: &[Rule] = &[Rule {
    name: "orphan",
    remedy: "bring it in by `mod`, or delete it: what is not compiled proves nothing",
    check: orphans,
    samples: &[
        Sample {
            files: &[
                ("jobs/src/lib.rs", "//! Jobs.\nmod a;\n// mod b;\n"),
                ("jobs/src/a.rs", "mod d;\n"),
                ("jobs/src/a/d.rs", ""),
                ("jobs/src/a/e.rs", ""),
                ("jobs/src/b.rs", ""),
                ("jobs/src/c/mod.rs", ""),
                ("jobs/tests/it/main.rs", "mod f;\n"),
                ("jobs/tests/it/g.rs", ""),
            ],
            caught: &["jobs/src/a/e.rs:1", "jobs/src/b.rs:1", "jobs/src/c/mod.rs:1", "jobs/tests/it/g.rs:1"],
        },
        Sample {
            files: &[
                ("jobs/build.rs", ""),
                ("jobs/src/lib.rs", "//! Jobs.\n#[cfg(test)]\nmod a;\npub mod c;\n"),
                ("jobs/src/a.rs", "#[path = \"elsewhere.rs\"]\nmod d;\n"),
                ("jobs/src/elsewhere.rs", ""),
                ("jobs/src/c/mod.rs", "mod e;\n"),
                ("jobs/src/c/e.rs", ""),
                ("jobs/src/main.rs", ""),
                ("jobs/tests/light.rs", ""),
                ("jobs/tests/it/main.rs", "mod f;\n"),
                ("jobs/tests/it/f.rs", ""),
                ("examples/a.rs", ""),
                ("fuzz/targets/a.rs", ""),
            ],
            caught: &[],
        },
    ],
}];

fn orphans(tree: &Tree, found: &mut Found) {
    for (file, _) in tree.rust().filter(|(file, _)| !is_root(file)) {
        if !is_brought_in(tree, file) {
            found.at(&file.path, 1, "no module brings it in");
        }
    }
}

fn is_root(file: &File) -> bool {
    let folder = file.path.rsplit('/').nth(1).unwrap_or_default();
    ["build.rs", "lib.rs", "main.rs"].contains(&file.name()) || OF_ROOTS.contains(&folder)
}

fn is_brought_in(tree: &Tree, file: &File) -> bool {
    let module = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let (folder, name) = module.rsplit_once('/').unwrap_or(("", module));
    let above = ["mod.rs", "lib.rs", "main.rs"].map(|of| format!("{folder}/{of}"));
    let declares = |path: &str| {
        let source = tree.file(path).and_then(|file| file.rust.as_ref());
        source.is_some_and(|source| source.places(&["mod", name]).next().is_some())
    };
    let by_path = format!("{name}.rs\"");
    above.iter().any(|path| declares(path))
        || declares(&format!("{folder}.rs"))
        || tree
            .rust()
            .any(|(file, source)| source.places(&["path", "="]).next().is_some() && file.text.contains(&by_path))
}
