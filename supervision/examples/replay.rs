//! Reads supervisor scripts from standard input and prints their traces: what was started and stopped, and what was
//! answered, in virtual time. A real Erlang prints the same.
//!
//! ```text
//! cargo run -p proscenium-supervision --example replay < scripts.txt            the real supervisor, over real actors
//! cargo run -p proscenium-supervision --example replay -- --core < scripts.txt  its core alone
//! ```

use std::io::{Read, Write};

#[path = "replay/actors.rs"]
mod actors;
#[path = "replay/script.rs"]
mod script;
#[path = "replay/words.rs"]
mod words;
#[path = "replay/world.rs"]
mod world;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_core = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--core") => true,
        Some(other) => return Err(format!("`{other}` is no word of mine; there is none, and `--core`").into()),
    };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for script in script::Script::parse_all(&text)? {
        let lines = if is_core { world::run(&script, &world::Faithful) } else { actors::run(&script) };
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}
