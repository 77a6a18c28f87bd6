//! Goal: every example runs, and prints what it says it prints. Method: each program that cargo has built from `examples/`
//! is run, and its output compared with `examples/expected/NAME.txt`, in which `*` stands for any part of a line and a
//! line `...` for any number of lines.
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

/// An example is a show, not a load test.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn every_example_prints_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = examples(&folder);
    let threads: Vec<_> = names
        .into_iter()
        .map(|name| {
            let folder = folder.clone();
            std::thread::spawn(move || check(&folder, &name))
        })
        .collect();
    let faults: Vec<_> =
        threads.into_iter().filter_map(|thread| thread.join().expect("a check does not panic").err()).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n\n"));
}

/// Each command with what it must print. Catches a word that is not carried out, and a mistake that is not answered.
#[test]
fn the_crash_lab_obeys_commands_from_a_pipe() {
    let rows = [
        ("crash nobody", "there is no `nobody`; there are shop, clock,"),
        ("melt clock", "there is no `melt`; there are crash, exit,"),
        ("tell clock", "write `tell <path> <n>`"),
        ("suspend clock", "├─ clock  suspended, queue 0   ◀"),
        ("tell clock 101", "100 were taken, and the next came back: the mailbox holds 100"),
        ("resume clock", "├─ clock  running, queue 0   ◀"),
        ("crash payments", "shop/payments is a supervisor; `kill` it"),
        ("kill payments", "shop: payments started, for the 2nd time"),
        ("exit report normal", "├─ report  down (normal), transient   ◀"),
        ("crash report", "shop/report has no process; `restart shop/report` starts it"),
        ("delete clock", "the child runs; terminate it with terminate_child first"),
        ("stop clock", "shop: clock was stopped: shutdown"),
        ("delete shop/clock", "└─ shop  one_for_one, 1 of 5 restarts in 60 s"),
        ("start shop/clock", "└─ clock  running, queue 0   ◀"),
        ("start carts", "shop/carts: cart#3 started"),
        ("exit cart#3 burnt", "shop/carts: cart#3 ended: burnt"),
        ("stop shop", "nobody is above shop who could; `kill shop` ends it"),
        ("kill shop", "The shop has ended, and nobody is above it who would start it again."),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let input: String = rows.iter().map(|(command, _)| format!("{command}\n")).collect();
    let output = program(&folder, "crash_lab").and_then(|lab| run(&lab, &input)).expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    let mut rest = &*printed;
    for (command, want) in rows {
        let echo = format!("\n> {command}\n");
        rest = rest.split_once(&echo).map(|(_, answer)| answer).expect(command);
        let said = rest.split("\n> ").next().unwrap_or_default();
        assert!(said.contains(want), "{command}: {said}");
    }
    assert!(rest.ends_with("shop: ends: normal\n"), "the end of the input ends the lab: {rest}");
}

#[test]
fn every_expectation_has_its_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = examples(&folder);
    let expected =
        entries(&folder.join("expected")).into_iter().filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
    let orphans: Vec<_> = expected.filter(|name| !names.contains(name)).collect();
    assert!(orphans.is_empty(), "examples/expected has output of programs that are not there: {orphans:?}");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a folder that opens can be read").path())
        .collect()
}

/// `NAME.rs`, and folders with a `main.rs`.
fn examples(folder: &Path) -> BTreeSet<String> {
    let is_example = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").is_file();
    let programs = entries(folder).into_iter().filter(is_example);
    programs.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned)).collect()
}

fn check(folder: &Path, name: &str) -> Result<(), String> {
    let golden = folder.join("expected").join(format!("{name}.txt"));
    let want = std::fs::read_to_string(&golden)
        .map_err(|why| format!("{name}: {}: {why}; write down there what it prints", golden.display()))?;
    let output = run(&program(folder, name)?, "")?;
    let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("{name}: {}\n{printed}\n{complaints}", output.status));
    }
    let (want, got): (Vec<_>, Vec<_>) = (want.lines().collect(), printed.lines().collect());
    if lines_match(&want, &got) {
        return Ok(());
    }
    let first =
        want.iter().zip(&got).position(|(want, got)| !line_matches(want, got)).unwrap_or(want.len().min(got.len()));
    let line = |lines: &[&str]| lines.get(first).map_or("nothing".to_owned(), |line| format!("`{line}`"));
    Err(format!(
        "{name}: line {}: wanted {}, printed {}; mend the example or {}\n{printed}",
        first + 1,
        line(&want),
        line(&got),
        golden.display()
    ))
}

/// The program that cargo has built for the example, next to this test. It builds them with the tests.
fn program(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let remedy = "run `cargo build --examples`, or all tests and not this one alone";
    let this = std::env::current_exe().map_err(|why| format!("{name}: where is this test? {why}"))?;
    let profile =
        this.parent().and_then(Path::parent).ok_or(format!("{name}: {} has no place for examples", this.display()))?;
    let path = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = modified(&path).ok_or(format!("{name}: there is no {}; {remedy}", path.display()))?;
    let source = folder.join(format!("{name}.rs"));
    let source = if source.is_file() { source } else { folder.join(name).join("main.rs") };
    match modified(&source) {
        Some(written) if written <= built => Ok(path),
        _ => Err(format!("{name}: {} is older than {}; {remedy}", path.display(), source.display())),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Runs it to its end, or to the limit, where it is killed; `input` is what it can read.
fn run(program: &Path, input: &str) -> Result<Output, String> {
    let fault = |why| format!("{}: {why}", program.display());
    let mut command = Command::new(program);
    // What it prints must not depend on who runs it.
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(fault)?;
    // One that does not read may have ended before; its output tells.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let Ok(stdout) = stdout.recv_timeout(LIMIT) else {
        child.kill().and_then(|()| child.wait()).map_err(fault)?;
        return Err(format!("{}: still running after {LIMIT:?}", program.display()));
    };
    let status = child.wait().map_err(fault)?;
    Ok(Output { status, stdout, stderr: stderr.recv().unwrap_or_default() })
}

/// Reads to the end on a thread of its own, so that a full pipe holds nobody up.
fn drain(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends the output; the exit status tells the rest.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        done.send(bytes)
    });
    ended
}

fn lines_match(want: &[&str], got: &[&str]) -> bool {
    match (want.split_first(), got.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => (0..=got.len()).any(|skipped| lines_match(rest, &got[skipped..])),
        (Some((line, want)), Some((printed, got))) => line_matches(line, printed) && lines_match(want, got),
        _ => false,
    }
}

/// Whether the parts between the stars follow one another, the first at the start and the last at the end.
fn line_matches(want: &str, got: &str) -> bool {
    let Some((start, stars)) = want.split_once('*') else { return want == got };
    let Some(mut rest) = got.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = stars.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[test]
fn stars_and_dots_stand_for_what_varies() {
    let rows: [(&[&str], &[&str], bool); 12] = [
        (&["a"], &["a"], true),
        (&["a"], &["b"], false),
        (&["a"], &[], false),
        (&[], &["a"], false),
        (&["took * ms"], &["took 12 ms"], true),
        (&["took * ms"], &["took 12 s"], false),
        (&["*: * of *"], &["x: 1 of 2"], true),
        (&["*: * of *."], &["x: 1 of 2"], false),
        (&["a*a"], &["a"], false),
        (&["a", "...", "z"], &["a", "b", "c", "z"], true),
        (&["a", "...", "z"], &["a", "z"], true),
        (&["a", "...", "z"], &["a", "b"], false),
    ];
    for (row, (want, got, fits)) in rows.into_iter().enumerate() {
        assert_eq!(lines_match(want, got), fits, "row {row}");
    }
}
