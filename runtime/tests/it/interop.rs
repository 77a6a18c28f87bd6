//! Goal: the ractor actor behind an ordinary actor: its stop, its kill, its end.
//! Method: puppets tell a log what happens to them; the handle is used as ractor code would use it.

use proscenium_runtime::{ActorCell, Exit, Mailbox, interop};
use ractor::ActorStatus;

use crate::both_weights::{World, soon};
use crate::marionette::{Event, Plain, Puppet, crash, hold, notes, tell_notes, told};

#[tokio::test]
async fn ractors_stop_is_a_graceful_stop() {
    let world = World::ordinary().await;
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, 1..=2);
    interop::ractor_cell(&puppet).expect("it is ordinary").stop(None);
    drop(release);
    assert_eq!(soon(puppet.gone()).await, Exit::Shutdown);
    let ended = [Event::Terminated(Exit::Shutdown), Event::Dropped];
    assert_eq!(events.so_far(), [notes([1, 2]), ended.to_vec()].concat());
}

#[tokio::test]
async fn ractors_kill_is_a_kill() {
    let world = World::ordinary().await;
    let (puppet, mut events) = world.puppet().await;
    interop::ractor_cell(&puppet).expect("it is ordinary").kill();
    assert_eq!(soon(puppet.gone()).await, Exit::Killed);
    assert_eq!(events.so_far(), [Event::Dropped]);
}

#[tokio::test]
async fn the_ractor_actor_ends_with_the_actor() {
    let world = World::ordinary().await;
    let (puppet, _events) = world.puppet().await;
    let shell = interop::ractor_cell(&puppet).expect("it is ordinary");
    puppet.stop().await.expect("it stops");
    assert!(soon(shell.wait(None)).await.is_ok());
}

#[tokio::test]
async fn the_ractor_actor_lives_over_a_restart() {
    let world = World::ordinary().await;
    let (cell, mut ends): (ActorCell<Puppet<Plain>>, _) = world.cell(Mailbox::DEFAULT).await;
    let shell = interop::ractor_cell(&cell.reference()).expect("it is ordinary");
    let (log, _events) = crate::marionette::log();
    for incarnation in 1..=2 {
        cell.start(Puppet::new(&log)).await.expect("it starts");
        told(cell.reference().tell(crash("once")).await);
        assert_eq!(ends.next().await.0, incarnation);
    }
    assert!(shell.get_status() < ActorStatus::Stopping, "it still sleeps");
    cell.close(&Exit::Shutdown);
    assert!(soon(shell.wait(None)).await.is_ok());
}

/// Also from a thread that knows of no runtime.
#[tokio::test]
async fn the_ractor_actor_is_the_same_whoever_asks() {
    let world = World::ordinary().await;
    let (puppet, _events) = world.puppet().await;
    let other = puppet.clone();
    let there = std::thread::spawn(move || interop::ractor_cell(&other)).join().expect("it asks without a panic");
    assert_eq!(interop::ractor_cell(&puppet), there);
    assert!(there.is_some());
}

#[tokio::test]
async fn the_ractor_actor_of_an_ended_actor_has_ended() {
    let world = World::ordinary().await;
    let (puppet, _events) = world.puppet().await;
    puppet.stop().await.expect("it stops");
    let shell = interop::ractor_cell(&puppet).expect("it is ordinary");
    assert!(soon(shell.wait(None)).await.is_ok());
}

#[tokio::test]
async fn a_light_actor_has_none() {
    let world = World::light().await;
    let (puppet, _events) = world.puppet().await;
    assert!(interop::ractor_cell(&puppet).is_none());
}
