//! The promises of the sandbox, each shown by a real process that has shut itself in.
//!
//! The child is this very program: a constructor runs before `main`, while there is one thread, and does what the
//! environment asks for.
#![cfg(target_os = "linux")]

mod acts;
mod cgroups;
mod child;
mod forbidden;
mod granted;
mod learning;
mod limits;
mod report;
mod working;
