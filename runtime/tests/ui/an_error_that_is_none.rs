use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    fn add(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
