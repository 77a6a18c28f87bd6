//! A cell that is restarted at every end, and killed or given up at its own wish: a supervisor in a dozen lines.

use std::sync::Arc;

use proscenium_runtime::{Actor, ActorCell, Ended, Exit, Mailbox, Node, Owner};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What the keeper of a cell hears.
pub enum Wish {
    Ended(Ended),
    Kill,
    GiveUp,
    Close,
}

#[derive(Clone)]
pub struct Wishes(mpsc::UnboundedSender<Wish>);

impl Wishes {
    pub fn send(&self, wish: Wish) {
        let _ = self.0.send(wish); // The keeper has closed the cell.
    }
}

impl Owner for Wishes {
    fn restarts(&self, _: u64, _: &Exit) -> bool {
        true
    }

    fn exited(&self, ended: Ended) {
        self.send(Wish::Ended(ended));
    }
}

/// Keeps an actor running until `Wish::Close`. The task's result is the number of restarts.
pub async fn keep<A: Actor>(
    node: &Node,
    light: bool,
    mailbox: Mailbox,
    make: impl Fn(Wishes) -> A + Send + 'static,
) -> (A::Ref, Wishes, JoinHandle<u64>) {
    let (sender, mut wishes) = mpsc::unbounded_channel();
    let wish = Wishes(sender);
    let cell = if light {
        ActorCell::<A>::light(node, mailbox, Arc::new(wish.clone())).unwrap()
    } else {
        ActorCell::<A>::ordinary(node, mailbox, Arc::new(wish.clone())).unwrap()
    };
    cell.start(make(wish.clone())).await.unwrap();
    let (reference, given) = (cell.reference(), wish.clone());
    let keeper = tokio::spawn(async move {
        let mut incarnation = 1;
        while let Some(heard) = wishes.recv().await {
            match heard {
                Wish::Ended(ended) => {
                    assert_eq!(ended.incarnation, incarnation, "each end is told once, in order");
                    cell.start(make(wish.clone())).await.unwrap();
                    incarnation += 1;
                }
                Wish::Kill => cell.kill(),
                Wish::GiveUp => drop(cell.give_up()),
                Wish::Close => {
                    cell.close(&Exit::Shutdown);
                    break;
                }
            }
        }
        u64::from(incarnation - 1)
    });
    (reference, given, keeper)
}
