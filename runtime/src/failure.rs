//! Why a call has no answer, as it travels in a reply slot.

use crate::exit::Exit;

#[derive(Clone, Debug, Default)]
pub(crate) enum Failure {
    /// The handler dropped the reply.
    #[default]
    NoReply,
    /// The callee ended.
    Exited(Exit),
    /// The overflow policy gave the call up.
    Dropped,
}
