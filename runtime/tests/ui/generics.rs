use proscenium_runtime::actor;

struct View<'a>(&'a str);

#[actor(crate = proscenium_runtime)]
impl<'a> View<'a> {}

struct Stack<T>(Vec<T>);

#[actor(crate = proscenium_runtime)]
impl<T> Stack<T> {
    #[cast]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }
}

fn main() {}
