//! A tree of supervisors that you crash: `make demo`. Prints a story of crashes with a picture after each, and a line for
//! each proof. Then it is your turn: commands that you type, or that come by a pipe, as in
//! `echo crash gateway | cargo run --example crash_lab`. Words: `--script` is the story alone, `--prompt` your turn alone.

mod acts;
mod beyond;
mod command;
mod ends;
mod lab;
mod look;
mod paths;
mod picture;
mod prompt;
mod requests;
mod rows;
mod screen;
mod shop;
mod story;
mod strategies;
mod typed;
mod worker;

use std::io::IsTerminal;

use lab::Lab;
use picture::View;
use screen::Screen;
use typed::Typed;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[proscenium::main]
async fn main() -> Outcome {
    worker::keep_planned_panics_quiet();
    let word = std::env::args().nth(1).unwrap_or_default();
    if word == "--script" {
        return script(None).await;
    }
    let is_person = std::io::stdin().is_terminal();
    let mut typed = Typed::listen();
    match (word.as_str(), is_person) {
        ("--prompt", _) => prompt::run(typed, is_person).await,
        ("", true) => {
            script(Some(&mut typed)).await?;
            prompt::run(typed, true).await
        }
        ("", false) if typed.says_something().await => prompt::run(typed, false).await,
        ("", false) => script(None).await,
        _ => Err(format!("there is no `{word}`; there are --script and --prompt, and commands by a pipe").into()),
    }
}

async fn script(reader: Option<&mut Typed>) -> Outcome {
    println!("A shop under supervisors, and what becomes of it when its parts crash. ◀ marks what has changed.\n");
    let mut screen = Screen::new(reader);
    let mut lab = Lab::open(View::WhatMatters).await?;

    strategies::one_for_one(&mut lab, &mut screen).await?;
    strategies::rest_for_one(&mut lab, &mut screen).await?;
    strategies::one_for_all(&mut lab, &mut screen).await?;
    strategies::simple_one_for_one(&mut lab, &mut screen).await?;
    ends::restart_types(&mut lab, &mut screen).await?;
    ends::auto_shutdown(&mut lab, &mut screen).await?;
    beyond::hang(&mut lab, &mut screen).await?;
    beyond::backoff(&mut lab, &mut screen).await?;
    beyond::quarantine(&mut lab, &mut screen).await?;
    strategies::escalation(&mut lab, &mut screen).await?;
    ends::stop(lab, &mut screen).await?;
    screen.end()
}
