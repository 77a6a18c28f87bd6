//! What an author writes.
use crate::{Batch, Context, Error};

/// A plugin: made once in a process of its own, then given batches, one call at a time, all from one thread.
///
/// A process that crashed is replaced by a new one, which starts with [`Plugin::new`] and, where the host keeps
/// checkpoints, [`Plugin::import`]. A batch may come more than once ([`Batch::is_replay`]), and with other borders.
/// Dropped on an orderly stop only. After a panic it is not called again, and not dropped.
pub trait Plugin: Sized {
    /// Reads the parameters and gets ready. Wrong ones are [`Error::config`], with the parameter's name in the text.
    fn new(ctx: &Context) -> Result<Self, Error>;

    /// Judges and changes the records of a batch. After an error nothing of what was done to it counts.
    fn process(&mut self, batch: &mut Batch, ctx: &Context) -> Result<(), Error>;

    /// Emits what is held back, such as sums. Called on the stage's timer and before a stop, with a batch that has no
    /// records; again while it says [`Flushed::More`].
    fn flush(&mut self, batch: &mut Batch, ctx: &Context) -> Result<Flushed, Error> {
        let _ = (batch, ctx);
        Ok(Flushed::Done)
    }

    /// The state for the next instance, for hot-swaps and checkpoints. By default, and with [`Error::unsupported`], the
    /// plugin has none.
    fn export(&self, ctx: &Context) -> Result<State, Error> {
        let _ = ctx;
        Err(Error::unsupported(""))
    }

    /// Takes the state of the instance before, right after [`Plugin::new`]. By default, and with any error, the swap is
    /// refused and the old instance goes on.
    fn import(&mut self, version: u32, state: &[u8], ctx: &Context) -> Result<(), Error> {
        let _ = (state, ctx);
        Err(Error::unsupported(format!("this plugin keeps no state, and was given some of version {version}")))
    }
}

/// Whether a flush is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is held back any more.
    Done,
    /// There is more: call again with a fresh batch.
    More,
}

/// A plugin's state on its way to the next instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The plugin's own number for the format of the bytes.
    pub version: u32,
    /// What only the plugin can read.
    pub bytes: Vec<u8>,
}
