//! Looking inside while it runs, and after a crash.

use proscenium::Reported;
use proscenium::prelude::*;

use crate::screen::Screen;
use crate::{Outcome, PLANNED};

struct Oven {
    degrees: u32,
}

#[actor]
impl Oven {
    #[cast]
    fn heat(&mut self, by: u32) {
        self.degrees += by;
        assert!(self.degrees < 300, "{PLANNED}: the fuse blew at {} degrees", self.degrees);
    }

    #[call]
    fn open(&mut self) {
        self.degrees /= 2;
    }

    #[status]
    fn status(&self) -> String {
        format!("{} degrees", self.degrees)
    }
}

pub async fn show(node: &Node, screen: &mut Screen) -> Outcome {
    screen.section("A look inside");
    let mut reports = node.reports();
    let oven = node.spawn(Oven { degrees: 20 }).named("oven").await?;
    oven.heat(180).await?;
    oven.open().await?;
    let state = oven.sys().state().await?.unwrap_or_default();
    screen.proof(state == "100 degrees", format!("state, while it runs: {state}"));
    let kinds: Vec<_> = oven.sys().history().await?.into_iter().map(|recorded| recorded.kind).collect();
    screen.proof(kinds == ["heat", "open"], format!("history: {}", kinds.join(", ")));

    oven.sys().suspend()?;
    oven.heat(250).await?;
    oven.heat(1).await?;
    oven.sys().state().await?; // Answered although it is suspended: and so it is by now.
    let top = node.top_mailboxes(1).into_iter().next().ok_or("actors live")?;
    let status = format!("{:?}, {} queued, {} handled", top.life, top.queued, top.handled);
    screen.proof(top.actor == oven.id() && top.queued == 2, format!("the fullest mailbox of the node: oven, {status}"));

    oven.sys().resume()?;
    let Some(Reported::Crash(report)) = reports.next().await else { return Err("a report was expected".into()) };
    let message = match &report.exit {
        Exit::Panic(panic) => panic.message.trim_start_matches(PLANNED).trim_start_matches(": ").to_owned(),
        other => other.to_string(),
    };
    let saw: Vec<_> = report.history.iter().map(|recorded| recorded.kind).collect();
    screen.proof(report.in_hand == Some("heat"), format!("crash report: {message}; in hand: heat"));
    screen.proof(saw == ["heat", "open", "heat"], format!("the flight recorder: {}", saw.join(", ")));
    oven.gone().await;
    screen.proof(node.lookup("oven").is_none(), "the name is free again: nobody kept this one's mailbox");
    Ok(())
}
