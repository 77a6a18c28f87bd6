//! A worker that does what it is told, its own end included.

use proscenium::prelude::*;

/// What the panics of the lab say, so that they can be told from those that nobody planned.
pub const PLANNED: &str = "told to crash";

/// Its mailbox is small, so that a person can fill it.
pub const ROOM: usize = 100;

/// Its count is its state: a crash costs it, a queue survives.
#[derive(Default)]
pub struct Worker {
    done: u64,
}

/// A handler that may hang gets a thread of its own, or it would take one of tokio's along.
#[actor(mailbox = ROOM, thread)]
impl Worker {
    #[cast]
    fn work(&mut self) {
        self.done += 1;
    }

    #[cast]
    fn crash(&mut self) {
        panic!("{PLANNED}");
    }

    #[cast]
    fn end(&mut self, cx: &mut Context<Self>, exit: Exit) {
        cx.stop(exit);
    }

    /// Never comes back.
    #[cast]
    fn hang(&mut self) {
        loop {
            std::thread::park();
        }
    }

    #[call]
    fn ping(&self) {}

    #[call]
    fn done(&self) -> u64 {
        self.done
    }

    #[status]
    fn status(&self) -> String {
        format!("{} done", self.done)
    }
}

/// A panic costs its actor alone, but the default hook prints a backtrace of each. Set before the node starts.
pub fn keep_planned_panics_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let planned = panic.payload_as_str().is_some_and(|message| message.starts_with(PLANNED));
        if !planned {
            usual(panic);
        }
    }));
}
