//! A bank: one actor for each account, started on demand, over a ledger that remembers. An account crashes in the middle
//! of its day; no money is lost, and whoever holds its ref notices nothing. Prints the balances before and after.

use std::collections::BTreeMap;
use std::sync::Arc;

use proscenium::prelude::*;
use proscenium::supervision::ActorChild;

/// What must outlive a crash of an account. Under `rest_for_one` it is started before the accounts.
#[derive(Default)]
struct Ledger(BTreeMap<String, i64>);

#[actor]
impl Ledger {
    #[call]
    fn balance(&self, of: String) -> i64 {
        self.0.get(&of).copied().unwrap_or(0)
    }

    /// Both sides in one message: there is no half of a transfer.
    #[call]
    fn transfer(&mut self, from: String, to: String, amount: i64) {
        *self.0.entry(from).or_default() -= amount;
        *self.0.entry(to).or_default() += amount;
    }
}

struct Account(String);

#[actor]
impl Account {
    #[call]
    async fn balance(&mut self, cx: &mut Context<Self>) -> Result<i64, Exit> {
        Ok(Ledger::whereis(cx.node(), "ledger")?.balance(self.0.clone()).await?)
    }

    #[call]
    async fn pay(&mut self, cx: &mut Context<Self>, to: String, amount: i64) -> Result<(), Exit> {
        assert!(amount > 0, "{} tried to pay {amount}", self.0);
        Ok(Ledger::whereis(cx.node(), "ledger")?.transfer(self.0.clone(), to, amount).await?)
    }
}

async fn show(node: &Node, names: &[&str]) -> proscenium::Result<()> {
    for name in names {
        println!("  {name:<6} {:>5}", Account::whereis(node, *name)?.balance().await??);
    }
    Ok(())
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    std::panic::set_hook(Box::new(|_| {})); // The crash is part of the show.
    let node = Node::start("bank").await?;
    let accounts = || Supervisor::simple_one_for_one(ChildSpec::new("account", || Account(String::new())));
    let bank = Supervisor::rest_for_one()
        .child(ChildSpec::new("ledger", Ledger::default).named("ledger"))
        .child(ChildSpec::supervisor("accounts", accounts))
        .start(&node)
        .await?;

    let accounts = bank.supervisor("accounts").await?;
    let names = ["mint", "ada", "grace"];
    for name in names {
        let account = ActorChild::new(move || Account(name.to_owned())).named(name);
        accounts.start_dynamic(Some(Arc::new(account))).await?;
    }
    Account::whereis(&node, "mint")?.pay("ada".into(), 100).await??;
    println!("in the morning:");
    show(&node, &names).await?;

    let ada = Account::whereis(&node, "ada")?;
    println!("ada pays -5: {}", ada.pay("grace".into(), -5).await.is_ok());
    ada.pay("grace".into(), 30).await??;
    println!("after ada's crash, and 30 for grace:");
    show(&node, &names).await?;
    node.stop().await
}
