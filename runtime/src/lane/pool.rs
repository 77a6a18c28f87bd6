//! Where reply slots come from: a process-wide store with a cache a thread.
//!
//! Slots carry no data of a node between two calls, only memory; so they are shared like an allocator's.
//!
//! **Bounds**: as many slots as there ever were calls under way at once, rounded up; they are reused, never freed.
//! **Cost**: a push or pop on a thread-local vector; the store's lock once in 64.

#[cfg(not(proscenium_loom))]
pub(crate) use plain::{Handle, give, sweep, take};

#[cfg(proscenium_loom)]
pub(crate) use modelled::{Handle, give, take};

#[cfg(not(proscenium_loom))]
mod plain {
    use std::cell::RefCell;
    use std::ops::Deref;
    use std::sync::{Mutex, PoisonError};

    use crate::lane::slot::Slot;

    const CHUNK: usize = 64;

    /// A slot in use; the protocol of its states says by whom.
    #[derive(Clone, Copy)]
    pub(crate) struct Handle(&'static Slot);

    impl Deref for Handle {
        type Target = Slot;

        #[inline]
        fn deref(&self) -> &Slot {
            self.0
        }
    }

    struct Store {
        chunks: Vec<&'static [Slot]>,
        spare: Vec<Handle>,
    }

    static STORE: Mutex<Store> = Mutex::new(Store { chunks: Vec::new(), spare: Vec::new() });

    struct Cache(Vec<Handle>);

    impl Drop for Cache {
        fn drop(&mut self) {
            store().spare.append(&mut self.0);
        }
    }

    thread_local! {
        static CACHE: RefCell<Cache> = const { RefCell::new(Cache(Vec::new())) };
    }

    fn store() -> std::sync::MutexGuard<'static, Store> {
        STORE.lock().unwrap_or_else(PoisonError::into_inner) // Nothing under it leaves it half done.
    }

    #[cold]
    fn refill(into: &mut Vec<Handle>) -> Handle {
        let mut store = store();
        if store.spare.is_empty() {
            let chunk: &'static [Slot] = Vec::leak((0..CHUNK).map(|_| Slot::new()).collect());
            store.chunks.push(chunk);
            store.spare.extend(chunk.iter().map(Handle));
        }
        let at = store.spare.len().saturating_sub(CHUNK);
        into.extend(store.spare.drain(at..));
        into.pop().expect("the store was filled above, under the same lock")
    }

    #[inline]
    pub(crate) fn take() -> Handle {
        CACHE
            .try_with(|cache| {
                let cache = &mut cache.borrow_mut().0;
                cache.pop().unwrap_or_else(|| refill(cache))
            })
            // The thread is ending and its cache is gone.
            .unwrap_or_else(|_| {
                let mut rest = Vec::new();
                let slot = refill(&mut rest);
                store().spare.append(&mut rest);
                slot
            })
    }

    #[inline]
    pub(crate) fn give(slot: Handle) {
        let kept = CACHE.try_with(|cache| {
            let cache = &mut cache.borrow_mut().0;
            cache.push(slot);
            if cache.len() > 4 * CHUNK {
                let surplus = cache.split_off(2 * CHUNK);
                store().spare.extend(surplus);
            }
        });
        if kept.is_err() {
            store().spare.push(slot);
        }
    }

    /// Looks over the calls of `node`; true while there are any.
    pub(crate) fn sweep(node: u32, now_ms: u64) -> bool {
        let chunks = store().chunks.clone();
        let mut any = false;
        for slot in chunks.into_iter().flatten() {
            any |= slot.sweep(node, now_ms);
        }
        any
    }
}

#[cfg(proscenium_loom)]
mod modelled {
    use crate::lane::slot::Slot;

    #[derive(Clone)]
    pub(crate) struct Handle(loom::sync::Arc<Slot>);

    impl std::ops::Deref for Handle {
        type Target = Slot;

        fn deref(&self) -> &Slot {
            &self.0
        }
    }

    pub(crate) fn take() -> Handle {
        Handle(loom::sync::Arc::new(Slot::new()))
    }

    pub(crate) fn give(_slot: Handle) {}
}
