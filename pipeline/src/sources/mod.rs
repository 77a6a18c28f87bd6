//! Where records come from: files, standard input, connections, Rust code, and a generator.
//!
//! ```text
//!   bytes ──▶ line_core (pure) ──▶ intake ──▶ Filling
//!   Files, Lines, TcpLines          ▲
//!   Generator, Channel ─────────────┘  payloads as they are
//! ```
//!
//! What all of them have: `.json()` or `.raw()` (the default), `.key_from(field)`, and `.record_limit(bytes)`. A line is
//! what stands before a newline, `\r\n` or the end of the input; empty ones are skipped. What is too long, no UTF-8 or
//! no JSON becomes a dead letter whose reason names its place, and the source goes on behind it.
//!
//! | source | can replay | what it holds in memory at most |
//! |---|---|---|
//! | [`Files`] | yes | a block, and the longest record |
//! | [`Lines`] | no | three blocks, and the longest record |
//! | [`Generator`] | yes | one record |
//! | [`TcpLines`] | no | a block, and for each connection the longest record |
//! | [`Channel`] | no | as many records as its capacity says |

mod channel;
mod files;
pub(crate) mod format;
mod generator;
mod intake;
mod line_core;
mod lines;
mod messagepack_field;
mod tcp_lines;
#[cfg(test)]
mod tests;

pub use channel::{Channel, SendError, Sender};
pub use files::Files;
pub use generator::Generator;
pub use lines::Lines;
pub use tcp_lines::{Bound, TcpLines};
