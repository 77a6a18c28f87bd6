//! The program `proscenium`: it tries plugins out, measures them, and lists them.
//!
//! ```text
//!   command (what was typed) ──▶ verify, bench, list, info ──▶ text on stdout, and the exit code
//!                                   │ each plugin in a sandboxed process of its own: this very program, once more
//!                                   ▼
//!                               proscenium::plugin
//! ```
//!
//! Exit codes: 0, it is so; 1, it is not, with the reason; 2, what was typed is no command.

#![forbid(unsafe_code)]

mod bench;
mod command;
mod events;
mod findings;
mod list;
mod msgpack;
mod samples;
mod verify;

use std::process::ExitCode;

use command::{Command, HELP, Typed};

#[proscenium::main(flavor = "current_thread")]
async fn main() -> ExitCode {
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
    let log = events::collect();
    let done = match command {
        Command::Verify(tried) => verify::run(&tried, &log).await,
        Command::Bench(load) => bench::run(&load).await,
        Command::List(folders) => list::folders(&folders).await,
        Command::Info(file) => list::info(&file).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("proscenium: {why}");
            ExitCode::FAILURE
        }
    }
}
