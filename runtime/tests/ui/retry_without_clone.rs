use proscenium_runtime::actor;

struct Counter;

struct Ticket;

#[actor(crate = proscenium_runtime, crash = retry_once)]
impl Counter {
    #[cast]
    fn take(&mut self, _ticket: Ticket) {}
}

fn main() {}
