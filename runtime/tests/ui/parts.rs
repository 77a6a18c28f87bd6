use proscenium_runtime::{Down, Exited, Reply, actor};

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    #[call]
    fn both(&mut self) {}

    #[call]
    fn answers_twice(&mut self, _first: Reply<u64>, _second: Reply<u64>) {}

    #[info]
    fn gone(&mut self, _down: Down, _exited: Exited) {}

    #[cast]
    fn get_1(&mut self) {}

    #[cast]
    fn get1(&mut self) {}
}

fn main() {}
