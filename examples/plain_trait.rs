//! An actor written by hand, without `#[actor]`: the message type is yours, and every hook of the trait is open.
//! Prints the stock after a delivery and two sales, one of which is refused, and what the actor says at its end.

use proscenium::prelude::*;

struct Shelf {
    stock: u32,
}

enum Msg {
    Deliver(u32),
    Sell { count: u32, reply: Reply<Result<u32, String>> },
}

impl Actor for Shelf {
    type Msg = Msg;
    type Ref = Ref<Self>;

    const MAILBOX: Mailbox = Mailbox::bounded(64);
    const KINDS: &'static [&'static str] = &["deliver", "sell"];

    fn kind(msg: &Msg) -> u8 {
        match msg {
            Msg::Deliver(_) => 0,
            Msg::Sell { .. } => 1,
        }
    }

    async fn init(&mut self, _cx: &mut Context<Self>) -> Result<(), Exit> {
        println!("open with {} in stock", self.stock);
        Ok(())
    }

    async fn handle(&mut self, _cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Deliver(count) => self.stock += count,
            Msg::Sell { count, reply } => reply.send(self.sell(count)),
        }
        Ok(())
    }

    async fn terminate(&mut self, _cx: &mut Context<Self>, exit: &Exit) {
        println!("closed ({exit}) with {} in stock", self.stock);
    }
}

impl Shelf {
    fn sell(&mut self, count: u32) -> Result<u32, String> {
        let left = self.stock.checked_sub(count).ok_or(format!("{count} asked for, {} there", self.stock))?;
        self.stock = left;
        Ok(left)
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("shop").await?;
    let shelf = node.spawn(Shelf { stock: 3 }).named("shelf").await?;

    shelf.tell(Msg::Deliver(2)).await?;
    for count in [4, 4] {
        match shelf.call(|reply| Msg::Sell { count, reply }).await? {
            Ok(left) => println!("sold {count}, {left} left"),
            Err(why) => println!("refused: {why}"),
        }
    }
    node.stop().await
}
