//! The tree under inspection: its files, its crates, and which room each file stands in. A sample is a tree as well.
use std::collections::BTreeSet;
use std::path::Path;

use crate::lexer::Source;
use crate::scope;

/// Folders that hold no work of ours.
const SKIPPED: &[&str] = &[".git", "target", "node_modules"];

pub struct Tree {
    pub files: Vec<File>,
    pub crates: Vec<Crate>,
}

/// A file: its path from the root with `/` between the parts, its text, and its tokens if it is Rust.
pub struct File {
    pub path: String,
    pub text: String,
    pub rust: Option<Source>,
}

/// A package: its folder ("" for the root) and its manifest.
pub struct Crate {
    pub folder: String,
    pub name: String,
    pub manifest: toml::Table,
}

/// One line of one dependency table.
pub struct Dependency {
    /// The package that is meant, whatever it is called here.
    pub package: String,
    /// The name by which the code calls it.
    pub alias: String,
    pub optional: bool,
    pub dev: bool,
}

impl Tree {
    /// Reads every text file below `root`.
    pub fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        read_folder(root, root, &mut files);
        files.sort();
        Self::of(files)
    }

    pub fn of(files: Vec<(String, String)>) -> Self {
        let mut files: Vec<File> = files.into_iter().map(|(path, text)| File::of(path, text)).collect();
        mark_test_modules(&mut files);
        let crates = files.iter().filter_map(Crate::of).collect();
        Self { files, crates }
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust files with their tokens.
    pub fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|source| (file, source)))
    }

    /// The crate with the deepest folder that holds `path`.
    pub fn crate_of(&self, path: &str) -> Option<&Crate> {
        self.crates.iter().filter(|krate| is_below(path, &krate.folder)).max_by_key(|krate| krate.folder.len())
    }

    /// The file at the root of a crate's library, or of its program if it has none.
    pub fn crate_root(&self, krate: &Crate) -> Option<&File> {
        ["src/lib.rs", "src/main.rs"].into_iter().find_map(|path| self.file(&krate.path(path)))
    }
}

impl File {
    fn of(path: String, text: String) -> Self {
        // What the compiler must refuse is bad code on purpose.
        let is_refused = path.contains("tests/ui/");
        let rust = (path.ends_with(".rs") && !is_refused).then(|| Source::of(&text));
        Self { path, text, rust }
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is part of a library or program, not of its tests, examples or benchmarks.
    pub fn is_source(&self) -> bool {
        self.path.starts_with("src/") || self.path.contains("/src/")
    }

    /// The number of the first line with `needle` in it; 1 if there is none.
    pub fn line_of(&self, needle: &str) -> usize {
        self.text.lines().position(|line| line.contains(needle)).map_or(1, |at| at + 1)
    }
}

impl Crate {
    fn of(file: &File) -> Option<Self> {
        if file.name() != "Cargo.toml" {
            return None;
        }
        let manifest: toml::Table = file.text.parse().ok()?;
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        let folder = file.path.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned();
        Some(Self { folder, name, manifest })
    }

    /// The path of a file of this crate, from the root of the tree.
    pub fn path(&self, file: &str) -> String {
        if self.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", self.folder) }
    }

    /// Every dependency, those for one target only included.
    pub fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        let targets = self.manifest.get("target").and_then(toml::Value::as_table);
        let per_target = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
        for tables in std::iter::once(&self.manifest).chain(per_target) {
            for (table, dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
                let lines = tables.get(table).and_then(toml::Value::as_table);
                found.extend(lines.into_iter().flatten().map(|(alias, value)| Dependency::of(alias, value, dev)));
            }
        }
        found
    }
}

impl Dependency {
    fn of(alias: &str, value: &toml::Value, dev: bool) -> Self {
        let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(alias).to_owned();
        let optional = value.get("optional").and_then(toml::Value::as_bool).unwrap_or(false);
        Self { package, alias: alias.to_owned(), optional, dev }
    }
}

/// Whether `path` stands in `folder` or below it; "" holds everything.
pub fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that can be opened can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() && !SKIPPED.contains(&name.as_ref()) {
            read_folder(root, &path, files);
        } else if path.is_file() {
            // What is not text is not read.
            if let Ok(text) = std::fs::read_to_string(&path) {
                let below = path.strip_prefix(root).expect("the walk starts at the root");
                let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                files.push((parts.join("/"), text));
            }
        }
    }
}

/// Marks test code in every file, and whole files where all of it is test code.
fn mark_test_modules(files: &mut [File]) {
    let mut test_files = BTreeSet::new();
    for file in files.iter_mut() {
        let Some(source) = &mut file.rust else { continue };
        for module in scope::mark(source) {
            let folder = module_folder(&file.path);
            test_files.extend([format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")]);
        }
    }
    for file in files {
        let Some(source) = &mut file.rust else { continue };
        if scope::is_test_path(&file.path) || test_files.contains(&file.path) {
            scope::mark_all(source);
        }
    }
}

/// Where the modules that a file declares are looked for.
fn module_folder(path: &str) -> &str {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ => path.trim_end_matches(".rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn dependencies_are_found_wherever_they_stand() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\nc = { package = \"d\", version = \"1\", optional = true }\n\
            [dev-dependencies]\ne = \"1\"\n[target.'cfg(unix)'.dependencies]\nf = \"1\"\n";
        let tree = tree(&[("x/y/Cargo.toml", manifest)]);
        let found: Vec<_> =
            tree.crates[0].dependencies().into_iter().map(|d| (d.package, d.alias, d.optional, d.dev)).collect();
        let want =
            [("b", "b", false, false), ("d", "c", true, false), ("e", "e", false, true), ("f", "f", false, false)];
        assert_eq!(
            found,
            want.map(|(package, alias, optional, dev)| (package.to_owned(), alias.to_owned(), optional, dev))
        );
        assert_eq!(tree.crates[0].folder, "x/y");
    }

    #[test]
    fn a_file_belongs_to_the_deepest_crate() {
        let package = |name| format!("[package]\nname = \"{name}\"\n");
        let (root, outer, inner) = (package("root"), package("outer"), package("inner"));
        let tree = tree(&[("Cargo.toml", &root), ("a/Cargo.toml", &outer), ("a/b/Cargo.toml", &inner)]);
        for (path, want) in [("a/b/src/lib.rs", "inner"), ("a/src/lib.rs", "outer"), ("ab/src/lib.rs", "root")] {
            assert_eq!(tree.crate_of(path).map(|krate| krate.name.as_str()), Some(want), "{path}");
        }
    }

    #[test]
    fn a_file_that_only_tests_bring_in_is_test_code() {
        let tree = tree(&[
            ("a/src/lib.rs", "#[cfg(test)]\nmod b;\nmod c;"),
            ("a/src/b.rs", "x"),
            ("a/src/c.rs", "#[cfg(test)] mod d;"),
            ("a/src/c/d.rs", "x"),
        ]);
        let all_test =
            |path| tree.file(path).and_then(|file| file.rust.as_ref()).is_some_and(|s| s.tokens.iter().all(|t| t.test));
        assert!(all_test("a/src/b.rs") && all_test("a/src/c/d.rs") && all_test("a/src/c.rs"));
        assert!(!all_test("a/src/lib.rs"));
    }
}
