//! The BEAM: one Erlang node for each flavour, started at its first sample and asked over its standard input.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use crate::Failure;
use crate::measure::{Flavour, Plan, Sample};
use crate::options::target_dir;
use crate::peers::asked::Asked;

pub const NAME: &str = "BEAM";

/// The nodes of this run. Clones share them; without an Erlang every sample fails with the remedy.
#[derive(Clone, Default)]
pub struct Beam {
    nodes: Rc<RefCell<Vec<(Flavour, Asked)>>>,
}

impl Beam {
    /// Asks for one sample: a word of `peers/beam.erl`.
    pub fn sample(&self, word: &'static str, plan: Plan) -> Sample {
        let mut nodes = self.nodes.borrow_mut();
        if !nodes.iter().any(|(flavour, _)| *flavour == plan.flavour) {
            nodes.push((plan.flavour, start(plan.flavour)?));
        }
        let node = nodes.iter_mut().find(|(flavour, _)| *flavour == plan.flavour);
        let line = node.ok_or("the node was not kept")?.1.call(&format!("{word} {}", plan.ops))?;
        let numbers: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        numbers.map_err(|_| format!("the BEAM's {word}: {line}").into())
    }
}

/// "OTP 25", or why there is no column.
pub fn version() -> String {
    let script = "io:put_chars(erlang:system_info(otp_release)),halt().";
    let output = Command::new("erl").args(["-noshell", "-eval", script]).output();
    output.map_or_else(|_| "not installed".into(), |out| format!("OTP {}", String::from_utf8_lossy(&out.stdout)))
}

/// A node with as many schedulers as the flavour has workers.
fn start(flavour: Flavour) -> Result<Asked, Failure> {
    let folder = target_dir()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/beam.erl");
    let compiled = Command::new("erlc").arg("-o").arg(&folder).arg(&source).status();
    if !compiled.map_err(|_| "no Erlang here: `scripts/setup.sh bench` installs erlang-base")?.success() {
        return Err("erlc refused peers/beam.erl".into());
    }
    let (node, greeting) = Asked::start(
        NAME,
        Command::new("erl")
            .args(["-noshell", "+P", "2000000", "+S", &schedulers(flavour), "-pa"])
            .arg(&folder)
            .args(["-s", "beam", "main"]),
    )?;
    if greeting.starts_with("otp ") { Ok(node) } else { Err(format!("erl said {greeting:?}").into()) }
}

/// What `+S` is given: one scheduler for each worker.
pub fn schedulers(flavour: Flavour) -> String {
    let count = match flavour {
        Flavour::MultiThread => Flavour::WORKERS,
        Flavour::CurrentThread => 1,
    };
    format!("{count}:{count}")
}
