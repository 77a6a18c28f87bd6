//! The files in `config/`, and files on a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proscenium_pipeline::config::{Ends, Format, Kinds, Surroundings, read, read_bytes};
use proscenium_pipeline::sources::Lines;
use proscenium_pipeline::{Kind, Stdout};

use super::ends::{ends, environment, kinds, read_with};
use crate::test_folder::TestFolder;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The libraries may not have been built, but each has its source.
fn has_source(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("lib").to_owned();
    let plugins = root().join("plugins");
    let source = [format!("{name}.c"), format!("{name}.cc"), format!("{name}/Cargo.toml")];
    path.starts_with("plugins") && source.iter().any(|source| plugins.join(source).is_file())
}

#[test]
fn the_files_of_the_repository_are_good() {
    let stages =
        |parts: &[proscenium_pipeline::Part]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>().join(" ");
    for (file, want_name, want) in [
        ("basic_pipeline.txt", "basic_pipeline", "stdin validation enrichment aggregation stdout"),
        ("testing_pipeline.txt", "testing_pipeline", "stdin validation enrichment stand-in aggregation stdout"),
        ("pipeline.toml", "orders", "in validation enrichment aggregation out"),
    ] {
        let path = format!("config/{file}");
        let bytes = std::fs::read(root().join(&path)).unwrap();
        let ends = Ends { source: Arc::new(Lines::stdin().json()), sink: Arc::new(Stdout::new()) };
        let kinds = Kinds::known();
        let surroundings = Surroundings { environment: &environment, is_file: &has_source, kinds: &kinds, ends: &ends };
        let plan = read_bytes(Path::new(&path), &bytes, &surroundings).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!((&*plan.name, &*stages(&plan.parts)), (want_name, want));
        for part in &plan.parts {
            let Kind::Plugin(stage) = &part.kind else { continue };
            assert!(stage.library.starts_with("plugins"), "{}: {stage:?}", part.name);
        }
    }
}

#[test]
fn a_library_is_looked_for_beside_the_file_and_then_from_the_working_folder() {
    for (path, there, want) in [
        ("conf/p.txt", vec!["conf/x.so", "x.so"], Some("conf/x.so")),
        ("conf/p.txt", vec!["x.so"], Some("x.so")),
        ("p.txt", vec!["x.so"], Some("x.so")),
        ("conf/p.txt", vec!["other/x.so"], None),
    ] {
        let is_file = |path: &Path| there.iter().any(|there| Path::new(there) == path);
        let plan = read_with(Format::Lines, path, b"a|x.so||true|FAIL_FAST|0|1", &is_file);
        let library = plan.ok().map(|plan| match &plan.parts[1].kind {
            Kind::Plugin(stage) => stage.library.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(library.as_deref(), want.map(Path::new), "{path} {there:?}");
    }
    let absolute =
        read_with(Format::Lines, "conf/p.txt", b"a|/x.so||true|FAIL_FAST|0|1", &|path| path == Path::new("/x.so"));
    assert!(absolute.is_ok(), "{absolute:?}");
}

#[test]
fn a_file_that_cannot_be_read_or_is_too_large_is_an_error_and_no_crash() {
    let (kinds, ends) = (kinds(), ends());
    let surroundings = Surroundings { environment: &environment, is_file: &|_| true, kinds: &kinds, ends: &ends };
    let folder = TestFolder::new();
    let nowhere = read(&folder.path().join("nowhere.txt"), &surroundings).unwrap_err();
    assert!(nowhere.to_string().contains("nowhere.txt: the file cannot be read: "), "{nowhere}");

    let large = folder.at("large.toml");
    std::fs::write(&large, vec![b'#'; (1 << 20) + 1]).unwrap();
    let large = read(&large, &surroundings).unwrap_err();
    assert!(large.to_string().contains("large.toml: the file is larger than 1048576 bytes"), "{large}");

    let good = folder.at("good.txt");
    std::fs::write(&good, "a|x.so||true|FAIL_FAST|0|1\n").unwrap();
    assert_eq!(read(&good, &surroundings).unwrap().name, "good");
}
