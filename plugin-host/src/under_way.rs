//! How many plugins of this program have something to do.

use std::sync::atomic::{AtomicUsize, Ordering};

static BUSY: AtomicUsize = AtomicUsize::new(0);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(());

impl UnderWay {
    pub(crate) fn begin() -> Self {
        BUSY.fetch_add(1, Ordering::Relaxed);
        UnderWay(())
    }

    /// A hint: another thread may be about to begin.
    pub(crate) fn is_none() -> bool {
        BUSY.load(Ordering::Relaxed) == 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}
