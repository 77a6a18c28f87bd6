//! A call need not be answered by the handler that got it: keep the reply, hand it to a future, or to another actor.
//! Prints three callers that are let go together, an answer from a future, and one from a delegate.

use proscenium::prelude::*;

/// Lets callers go when `size` of them are there.
struct Barrier {
    size: usize,
    waiting: Vec<Reply<usize>>,
}

#[actor]
impl Barrier {
    #[call]
    fn arrive(&mut self, reply: Reply<usize>) {
        self.waiting.push(reply);
        if self.waiting.len() == self.size {
            let size = self.size;
            self.waiting.drain(..).for_each(|reply| reply.send(size));
        }
    }
}

/// Answers slow questions without being slow itself.
struct Desk {
    expert: ExpertRef,
}

#[actor]
impl Desk {
    /// The future runs beside the handlers; the desk takes the next message meanwhile.
    #[call]
    fn look_up(&mut self, cx: &mut Context<Self>, word: String, reply: Reply<usize>) {
        cx.reply_with(reply, async move { word.chars().count() });
    }

    /// The expert answers the caller directly.
    #[call]
    async fn consult(&mut self, question: String, reply: Reply<String>) -> Result<(), Exit> {
        self.expert.delegate(reply, |reply| ExpertMsg::Think { question, reply }).await?;
        Ok(())
    }
}

struct Expert;

#[actor]
impl Expert {
    #[call]
    fn think(&mut self, question: String) -> String {
        format!("{question} It depends.")
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("desk").await?;

    let barrier = node.spawn(Barrier { size: 3, waiting: Vec::new() }).await?;
    let (one, two, three) = tokio::join!(barrier.arrive(), barrier.arrive(), barrier.arrive());
    println!("let go together: {} {} {}", one?, two?, three?);

    let expert = node.spawn(Expert).await?;
    let desk = node.spawn(Desk { expert }).await?;
    println!("from a future: {}", desk.look_up("proscenium".into()).await?);
    println!("from the expert: {}", desk.consult("Actors or threads?".into()).await?);

    // A reply that is dropped ends the call at once; nobody waits for a time-out.
    let lone = node.spawn(Barrier { size: 2, waiting: Vec::new() }).await?;
    let (answer, ()) = tokio::join!(lone.arrive(), async { lone.stop().reason(Exit::Shutdown).now() });
    println!("from an actor that ended: {}", answer.map_or_else(|error| error.to_string(), |n| n.to_string()));
    node.stop().await
}
