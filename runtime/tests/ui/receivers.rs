use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    fn consume(self) {}

    #[call]
    fn lonely() -> u64 {
        0
    }
}

fn main() {}
