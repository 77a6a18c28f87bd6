//! A program that runs for the whole bench: one line to its standard input asks for a sample, one line comes back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::Failure;

/// A sample that takes longer than this has failed.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

pub struct Asked {
    name: &'static str,
    process: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Asked {
    /// Starts it, and gives the line that it greets with.
    pub fn start(name: &'static str, command: &mut Command) -> Result<(Self, String), Failure> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("a child has no standard input")?;
        let output = BufReader::new(process.stdout.take().ok_or("a child has no standard output")?);
        let (lines, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let asked = Self { name, process, input, answers };
        let greeting = asked.answer()?;
        Ok((asked, greeting))
    }

    pub fn call(&mut self, question: &str) -> Result<String, Failure> {
        writeln!(self.input, "{question}")?;
        self.input.flush()?;
        self.answer()
    }

    fn answer(&self) -> Result<String, Failure> {
        let line = self.answers.recv_timeout(ANSWER_LIMIT);
        line.map_err(|_| format!("{}: no answer within {ANSWER_LIMIT:?}, or it has ended", self.name).into())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; the kill covers a sample that hangs.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
