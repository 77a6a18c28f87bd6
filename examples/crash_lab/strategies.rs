//! Which children are restarted when one is, and what follows when that happens too often.

use crate::Outcome;
use crate::lab::Lab;
use crate::screen::Screen;

pub async fn one_for_one(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("one_for_one: who crashes is restarted alone").await;
    let clock = lab.worker("clock").await?;
    lab.does("crash clock").await;
    screen.proof(
        lab.restarts_below("shop").await == [1, 0, 0, 0, 0, 0, 0, 0, 0],
        "the clock was restarted, and no other",
    );
    screen.proof(clock.done().await? == 0, "the ref from before is good: the new clock answers it, with a new state");
    Ok(())
}

pub async fn rest_for_one(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("rest_for_one: each builds on those before it").await;
    let audit = lab.worker("audit").await?;
    lab.does("suspend audit").await;
    lab.does("tell audit 3").await;
    let story = lab.does("crash gateway").await;
    let order = ["gateway ended", "audit was stopped", "gateway started", "audit started"];
    screen.order(&story, &order, "what came after the gateway was stopped before its start, and started after it");
    screen.proof(lab.restarts_below("shop/payments").await == [0, 1, 1], "the database, which came before it, went on");
    screen.proof(audit.done().await? == 3, "the queue has outlived the audit: the next one has handled the 3 messages");
    Ok(())
}

pub async fn one_for_all(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("one_for_all: they cannot do without each other").await;
    let story = lab.does("crash prices").await;
    let stops = ["prices ended", "arm was stopped", "robots: ends", "robots was stopped", "stock was stopped"];
    let starts = ["stock started", "prices started", "arm started", "robots started"];
    screen.order(
        &story,
        &[&stops[..], &starts].concat(),
        "stopped last to first, started first to last, a whole branch among them",
    );
    Ok(())
}

pub async fn simple_one_for_one(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("simple_one_for_one: as many of a kind as are wanted").await;
    lab.does("start carts").await;
    lab.does("crash cart#1").await;
    lab.does("stop cart#2").await;
    screen.proof(lab.restarts_below("shop/carts").await == [0, 1, 0], "one more, one restarted alone, one gone");
    Ok(())
}

pub async fn escalation(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("Too often: the supervisor gives up, and the one above it restarts the branch").await;
    let audit = lab.worker("audit").await?;
    let story = lab.does("crash database").await;
    let parts = [
        "shop/payments: database ended",
        "shop/payments: database restarted too often; giving up",
        "shop/payments: audit was stopped",
        "shop/payments: gateway was stopped",
        "shop/payments: ends: shutdown",
        "shop: payments ended: shutdown",
        "shop/payments: database started",
        "shop/payments: gateway started",
        "shop/payments: audit started",
        "shop: payments started, for the 2nd time",
    ];
    screen.order(&story, &parts, "a third restart within a minute was one too many: one story, up and down the tree");
    screen.proof(lab.restarts_below("shop/payments").await == [0, 0, 0], "the new supervisor began anew");
    screen.proof(!audit.is_running(), "and so did its children: refs to the old ones are good no more");
    Ok(())
}
