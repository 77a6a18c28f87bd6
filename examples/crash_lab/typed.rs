//! Lines from standard input. They are read on a thread of their own, because reading them blocks.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};

pub struct Typed {
    lines: Receiver<String>,
    /// Read already, and to be heard again.
    first: Option<String>,
}

impl Typed {
    pub fn listen() -> Self {
        let (sender, lines) = channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if sender.blocking_send(line.trim().to_owned()).is_err() {
                    return; // Nobody listens any more.
                }
            }
        });
        Typed { lines, first: None }
    }

    /// None: the input is at its end.
    pub async fn next(&mut self) -> Option<String> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.lines.recv().await,
        }
    }

    /// Whether somebody has something to say. An input that is open and silent is nobody's.
    pub async fn says_something(&mut self) -> bool {
        let first = tokio::time::timeout(Duration::from_millis(500), self.lines.recv());
        self.first = first.await.ok().flatten();
        self.first.is_some()
    }
}
