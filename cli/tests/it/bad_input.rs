//! Goal: what is no plugin, or a bad one, is told by file, cause and remedy, with exit code 1, within a bound. Method: each
//! kind of bad input, made for it, given to `plugin verify`.

use std::path::{Path, PathBuf};

use crate::built::{Folder, proscenium, verify};

const NONE: u32 = 0;

/// Everything that it prints and its code, with what must stand in it.
#[track_caller]
fn refused(file: &Path, more: &[&str], wants: &[&str]) {
    let ran = verify(file, more);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(1), "{}: {all}", file.display());
    assert!(ran.stderr.contains(file.to_str().unwrap()), "the file is not named: {}", ran.stderr);
    for want in wants {
        assert!(ran.stderr.contains(want), "{}: no `{want}` in: {}", file.display(), ran.stderr);
    }
    assert_eq!(ran.stderr.lines().count(), 1, "one line says it: {}", ran.stderr);
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let folder = Folder::new("no-library");
    let sound = folder.faulty(NONE);
    let bytes = std::fs::read(&sound).unwrap();
    let with = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut foreign = bytes.clone();
    foreign[18..20].copy_from_slice(&183_u16.to_le_bytes()); // e_machine: AArch64.
    foreign[18] ^= if cfg!(target_arch = "aarch64") { 183 ^ 62 } else { 0 };
    refused(&folder.path("nothing.so"), &[], &["No such file"]);
    refused(&folder.path(""), &[], &["it is a folder", "name the shared library"]);
    refused(Path::new("/dev/null"), &[], &["it is a device"]);
    refused(&with("text.so", b"#!/bin/sh\n"), &[], &["it is no ELF file", "cc -shared"]);
    refused(&with("empty.so", b""), &[], &["it is no ELF file"]);
    refused(&with("head.so", &bytes[..40]), &[], &["it is cut off", "build or copy it again"]);
    refused(&with("half.so", &bytes[..bytes.len() / 2]), &[], &["it is cut off", "build or copy it again"]);
    refused(&with("foreign.so", &foreign), &[], &["it is built for", "build it for this machine"]);
}

#[test]
fn a_library_that_is_no_plugin_is_refused() {
    let folder = Folder::new("no-plugin");
    let source = folder.path("empty.c");
    std::fs::write(&source, "int nothing;\n").unwrap();
    let empty = folder.build(source.to_str().unwrap(), "libempty.so", &[]);
    refused(&empty, &[], &["the library is no plugin", "init_plugin", "PSC_EXPORT"]);
    refused(&folder.faulty(6), &[], &["version 9.0 of the plugin interface", "build it against the header"]);
    refused(&folder.faulty(17), &[], &["export_state and import_state come both or not at all"]);
    refused(&folder.faulty(7), &[], &["no JSON Schema", "`properties` is no object"]);
    refused(&folder.faulty(5), &[], &["has ended before it was ready", "SIGABRT", "while at load"]);
}

#[test]
fn parameters_that_do_not_fit_are_refused_before_a_start() {
    let folder = Folder::new("parameters");
    let file = folder.faulty(NONE);
    refused(&file, &["--param", "depth=12"], &["depth = `12`: give a whole number from 1 to 9"]);
    refused(&folder.faulty(2), &[], &["the plugin refuses its parameters", "depth: I do not like it"]);
}

#[test]
fn an_init_that_fails_crashes_or_hangs_is_told_apart() {
    let folder = Folder::new("init");
    refused(&folder.faulty(1), &[], &["init_plugin has failed: no coffee (code -1)"]);
    refused(&folder.faulty(3), &[], &["has ended before it was ready", "SIGSEGV while at init"]);
    refused(&folder.faulty(4), &[], &["not ready within 400ms", "init_plugin", "raise"]);
}

#[test]
fn what_a_plugin_does_wrong_with_batches_is_told() {
    let folder = Folder::new("batches");
    let record = "no bytes at all";
    refused(&folder.faulty(8), &[], &["process_batch returns 77, which means nothing"]);
    refused(&folder.faulty(9), &[], &[record, "record 1 ends the process: crash by signal 11 at process"]);
    refused(&folder.faulty(10), &[], &[record, "record 1 ends the process: timeout"]);
    refused(&folder.faulty(11), &[], &[record, "violation", "another id than it was given"]);
    refused(&folder.faulty(12), &[], &[record, "exit with code 3"]);
    refused(
        &folder.faulty(13),
        &[],
        &["flush_plugin has ended one process after the other", "crash by signal 6", "at flush"],
    );
}

#[test]
fn a_state_or_an_end_that_fails_is_told() {
    let folder = Folder::new("state");
    refused(&folder.faulty(14), &[], &["import_state has refused the state with code -1"]);
    refused(&folder.faulty(15), &[], &["SIGABRT", "look at cleanup_plugin"]);
}

#[test]
fn the_other_words_refuse_the_same() {
    for word in ["info", "bench"] {
        let ran = proscenium(&["plugin", word, "/etc/passwd"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{word}");
        assert_eq!(ran.stderr, "proscenium: /etc/passwd: it is no ELF file; build it with `cc -shared -fPIC`\n");
    }
    let ran = proscenium(&["plugin", "list", "/nowhere"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("/nowhere: No such file") && ran.stderr.contains("name a folder"), "{}", ran.stderr);
    let ran = proscenium(&["plugin", "verify"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("name one file") && ran.stderr.contains("--help"), "{}", ran.stderr);
}
