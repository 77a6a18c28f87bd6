//! The program `proscenium`: it runs pipelines, controls them, and tries plugins out.
//!
//! ```text
//!   command (what was typed) ──▶ verify, bench, list, info ──▶ text on stdout, and the exit code
//!         │                         │ each plugin in a sandboxed process of its own: this very program, once more
//!         │                         ▼
//!         │                     proscenium::plugin
//!         └─ pipeline_command ──▶ check, run ──▶ plan_file ──▶ proscenium::pipeline
//!                             ──▶ control ─────▶ the control socket of one that runs
//!                             ──▶ dead_letters ▶ the folder of its state
//! ```
//!
//! Exit codes: 0, it is so; 1, it is not, with the reason; 2, what was typed is no command.

#![forbid(unsafe_code)]

#[macro_use]
mod out;

mod bench;
mod check;
mod command;
mod control;
mod dead_letters;
mod events;
mod findings;
mod list;
mod msgpack;
mod pipeline_command;
mod plan_file;
mod run;
mod samples;
mod signals;
mod status_text;
mod verify;
mod warnings;

use std::process::ExitCode;
use std::time::Duration;

use command::{Command, HELP, Typed};
use tokio::runtime::{Builder, Runtime};

/// How long what blocks may take when everything else is over: a write to a pipe that nobody reads, mostly.
const LAST_WRITES: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // A plugin's process ends in here.
    proscenium::enter();
    let command = match command::read(std::env::args_os().skip(1)) {
        Ok(Typed::Command(command)) => command,
        Ok(Typed::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Typed::Version) => {
            println!("proscenium {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("proscenium: {why}; `proscenium --help` lists the commands");
            return ExitCode::from(2);
        }
    };
    let runtime = match runtime(&command) {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("proscenium: cannot start: {why}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(carry_out(command));
    runtime.shutdown_timeout(LAST_WRITES);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("proscenium: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A pipeline has all cores; everything else does one thing after the other.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let is_run = matches!(command, Command::Pipeline(pipeline_command::Command::Run(_)));
    let mut builder = if is_run { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all().build()
}

async fn carry_out(command: Command) -> Result<(), String> {
    use pipeline_command::Command as Of;
    match command {
        Command::Verify(tried) => verify::run(&tried, &events::collect()).await,
        Command::Bench(load) => {
            events::collect();
            bench::run(&load).await
        }
        Command::List(folders) => list::folders(&folders).await,
        Command::Info(file) => list::info(&file).await,
        Command::Pipeline(Of::Check(file)) => check::run(&file),
        Command::Pipeline(Of::Run(start)) => run::run(start).await,
        Command::Pipeline(Of::Control(order)) => control::run(&order).await,
        Command::Pipeline(Of::Letters(letters)) => dead_letters::run(&letters),
    }
}
