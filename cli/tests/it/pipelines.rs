//! Goal: pipelines run from their files: what comes out is what plain Rust computes from what goes in, over edits of the file
//! and restarts of the program. Method: the program, the repository's plugins, its own files.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::built::Folder;
use crate::running::{Running, append, done, json, plugins, replace};

fn folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    plugins(&folder);
    for file in ["basic_pipeline.txt", "testing_pipeline.txt", "pipeline.toml"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(file), folder.path(file)).unwrap();
    }
    folder
}

const COUNTRIES: [(&str, &str); 5] = [("de", "emea"), ("fr", "emea"), ("us", "amer"), ("jp", "apac"), ("br", "other")];

/// Orders, every tenth of them without an amount, and what `basic_pipeline.txt` makes of them.
fn orders(count: usize) -> (String, Vec<serde_json::Value>) {
    let (mut lines, mut wanted) = (String::new(), Vec::new());
    for n in 0..count {
        let (country, region) = COUNTRIES[n % 5];
        if n % 10 == 3 {
            lines += &format!("{{\"id\":{n},\"country\":\"{country}\"}}\n");
        } else {
            lines += &format!("{{\"id\":{n},\"country\":\"{country}\",\"amount\":{n}}}\n");
            wanted.push(json!({"id": n, "country": country, "amount": n, "region": region}));
        }
    }
    (lines, wanted)
}

#[test]
fn the_basic_pipeline_in_both_formats_gives_what_plain_rust_computes() {
    let folder = folder("basic");
    let (lines, wanted) = orders(1_000);
    for (file, name) in [("basic_pipeline.txt", "basic_pipeline"), ("pipeline.toml", "orders")] {
        let mut running = Running::start(&folder, &["run", file], &[]);
        running.write(&lines);
        drop(running.child.stdin.take());
        let got: Vec<_> = running.stdout.rest().lines().map(json).collect();
        let report = running.stderr.rest();
        assert_eq!(running.code(), Some(0), "{report}");
        assert_eq!(got, wanted, "{file}");
        assert!(report.starts_with(&format!("{name}: done: ")), "{report}");
        let state = format!(".proscenium/{name}");
        let letters = done(&folder, &["dead-letters", "list", "--state", &state, "--limit", "1000"]);
        assert_eq!(letters.stdout.lines().filter(|line| line.contains("failed")).count(), 100, "{}", letters.stdout);
    }
}

#[test]
fn input_and_output_may_be_files() {
    let folder = folder("ends");
    let (lines, wanted) = orders(100);
    fs::write(folder.path("in.jsonl"), lines).unwrap();
    for file in ["basic_pipeline.txt", "pipeline.toml"] {
        let (out, state) = (format!("out-{file}"), format!("state-{file}"));
        let args = ["run", file, "--input", "in.jsonl", "--output", &out, "--state", &state, "--no-control"];
        let ran = done(&folder, &args);
        assert_eq!((ran.code, &*ran.stdout), (Some(0), ""), "{}", ran.stderr);
        let text = fs::read_to_string(folder.path(&out).join("part-000001.jsonl")).unwrap();
        assert_eq!(text.lines().map(json).collect::<Vec<_>>(), wanted);
        assert!(!folder.path(&state).join("control.sock").exists());
    }
}

#[test]
fn the_testing_pipeline_takes_its_variables_and_leaves_out_what_fails() {
    let folder = folder("testing");
    let variables = [("LIMIT", "5"), ("REGION", "elsewhere")];
    let mut running = Running::start(&folder, &["run", "testing_pipeline.txt"], &variables);
    let lines: String =
        (0..10).map(|n| format!("{{\"amount\":{n},\"country\":\"{}\"}}\n", COUNTRIES[n % 5].0)).collect();
    running.write(&lines);
    drop(running.child.stdin.take());
    let got: Vec<_> = running.stdout.rest().lines().map(json).collect();
    assert_eq!(running.code(), Some(0), "{}", running.stderr.rest());
    let regions = [("emea", "emea"), ("elsewhere", "unknown"), ("amer", "amer"), ("elsewhere", "unknown")];
    let regions = regions.into_iter().chain([("elsewhere", "unknown"), ("emea", "emea")]);
    let wanted = (0..6).zip(regions).map(|(n, (region, again))| {
        json!({"amount": n, "country": COUNTRIES[n % 5].0, "region": region, "region_again": again})
    });
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(got, wanted);
}

#[test]
fn check_shows_the_plan_and_its_libraries_or_all_that_is_wrong() {
    let folder = folder("check");
    let ran = done(&folder, &["check", "pipeline.toml"]);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
    for want in ["┌─ validation ─", "└─", "libraries\n", "/plugins/libenrichment.so", "in .proscenium/orders"]
    {
        assert!(ran.stdout.contains(want), "{want}: {}", ran.stdout);
    }
    let lines = "a|plugins/libnone.so||true|FAIL_FAST|0|1\ncontrol|plugins/libenrichment.so||maybe|FAIL|0|1\n";
    fs::write(folder.path("bad.txt"), lines).unwrap();
    let ran = done(&folder, &["check", "bad.txt"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    for want in
        ["bad.txt:1:3: there is no library", "bad.txt:2:35: the field `enabled`", "no failover policy `FAIL`", "^^^^"]
    {
        assert!(ran.stderr.contains(want), "{want}: {}", ran.stderr);
    }
    let ran = done(&folder, &["run", "bad.txt"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""));
    assert!(ran.stderr.contains("bad.txt:1:3: there is no library"), "{}", ran.stderr);
}

/// A pipeline that follows a file.
pub fn following(more: &str) -> String {
    format!(
        "name = \"flow\"\n[[source]]\nname = \"in\"\nkind = \"files\"\npath = \"in.jsonl\"\nfollow = true\nformat = \"json\"\n\
         {more}\n[[sink]]\nname = \"out\"\nkind = \"stdout\"\n"
    )
}

pub fn enrichment(name: &str, library: &str, into: &str, default: &str) -> String {
    format!(
        "[[stage]]\nname = \"{name}\"\nplugin = \"plugins/{library}\"\n\
         params = {{ map = \"de:emea\", into = \"{into}\", default = \"{default}\" }}\n"
    )
}

fn records(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{{\"id\":{id}, \"country\":\"us\"}}\n")).collect()
}

#[test]
fn edits_of_the_file_take_hold_while_records_flow_and_none_is_lost_or_doubled() {
    let folder = folder("edits");
    let (file, input) = (folder.path("flow.toml"), folder.path("in.jsonl"));
    fs::copy(folder.path("plugins/libenrichment.so"), folder.path("plugins/libsecond.so")).unwrap();
    let first = enrichment("first", "libenrichment.so", "region", "one");
    fs::write(&file, following(&first)).unwrap();
    append(&input, &records(0..500));
    let running = Running::start(&folder, &["run", "flow.toml"], &[]);
    let mut got = running.stdout.next(100);
    let two = enrichment("first", "libenrichment.so", "region", "two");
    let swapped = enrichment("first", "libsecond.so", "region", "two");
    let added = enrichment("added", "libenrichment.so", "extra", "more");
    let edits = [
        (following(&two), "was read anew: `first` has other parameters"),
        (following(&swapped), "was read anew: `first` is swapped to"),
        ("nonsense".to_owned(), "was not applied, and the pipeline goes on as before"),
        (following(&swapped).replace("stdout", "stdoot"), "did you mean `stdout`?"),
        (following(&format!("{swapped}{added}")), "was read anew: `added` is put in"),
    ];
    let mut next = 500;
    for (text, want) in &edits {
        // Some are under way, and some wait in the file.
        append(&input, &records(next..next + 500));
        replace(&file, text);
        running.stderr.until(want);
        append(&input, &records(next + 500..next + 1_000));
        next += 1_000;
        got.extend(running.stdout.next(next - 500 - got.len()));
    }
    got.extend(running.stdout.next(next - got.len()));
    running.signal("TERM");
    got.extend(running.stdout.rest().lines().map(str::to_owned));
    let mut running = running;
    assert_eq!(running.code(), Some(0), "{}", running.stderr.rest());
    let got: Vec<_> = got.iter().map(|line| json(line)).collect();
    assert_eq!(
        got.iter().map(|value| value["id"].as_u64().unwrap()).collect::<Vec<_>>(),
        (0..5_500).collect::<Vec<_>>()
    );
    let of = |id: usize| (got[id]["region"].as_str().unwrap(), got[id]["extra"].as_str());
    assert_eq!(
        (of(0), of(1_499), of(3_999), of(5_499)),
        (("one", None), ("two", None), ("two", None), ("two", Some("more")))
    );
    let phases: Vec<_> = (0..5_500).map(of).collect();
    assert!(phases.is_sorted(), "what an edit has changed stays changed");
}

#[test]
fn a_pipeline_that_is_terminated_goes_on_where_it_was() {
    let folder = folder("resume");
    let input = folder.path("in.jsonl");
    fs::write(folder.path("flow.toml"), following(&enrichment("e", "libenrichment.so", "region", "one"))).unwrap();
    let mut got = Vec::new();
    for (round, signal) in ["TERM", "INT", "TERM"].into_iter().enumerate() {
        append(&input, &records(round * 2_000..round * 2_000 + 1_000));
        let mut running = Running::start(&folder, &["run", "flow.toml"], &[]);
        got.extend(running.stdout.next(round * 2_000 + 500 - got.len()));
        append(&input, &records(round * 2_000 + 1_000..(round + 1) * 2_000));
        running.signal(signal);
        got.extend(running.stdout.rest().lines().map(str::to_owned));
        let report = running.stderr.rest();
        assert_eq!(running.code(), Some(0), "{report}");
        assert!(report.contains("flow: stopped: nothing was under way"), "{report}");
    }
    let ids: Vec<_> = got.iter().map(|line| json(line)["id"].as_u64().unwrap()).collect();
    assert!(ids.len() >= 4_500, "{}", ids.len());
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new("second");
    let text = "[settings]\nwindow = 16\ndrain_ms = 3_600_000\n[[source]]\nkind = \"generator\"\n[[sink]]\nkind = \"stdout\"\n";
    fs::write(folder.path("endless.toml"), text).unwrap();
    // Nobody reads what it writes.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_proscenium"))
        .args(["run", "endless.toml"])
        .current_dir(folder.path(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let stderr = child.stderr.take().unwrap();
    let running = Running {
        stdout: crate::running::Lines::of(std::io::empty()),
        stderr: crate::running::Lines::of(stderr),
        child,
    };
    // The pipe holds 64 KiB; when it is full, more is under way than can come to its end.
    let is_full = || done(&folder, &["status", "--json"]).stdout.contains("\"under_way\":16");
    while !is_full() {
        std::thread::yield_now();
    }
    running.signal("TERM");
    running.stderr.until("a second signal");
    running.signal("TERM");
    let mut running = running;
    assert_eq!(running.code(), Some(143));
    drop(stdout);
}
