//! A future that belongs to an incarnation but runs on a task of its own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::{panics, scope};

/// Runs the future; `Err` is its panic. Replies that it drops end with the reason: its panic, or the incarnation's end.
pub(crate) struct Attached<F: Future<Output = ()>> {
    future: Option<Pin<Box<F>>>,
    ended: Arc<OnceLock<Exit>>,
}

impl<F: Future<Output = ()>> Attached<F> {
    pub(crate) fn new(future: F, ended: Arc<OnceLock<Exit>>) -> Self {
        Attached { future: Some(Box::pin(future)), ended }
    }
}

impl<F: Future<Output = ()>> Future for Attached<F> {
    type Output = Result<(), Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.future.as_mut() else { return Poll::Ready(Ok(())) };
        let polled = scope::orphaning(|| catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))));
        match polled {
            Ok(polled) => {
                scope::settle(Failure::default);
                polled.map(Ok)
            }
            Err(payload) => {
                let exit = Exit::of_panic(payload.as_ref(), panics::last_location());
                panics::discard(payload);
                scope::settle(|| Failure::Exited(exit.clone()));
                let future = self.future.take();
                scope::failing_with_exit(&exit, || panics::contain(|| drop(future)));
                Poll::Ready(Err(exit))
            }
        }
    }
}

impl<F: Future<Output = ()>> Drop for Attached<F> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        let exit = self.ended.get().cloned().unwrap_or(Exit::Killed);
        scope::failing_with_exit(&exit, || panics::contain(|| drop(future)));
    }
}
