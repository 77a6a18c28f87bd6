//! What generated code asks of the types that a user's methods mention. It is here, and not in the expansion, so that rustc can say
//! what to do when a type does not fit. Nothing of it is public API.

use crate::Exit;

/// What a `#[cast]`, `#[info]` or `#[init]` method returns: nothing, or a result whose error ends the actor.
#[diagnostic::on_unimplemented(
    message = "a #[cast], #[info] or #[init] method returns () or Result<(), E>",
    label = "`{Self}` is neither, or its error is none",
    note = "in Result<(), E>, E is Exit or implements std::error::Error + Send + Sync + 'static",
    note = "a method that answers its caller is a #[call]; one with a Reply parameter answers through that alone"
)]
pub trait Outcome {
    /// `Err` ends the actor with that exit.
    fn outcome(self) -> Result<(), Exit>;
}

impl Outcome for () {
    #[inline]
    fn outcome(self) -> Result<(), Exit> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Exit>> Outcome for Result<(), E> {
    #[inline]
    fn outcome(self) -> Result<(), Exit> {
        self.map_err(Into::into)
    }
}

/// [`Outcome::outcome`], to be called by its path.
///
/// # Errors
/// The error of the method, as an exit.
#[inline]
pub fn outcome(value: impl Outcome) -> Result<(), Exit> {
    value.outcome()
}

/// An argument that a crash policy may hand out twice: anything `Clone`.
#[diagnostic::on_unimplemented(
    message = "crash = retry_once needs every argument to be Clone, and so does crash = set_aside",
    label = "`{Self}` is not Clone",
    note = "derive Clone, put it into an Arc, or write crash = drop"
)]
pub trait Duplicate {
    /// A copy for the next incarnation.
    #[must_use]
    fn duplicate(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Duplicate for T {
    #[inline]
    fn duplicate(&self) -> Self {
        self.clone()
    }
}
