//! The attributes `#[actor]` and `#[main]` of `proscenium`, which re-exports them: name that crate, not this one.
//!
//! ```text
//!   #[actor(options)]      options ──┐
//!   impl Counter { … }               ├──▶ model ──▶ expand_msg      enum CounterMsg
//!          │                         │              expand_ref      struct CounterRef, Counter::whereis
//!          └──▶ parse ─▶ signature ──┘              expand_actor    impl Actor for Counter
//!                 role     params                          ▲
//!                                                  the impl itself, as plain Rust
//! ```
//!
//! **Promises**: an impl is read to its end and every fault is reported, at its place, with what to do. The methods stay
//! plain methods.
//! **Does not promise**: to know types; a macro sees how they are written. `Context`, `Reply`, `Down`, `Exited` and `Exit`
//! are known by their last word.
//! **Bounds**: 256 kinds of message for each actor; more is a compile error.
//! **Cost**: a sync handler is one arm of a match, with nothing in between.

#![forbid(unsafe_code)]

mod actor;
mod expand_actor;
mod expand_msg;
mod expand_ref;
mod faults;
mod main_fn;
mod model;
mod names;
mod options;
mod params;
mod parse;
mod role;
mod signature;
mod written;

use proc_macro::TokenStream;

/// Makes an actor of a type: put it on an inherent impl, and mark the methods that are messages.
///
/// ```
/// use proscenium_runtime::{Node, Result, actor};
///
/// struct Counter { n: u64 }
///
/// #[actor(mailbox = 4096, overflow = drop_oldest, crate = proscenium_runtime)]
/// impl Counter {
///     /// Adds to the count.
///     #[cast] fn add(&mut self, by: u64) { self.n += by; }
///     #[call] fn get(&self) -> u64 { self.n }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let node = Node::start("doc").await?;
/// let counter: CounterRef = node.spawn(Counter { n: 0 }).await?;
/// counter.add(2).await?;
/// assert_eq!(counter.get().await?, 2);
/// # node.stop().await }
/// ```
///
/// # Methods
///
/// All are sync or async and take `&self` or `&mut self`; `cx: &mut Context<Self>` may stand among the parameters.
///
/// | mark | meaning |
/// |---|---|
/// | `#[cast]` | a message without an answer: `CounterRef::add(&self, by: u64) -> Tell<'_, Counter>`. Returns `()` or `Result<(), E>`; an `Err` ends the actor with `Exit::from(e)` |
/// | `#[call]` | a question: `CounterRef::get(&self) -> Call<'_, Counter, u64>`. What it returns, a `Result` included, is the caller's |
/// | `#[call]` with a parameter `Reply<T>` | answers when it likes, or hands the reply on; the caller gets `Call<'_, Counter, T>`. Returns as a cast does |
/// | `#[info]` | a message that the actor makes for itself, for timers, streams and pipes: `CounterMsg::tick()`. Returns as a cast does |
/// | `#[info]` with a parameter `Down` or `Exited` | a monitored actor, or a linked one under `trap_exit`, is gone |
/// | `#[init]` | runs before the first message; `Err(exit)` fails the start |
/// | `#[terminate]` | the stop hook: `exit: &Exit`, `cx` and both or neither; not run on kill |
/// | `#[undelivered]` | `fn lost(msg: CounterMsg, why: &Undelivered)`: what nobody will handle any more |
/// | `#[weight]` | `fn weight(msg: &CounterMsg) -> usize`: how many bytes a message is, with what it owns, for `mailbox = bytes(…)`; without it `size_of` says |
/// | `#[status]` | `fn status(&self) -> String`: how the state reads in reports; without it they show none |
///
/// Other methods are left alone, and marked ones can be called as before. A method's `#[cfg]` holds for all that is made
/// of it; its docs go to the ref's method, which is as visible as the method says, or to the crate if it says nothing.
///
/// # Options
///
/// | option | default |
/// |---|---|
/// | `mailbox = 4096`, `mailbox = LIMIT`, `mailbox = bytes(64 * 1024)`, `mailbox = unbounded` | 1,024 messages |
/// | `overflow = wait`, `fail`, `drop_oldest`, `drop_newest` | `wait` |
/// | `crash = drop`, `retry_once`, `set_aside`: the message in hand at a panic. All but `drop` need `Clone` arguments | `drop` |
/// | `thread`: an OS thread of its own, for blocking code | a task |
/// | `crate = path`: where the runtime is | `::proscenium` |
#[proc_macro_attribute]
pub fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    actor::expand(options.into(), item.into()).into()
}

/// Runs an async `main` on a tokio runtime, after `proscenium::enter()`. The return type stays as it is.
///
/// ```
/// use proscenium_runtime::Node;
///
/// #[proscenium_runtime::main(crate = proscenium_runtime)]
/// async fn main() -> proscenium_runtime::Result<()> {
///     let node = Node::start("demo").await?;
///     node.stop().await
/// }
/// ```
///
/// Options: `flavor = "current_thread"` or `"multi_thread"` (the default), `worker_threads = 4` (the default is one per
/// core), and `crate = path`.
///
/// # Panics
/// The program panics when the system gives no threads or no timer for the runtime.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), item.into()).into()
}
