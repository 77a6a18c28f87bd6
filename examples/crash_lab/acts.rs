//! What a command does to a worker, or asks of a supervisor.

use proscenium::SysError;
use proscenium::prelude::*;

use crate::command::Command;
use crate::paths::find;
use crate::requests::{ask, start};
use crate::rows::Row;
use crate::worker::{ROOM, WorkerRef};

/// Gives the path that it touches.
pub async fn act(node: &Node, shop: &SupervisorRef, rows: &[Row], command: &Command) -> Result<String, String> {
    if command.word == "start" {
        return start(shop, rows, &command.path).await;
    }
    let row = find(rows, &command.path)?;
    match command.word {
        "stop" | "restart" | "delete" => ask(shop, &row, command.word).await?,
        "kill" => row.actor(node).ok_or_else(|| no_process(&row))?.kill(),
        "suspend" | "resume" => turn(&the_worker(node, &row)?, command.word).await.map_err(|why| why.to_string())?,
        _ => tell(&the_worker(node, &row)?, command)?,
    }
    Ok(row.path)
}

fn the_worker(node: &Node, row: &Row) -> Result<WorkerRef, String> {
    if row.is_supervisor {
        return Err(format!("{} is a supervisor; `kill` it, `stop` it, or crash one of its children", row.path));
    }
    row.worker(node).ok_or_else(|| no_process(row))
}

fn no_process(row: &Row) -> String {
    format!("{} has no process; `restart {}` starts it", row.path, row.path)
}

fn tell(worker: &WorkerRef, command: &Command) -> Result<(), String> {
    let full = |why: TellError<_>| why.map(drop).to_string();
    match command.word {
        "crash" => worker.crash().now().map_err(full),
        "exit" => worker.end(command.exit()).now().map_err(full),
        "hang" => worker.hang().now().map_err(full),
        _ => fill(worker, command.count()?),
    }
}

async fn turn(worker: &WorkerRef, word: &str) -> Result<(), SysError> {
    match word {
        "suspend" => worker.sys().suspend()?,
        _ => worker.sys().resume()?,
    }
    worker.sys().state().await?; // Answered in turn, so it is done by now.
    Ok(())
}

/// As many as fit. The first that does not comes back to its sender.
fn fill(worker: &WorkerRef, count: usize) -> Result<(), String> {
    let taken = (0..count).take_while(|_| worker.work().now().is_ok()).count();
    if taken < count {
        println!("  {taken} were taken, and the next came back: the mailbox holds {ROOM}");
    }
    Ok(())
}
