use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Default for Counter {
    fn default() -> Self {
        Self
    }
}

fn main() {}
