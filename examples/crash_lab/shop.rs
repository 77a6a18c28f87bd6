//! The tree of the lab: a shop with a supervisor of each strategy, and a child of each kind.

use proscenium::prelude::*;
use proscenium::supervision::ActorChild;

use crate::worker::Worker;

const MINUTE: Duration = Duration::from_secs(60);

/// People type slowly, so restarts are counted for a minute.
pub async fn open(node: &Node) -> Result<SupervisorRef, Box<dyn std::error::Error>> {
    let shop = shop().start(node).await?;
    let carts = shop.supervisor("carts").await?;
    for _ in 0..3 {
        carts.start_dynamic(None).await?;
    }
    Ok(shop)
}

fn shop() -> Supervisor {
    let backoff = Backoff::exponential(Duration::from_secs(2), Duration::from_secs(30));
    let quarantine = Quarantine::after(1, MINUTE).retry_after(Duration::from_secs(3));
    Supervisor::one_for_one()
        .named("shop")
        .intensity(5, MINUTE)
        .child(worker("clock"))
        .child(worker("report").restart(Restart::Transient))
        .child(worker("flyer").restart(Restart::Temporary))
        .child(worker("weather").backoff(backoff))
        .child(worker("mailer").quarantine(quarantine))
        .child(ChildSpec::supervisor("payments", payments))
        .child(ChildSpec::supervisor("warehouse", warehouse))
        .child(ChildSpec::supervisor("carts", carts))
        .child(ChildSpec::supervisor("sale", sale).restart(Restart::Transient))
}

/// Each builds on those before it. The gateway starts when the database is ready, and not before.
fn payments() -> Supervisor {
    let database = worker("database").ready_when(|database| async move { Ok(database.ping().await?) });
    let rest = Supervisor::rest_for_one().intensity(2, MINUTE);
    rest.child(database).child(worker("gateway")).child(worker("audit"))
}

/// They share what one crash makes worthless for all, a supervisor among them.
fn warehouse() -> Supervisor {
    let robots = || Supervisor::one_for_one().intensity(2, MINUTE).child(worker("arm"));
    let all = Supervisor::one_for_all().intensity(2, MINUTE);
    all.child(worker("stock")).child(worker("prices")).child(ChildSpec::supervisor("robots", robots))
}

/// As many as there are customers.
fn carts() -> Supervisor {
    Supervisor::simple_one_for_one(worker("cart")).intensity(3, MINUTE)
}

/// Over when the doors close.
fn sale() -> Supervisor {
    Supervisor::one_for_one()
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child(worker("music"))
        .child(worker("doors").restart(Restart::Transient).significant())
}

type Made = ChildSpec<ActorChild<fn() -> Worker>>;

/// Asked to stop, it has half a second.
pub fn worker(id: &str) -> Made {
    ChildSpec::new(id, Worker::default as fn() -> Worker).shutdown(Shutdown::Within(Duration::from_millis(500)))
}
