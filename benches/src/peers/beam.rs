//! The BEAM: one Erlang node for each flavour, started at its first sample and asked over its standard input.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::Failure;
use crate::measure::{Flavour, Plan, Sample};
use crate::options::target_dir;

pub const NAME: &str = "BEAM";

/// A sample that takes longer than this has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The nodes of this run. Clones share them; without an Erlang every sample fails with the remedy.
#[derive(Clone, Default)]
pub struct Beam {
    nodes: Rc<RefCell<Vec<(Flavour, Node)>>>,
}

impl Beam {
    /// Asks for one sample: a word of `peers/beam.erl`.
    pub fn sample(&self, word: &'static str, plan: Plan) -> Sample {
        let mut nodes = self.nodes.borrow_mut();
        if !nodes.iter().any(|(flavour, _)| *flavour == plan.flavour) {
            nodes.push((plan.flavour, Node::start(plan.flavour)?));
        }
        let node = nodes.iter_mut().find(|(flavour, _)| *flavour == plan.flavour);
        node.ok_or("the node was not kept")?.1.ask(word, plan.ops)
    }
}

/// "OTP 25", or why there is no column.
pub fn version() -> String {
    let script = "io:put_chars(erlang:system_info(otp_release)),halt().";
    let output = Command::new("erl").args(["-noshell", "-eval", script]).output();
    output.map_or_else(|_| "not installed".into(), |out| format!("OTP {}", String::from_utf8_lossy(&out.stdout)))
}

struct Node {
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Node {
    fn start(flavour: Flavour) -> Result<Self, Failure> {
        let folder = target_dir()?.join("bench");
        std::fs::create_dir_all(&folder)?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/beam.erl");
        let compiled = Command::new("erlc").arg("-o").arg(&folder).arg(&source).status();
        if !compiled.map_err(|_| "no Erlang here: `scripts/setup.sh bench` installs erlang-base")?.success() {
            return Err("erlc refused peers/beam.erl".into());
        }
        let schedulers = match flavour {
            Flavour::MultiThread => Flavour::WORKERS,
            Flavour::CurrentThread => 1,
        };
        let mut process = Command::new("erl")
            .args(["-noshell", "+P", "2000000", "+S", &format!("{schedulers}:{schedulers}"), "-pa"])
            .arg(&folder)
            .args(["-s", "beam", "main"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("erl has no standard input")?;
        let output = BufReader::new(process.stdout.take().ok_or("erl has no standard output")?);
        let (lines, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut node = Self { process, input, answers };
        let greeting = node.answer()?;
        if greeting.starts_with("otp ") { Ok(node) } else { Err(format!("erl said {greeting:?}").into()) }
    }

    fn ask(&mut self, word: &str, number: usize) -> Sample {
        writeln!(self.input, "{word} {number}")?;
        self.input.flush()?;
        let line = self.answer()?;
        let numbers: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        numbers.map_err(|_| format!("the BEAM's {word}: {line}").into())
    }

    fn answer(&mut self) -> Result<String, Failure> {
        let line = self.answers.recv_timeout(ANSWER_LIMIT);
        line.map_err(|_| format!("the BEAM gave no answer within {ANSWER_LIMIT:?}").into())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; the kill covers a sample that hangs.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
