//! Bytewax, as `peers/bytewax` uses it: from PyPI, in a virtual environment of its own. A process for each core.

use std::cell::RefCell;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use super::Passed;
use super::install::step;
use crate::Failure;
use crate::measure::{Flavour, Plan};
use crate::options::target_dir;

pub const NAME: &str = "bytewax";
pub const VERSION: &str = "0.21.1";

/// Bytewax comes compiled for some versions of Python only: the first of these that it can be installed for.
const PYTHONS: [&str; 4] = ["python3", "python3.12", "python3.11", "python3.10"];

/// Seconds that a sample may take.
const LIMIT: &str = "60";

/// The environment of this run. Clones share it.
#[derive(Clone, Default)]
pub struct Bytewax {
    /// Its Python, or why there is none; nothing before the first sample.
    python: Rc<RefCell<Option<Result<PathBuf, String>>>>,
}

impl Bytewax {
    pub fn run(&self, plan: Plan) -> Result<Passed, Failure> {
        let mut python = self.python.borrow_mut();
        let python = python.get_or_insert_with(|| install().map_err(|failure| failure.to_string()));
        let python = python.as_ref().map_err(Clone::clone)?;
        let addresses = match plan.flavour {
            Flavour::MultiThread => addresses(Flavour::WORKERS)?,
            Flavour::CurrentThread => Vec::new(),
        };
        let starts = (0..addresses.len().max(1)).map(|index| start(python, plan.ops, index, &addresses));
        // All are started before the first is waited for, and all are waited for, whatever the first says.
        let processes: Vec<Result<Child, Failure>> = starts.collect();
        let parts: Vec<Result<Part, Failure>> = processes.into_iter().map(|process| Part::of(process?)).collect();
        let parts: Vec<Part> = parts.into_iter().collect::<Result<_, _>>()?;
        let began = parts.iter().map(|part| part.began).min().unwrap_or_default();
        let ended = parts.iter().map(|part| part.ended).max().unwrap_or_default();
        let sum = parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(part.sum));
        let nanoseconds = ended.saturating_sub(began) as f64 / plan.ops as f64;
        Ok(Passed { records: plan.ops as u64, nanoseconds, sum })
    }
}

/// What one process of the cluster says, in nanoseconds of the clock that all share.
struct Part {
    began: u64,
    ended: u64,
    sum: u64,
}

impl Part {
    fn of(process: Child) -> Result<Self, Failure> {
        let output = process.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        // Processes that wait for each other say so above.
        let last = said.lines().last().unwrap_or_default();
        let numbers: Result<Vec<u64>, _> = last.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[began, ended, sum]) if output.status.success() => Ok(Self { began, ended, sum }),
            _ => Err(format!("bytewax ended with {}: {}", output.status, last_line(&output.stderr)).into()),
        }
    }
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().last().unwrap_or_default().to_owned()
}

fn start(python: &Path, records: usize, index: usize, addresses: &[String]) -> Result<Child, Failure> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/bytewax/stages.py");
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(python).arg(script).args([records.to_string(), index.to_string()]).args(addresses);
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Ports of this machine that nobody listens on.
fn addresses(count: usize) -> Result<Vec<String>, Failure> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}

fn install() -> Result<PathBuf, Failure> {
    let folder = target_dir()?.join("bench-peers/bytewax");
    let python = folder.join("bin/python");
    let is_there = || step(&python.to_string_lossy(), |command| command.args(["-c", &is_installed()]));
    if is_there().is_ok() {
        return Ok(python);
    }
    let package = format!("bytewax=={VERSION}");
    let mut first = None;
    for candidate in PYTHONS {
        let made = step(candidate, |command| command.args(["-m", "venv", "--clear"]).arg(&folder));
        let installed = made.and_then(|_| {
            step(&python.to_string_lossy(), |command| {
                command.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", &package])
            })
        });
        match installed.and_then(|_| is_there()) {
            Ok(_) => return Ok(python),
            Err(failure) => drop(first.get_or_insert(failure)),
        }
    }
    Err(first.unwrap_or_else(|| "not installed: no Python".into()))
}

/// A script that fails unless this version can be imported.
fn is_installed() -> String {
    format!("import bytewax.dataflow; from importlib.metadata import version; assert version('bytewax') == '{VERSION}'")
}
