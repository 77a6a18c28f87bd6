use proscenium_runtime::actor;

struct Silent;

#[actor(crate = proscenium_runtime, mailbox = 0, overflow = block, crash = retry, capacity = 3, thread = true)]
impl Silent {}

struct Deep;

#[actor(crate = proscenium_runtime, mailbox = unbounded, overflow = fail)]
impl Deep {}

struct Heavy;

#[actor(crate = proscenium_runtime, mailbox = bytes(0))]
impl Heavy {}

fn main() {}
