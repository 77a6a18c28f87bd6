//! The steady state allocates nothing: on the host's side, on the child's, nor for who waits for a slot.
//!
//! A program of its own, because its allocator counts. It counts by thread, so that the two sides are told apart and the
//! harness does not disturb.
#![cfg(target_os = "linux")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread;
use std::time::Duration;

use proscenium_shm_channel::{ChildEnd, ChildFds, Geometry, HostEnd, Pool, Slot, Taken};

const GEOMETRY: Geometry = Geometry { slots: 4, records: 64, heap: 8192, input: 8192 };
const LIMIT: Duration = Duration::from_secs(60);
/// Orders before counting begins: what is made once is made by then.
const WARM: u32 = 100;
const COUNTED: u32 = 5_000;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

/// Allocations of this thread so far.
fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

// SAFETY: all is done by the system's allocator; to count allocates nothing, for the counter is made in place.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: what the caller promises is what the system's allocator asks for.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises, handed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: what the caller promises is what the system's allocator asks for.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises, handed on.
        unsafe { System.dealloc(at, layout) }
    }

    // SAFETY: what the caller promises is what the system's allocator asks for.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises, handed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Serves all orders; how many allocations there were after the first ones.
fn serve(fds: ChildFds) -> u64 {
    let mut child = ChildEnd::open(fds, GEOMETRY).unwrap();
    let (mut served, mut before) = (0, 0);
    while let Taken::Order(order) = child.take(Some(LIMIT)).unwrap() {
        let block = order.block.unwrap().as_ptr();
        // SAFETY: the block is mapped, and this thread's until the order is completed.
        unsafe { block.cast::<u64>().write(u64::from(block.add(GEOMETRY.input_off() as usize).read())) };
        child.complete();
        served += 1;
        if served == WARM {
            before = allocations();
        }
    }
    assert_eq!(served, WARM + COUNTED);
    allocations() - before
}

/// One batch: into the slot and its front, and out of it.
fn fill(host: &HostEnd, slot: &mut Slot, number: u32) {
    slot.fill(number as u8);
    host.front(slot).unwrap().store(0, &[0; 16]).unwrap();
}

fn collect(host: &mut HostEnd, slot: &Slot, number: u32, copy: &mut Vec<u8>) {
    let mut words = [0; 16];
    let front = host.front(slot).unwrap();
    front.load(0, &mut words).unwrap();
    assert_eq!(words[0], u64::from(number as u8));
    copy.clear();
    front.copy_out(128, 4096, copy).unwrap();
}

#[test]
fn a_batch_allocates_nothing_on_either_side() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let child = thread::spawn(move || serve(fds));
    let mut copy = Vec::new();
    let mut before = 0;
    for number in 0..WARM + COUNTED {
        if number == WARM {
            before = allocations();
        }
        let mut slot = pool.try_take().unwrap();
        fill(&host, &mut slot, number);
        host.submit(Some(&slot), 1, Some(LIMIT)).unwrap();
        assert!(host.wait(LIMIT).unwrap());
        assert_eq!(host.completed(), Ok(1));
        collect(&mut host, &slot, number, &mut copy);
    }
    assert_eq!(allocations() - before, 0, "in the host");
    host.close();
    assert_eq!(child.join().unwrap(), 0, "in the child");
}

#[cfg(feature = "tokio")]
#[test]
fn a_batch_that_a_task_awaits_allocates_nothing_either() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let pool = Pool::new(GEOMETRY).unwrap();
    let allocated = runtime.block_on(async {
        let (mut host, fds) = proscenium_shm_channel::AsyncHostEnd::new(&pool).unwrap();
        let child = thread::spawn(move || serve(fds));
        let mut copy = Vec::new();
        let mut before = 0;
        for number in 0..WARM + COUNTED {
            if number == WARM {
                before = allocations();
            }
            let mut slot = pool.take().await;
            fill(&host, &mut slot, number);
            host.submit(Some(&slot), 1, None).unwrap();
            host.ready().await.unwrap();
            assert_eq!(host.completed(), Ok(1));
            collect(&mut host, &slot, number, &mut copy);
        }
        let allocated = allocations() - before;
        host.close();
        assert_eq!(child.join().unwrap(), 0, "in the child");
        allocated
    });
    assert_eq!(allocated, 0, "in the host");
}

#[test]
fn threads_that_wait_for_slots_allocate_nothing() {
    let pool = Pool::new(Geometry { slots: 2, ..GEOMETRY }).unwrap();
    thread::scope(|scope| {
        let threads = [(); 4].map(|()| {
            let pool = &pool;
            scope.spawn(move || {
                let mut before = 0;
                for turn in 0..WARM + COUNTED {
                    // The first turns go to each thread at once or after a wait: the counter starts when both have been.
                    if turn == WARM {
                        drop(pool.blocking_take(Duration::ZERO));
                        before = allocations();
                    }
                    let mut slot = pool.blocking_take(LIMIT).unwrap();
                    slot[0] = turn as u8;
                    thread::yield_now();
                }
                allocations() - before
            })
        });
        assert_eq!(threads.map(|thread| thread.join().unwrap()), [0; 4]);
    });
    assert_eq!(pool.free(), 2);
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(allocations() - before, 1);
}
