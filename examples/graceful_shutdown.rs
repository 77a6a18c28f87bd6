//! A stop that loses nothing: what is queued is handled, nothing new is taken, the stop hook runs, then the node ends.
//! Prints the jobs, the refusal, the stop hook and the order in which the node stops its actors.

use std::sync::Arc;

use proscenium::prelude::*;
use tokio::sync::Semaphore;

struct Printer {
    permits: Arc<Semaphore>,
}

#[actor]
impl Printer {
    #[cast]
    async fn print(&mut self, page: u32) -> Result<(), Exit> {
        self.permits.acquire().await?.forget();
        println!("page {page}");
        Ok(())
    }

    #[terminate]
    fn off(&mut self, exit: &Exit) {
        println!("printer off ({exit})");
    }
}

struct Service(&'static str);

#[actor]
impl Service {
    #[terminate]
    fn off(&mut self, exit: &Exit) {
        println!("{} off ({exit})", self.0);
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("shutdown").await?;
    node.spawn(Service("database")).await?;
    node.spawn(Service("web server")).await?;

    let permits = Arc::new(Semaphore::new(0));
    let printer = node.spawn(Printer { permits: permits.clone() }).await?;
    for page in 1..=3 {
        printer.print(page).await?;
    }
    printer.stop().reason(Exit::shutdown_with("out of toner")).now(); // Begins here; the printer is at page 1 yet.
    if let Err(refused) = printer.print(4).await {
        println!("page 4: {refused}");
    }
    permits.add_permits(3);
    println!("printer ended: {}", printer.gone().await);

    // A real program waits for Ctrl-C or SIGTERM here; this one has seen enough.
    tokio::select! {
        signal = node.shutdown_signal() => println!("asked to end: {:?}", signal?),
        () = std::future::ready(()) => println!("nothing more to do"),
    }
    node.stop().await // The latest first: the web server before the database that it uses.
}
