use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    fn pair(&mut self, (_a, _b): (u64, u64)) {}

    #[cast]
    fn nameless(&mut self, _: u64) {}

    #[cast]
    fn borrowed(&mut self, _text: &str) {}

    #[cast]
    fn any(&mut self, _text: impl ToString) {}

    #[call]
    fn name(&self) -> &str {
        "borrowed"
    }
}

fn main() {}
