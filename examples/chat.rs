//! A chat: rooms on demand under a dynamic supervisor, people in groups, a topic for whoever counts. A line crashes its room;
//! nobody loses the room, and the room loses what it alone knew. Prints what each person heard.

use proscenium::prelude::*;
use proscenium::{DynamicSupervisor, Heard};

struct Person {
    heard: Vec<String>,
}

#[actor]
impl Person {
    #[cast]
    fn hear(&mut self, line: String) {
        self.heard.push(line);
    }

    #[call]
    fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }
}

/// Who is in the room is the group's to know, and outlives a crash. How much was said is the room's, and does not.
struct Room {
    name: String,
    lines: u32,
}

#[actor]
impl Room {
    #[call]
    async fn say(&mut self, cx: &mut Context<Self>, who: String, what: String) -> Result<u32, Exit> {
        assert!(!what.contains("/quit"), "{} does not know what to do with {what}", self.name);
        self.lines += 1;
        let line = format!("[{} {}] {who}: {what}", self.name, self.lines);
        for person in cx.node().group::<Person>(self.name.as_str()).members() {
            person.tell(PersonMsg::hear(line.clone())).await?;
        }
        cx.node().topic("lines").publish(line).await;
        Ok(self.lines)
    }
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    std::panic::set_hook(Box::new(|_| {})); // The crash is part of the show.
    let node = Node::start("chat").await?;
    let mut lines = node.topic::<String>("lines").listen();
    let rooms = DynamicSupervisor::new(|name: String| Room { name, lines: 0 }).max_children(2).start(&node).await?;
    let (tea, code) = (rooms.start_child("tea".into()).await?, rooms.start_child("code".into()).await?);
    println!("a third room: {}", rooms.start_child("late".into()).await.expect_err("two are the limit"));

    let mut people = Vec::new();
    for (name, rooms) in [("ada", ["tea", "code"].as_slice()), ("grace", &["tea"]), ("alan", &["code"])] {
        let person = node.spawn(Person { heard: Vec::new() }).named(name).await?;
        for room in rooms {
            node.group::<Person>(*room).join(&person);
        }
        people.push((name, person));
    }

    assert_eq!(tea.say("grace".into(), "hello".into()).await??, 1);
    assert_eq!(tea.say("ada".into(), "hello, grace".into()).await??, 2);
    println!("grace says /quit, and is heard: {}", tea.say("grace".into(), "/quit".into()).await.is_ok());
    assert_eq!(tea.say("ada".into(), "still here?".into()).await??, 1, "the count began anew; the people stay");
    assert_eq!(code.say("alan".into(), "it halts".into()).await??, 1, "the other room has not noticed");

    for (name, person) in people {
        println!("{name}: {}", person.heard().await?.join(" "));
    }
    for published in ["hello", "hello, grace", "still here?", "it halts"] {
        let heard = lines.next().await;
        assert!(matches!(heard, Some(Heard::Message(line)) if line.ends_with(published)), "what crashed was not said");
    }
    node.stop().await
}
