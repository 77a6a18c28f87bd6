//! What a person can type.

use proscenium::prelude::*;

/// Words, what follows them, and what they do.
const WORDS: &[(&str, &str, &str)] = &[
    ("crash", "<path>", "it panics in a handler"),
    ("exit", "<path> <reason>", "it ends by itself: `normal`, `shutdown`, or any word, which is a crash"),
    ("kill", "<path>", "it ends without its stop hook; a supervisor, too"),
    ("hang", "<path>", "its handler never comes back; `stop` it, or crash one that it depends on"),
    ("tell", "<path> <n>", "n messages into its mailbox, which holds 100"),
    ("suspend", "<path>", "it leaves its mailbox alone; `resume` ends that"),
    ("resume", "<path>", "it goes on with what is queued"),
    ("start", "<path>", "a new child, as `start shop/bell`; for `carts`, one more"),
    ("stop", "<path>", "its supervisor stops it, and keeps its spec"),
    ("restart", "<path>", "its supervisor starts it again after a `stop`, or an end that was its last"),
    ("delete", "<path>", "its supervisor forgets its spec"),
    ("wait", "", "for what happens by itself: a restart that waits, the end of a quarantine"),
    ("tree", "", "the whole tree"),
    ("help", "", "this list"),
    ("quit", "", "the end"),
];

pub struct Command {
    pub word: &'static str,
    pub path: String,
    /// What follows the path.
    pub rest: String,
}

impl Command {
    /// None: the line says nothing.
    pub fn parse(line: &str) -> Result<Option<Command>, String> {
        let mut parts = line.split_whitespace();
        let Some(typed) = parts.next().filter(|typed| !typed.starts_with('#')) else { return Ok(None) };
        let Some((word, wants, _)) = WORDS.iter().find(|(word, ..)| *word == typed) else {
            let words: Vec<_> = WORDS.iter().map(|(word, ..)| *word).collect();
            return Err(format!("there is no `{typed}`; there are {}", words.join(", ")));
        };
        let path = parts.next().unwrap_or_default().trim_matches('/').to_owned();
        let rest: Vec<_> = parts.collect();
        if path.is_empty() != wants.is_empty() || (rest.is_empty() && wants.contains(' ')) {
            return Err(format!("write `{}`", format!("{word} {wants}").trim_end()));
        }
        Ok(Some(Command { word, path, rest: rest.join(" ") }))
    }

    pub fn exit(&self) -> Exit {
        match self.rest.as_str() {
            "normal" => Exit::Normal,
            "shutdown" => Exit::Shutdown,
            other => Exit::custom(other),
        }
    }

    pub fn count(&self) -> Result<usize, String> {
        self.rest.parse().map_err(|_| format!("`{}` is no number; write `tell {} 3`", self.rest, self.path))
    }
}

pub fn help() -> String {
    let line = |(word, wants, does): &(&str, &str, &str)| format!("  {:<24} {does}\n", format!("{word} {wants}"));
    let lines: String = WORDS.iter().map(line).collect();
    format!(
        "{lines}A path is as in the tree, `shop/payments/gateway`; its end is enough if only one has it: `gateway`."
    )
}
