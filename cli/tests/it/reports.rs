//! Goal: the reports say what was tried and what came of it. Method: sample plugins of the repository, their whole output
//! compared, with what differs from machine to machine masked.

use std::path::Path;
use std::process::Command;

use crate::built::{Folder, proscenium, verify};

/// Hashes, times, paths, and how far each layer goes on this machine.
fn masked(text: &str, folder: &Path) -> String {
    let mask = |line: &str| {
        let line = line.replace(folder.to_str().unwrap(), "FOLDER");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["sha256", hash] if hash.len() == 64 => "  sha256 HASH".to_owned(),
            ["ok", "init_plugin,", _, "ms", ..] => "  ok    init_plugin, N ms from its spawn".to_owned(),
            // It is there where the host may make one, and else the line says why not.
            ["cgroup", "active", ..] | ["cgroup", "not", "available", _, ..] => "  cgroup            …".to_owned(),
            _ if line.contains(" active  ") => format!("{}active …", line.split(" active ").next().unwrap_or("")),
            _ => line,
        }
    };
    text.lines().map(mask).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn same(got: &str, want: &str) {
    let at = got.lines().zip(want.lines()).position(|(got, want)| got != want);
    assert!(got.trim() == want.trim(), "from line {:?} on, of:\n{got}", at.map(|at| at + 1));
}

#[test]
fn a_plugin_without_a_state_is_reported_line_by_line() {
    let folder = Folder::new("enrichment");
    let file = folder.build("plugins/enrichment.c", "libenrichment.so", &["-lm"]);
    let ran = verify(&file, &["--param", "map=de:emea,us:amer"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    same(&masked(&ran.stdout, file.parent().unwrap()), include_str!("../expected/enrichment.txt"));
}

#[test]
fn a_plugin_with_a_state_hands_it_to_a_second_process() {
    let folder = Folder::new("upper");
    let file = folder.build("plugin-host/tests/plugins/upper.c", "libupper.so", &[]);
    let ran = verify(&file, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    same(&masked(&ran.stdout, file.parent().unwrap()), include_str!("../expected/upper.txt"));
}

#[test]
fn the_authors_examples_stand_in_for_parameters_that_are_not_given() {
    let folder = Folder::new("validation");
    let file = folder.build("plugins/validation.cc", "libvalidation.so", &[]);
    let ran = verify(&file, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.contains("  note  rules = `amount:number:0..1000` is the author's"), "{}", ran.stdout);
}

#[test]
fn what_is_refused_is_learned_as_grants_and_goes_when_it_is_granted() {
    let folder = Folder::new("learn");
    let file = folder.faulty(16);
    let learned = verify(&file, &["--learn"]);
    assert_eq!(learned.code, Some(0), "{}{}", learned.stdout, learned.stderr);
    assert!(learned.stdout.contains("read = [\"/etc/hostname\"]"), "{}", learned.stdout);
    let granted = verify(&file, &["--learn", "--grant", "read=/etc/hostname"]);
    assert!(granted.stdout.contains("# nothing was refused"), "{}", granted.stdout);
}

#[test]
fn words_of_a_schema_that_nothing_is_checked_by_are_named() {
    let folder = Folder::new("words");
    let ran = verify(&folder.faulty(18), &[]);
    assert!(
        ran.stdout.contains("`properties.a.pattern` is in the schema, and the host checks nothing by it"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_folder_is_listed_with_what_is_no_plugin() {
    let folder = Folder::new("list");
    let upper = folder.build("plugin-host/tests/plugins/upper.c", "libupper.so", &[]);
    std::fs::write(folder.path("broken.so"), "no").unwrap();
    std::fs::write(folder.path("other.txt"), "no").unwrap();
    let ran = proscenium(&["plugin", "list", upper.parent().unwrap().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let [broken, upper] = lines.as_slice() else { panic!("two lines: {}", ran.stdout) };
    assert!(broken.contains("broken.so: it is no ELF file"), "{broken}");
    assert!(upper.starts_with("upper ") && upper.ends_with("libupper.so  Makes payloads upper case"), "{upper}");
}

#[test]
fn a_measurement_gives_both_sides_and_their_ratio() {
    let folder = Folder::new("bench");
    let file = folder.build("plugins/enrichment.c", "libenrichment.so", &["-lm"]);
    let file = file.to_str().unwrap();
    let ran = proscenium(&["plugin", "bench", file, "--records", "20000", "--size", "64", "--batch", "100"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let [title, inside, through, ratio] = lines.as_slice() else { panic!("four lines: {}", ran.stdout) };
    assert_eq!(*title, "enrichment: 20000 records of 64 bytes, 100 a batch");
    let rate = |line: &str, name: &str| -> f64 {
        let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("{line}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let want = rate(through, "its process, depth 8") / rate(inside, "in-process");
    assert!((rate(ratio, "ratio") / want - 1.0).abs() < 0.1, "{}", ran.stdout);
    let ran = proscenium(&["plugin", "bench", file, "--records", "1000", "--in-process"]);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
}

/// As behind `| head`.
#[test]
fn a_command_whose_reader_has_read_enough_ends_without_a_word() {
    for args in [&["--help"][..], &["--version"], &["plugin", "info", "no-such-file.so"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Command::new(env!("CARGO_BIN_EXE_proscenium")).args(args).stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        match args {
            ["plugin", ..] => assert_eq!((ran.status.code(), said.lines().count()), (Some(1), 1), "{said}"),
            _ => assert_eq!((ran.status.code(), &*said), (Some(141), ""), "{args:?}"),
        }
    }
}
