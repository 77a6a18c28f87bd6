//! Orders and completions, with both ends in one process.

use std::thread;
use std::time::Duration;

use proscenium_shm_channel::{ChildEnd, Geometry, HostEnd, Pool, SubmitError, Taken};

const LIMIT: Duration = Duration::from_secs(20);
const GEOMETRY: Geometry = Geometry { slots: 4, records: 8, heap: 4096, input: 100 };

#[test]
fn what_is_submitted_is_done_in_order_and_read_back() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let child = thread::spawn(move || {
        let mut child = ChildEnd::open(fds, GEOMETRY).unwrap();
        let mut orders = 0_u64;
        while let Taken::Order(order) = child.take(Some(LIMIT)).unwrap() {
            let block = order.block.unwrap().as_ptr();
            let input = block.wrapping_add(GEOMETRY.input_off() as usize);
            // SAFETY: the block is mapped, and the order is this thread's until it is completed.
            unsafe { block.cast::<u64>().write(u64::from(input.read()) + u64::from(order.kind)) };
            orders += 1;
            assert!(child.complete());
            assert!(!child.complete(), "once");
        }
        orders
    });
    for round in 0..10_000_u32 {
        let mut slot = pool.try_take().unwrap();
        slot[0] = round as u8;
        host.submit(Some(&slot), 7, None).unwrap();
        assert_eq!(host.submit(Some(&slot), 7, None), Err(SubmitError::InFlight));
        assert!(host.wait(LIMIT).unwrap());
        assert_eq!(host.completed(), Ok(1));
        let mut word = [0];
        host.front(&slot).unwrap().load(0, &mut word).unwrap();
        assert_eq!(word[0], u64::from(round as u8) + 7);
    }
    host.close();
    assert_eq!(child.join().unwrap(), 10_000);
}
