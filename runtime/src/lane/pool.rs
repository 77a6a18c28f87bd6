//! Where reply slots come from: a process-wide store with a cache a thread.
//!
//! Slots carry no data of a node between two calls, only memory; so they are shared like an allocator's.
//!
//! **Bounds**: as many slots as there ever were calls under way at once, rounded up to a power of two; they are reused,
//! never freed.
//! **Cost**: a push or pop on a thread-local vector; the store's lock once in 64.

#[cfg(not(proscenium_loom))]
pub(crate) use plain::{Handle, by_number, give, sweep, take};

#[cfg(proscenium_loom)]
pub(crate) use modelled::{Handle, by_number, give, idle, take};

#[cfg(not(proscenium_loom))]
mod plain {
    use std::cell::RefCell;
    use std::ops::Deref;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use crate::lane::slot::Slot;

    /// Slots in the first chunk; each further one is twice as large.
    const FIRST: usize = 64;
    const CHUNKS: usize = 26;

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

    static TABLE: [OnceLock<Box<[Slot]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
    static SPARE: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

    struct Cache(Vec<Handle>);

    impl Drop for Cache {
        fn drop(&mut self) {
            spare().append(&mut self.0);
        }
    }

    thread_local! {
        static CACHE: RefCell<Cache> = const { RefCell::new(Cache(Vec::new())) };
    }

    fn spare() -> std::sync::MutexGuard<'static, Vec<Handle>> {
        SPARE.lock().unwrap_or_else(PoisonError::into_inner) // Nothing under it leaves it half done.
    }

    /// Finds a slot by its number again.
    #[inline]
    pub(crate) fn by_number(number: u32) -> Option<Handle> {
        let at = number as usize + FIRST;
        let chunk = (at / FIRST).ilog2() as usize;
        let slots: &'static [Slot] = TABLE.get(chunk)?.get()?;
        slots.get(at - (FIRST << chunk)).map(Handle)
    }

    #[cold]
    fn refill(into: &mut Vec<Handle>) -> Handle {
        let mut spare = spare();
        if spare.is_empty() {
            let chunk = TABLE.iter().position(|chunk| chunk.get().is_none()).unwrap_or(CHUNKS - 1);
            let slots = TABLE[chunk].get_or_init(|| {
                let first = (FIRST << chunk) - FIRST;
                (0..FIRST << chunk).map(|at| Slot::new((first + at) as u32)).collect()
            });
            spare.extend(slots.iter().map(Handle));
        }
        let at = spare.len().saturating_sub(FIRST);
        into.extend(spare.drain(at..));
        into.pop().expect("there are 2^32 slots, and each call under way takes more memory than that")
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
                spare().append(&mut rest);
                slot
            })
    }

    #[inline]
    pub(crate) fn give(slot: Handle) {
        let kept = CACHE.try_with(|cache| {
            let cache = &mut cache.borrow_mut().0;
            cache.push(slot);
            if cache.len() > 4 * FIRST {
                let surplus = cache.split_off(2 * FIRST);
                spare().extend(surplus);
            }
        });
        if kept.is_err() {
            spare().push(slot);
        }
    }

    /// Looks over the calls of `node`; true while there are any.
    pub(crate) fn sweep(node: u32, now_ms: u64) -> bool {
        let mut any = false;
        for slot in TABLE.iter().map_while(OnceLock::get).flatten() {
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

    // One store a model: what is given back is the next to be taken, so that every reuse is tried.
    loom::lazy_static! {
        static ref SPARE: loom::sync::Mutex<Vec<Handle>> = loom::sync::Mutex::new(Vec::new());
        static ref ALL: loom::sync::Mutex<Vec<Handle>> = loom::sync::Mutex::new(Vec::new());
    }

    fn spare() -> loom::sync::MutexGuard<'static, Vec<Handle>> {
        SPARE.lock().expect("loom's mutex is poisoned only after a failed model")
    }

    fn all() -> loom::sync::MutexGuard<'static, Vec<Handle>> {
        ALL.lock().expect("loom's mutex is poisoned only after a failed model")
    }

    pub(crate) fn take() -> Handle {
        let slot = spare().pop();
        slot.unwrap_or_else(|| {
            let mut all = all();
            let slot = Handle(loom::sync::Arc::new(Slot::new(all.len() as u32)));
            all.push(slot.clone());
            slot
        })
    }

    pub(crate) fn by_number(number: u32) -> Option<Handle> {
        all().get(number as usize).cloned()
    }

    pub(crate) fn give(slot: Handle) {
        spare().push(slot);
    }

    /// Slots that nobody uses.
    pub(crate) fn idle() -> usize {
        spare().len()
    }
}
