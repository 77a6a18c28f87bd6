//! What most actor code names: `use proscenium::prelude::*;`.

pub use std::time::Duration;

pub use crate::{
    Actor, AnyRef, CallError, ChildSpec, Context, CrashPolicy, Down, Exit, Exited, Mailbox, Name, Node, Overflow, Ref,
    Reply, Supervisor, SupervisorRef, Task, TellError, Undelivered, actor, actor_fn,
    supervision::{AutoShutdown, Backoff, NodeTree, Quarantine, Restart, Shutdown},
};
