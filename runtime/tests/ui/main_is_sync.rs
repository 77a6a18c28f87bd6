#[proscenium_runtime::main(crate = proscenium_runtime, flavor = "single")]
fn main(_args: Vec<String>) {}
