//! Where the last panic on this thread happened, for crash reports.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

thread_local! {
    static LOCATION: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Has panics note their place before the hook that was there runs. Rust offers no other way to learn it.
///
/// Once a process, because a panic hook belongs to the process; a hook that the program sets later replaces it, and
/// crash reports then lack the place.
pub(crate) fn note_locations() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|at| Arc::from(at.to_string()));
            let _ = LOCATION.try_with(|location| location.replace(place));
            next(info);
        }));
    });
}

/// Runs user code whose panic is to cost nothing but itself; `None`: it panicked.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what a panic carried. Its `Drop` is user code as well; what panics even there is leaked.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(worse);
    }
}

pub(crate) fn last_location() -> Option<Arc<str>> {
    LOCATION.try_with(RefCell::take).unwrap_or(None)
}
