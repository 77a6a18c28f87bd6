//! What a command comes to: the reports of the supervisors, until all is quiet.

use proscenium::prelude::*;
use proscenium::supervision::{Branch, State, SupervisorReport, Twig};
use proscenium::{Heard, Life, Listener};
use tokio::time::{Instant, timeout, timeout_at};

/// So long without a report, and with nothing under way in the tree.
const QUIET: Duration = Duration::from_millis(30);

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Story(Listener<SupervisorReport>);

impl Story {
    pub fn listen(node: &Node) -> Self {
        Story(SupervisorReport::topic(node).listen())
    }

    /// The next thing that happens. None: the node is gone.
    pub async fn next(&mut self) -> Option<String> {
        match self.0.next().await? {
            Heard::Message(report) => Some(report.to_string()),
            Heard::Lagged(lost) => Some(format!("({lost} reports came too fast, and are not shown)")),
        }
    }

    /// All that happens until the tree rests again.
    pub async fn until_rest(&mut self, node: &Node) -> Vec<String> {
        let mut lines = Vec::new();
        let limit = Instant::now() + PATIENCE;
        loop {
            let before = lines.len();
            while let Ok(Some(line)) = timeout(QUIET, self.next()).await {
                lines.push(line);
            }
            let tree = node.tree().await;
            if (before == lines.len() && tree.supervisors.iter().all(rests)) || Instant::now() > limit {
                return lines;
            }
        }
    }

    /// The same, after something has happened.
    pub async fn once_begun(&mut self, node: &Node) -> Vec<String> {
        let Ok(Some(first)) = timeout_at(Instant::now() + PATIENCE, self.next()).await else { return Vec::new() };
        let mut lines = vec![first];
        lines.extend(self.until_rest(node).await);
        lines
    }
}

fn rests(branch: &Branch) -> bool {
    branch.answer.as_ref().is_some_and(|answer| answer.children.iter().all(child_rests))
}

fn child_rests(child: &Twig) -> bool {
    let is_running = matches!(child.info.state, State::Running(_));
    let has_work = child.status.as_ref().is_some_and(|status| match status.in_hand {
        Some(kind) => kind != "hang",
        None => status.queued > 0 && status.life != Life::Suspended,
    });
    !is_running || (child.info.is_alive && !has_work && child.below.as_ref().is_none_or(rests))
}
