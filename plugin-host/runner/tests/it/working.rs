//! What a plugin does with its standard library goes on working.
use std::process::Command;

use crate::child::{End, Folder, run, run_in};

#[test]
fn what_honest_code_needs_goes_on_working() {
    let acts = [
        "threads of Rust",
        "clocks and chance",
        "a panic with a backtrace",
        "a signal stack",
        "a signal to itself",
        "its own limits",
        "the file of its memory map",
        "a refused fork is an error",
    ];
    for act in acts {
        let outcome = run(act, true, "");
        assert_eq!(outcome.end, End::Done, "{act}: {}", outcome.text);
    }
}

fn cpp(act: &str) -> String {
    let folder = Folder::new();
    let library = folder.0.join("lib/libplugin.so");
    let built = Command::new(std::env::var("CXX").unwrap_or_else(|_| "c++".into()))
        .args(["-std=c++17", "-shared", "-fPIC", "-pthread", "-o"])
        .arg(&library)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/plugin.cc"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let outcome = run_in(&folder, act, true, library.to_str().unwrap());
    assert_eq!(outcome.end, End::Done, "{}", outcome.text);
    assert_eq!(outcome.text.matches("hello from C++").count(), 2, "{}", outcome.text);
    outcome.text
}

#[test]
fn a_library_in_cpp_that_is_loaded_behind_the_walls_has_its_whole_standard_library() {
    cpp("C++");
}

#[test]
fn what_a_library_in_cpp_tries_besides_is_learnt() {
    let text = cpp("C++ that is learnt from");
    let read = text.lines().find(|line| line.starts_with("read = ")).unwrap();
    assert!(read.contains("\"/etc/passwd\"") && !read.contains("/lib/"), "{text}");
    let calls = text.lines().find(|line| line.starts_with("syscalls = ")).unwrap();
    assert!(calls.contains("mkdir"), "{text}");
}

#[test]
fn a_crash_is_still_a_crash() {
    for (act, signal) in
        [("raise SIGSEGV", libc::SIGSEGV), ("write to nowhere", libc::SIGSEGV), ("abort", libc::SIGABRT)]
    {
        assert_eq!(run(act, true, "").end, End::Signal(signal), "{act}");
    }
}
