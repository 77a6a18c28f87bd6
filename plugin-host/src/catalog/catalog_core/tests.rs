use proscenium_plugin_runner::sandbox::Report;

use super::*;

const A: &str = "/p/liba.so";
const B: &str = "/p/libb.so";

fn print(number: u8) -> Fingerprint {
    Fingerprint::of_bytes([number; 32])
}

fn look(path: &str, number: u8, name: &str, version: &str) -> Look {
    Look {
        library: path.into(),
        fingerprint: print(number),
        abi: (1, 0),
        info: vec![("name".into(), name.into()), ("version".into(), version.into())],
        flushes: false,
        has_state: false,
        sandbox: Report::default(),
    }
}

fn at(seconds: u64) -> Now {
    Now::from_millis(seconds * 1_000)
}

fn found(files: &[(&str, u8)]) -> Vec<(PathBuf, Option<Fingerprint>)> {
    files.iter().map(|(path, number)| (path.into(), Some(print(*number)))).collect()
}

/// Of these files, all looked at.
fn core(files: &[(&str, u8, &str)]) -> CatalogCore {
    let mut core = CatalogCore::default();
    for (path, number, version) in files {
        core.looked(path.into(), Some(print(*number)), Ok(look(path, *number, "x", version)), at(0));
    }
    core
}

#[test]
fn a_file_is_looked_at_when_it_is_new_or_another() {
    let mut core = core(&[(A, 1, "1.0.0")]);
    assert_eq!(core.found(&found(&[(A, 1), (B, 2)])), [PathBuf::from(B)]);
    core.looked(B.into(), Some(print(2)), Err("no plugin".into()), at(1));
    assert_eq!(core.found(&found(&[(A, 1), (B, 2)])), [] as [PathBuf; 0], "what has failed is remembered");
    assert_eq!(core.found(&found(&[(A, 3), (B, 4)])), [PathBuf::from(A), B.into()]);
    assert_eq!(core.found(&[(A.into(), None)]), [PathBuf::from(A)], "one that cannot be read is tried each time");
    assert_eq!(core.list().count(), 1, "what has gone is forgotten");
}

#[test]
fn what_failed_is_told_why_and_when_until_it_is_forgiven() {
    let mut core = core(&[(A, 1, "1.0.0")]);
    core.failed(Path::new(A), "it crashes".into(), at(7));
    let failure = Failure { why: "it crashes".into(), at: at(7) };
    assert_eq!(core.choose("x").unwrap_err(), NoChoice::Failed(A.into(), failure));
    assert!(core.forgive(Path::new(A)));
    assert_eq!(core.choose("x").unwrap().library, Path::new(A));
    assert!(!core.forgive(Path::new(A)), "there is nothing to forgive");
    core.looked(B.into(), Some(print(2)), Err("no plugin".into()), at(1));
    assert!(core.forgive(Path::new(B)));
    assert_eq!(core.found(&found(&[(A, 1), (B, 2)])), [PathBuf::from(B)], "it is looked at again");
}

#[test]
fn the_newest_that_has_not_failed_is_chosen() {
    let mut core = core(&[(A, 1, "1.10.0"), (B, 2, "1.9.0"), ("/p/c.so", 3, "2.0.0-rc.1")]);
    assert_eq!(core.choose("x").unwrap().library, Path::new("/p/c.so"));
    core.failed(Path::new("/p/c.so"), "it hangs".into(), at(1));
    assert_eq!(core.choose("x").unwrap().library, Path::new(A));
    assert_eq!(core.choose("y").unwrap_err(), NoChoice::Unknown(vec!["x".into()]));
}

#[test]
fn one_library_at_a_time_runs_under_a_name_and_is_kept_when_its_file_is_gone() {
    let mut core = core(&[(A, 1, "1.0.0"), (B, 2, "2.0.0")]);
    core.enabled("x", Path::new(A));
    core.enabled("x", Path::new(B));
    assert_eq!(core.serving("x").map(|listing| listing.library.as_path()), Some(Path::new(B)));
    core.found(&[]);
    assert_eq!(core.list().count(), 1);
    core.looked(B.into(), Some(print(3)), Ok(look(B, 3, "x", "2.1.0")), at(2));
    assert!(core.serving("x").is_some(), "a newer file in its place changes nothing for what runs");
    core.disabled("x");
    core.found(&[]);
    assert_eq!(core.list().count(), 0);
}

#[test]
fn versions_are_ordered_as_semver_has_it() {
    let ordered = [
        "",
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-rc.2",
        "1.0.0-rc.10",
        "1.0.0",
        "1.2.0",
        "1.10.0",
    ];
    for pair in ordered.windows(2) {
        assert_eq!(versions(Some(pair[0]), Some(pair[1])), Ordering::Less, "{pair:?}");
    }
    assert_eq!(versions(None, Some("")), Ordering::Less);
    assert_eq!(versions(Some("1.0.0+a"), Some("1.0.0+b")), Ordering::Equal);
}
