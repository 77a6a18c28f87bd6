//! What Erlang's supervisors do not have: children that cannot be killed, restarts that wait, a quarantine.

use crate::Outcome;
use crate::lab::Lab;
use crate::screen::Screen;

pub async fn hang(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("A handler that never comes back is given up, and the tree goes on").await;
    let audit = lab.worker("audit").await?;
    lab.does("hang audit").await;
    lab.does("tell audit 2").await;
    let story = lab.does("crash gateway").await;
    let order = ["gateway ended", "audit was stopped: unresponsive", "gateway started", "audit started"];
    screen.order(&story, &order, "asked to stop for half a second, killed, and given up a tenth of a second later");
    screen.proof(audit.done().await? == 2, "what had waited behind the hanging handler was handled by the next audit");
    Ok(())
}

pub async fn backoff(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("A restart that waits").await;
    let story = lab.does("crash weather").await;
    screen.order(&story, &["weather ended"], "it is not started at once: its backoff is 2 s, and doubles");
    let story = lab.does("wait").await;
    screen.order(&story, &["weather started"], "meanwhile its supervisor went on with the others");
    Ok(())
}

pub async fn quarantine(lab: &mut Lab, screen: &mut Screen<'_>) -> Outcome {
    screen.chapter("A quarantine: one child too many restarts, and nobody else suffers").await;
    let mailer = lab.worker("mailer").await?;
    lab.does("crash mailer").await;
    let story = lab.does("crash mailer").await;
    screen.order(
        &story,
        &["mailer ended", "mailer restarted too often"],
        "its second restart within a minute was one too many",
    );
    lab.does("tell mailer 2").await;
    screen.proof(lab.row("mailer").await?.queued() == 2, "what is sent to it waits");
    let story = lab.does("wait").await;
    screen.order(&story, &["mailer started"], "after 3 s it is tried again");
    screen.proof(mailer.done().await? == 2, "and handles what had waited");
    Ok(())
}
