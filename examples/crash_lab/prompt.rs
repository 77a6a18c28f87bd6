//! Your turn.

use std::io::Write;

use crate::Outcome;
use crate::command::help;
use crate::lab::Lab;
use crate::picture::View;
use crate::typed::Typed;

/// `is_person`: commands are not echoed, and are asked for.
pub async fn run(mut typed: Typed, is_person: bool) -> Outcome {
    println!("\nYour turn, with a shop that is new.\n");
    let mut lab = Lab::open(View::Whole).await?;
    println!("\n{}\n\nFor a start: `crash gateway`, three times.", help());
    loop {
        if is_person {
            print!("\n> ");
            std::io::stdout().flush()?;
        }
        let line = tokio::select! {
            line = typed.next() => line,
            Some(news) = lab.story.next() => {
                println!("    {news}");
                continue;
            }
        };
        match line.as_deref() {
            None | Some("quit") => break,
            Some(line) if is_person => drop(lab.types(line).await),
            Some(line) => drop(lab.does(line).await),
        }
    }
    println!("\nThe shop closes; what was started last is stopped first:");
    lab.close().await?.iter().for_each(|line| println!("    {line}"));
    Ok(())
}
