//! What most actor code names: `use proscenium::prelude::*;`.

pub use std::time::Duration;

pub use crate::{
    Actor, AnyRef, CallError, Context, CrashPolicy, Down, Exit, Exited, Mailbox, Name, Node, Overflow, Ref, Reply,
    Task, TellError, Undelivered, actor, actor_fn,
};
