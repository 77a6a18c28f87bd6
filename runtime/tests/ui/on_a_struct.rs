use proscenium_runtime::actor;

#[actor(crate = proscenium_runtime)]
struct Counter {
    n: u64,
}

fn main() {}
