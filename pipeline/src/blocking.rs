//! Something whose work blocks, used from async code: it moves to a thread for each piece of work, and comes back.

use std::fmt;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Holds it while nothing is to do, and the handle of the work under way otherwise: so a future that is dropped in the
/// middle loses nothing. The work goes on, and who comes next waits for its end.
///
/// One piece of work at a time, which is the bound.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    here: Option<T>,
    away: Option<JoinHandle<T>>,
}

/// The work panicked, or the runtime is stopping: what did it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the work on its files panicked, or the program is stopping; start it anew, from its checkpoint")
    }
}

impl<T: Send + 'static> Blocking<T> {
    pub(crate) fn new(it: T) -> Self {
        Blocking { here: Some(it), away: None }
    }

    /// Waits until no work is under way.
    pub(crate) async fn back(&mut self) -> Result<&mut T, Gone> {
        if let Some(away) = &mut self.away {
            let back = away.await;
            self.away = None;
            self.here = back.ok();
        }
        self.here.as_mut().ok_or(Gone)
    }

    /// Whether work is under way that has not come to its end.
    pub(crate) fn is_away(&self) -> bool {
        self.away.as_ref().is_some_and(|away| !away.is_finished())
    }

    /// Begins work as soon as what was under way has ended, and does not wait for its end.
    pub(crate) async fn start(&mut self, work: impl FnOnce(&mut T) + Send + 'static) -> Result<(), Gone> {
        self.back().await?;
        let mut it = self.here.take().ok_or(Gone)?;
        self.away = Some(tokio::task::spawn_blocking(move || {
            work(&mut it);
            it
        }));
        Ok(())
    }

    /// Does work, and waits for its end. Dropped before, the work is done all the same, or was never begun.
    pub(crate) async fn run<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let (send, answer) = oneshot::channel();
        self.start(move |it| {
            // Nobody hears it when the future was dropped.
            let _ = send.send(work(it));
        })
        .await?;
        self.back().await?;
        answer.await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_future_that_is_dropped_loses_neither_the_thing_nor_the_work() {
        let mut list = Blocking::new(Vec::new());
        let (go, gone) = mpsc::channel();
        {
            let work = list.run(move |list| {
                gone.recv().unwrap();
                list.push(1);
            });
            tokio::select! {
                biased;
                _ = work => panic!("it waits for `go`"),
                () = tokio::task::yield_now() => (),
            }
        }
        assert!(list.is_away());
        go.send(()).unwrap();
        assert_eq!(
            list.run(|list| {
                list.push(2);
                list.clone()
            })
            .await,
            Ok(vec![1, 2])
        );
    }

    #[tokio::test]
    async fn a_panic_is_told_to_all_who_come_after_it() {
        let mut list = Blocking::new(Vec::<u8>::new());
        assert_eq!(list.run(|_| panic!("as asked")).await, Err::<(), _>(Gone));
        assert_eq!(list.run(|list| list.len()).await, Err(Gone));
    }
}
