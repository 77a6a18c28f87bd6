//! The promises of the room: with threads where one process is enough, with real ones where it is not.
#![cfg(target_os = "linux")]

mod orders;
