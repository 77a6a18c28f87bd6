use proscenium_runtime::{Exit, Undelivered, actor};

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[init]
    fn start(&mut self, _n: u64) {}

    #[init]
    fn start_again(&mut self) {}

    #[terminate]
    fn stop(&mut self, _exit: &Exit) -> u64 {
        0
    }

    #[undelivered]
    fn lost(&self, _msg: CounterMsg, _why: &Undelivered) {}

    #[status]
    fn status(&self) -> u64 {
        0
    }

    #[weight]
    fn weight(&self, _msg: &CounterMsg) -> usize {
        1
    }
}

struct CounterMsg;

fn main() {}
