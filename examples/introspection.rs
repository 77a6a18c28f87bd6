//! Looking inside a running system, without having prepared for it.
//! Prints an actor's status, state and history, the fullest mailbox of the node, and a crash report.

use proscenium::Reported;
use proscenium::prelude::*;

struct Account {
    cents: i64,
}

#[actor]
impl Account {
    #[cast]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[cast]
    fn withdraw(&mut self, cents: i64) {
        assert!(cents <= self.cents, "overdrawn");
        self.cents -= cents;
    }

    #[call]
    fn balance(&self) -> i64 {
        self.cents
    }

    /// What reports may show. Without this they show no state at all.
    #[status]
    fn status(&self) -> String {
        format!("{} cents", self.cents)
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let node = Node::start("bank").await?;
    let mut reports = node.reports();
    let account = node.spawn(Account { cents: 0 }).named("account").await?;

    account.deposit(500).await?;
    account.withdraw(120).await?;
    println!("balance: {}", account.balance().await?);
    // System requests overtake messages: without the call above, this might come before the withdrawal.
    println!("state: {}", account.sys().state().await?.unwrap_or_default());
    println!("half of it: {}", account.sys().inspect(|account| account.cents / 2).await?);
    account.sys().replace_state(|account| account.cents = 1000).await?;

    // Suspended, it answers system requests only; its messages wait.
    account.sys().suspend()?;
    account.deposit(1).await?;
    account.withdraw(5000).await?;
    account.deposit(1).await?;
    let kinds: Vec<_> = account.sys().history().await?.into_iter().map(|recorded| recorded.kind).collect();
    let status = account.sys().status();
    println!(
        "status: {:?}, {} queued of {:?}, {} handled",
        status.life, status.queued, status.capacity, status.handled
    );
    println!("history: {kinds:?}");
    for top in node.top_mailboxes(1) {
        println!("fullest mailbox: {} with {}", top.name.map(|name| name.to_string()).unwrap_or_default(), top.queued);
    }

    account.sys().resume()?;
    if let Some(Reported::Crash(report)) = reports.next().await {
        let kinds: Vec<_> = report.history.iter().map(|recorded| recorded.kind).collect();
        println!("crash in incarnation {}: in hand {:?}", report.incarnation, report.in_hand);
        println!("what it saw before: {kinds:?}; still queued: {}", report.queued);
    }
    node.stop().await
}
