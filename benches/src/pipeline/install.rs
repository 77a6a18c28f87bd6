//! Peers from the registries of other languages: brought into the target directory at their first sample, by the tools that
//! their users have.

use std::process::{Command, Stdio};

use crate::Failure;

/// Seconds that one command may take; a registry that is out of reach may not hold the bench up for longer.
const LIMIT: &str = "300";

/// Runs one step of an installation: its output, or the reason for the failure in one line.
pub fn step(program: &str, configure: impl FnOnce(&mut Command) -> &mut Command) -> Result<String, Failure> {
    let mut command = Command::new("timeout");
    let command = configure(command.args([LIMIT, program])).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("not installed: timeout {program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    // Mix marks the line that matters with stars, pip with a word, in front of advice; others end with it.
    let is_marked = |line: &&str| line.starts_with("** (") || line.starts_with("ERROR:");
    let why = lines().find(is_marked).or_else(|| lines().next_back()).unwrap_or("it says nothing");
    Err(format!("not installed: {program} ended with {}: {why}", output.status).into())
}
