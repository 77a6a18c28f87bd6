use proscenium_runtime::actor;

struct Counter;

#[actor(crate = proscenium_runtime)]
impl Counter {
    #[cast]
    unsafe fn trusting(&mut self) {}

    #[cast]
    const fn early(&mut self) {}

    #[cast]
    extern "C" fn foreign(&mut self) {}

    #[cast]
    fn of_any_type<T>(&mut self, _value: T) {}
}

fn main() {}
