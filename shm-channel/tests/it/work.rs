//! What the children of these tests do with an order, and how the host sees that they have done it: each byte of the input
//! depends on the order's number, and each byte of the answer on the input.

use proscenium_shm_channel::{ChildEnd, Front, Geometry, HostEnd, Order, Slot};

/// Bytes of an input that are used.
const INPUT: usize = 100;

/// Writes the input of the order with this number, and spoils what an earlier one has left in the front.
pub fn put(host: &HostEnd, slot: &mut Slot, number: u64) {
    for (at, byte) in slot[..INPUT].iter_mut().enumerate() {
        *byte = expected_input(number, at);
    }
    host.front(slot).unwrap().store(0, &[u64::MAX; 14]).unwrap();
}

fn expected_input(number: u64, at: usize) -> u8 {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (at % 57)) as u8
}

/// In the child: reads the input, and answers with each byte's complement, and the sum of all.
pub fn answer(geometry: Geometry, order: &Order) {
    let block = order.block.expect("these orders have a slot").as_ptr();
    let mut sum = 0_u64;
    for at in 0..INPUT {
        // SAFETY: the block is mapped, front and input, and the order is this thread's until it is completed.
        unsafe {
            let byte = block.add(geometry.input_off() as usize + at).read();
            sum += u64::from(byte);
            block.add(8 + at).write(!byte);
        }
    }
    // SAFETY: as above; a block begins at a page.
    unsafe { block.cast::<u64>().write(sum) };
}

/// Whether the answer is that to the order with this number.
pub fn is_answered(front: &Front<'_>, number: u64) -> bool {
    let (mut sum, mut bytes) = ([0], Vec::new());
    front.load(0, &mut sum).unwrap();
    front.copy_out(8, INPUT as u32, &mut bytes).unwrap();
    let expected = (0..INPUT).map(|at| expected_input(number, at));
    sum[0] == expected.clone().map(u64::from).sum() && bytes.into_iter().eq(expected.map(|byte| !byte))
}

/// In the child: serves until the host closes. How many there were.
pub fn serve(child: &mut ChildEnd) -> u64 {
    use proscenium_shm_channel::Taken;
    let mut served = 0;
    loop {
        match child.take(Some(crate::LIMIT)).unwrap() {
            Taken::Order(order) => answer(child.geometry(), &order),
            Taken::Closed => return served,
            Taken::Nothing => panic!("no order within the limit"),
        }
        assert!(child.complete());
        served += 1;
    }
}
