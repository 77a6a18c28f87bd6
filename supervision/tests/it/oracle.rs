//! Random scripts through the core and through OTP's own supervisor, on a real Erlang: the traces are equal, line by line.
//!
//! `ORACLE_SCRIPTS` says how many, `SEED` from which on. A difference is cut down to the smallest script that shows it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::actors;
use crate::generate;
use crate::mutants::Mutant;
use crate::script::Script;
use crate::world::{self, Faithful};

const SCRIPTS: u64 = 20_000;
/// Through real actors.
const SCRIPTS_FOR_ACTORS: u64 = 2_500;
/// Of both, in one go.
const BATCH: usize = 20_000;
/// A mutant is to be caught by so many.
const SCRIPTS_FOR_A_MUTANT: u64 = 1_500;
/// Cuts that are tried on a script that shows a difference.
const CUTS: usize = 400;

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// OTP's supervisor, ready to take scripts.
struct Erlang {
    beams: PathBuf,
}

impl Erlang {
    /// None: there is no Erlang here, which is a failure where everything was to be set up.
    fn find() -> Option<Erlang> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0); // Tests of one process run side by side.
        let folder = format!("oracle-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
        let beams = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        std::fs::create_dir_all(&beams).expect("the target folder can be written to");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle");
        let sources = std::fs::read_dir(sources).expect("it is in the repository");
        let sources = sources.filter_map(|file| Some(file.ok()?.path()));
        let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "erl"));
        match Command::new("erlc").arg("-o").arg(&beams).args(sources).output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "erlc: {said}");
                Some(Erlang { beams })
            }
            Err(error) => {
                let words = "NOT TESTED against a real Erlang: install erlang-base and erlang-src, or run scripts/setup.sh oracle";
                assert!(std::env::var_os("CI").is_none(), "{words}: {error}");
                eprintln!("{words}: {error}");
                None
            }
        }
    }

    fn traces(&self, scripts: &str) -> Vec<String> {
        let mut erl = Command::new("erl");
        erl.env("ERL_CRASH_DUMP_SECONDS", "0"); // Nothing is left in the tree, whatever ends it.
        erl.args(["+S", "1:1", "-noinput", "-pa"]).arg(&self.beams).args(["-s", "oracle", "main"]);
        let mut erl =
            erl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("erlc is here");
        let mut stdin = erl.stdin.take().expect("it was asked for");
        let text = scripts.to_owned();
        let writes = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = erl.wait_with_output().expect("it ends by itself");
        writes.join().expect("it only writes").expect("all is read");
        assert!(output.status.success(), "erl: {}", String::from_utf8_lossy(&output.stderr));
        split(&String::from_utf8(output.stdout).expect("traces are ASCII"))
    }
}

impl Drop for Erlang {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.beams);
    }
}

/// The traces of many scripts, each with its first and last line.
fn split(text: &str) -> Vec<String> {
    let mut traces = Vec::new();
    let mut trace = String::new();
    for line in text.lines() {
        trace += line;
        trace.push('\n');
        if line == "end" {
            traces.push(std::mem::take(&mut trace));
        }
    }
    assert_eq!(trace, "", "the last trace is whole");
    traces
}

/// What is compared with OTP's: the core in a world of values, or the supervisor over real actors.
type Side<'a> = &'a dyn Fn(&Script) -> Vec<String>;

fn traces(script: &str, side: Side<'_>) -> String {
    let scripts = Script::parse_all(script).unwrap_or_else(|fault| panic!("{fault} in\n{script}"));
    scripts.iter().flat_map(side).map(|line| line + "\n").collect()
}

fn core(script: &Script) -> Vec<String> {
    world::run(script, &Faithful)
}

/// The script with as few lines as show the difference.
fn smallest(erlang: &Erlang, script: &str, side: Side<'_>) -> String {
    let differs = |script: &str| {
        Script::parse_all(script).is_ok() && {
            let theirs = erlang.traces(script).concat();
            !theirs.contains("\nerror ") && theirs != traces(script, side)
        }
    };
    let mut lines: Vec<&str> = script.lines().collect();
    let mut tried = 0;
    let mut at = lines.len();
    while at > 0 && tried < CUTS {
        at -= 1;
        if lines[at].starts_with("script ") || lines[at].starts_with("sup root ") || ["run", "end"].contains(&lines[at])
        {
            continue;
        }
        tried += 1;
        let mut fewer = lines.clone();
        fewer.remove(at);
        if differs(&(fewer.join("\n") + "\n")) {
            lines = fewer;
        }
    }
    lines.join("\n") + "\n"
}

/// Compares scripts from this seed on.
fn compare(name: &str, seed: u64, count: u64, side: Side<'_>) {
    let Some(erlang) = Erlang::find() else { return };
    println!("SEED={seed} ORACLE_SCRIPTS={count}, {name}");
    let mut left_out = 0;
    for first in (seed..seed + count).step_by(BATCH) {
        let scripts: Vec<String> = (first..(first + BATCH as u64).min(seed + count)).map(generate::script).collect();
        let theirs = erlang.traces(&scripts.concat());
        assert_eq!(theirs.len(), scripts.len());
        for (script, theirs) in scripts.iter().zip(theirs) {
            if theirs.contains("\nerror ") {
                println!("left out: {theirs}");
                left_out += 1;
            } else if theirs != traces(script, side) {
                let script = smallest(&erlang, script, side);
                let (theirs, ours) = (erlang.traces(&script).concat(), traces(&script, side));
                panic!("the smallest script that shows it:\n{script}\nOTP:\n{theirs}\nours:\n{ours}");
            }
        }
    }
    println!("{count} scripts compared, {name}: 0 differences, {left_out} left out");
    assert!(left_out * 1_000 <= count, "{left_out} of {count} scripts were left out");
}

#[test]
fn random_scripts_have_otp_s_traces() {
    compare("through the core", number_of("SEED", 1), number_of("ORACLE_SCRIPTS", SCRIPTS), &core);
}

#[test]
fn random_scripts_have_otp_s_traces_with_real_actors() {
    let count = number_of("ORACLE_SCRIPTS", SCRIPTS_FOR_ACTORS);
    compare("through real actors", number_of("SEED", 1), count, &actors::run);
}

#[test]
fn each_point_of_otp_s_behaviour_has_otp_s_trace() {
    let Some(erlang) = Erlang::find() else { return };
    let scripts = include_str!("../../oracle/points.txt");
    let theirs = erlang.traces(scripts);
    for side in [&core as Side<'_>, &actors::run] {
        let ours = split(&traces(scripts, side));
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!(theirs, ours);
        }
    }
}

/// Seeded bugs: a supervisor that has one of them is told from OTP's.
#[test]
fn each_mutant_is_told_from_otp() {
    let Some(erlang) = Erlang::find() else { return };
    let scripts: Vec<String> = (1..=SCRIPTS_FOR_A_MUTANT).map(generate::script).collect();
    let theirs = erlang.traces(&scripts.concat());
    for mutant in Mutant::ALL {
        let run = |script: &Script| world::run(script, &mutant);
        let caught = scripts.iter().zip(&theirs).filter(|(script, theirs)| traces(script, &run) != **theirs).count();
        println!("{mutant:?}: caught by {caught} of {SCRIPTS_FOR_A_MUTANT}");
        assert!(caught > 0, "{mutant:?} passes for OTP's");
    }
}
