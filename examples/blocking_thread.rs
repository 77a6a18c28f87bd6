//! Blocking code in actors, and actors from blocking code. Both leave tokio's workers alone.
//! Prints the kind of thread that the actor runs on, what it counted there, and calls from a thread without async.

use std::sync::mpsc::{Receiver, channel};

use proscenium::prelude::*;

/// Reads from a source that can only block. `thread` gives the actor an operating-system thread of its own.
struct Reader {
    source: Receiver<String>,
    words: usize,
}

#[actor(thread)]
impl Reader {
    #[init]
    fn init(&mut self, cx: &mut Context<Self>) {
        cx.continue_with(ReaderMsg::read());
    }

    /// Blocks its own thread, and nobody else's.
    #[info]
    fn read(&mut self, cx: &mut Context<Self>) {
        match self.source.recv() {
            Ok(line) => {
                self.words += line.split_whitespace().count();
                cx.continue_with(ReaderMsg::read()); // Before anything in the mailbox.
            }
            Err(_) => println!("{}: {} words", thread_name(), self.words),
        }
    }

    #[call]
    fn words(&self) -> usize {
        self.words
    }
}

fn thread_name() -> String {
    let name = std::thread::current().name().unwrap_or("nameless").to_owned();
    name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() + "N"
}

#[proscenium::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start("threads").await?;
    let (sender, source) = channel();
    let reader = node.spawn(Reader { source, words: 0 }).await?;

    // A plain thread of the program: it has no runtime, so it uses the blocking forms.
    let outside = std::thread::spawn({
        let reader = reader.clone();
        move || {
            for line in ["all the world's", "a stage"] {
                sender.send(line.to_owned()).map_err(|error| error.to_string())?;
            }
            drop(sender); // The source ends; the reader comes to its mailbox.
            reader.words().blocking().map_err(|error| error.to_string())
        }
    });
    let words = tokio::task::spawn_blocking(move || outside.join()).await?.map_err(|_| "the thread panicked")??;
    println!("asked from a thread: {words}");
    node.stop().await?;
    Ok(())
}
