//! Reads supervisor scripts from standard input and prints their traces: what was started and stopped, and what was
//! answered, in virtual time. A real Erlang prints the same.
//!
//! ```text
//! cargo run -p proscenium-supervision --example replay -- --core < scripts.txt
//! ```

use std::io::{Read, Write};

#[path = "replay/script.rs"]
mod script;
#[path = "replay/words.rs"]
mod words;
#[path = "replay/world.rs"]
mod world;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut out = std::io::stdout().lock();
    for script in script::Script::parse_all(&text)? {
        for line in world::run(&script, &world::Faithful) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
