//! The shop, and what becomes of it when somebody types.

use proscenium::prelude::*;

use crate::acts;
use crate::command::{Command, help};
use crate::picture::{Picture, View};
use crate::rows::rows;
use crate::shop;
use crate::story::Story;

pub struct Lab {
    pub node: Node,
    pub shop: SupervisorRef,
    pub story: Story,
    pub picture: Picture,
}

impl Lab {
    pub async fn open(view: View) -> Result<Lab, Box<dyn std::error::Error>> {
        let node = Node::start("lab").await?;
        let mut story = Story::listen(&node);
        let shop = shop::open(&node).await?;
        story.until_rest(&node).await;
        let mut picture = Picture::new(view);
        picture.whole(&node.tree().await);
        Ok(Lab { node, shop, story, picture })
    }

    /// What a person types, and what comes of it: the story and the picture are printed, and the story is the result.
    pub async fn types(&mut self, line: &str) -> Vec<String> {
        let said = match Command::parse(line) {
            Ok(None) => return Vec::new(),
            Ok(Some(command)) => self.obeys(&command).await,
            Err(why) => Err(why),
        };
        said.unwrap_or_else(|why| {
            println!("  {why}");
            Vec::new()
        })
    }

    /// The same, with an echo.
    pub async fn does(&mut self, line: &str) -> Vec<String> {
        println!("\n> {line}");
        self.types(line).await
    }

    async fn obeys(&mut self, command: &Command) -> Result<Vec<String>, String> {
        let tree = self.node.tree().await;
        let touched = match command.word {
            "tree" => {
                self.picture.whole(&tree);
                return Ok(Vec::new());
            }
            "help" => return Err(help()),
            "wait" => String::new(),
            _ => acts::act(&self.node, &self.shop, &rows(&tree), command).await?,
        };
        let story = match command.word {
            "wait" => self.story.once_begun(&self.node).await,
            _ => self.story.until_rest(&self.node).await,
        };
        story.iter().for_each(|line| println!("    {line}"));
        self.shows(&touched, &story).await;
        Ok(story)
    }

    /// Stops the shop and the node; gives the story of the stop.
    pub async fn close(mut self) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        self.shop.stop().await?;
        let story = self.story.until_rest(&self.node).await;
        self.node.stop().await?;
        Ok(story)
    }
}
