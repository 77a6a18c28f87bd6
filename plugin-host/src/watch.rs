//! What wakes the plugin's actor: its process's eventfd, socket, pipes and end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream;
use proscenium_plugin_runner::wire::{self, Ask, Garbled, Heard, LONGEST, Tell};
use proscenium_process::{Child, ExitStatus, WaitError};
use proscenium_runtime::Context;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::life::{Life, Msg};
use crate::lines::{self, Meter};
use crate::process::{DYING, Process, WORD, receive, watched};

/// From now on the actor hears of this process, until the process has ended.
pub(crate) fn attach(process: &Process, desk: &Arc<Desk>, cx: &mut Context<Life>) -> io::Result<()> {
    let settings = desk.settings();
    let (instance, plugin) = (process.instance, settings.stage.as_str());
    let wakes = watched(process.end.wake_fd().try_clone_to_owned()?)?;
    cx.attach(stream::unfold((wakes, desk.clone()), woken), |()| Msg::Woken);
    let (child, ends) = (process.child.clone(), Arc::new(watched(process.child.pidfd().try_clone_to_owned()?)?));
    let (socket, plugin, bytes) = (process.control.clone(), Arc::from(plugin), vec![0; LONGEST]);
    let ear = Ear { socket, bytes, ends: ends.clone(), plugin, meter: Meter::default() };
    cx.attach(stream::unfold(Some(ear), heard), move |heard| match heard {
        Some(heard) => Msg::Heard(instance, Box::new(heard)),
        None => Msg::HungUp(instance),
    });
    let word = watched(child.try_clone_word()?)?;
    cx.pipe(end(child, ends, word), move |status| Msg::Ended(instance, status));
    Ok(())
}

/// What the process has done is taken here; the actor is told if that leaves it something to do.
async fn woken((wakes, desk): (AsyncFd<OwnedFd>, Arc<Desk>)) -> Option<((), (AsyncFd<OwnedFd>, Arc<Desk>))> {
    loop {
        // Edges only: the child could have emptied the counter.
        wakes.readable().await.ok()?.clear_ready();
        if desk.visit(|_| ()) {
            return Some(((), (wakes, desk)));
        }
    }
}

/// What is read of the process's socket. Words for the log stay here, so that a flood of them never reaches the actor.
struct Ear {
    socket: Arc<AsyncFd<OwnedFd>>,
    bytes: Vec<u8>,
    ends: Arc<AsyncFd<OwnedFd>>,
    plugin: Arc<str>,
    meter: Meter,
}

type Words = Result<Heard, Garbled>;

/// What a process says; at last None, if it has closed its end and lives on.
async fn heard(ear: Option<Ear>) -> Option<(Option<Words>, Option<Ear>)> {
    let mut ear = ear?;
    loop {
        let len = match receive(&ear.socket, &mut ear.bytes).await {
            Ok(Some(len)) => len,
            Ok(None) | Err(_) => {
                return match timeout(DYING, ear.ends.readable()).await {
                    Ok(_) => None,
                    Err(_) => Some((None, None)),
                };
            }
        };
        match wire::heard(&ear.bytes[..len]) {
            Ok(Heard::Tell(tell @ (Tell::Log { .. } | Tell::Count { .. } | Tell::Gauge { .. }))) => {
                let Ear { meter, plugin, .. } = &mut ear;
                if meter.allows(Instant::now(), |dropped| lines::too_many(plugin, dropped)) {
                    self::tell(plugin, &tell);
                }
            }
            heard => return Some((Some(heard), Some(ear))),
        }
    }
}

/// No thread waits for it: each that has to be woken for an end is heard of later.
async fn end(child: Arc<Child>, ends: Arc<AsyncFd<OwnedFd>>, word: AsyncFd<OwnedFd>) -> Result<ExitStatus, WaitError> {
    let _ = ends.readable().await; // An error means that the runtime ends.
    match timeout(WORD, word.readable()).await {
        Ok(_) => child.wait(Duration::ZERO),
        Err(_) => Err(WaitError::TimedOut(WORD)),
    }
}

/// Asks a process that does nothing else to put its things away, and ends it after the limit.
pub(crate) async fn leave(mut process: Process, limit: Duration) {
    let is_asked = process.ask(&Ask::Stop, None, limit).is_ok();
    if is_asked && let Ok(ends) = process.child.pidfd().try_clone_to_owned().and_then(watched) {
        let fault = match timeout(limit, ends.readable()).await {
            Err(_) => Some(format!("not within {limit:?}")),
            Ok(_) => {
                let child = process.child.clone();
                let status = spawn_blocking(move || child.wait(WORD)).await;
                // Without a word on it nobody knows, and nobody is blamed.
                status
                    .ok()
                    .and_then(Result::ok)
                    .filter(|status| status.code() != Some(0))
                    .map(|status| status.to_string())
            }
        };
        if let Some(how) = fault {
            tracing::warn!(target: "proscenium::plugin::cleanup", plugin = process.info("name"), "the process did not come to an end in order after it was asked to: {how}; look at cleanup_plugin");
        }
    }
    let group = process.group.take();
    drop(process); // Which kills it if it lives.
    if let Some(group) = group {
        group.close(DYING).await;
    }
}

/// What a plugin says, for the log.
pub(crate) fn tell(plugin: &str, tell: &Tell) {
    match tell {
        Tell::Log { level, text } => lines::log(plugin, *level, text),
        Tell::Count { name, add } => {
            tracing::debug!(target: "proscenium::plugin::metric", plugin, counter = name, add);
        }
        Tell::Gauge { name, value } => {
            tracing::debug!(target: "proscenium::plugin::metric", plugin, gauge = name, value);
        }
        _ => {
            tracing::debug!(target: "proscenium::plugin", plugin, ?tell, "said when nobody has asked");
        }
    }
}
