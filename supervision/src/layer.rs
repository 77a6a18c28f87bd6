//! Typed layers over a supervisor: what a child is held by, when the ref of its actor says too little.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use proscenium_runtime::{Actor, Context, Exit, Node, UntypedRef};

use crate::child_spec::{AnyChild, ChildFlags, ChildId, ChildSpec};
use crate::children::Place;
use crate::shell::Msg;
use crate::sup_flags::SpecError;
use crate::supervised::{Notice, Placing, Refers, Renewal, Start, Starting, Supervised, SupervisorChild};
use crate::supervisor::{PATIENCE, StartError, Started, Supervisor, SupervisorError, SupervisorRef, started};

/// A supervisor to be, and how its ref becomes one that knows more.
pub(crate) struct Layer<R> {
    pub(crate) supervisor: Supervisor,
    pub(crate) hold: Box<dyn Fn(SupervisorRef) -> R + Send + Sync>,
}

impl<R: Send + 'static> Layer<R> {
    pub(crate) async fn start(self, node: &Node) -> Result<R, StartError> {
        Ok((self.hold)(self.supervisor.start(node).await?))
    }

    pub(crate) fn start_link<A: Actor>(
        self,
        cx: &Context<A>,
    ) -> impl Future<Output = Result<R, StartError>> + Send + use<A, R> {
        let starting = self.supervisor.start_link(cx);
        async move { Ok((self.hold)(starting.await?)) }
    }
}

/// A layer as a child of another supervisor.
pub struct LayerChild<R> {
    /// A new one for each place, so that two children of one spec have nothing in common.
    layer: Arc<dyn Fn() -> Result<Layer<R>, SpecError> + Send + Sync>,
}

impl<R> LayerChild<R> {
    pub(crate) fn spec(
        id: impl Into<ChildId>,
        layer: impl Fn() -> Result<Layer<R>, SpecError> + Send + Sync + 'static,
    ) -> ChildSpec<LayerChild<R>>
    where
        R: Clone + Send + Sync + 'static,
    {
        ChildSpec::of(id, LayerChild { layer: Arc::new(layer) }).flags(ChildFlags::supervisor())
    }
}

impl<R> Clone for LayerChild<R> {
    fn clone(&self) -> Self {
        LayerChild { layer: self.layer.clone() }
    }
}

impl<R> fmt::Debug for LayerChild<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerChild")
    }
}

impl<R: Clone + Send + Sync + 'static> Start for LayerChild<R> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        let Layer { supervisor, hold } = (self.layer)()?;
        let below = SupervisorChild::new(move || supervisor.clone()).place(placing)?;
        Ok(Box::new(LayerPlace { below, hold }))
    }
}

impl<R: Send + 'static> Refers for LayerChild<R> {
    type Ref = R;
}

struct LayerPlace<R> {
    below: Box<dyn Supervised>,
    hold: Box<dyn Fn(SupervisorRef) -> R + Send + Sync>,
}

impl<R: Send + 'static> Supervised for LayerPlace<R> {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        self.below.start(notice)
    }

    fn stop(&mut self, exit: Exit) {
        self.below.stop(exit);
    }

    fn kill(&mut self) {
        self.below.kill();
    }

    fn give_up(&mut self) {
        self.below.give_up();
    }

    fn is_alive(&self) -> bool {
        self.below.is_alive()
    }

    fn stopped(&mut self, exit: &Exit) {
        self.below.stopped(exit);
    }

    fn actor(&self) -> Option<UntypedRef> {
        self.below.actor()
    }

    fn note(&self) -> Option<String> {
        self.below.note()
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        let supervisor: SupervisorRef = held(self.below.reference()?)?;
        let layer = Box::new((self.hold)(supervisor.clone()));
        Some(Box::new(Layered { supervisor, layer }))
    }
}

/// Both refs of a layer: whoever asks for either gets it.
struct Layered {
    supervisor: SupervisorRef,
    layer: Box<dyn Any + Send>,
}

/// What a child is held by, if it is of this type.
pub(crate) fn held<R: 'static>(reference: Box<dyn Any + Send>) -> Option<R> {
    let other = match reference.downcast::<R>() {
        Ok(found) => return Some(*found),
        Err(other) => other,
    };
    let Layered { supervisor, layer } = *other.downcast::<Layered>().ok()?;
    let found = layer.downcast::<R>().or_else(|_| (Box::new(supervisor) as Box<dyn Any + Send>).downcast::<R>());
    found.ok().map(|found| *found)
}

/// Where the ref of a child is put as soon as it has a place, so that nobody must ask the supervisor for it.
pub(crate) struct Slot<R>(RwLock<Option<R>>);

impl<R: Clone> Slot<R> {
    pub(crate) fn new() -> Self {
        Slot(RwLock::new(None))
    }

    pub(crate) fn get(&self) -> Option<R> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, held: R) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

/// A start that notes the ref of what it gave a place.
pub(crate) struct Noting<S: Refers> {
    pub(crate) start: S,
    pub(crate) slot: Arc<Slot<S::Ref>>,
}

impl<S: Start + Refers<Ref: Clone + Sync>> Start for Noting<S> {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        let place = self.start.place(placing)?;
        if let Some(held) = place.reference().and_then(held::<S::Ref>) {
            self.slot.set(held);
        }
        Ok(place)
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        let renewal = self.start.renew(placing, place);
        let stays = !matches!(renewal, Renewal::Outdated);
        if let Some(held) = place.reference().filter(|_| stays).and_then(held::<S::Ref>) {
            self.slot.set(held);
        }
        renewal
    }
}

/// A spec of which only what its child is held by is known.
pub(crate) struct Typed<R> {
    child: AnyChild,
    held: PhantomData<fn() -> R>,
}

impl<S: Start + Refers> From<ChildSpec<S>> for Typed<S::Ref> {
    fn from(child: ChildSpec<S>) -> Self {
        Typed { child: child.any(), held: PhantomData }
    }
}

/// Starts a child with a spec of its own under a supervisor of dynamic children: what it is held by, and its place.
pub(crate) async fn start_held<R: 'static>(
    supervisor: &SupervisorRef,
    Typed { child, .. }: Typed<R>,
) -> Result<(R, Place), SupervisorError> {
    let (answer, found) = supervisor.call(|reply| Msg::StartHeld(child, reply)).within(PATIENCE).await?;
    match started(answer)? {
        Started::Running(place) => Ok((found.and_then(held).ok_or(SupervisorError::NotFound)?, place)),
        Started::Ignored => Err(SupervisorError::Start(Exit::Ignore)),
    }
}
