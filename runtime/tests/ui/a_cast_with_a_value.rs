use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    fn add(&mut self) -> u64 {
        2
    }
}

fn main() {}
