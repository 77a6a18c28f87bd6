//! Broadway, as `peers/broadway` uses it: from Hex, or from a folder of `ERL_LIBS`. One node for each flavour.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::Passed;
use super::install::step;
use crate::Failure;
use crate::measure::{Flavour, Plan};
use crate::options::target_dir;
use crate::peers::asked::Asked;
use crate::peers::beam;

pub const NAME: &str = "Broadway";
/// That of `peers/broadway/mix.exs`.
pub const VERSION: &str = "1.3.0";

/// It takes its time, so it is asked for less.
const PART: usize = 5;

/// The nodes of this run. Clones share them.
#[derive(Clone, Default)]
pub struct Broadway {
    /// Where it is installed, or why it is not; nothing before the first sample.
    installed: Rc<RefCell<Option<Result<Installed, String>>>>,
    nodes: Rc<RefCell<Vec<(Flavour, Asked)>>>,
}

impl Broadway {
    pub fn run(&self, plan: Plan) -> Result<Passed, Failure> {
        let mut installed = self.installed.borrow_mut();
        let installed = installed.get_or_insert_with(|| Installed::get().map_err(|failure| failure.to_string()));
        let installed = installed.as_ref().map_err(Clone::clone)?;
        let mut nodes = self.nodes.borrow_mut();
        if !nodes.iter().any(|(flavour, _)| *flavour == plan.flavour) {
            nodes.push((plan.flavour, installed.start(plan.flavour)?));
        }
        let records = plan.ops.div_ceil(PART);
        let node = nodes.iter_mut().find(|(flavour, _)| *flavour == plan.flavour);
        let line = node.ok_or("the node was not kept")?.1.call(&format!("stages {records}"))?;
        let (nanoseconds, sum) = line.split_once(' ').ok_or_else(|| format!("Broadway said {line:?}"))?;
        Ok(Passed { records: records as u64, nanoseconds: nanoseconds.parse()?, sum: sum.parse()? })
    }
}

/// Compiled, with all that it needs.
struct Installed {
    folder: PathBuf,
}

impl Installed {
    fn get() -> Result<Self, Failure> {
        let installed = Self { folder: target_dir()?.join("bench-peers/broadway") };
        std::fs::create_dir_all(&installed.folder)?;
        if !is_in_erl_libs()? {
            installed.mix(&["local.hex", "--if-missing", "--force"])?;
            installed.mix(&["local.rebar", "--if-missing", "--force"])?;
            installed.mix(&["deps.get", "--only", "prod"])?;
        }
        installed.mix(&["compile"])?;
        Ok(installed)
    }

    /// Mix with all that it writes below our folder.
    fn mix(&self, words: &[&str]) -> Result<String, Failure> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/broadway");
        step("mix", |command| {
            let command = command.args(words).current_dir(project).env("MIX_ENV", "prod");
            let command = command.env("MIX_HOME", self.folder.join("mix")).env("HEX_HOME", self.folder.join("hex"));
            command.env("MIX_DEPS_PATH", self.folder.join("deps")).env("MIX_BUILD_PATH", self.folder.join("build"))
        })
    }

    fn start(&self, flavour: Flavour) -> Result<Asked, Failure> {
        let mut libraries = OsString::from(self.folder.join("build/lib"));
        if let Some(others) = std::env::var_os("ERL_LIBS") {
            libraries.push(":");
            libraries.push(others);
        }
        let (node, greeting) = Asked::start(
            NAME,
            Command::new("elixir")
                .args(["--erl", &format!("+S {}", beam::schedulers(flavour)), "-e", "Stages.main()"])
                .env("ERL_LIBS", libraries)
                .env("ERL_CRASH_DUMP_BYTES", "0")
                .current_dir(&self.folder),
        )?;
        match greeting.strip_prefix("broadway ") {
            Some(VERSION) => Ok(node),
            _ => Err(format!("Broadway {VERSION} is what is compared with, and the node said {greeting:?}").into()),
        }
    }
}

fn is_in_erl_libs() -> Result<bool, Failure> {
    let script = "io:put_chars(case code:lib_dir(broadway) of {error, _} -> \"no\"; _ -> \"yes\" end), halt().";
    Ok(step("erl", |command| command.args(["-noshell", "-eval", script]))? == "yes")
}
