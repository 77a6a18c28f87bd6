//! Tiny actors out of a closure.

use std::marker::PhantomData;

use crate::actor::Actor;
use crate::actor_ref::Ref;
use crate::context::Context;
use crate::exit::Exit;
use crate::outcome::Outcome;

/// An actor whose behaviour is a closure over its messages.
///
/// The closure returns nothing, or a `Result` whose error ends the actor. In a mailbox bounded in bytes a message weighs its
/// own size, without what it owns.
///
/// ```
/// # use proscenium_runtime::{Node, actor_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # let node = Node::start("doc").await?;
/// let mut sum = 0;
/// let adder = node.spawn_light(actor_fn(move |n: u64| sum += n)).await?;
/// adder.tell(2).await?;
/// # node.stop().await }
/// ```
pub fn actor_fn<M, F, O>(behaviour: F) -> FnActor<M, F>
where
    M: Send + 'static,
    F: FnMut(M) -> O + Send + 'static,
    O: Outcome,
{
    FnActor { behaviour, messages: PhantomData }
}

/// What [`actor_fn`] makes.
#[derive(Debug)]
pub struct FnActor<M, F> {
    behaviour: F,
    messages: PhantomData<fn(M)>,
}

impl<M, F, O> Actor for FnActor<M, F>
where
    M: Send + 'static,
    F: FnMut(M) -> O + Send + 'static,
    O: Outcome,
{
    type Msg = M;
    type Ref = Ref<Self>;

    const INIT: bool = false;

    fn handle(&mut self, _: &mut Context<Self>, msg: M) -> impl Future<Output = Result<(), Exit>> + Send {
        std::future::ready((self.behaviour)(msg).outcome())
    }
}
