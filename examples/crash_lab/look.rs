//! What is shown after a command, and what the proofs look at.

use proscenium::prelude::*;

use crate::lab::Lab;
use crate::paths::find;
use crate::rows::{Row, rows};
use crate::shop;
use crate::worker::WorkerRef;

impl Lab {
    /// `touched`: who was meant.
    pub async fn shows(&mut self, touched: &str, story: &[String]) {
        if !self.shop.is_running() {
            println!("  The shop has ended, and nobody is above it who would start it again. So the lab does.");
            match shop::open(&self.node).await {
                Ok(shop) => self.shop = shop,
                Err(why) => println!("  It does not start: {why}"),
            }
            self.story.until_rest(&self.node).await;
        }
        let above = touched.rsplit_once('/').map(|(above, _)| above);
        let paths = story.iter().filter_map(|line| line.split(':').next()).chain(above);
        self.picture.part(&self.node.tree().await, paths.min_by_key(|path| path.len()).unwrap_or("shop"));
    }

    pub async fn row(&self, path: &str) -> Result<Row, String> {
        find(&rows(&self.node.tree().await), path)
    }

    pub async fn worker(&self, path: &str) -> Result<WorkerRef, String> {
        self.row(path).await?.worker(&self.node).ok_or_else(|| format!("{path} has no process"))
    }

    /// How often each child of this supervisor was started again.
    pub async fn restarts_below(&self, path: &str) -> Vec<u32> {
        let is_child = |row: &Row| row.path.rsplit_once('/').is_some_and(|(above, _)| above == path);
        rows(&self.node.tree().await).into_iter().filter(is_child).map(|row| row.restarts).collect()
    }
}
