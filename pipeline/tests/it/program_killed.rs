//! A program that is killed in the middle of its pipeline, or stopped, and started again until all is done: everything is in
//! its output once, in order, and no process and no unfinished file is left. `ROUNDS=` says how many are killed, `SEED=`
//! replays the moments.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use proscenium_pipeline::sources::Files;
use proscenium_pipeline::{Class, Failed, Outcome, Pipeline, RecordMut, RollingFiles};
use proscenium_runtime::Node;

use crate::built::stamp;
use crate::chaos::proof::letters;
use crate::chaos::{number, seed};
use crate::flow::lines;
use crate::random::Random;
use crate::test_folder::TestFolder;

/// In the ordinary run of the tests.
const ROUNDS: u64 = 10;
const LINES: u64 = 20_000;
const LIMIT: Duration = Duration::from_secs(30);

/// Names the folder to a process that is to be the program, and marks all that come of it.
const PROGRAM: &str = "PROSCENIUM_TEST_PROGRAM";

/// One line in so many is no good.
const BAD: u64 = 4_999;

fn say(line: &str) {
    // Not by a macro: what those print is kept back in a test.
    drop(std::io::stderr().write_all(format!("program: {line}\n").as_bytes()));
}

/// The program. As a test, it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program() {
    let Some(folder) = std::env::var_os(PROGRAM) else { return };
    let folder = Path::new(&folder);
    let (stop, mut stopped) = tokio::sync::mpsc::unbounded_channel();
    // Its input ends when it is to stop.
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_until(b'\n', &mut Vec::new());
        let _ = stop.send(()); // It may have ended.
    });
    let node = Node::start("program").await.unwrap();
    let pipeline = Pipeline::named("program")
        .source(Files::at(folder.join("in.txt").display().to_string()))
        .plugin("stamp", folder.join("libstamp-one.so"))
        .map("slow", |record: &mut RecordMut<'_>| {
            let text = String::from_utf8_lossy(record.payload()).into_owned();
            let end = Instant::now() + Duration::from_micros(20);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            if text.contains("ugly") {
                return Err(Failed::because("it is ugly").for_good());
            }
            record.set_payload(format!("{text}.").as_bytes());
            Ok(())
        })
        .sink(RollingFiles::new(folder.join("out")).roll_bytes(64 << 10))
        .state(folder.join("state"))
        .settings(|settings| settings.checkpoint_every = Duration::from_millis(15))
        .start(&node)
        .await
        .unwrap();
    say("runs");
    let mut look = tokio::time::interval(Duration::from_millis(1));
    let mut told = 0;
    loop {
        tokio::select! {
            outcome = pipeline.wait() => {
                assert_eq!(outcome, Outcome::Done);
                break;
            }
            _ = stopped.recv() => {
                assert_eq!(pipeline.stop().await, Outcome::Stopped(Default::default()));
                break;
            }
            _ = look.tick() => {
                let written = pipeline.status().parts.iter().find(|part| part.name == "files").unwrap().counts.passed;
                (told..written / 100).for_each(|_| say("a hundred more"));
                told = written / 100;
            }
        }
    }
    say(if pipeline.wait().await == Outcome::Done { "done" } else { "stopped" });
    pipeline.stop().await;
    node.stop().await.unwrap();
}

struct Program {
    child: Child,
    input: Option<ChildStdin>,
    says: BufReader<ChildStderr>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}

fn program(folder: &Path) -> Program {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["program_killed::a_program", "--exact", "--nocapture"]).env(PROGRAM, folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    Program { input: child.stdin.take(), says: BufReader::new(child.stderr.take().unwrap()), child }
}

/// Reads so many lines of what it says, or all. The last, and everything.
fn hear(program: &mut Program, lines: u64) -> (String, String) {
    let (mut heard, mut text, mut last) = (0, String::new(), String::new());
    while heard < lines {
        let begin = text.len();
        if program.says.read_line(&mut text).unwrap() == 0 {
            break;
        }
        if let Some(said) = text[begin..].strip_prefix("program: ") {
            heard += 1;
            last = said.trim().to_owned();
        }
    }
    (last, text)
}

/// Processes that have come of it: by their environment, or by the library that they were given.
fn processes(folder: &Path) -> Vec<String> {
    let own = std::process::id().to_string();
    let path = folder.display().to_string();
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    numbers
        .filter_map(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let (command, environment) = (String::from_utf8_lossy(&command), String::from_utf8_lossy(&environment));
            let is_ours = environment.contains(&format!("{PROGRAM}={path}")) || command.contains(&path);
            is_ours.then(|| format!("{pid}: {}", command.replace('\0', " ")))
        })
        .collect()
}

fn nothing_is_left(folder: &Path) {
    let begin = Instant::now();
    loop {
        let left = processes(folder);
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "{} processes are left:\n{}", left.len(), left.join("\n"));
        std::thread::yield_now();
    }
}

/// Each line is there once, at its place; those that are no good are dead letters, once.
fn check(folder: &Path) {
    let is_bad = |n: &u64| n % BAD == BAD - 1;
    let expected: Vec<String> = (0..LINES).filter(|n| !is_bad(n)).map(|n| format!("line {n} one+.")).collect();
    let found = lines(&folder.join("out"));
    let wrong = (0..expected.len().max(found.len())).find(|nth| expected.get(*nth) != found.get(*nth));
    if let Some(nth) = wrong {
        let all: Vec<_> = fs::read_dir(folder.join("out")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        panic!(
            "at {nth}: {:?} instead of {:?}; {} of {}; {all:?}",
            found.get(nth),
            expected.get(nth),
            found.len(),
            expected.len()
        );
    }
    for entry in fs::read_dir(folder.join("out")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(".jsonl"), "{name} is left");
    }
    let mut letters: Vec<(String, Class)> = letters(&folder.join("state"))
        .into_iter()
        .map(|kept| (String::from_utf8_lossy(&kept.letter.record.payload).into_owned(), kept.letter.class))
        .collect();
    letters.sort_by_key(|(payload, _)| payload.clone());
    let mut bad: Vec<(String, Class)> = (0..LINES).filter(is_bad).map(|n| (bad(n), class(n))).collect();
    bad.sort_by_key(|(payload, _)| payload.clone());
    assert_eq!(letters, bad);
}

/// Some end the plugin's process, some are refused by it, some by the stage behind it.
fn bad(n: u64) -> String {
    let word = ["poison", "bad", "ugly"][(n / BAD % 3) as usize];
    format!("line {n} {word}")
}

fn class(n: u64) -> Class {
    if bad(n).ends_with("poison") { Class::Poison } else { Class::Failed }
}

#[test]
fn a_program_that_is_killed_again_and_again_writes_each_line_once() {
    let rounds = number("ROUNDS").unwrap_or(ROUNDS);
    let seed = seed();
    println!("SEED={seed} ROUNDS={rounds}");
    let mut random = Random::new(seed);
    let (mut killed, mut stopped, mut inputs, begin) = (0, 0, 0, Instant::now());
    while killed < rounds {
        let folder = TestFolder::new();
        stamp(folder.path(), "one");
        let text: String =
            (0..LINES).map(|n| if n % BAD == BAD - 1 { bad(n) + "\n" } else { format!("line {n}\n") }).collect();
        fs::write(folder.at("in.txt"), text).unwrap();
        inputs += 1;
        loop {
            let mut program = program(folder.path());
            // Also before it runs, and up to some way into its work.
            let (last, text) = hear(&mut program, if killed < rounds { random.below(50) } else { u64::MAX });
            assert!(!text.contains("panicked"), "SEED={seed}: {text}");
            let ends = if last == "done" {
                "done".to_owned()
            } else if killed < rounds && random.below(4) > 0 {
                program.child.kill().unwrap();
                killed += 1;
                "killed".to_owned()
            } else {
                drop(program.input.take());
                let (last, text) = hear(&mut program, u64::MAX);
                assert!(["done", "stopped"].contains(&&*last), "SEED={seed}: {last}: {text}");
                stopped += u64::from(last == "stopped");
                last
            };
            let status: ExitStatus = program.child.wait().unwrap();
            assert!(ends == "killed" || status.success(), "SEED={seed}: {ends}: {status}: {text}");
            nothing_is_left(folder.path());
            if ends == "done" {
                break;
            }
        }
        check(folder.path());
    }
    println!(
        "{inputs} times {LINES} lines, {killed} programs killed and {stopped} stopped, {:?}: 0 lost, 0 doubled, in order",
        begin.elapsed()
    );
}
