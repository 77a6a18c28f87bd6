//! What an end means: to a child that is permanent, transient, temporary or significant; and the end of it all.

use crate::Outcome;
use crate::lab::Lab;
use crate::screen::Screen;

pub async fn restart_types(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("Not every end is followed by a restart").await;
    lab.does("exit report normal").await;
    screen
        .proof(lab.worker("report").await.is_err(), "a transient child that is done stays down, and its spec is kept");
    lab.does("restart report").await;
    lab.does("crash report").await;
    screen.proof(lab.row("report").await?.restarts == 2, "one that crashes is restarted");
    lab.does("crash flyer").await;
    screen.proof(lab.row("flyer").await.is_err(), "a temporary one never is, and its spec goes with it");
    Ok(())
}

pub async fn auto_shutdown(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("A significant child takes its supervisor along").await;
    let story = lab.does("exit doors normal").await;
    let order = ["music was stopped", "shop/sale: ends: shutdown"];
    screen.order(&story, &order, "the doors are closed, so the music stops and the sale is over");
    lab.does("restart sale").await;
    screen.proof(lab.worker("doors").await.is_ok(), "whoever is above may begin it again");
    Ok(())
}

pub async fn stop(lab: Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("The end: what was started last is stopped first").await;
    let story = lab.close().await?;
    let stopped = story.iter().filter_map(|line| line.strip_prefix("shop: ")?.strip_suffix(" was stopped: shutdown"));
    let stopped = stopped.collect::<Vec<_>>().join(", ");
    screen.proof(stopped == "sale, carts, warehouse, payments, mailer, weather, report, clock", stopped);
    screen.proof(story.last().is_some_and(|line| line == "shop: ends: normal"), "and the shop itself at last");
    Ok(())
}
