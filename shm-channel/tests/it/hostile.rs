//! A child that does what it should not: to the regions, to its words, to the eventfd, to the fronts while they are read.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_shm_channel::{ChildFds, HostEnd, Pool};
use rustix::fs::{
    FallocateFlags, Mode, OFlags, SealFlags, fallocate, fchmod, fcntl_add_seals, fcntl_setfl, ftruncate, open,
};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mprotect};

use crate::processes::spawn;
use crate::{Chance, GEOMETRY, LIMIT};

const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

fn map(fd: BorrowedFd<'_>, len: usize, protection: ProtFlags) -> Result<*mut u8, Errno> {
    // SAFETY: a new mapping, at an address that the kernel chooses; these processes leave it to the end.
    unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0) }.map(<*mut _>::cast)
}

/// In the child: tries everything, and says what was not refused.
pub fn break_out(fds: ChildFds) {
    let mut attempts = 0;
    let mut refused = |what: &str, region: &str, outcome: Result<(), Errno>| {
        attempts += 1;
        match outcome {
            Err(Errno::PERM | Errno::ACCESS) => (),
            other => println!("NOT REFUSED: {what} of {region}: {other:?}"),
        }
    };
    let page = rustix::param::page_size();
    for (region, fd) in [("orders", fds.orders.as_fd()), ("inputs", fds.inputs.as_fd()), ("fronts", fds.fronts.as_fd())]
    {
        let size = rustix::fs::fstat(fd).unwrap().st_size as u64;
        for len in [0, size - page as u64, size + page as u64] {
            refused("ftruncate", region, ftruncate(fd, len));
        }
        refused("fallocate beyond the end", region, fallocate(fd, FallocateFlags::empty(), size, page as u64));
        for seals in [SealFlags::empty(), SealFlags::WRITE, SealFlags::SHRINK, SealFlags::FUTURE_WRITE] {
            refused("another seal", region, fcntl_add_seals(fd, seals));
        }
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let cut = open(&path, OFlags::RDWR | OFlags::TRUNC, Mode::empty());
        refused("opening it again to cut it off", region, cut.map(drop));
        // Not everywhere: before Linux 6.3 there is no such seal.
        if rustix::fs::fcntl_get_seals(fd).unwrap().contains(SealFlags::EXEC) {
            refused("making it executable", region, fchmod(fd, Mode::RWXU));
        }
        if region == "fronts" {
            continue;
        }
        // Another open file of the same region is no way round: seals belong to the region.
        let again = open(&path, OFlags::RDWR, Mode::empty()).unwrap();
        for fd in [fd, again.as_fd()] {
            refused("mapping it to write", region, map(fd, page, BOTH).map(drop));
            refused("writing", region, rustix::io::pwrite(fd, b"mine", 0).map(drop));
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            refused("punching a hole", region, fallocate(fd, hole, 0, page as u64));
            refused(
                "zeroing a range",
                region,
                match fallocate(fd, FallocateFlags::ZERO_RANGE, 0, page as u64) {
                    Err(Errno::OPNOTSUPP) => Err(Errno::PERM),
                    other => other,
                },
            );
            let mapped = map(fd, page, ProtFlags::READ).unwrap();
            // SAFETY: a mapping of this function's own; if it is made writable or emptied, that is the finding.
            unsafe {
                refused(
                    "making a mapping writable",
                    region,
                    mprotect(mapped.cast(), page, MprotectFlags::READ | MprotectFlags::WRITE),
                );
                refused("removing pages", region, madvise(mapped.cast(), page, Advice::LinuxRemove));
            }
        }
    }
    println!("attempts {attempts}");
}

#[test]
fn a_child_cannot_change_what_is_the_host_s() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut slot = pool.try_take().unwrap();
    slot.fill(0xA5);
    let (_host, fds) = HostEnd::new(&pool).unwrap();
    let mut child = spawn("break-out", fds);
    let mut said = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.0.wait().unwrap().success(), "{said}");
    assert!(!said.contains("NOT REFUSED"), "{said}");
    let attempts = said.lines().find_map(|line| line.split_once("attempts ")?.1.parse::<u32>().ok());
    assert!(attempts.unwrap() >= 50, "{said}");
    assert!(slot.iter().all(|&byte| byte == 0xA5));
}

/// In the child: writes anything anywhere it can, for ever, and torments the eventfd.
pub fn scribble(fds: &ChildFds) -> ! {
    let size = rustix::fs::fstat(&fds.fronts).unwrap().st_size as usize;
    let base = map(fds.fronts.as_fd(), size, BOTH).unwrap();
    let mut chance = Chance(u64::from(std::process::id()));
    println!("scribbling");
    loop {
        let value = match chance.below(3) {
            0 => chance.number(),
            1 => chance.below(4),
            _ => u64::MAX - chance.below(4),
        };
        // Half of it into the words that count.
        let at = if chance.below(2) == 0 { 64 * chance.below(3) } else { 8 * chance.below(size as u64 / 8) };
        // SAFETY: within the mapping, and aligned.
        unsafe { AtomicU64::from_ptr(base.add(at as usize).cast()) }.store(value, Ordering::Relaxed);
        match chance.below(64) {
            0 => drop(rustix::io::write(&fds.wake, &(1 + chance.below(2)).to_ne_bytes())),
            1 => drop(rustix::io::write(&fds.wake, &(u64::MAX - 1).to_ne_bytes())),
            2 => {
                // Full, empty, and blocking for who would read it.
                fcntl_setfl(&fds.wake, OFlags::NONBLOCK).unwrap();
                let _ = rustix::io::read(&fds.wake, &mut [0; 8]);
                fcntl_setfl(&fds.wake, OFlags::empty()).unwrap();
            }
            3 => {
                let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let _ = fallocate(&fds.fronts, hole, 4096 * chance.below(size as u64 / 4096), 4096);
            }
            _ => (),
        }
        fcntl_setfl(&fds.wake, OFlags::NONBLOCK).unwrap();
    }
}

#[test]
fn a_child_that_scribbles_neither_crashes_nor_stops_nor_misleads_the_host() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut chance = Chance(11);
    let (mut violations, mut accepted, mut incarnations) = (0, 0, 0);
    while incarnations < 8 || violations < 8 {
        incarnations += 1;
        let (mut host, fds) = HostEnd::new(&pool).unwrap();
        let mut child = spawn("scribble", fds);
        let mut line = [0; 256];
        let mut said = String::new();
        while !said.contains("scribbling") {
            let len = child.0.stdout.as_mut().unwrap().read(&mut line).unwrap();
            assert_ne!(len, 0, "the child ended: {said}");
            said.push_str(&String::from_utf8_lossy(&line[..len]));
        }
        let slot = pool.try_take().unwrap();
        let (mut bytes, mut words) = (Vec::new(), [0; 64]);
        for _ in 0..20_000 {
            let before = host.in_flight();
            match host.submit(chance.below(2).eq(&0).then_some(&slot), 1, None) {
                Ok(_) => assert_eq!(host.in_flight(), before + 1),
                Err(_) => assert_eq!(host.in_flight(), before),
            }
            let begin = Instant::now();
            host.wait(Duration::from_micros(chance.below(200))).unwrap();
            assert!(begin.elapsed() < LIMIT, "a wait of microseconds");
            let before = host.in_flight();
            match host.completed() {
                Ok(new) => {
                    assert_eq!(host.in_flight(), before - new);
                    accepted += u64::from(new);
                }
                Err(violation) => {
                    assert_eq!((host.in_flight(), violation.in_flight), (before, before));
                    violations += 1;
                }
            }
            let front = host.front(&slot).unwrap();
            bytes.clear();
            front.copy_out(chance.below(100) as u32, chance.below(3_900) as u32, &mut bytes).unwrap();
            front.load(0, &mut words).unwrap();
            front.store(0, &words).unwrap();
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
    }
    assert!(accepted > 0, "some claims are such as could be true");
    assert_eq!(pool.free(), GEOMETRY.slots as usize);
}

#[test]
fn no_value_of_the_child_s_count_is_taken_for_more_than_can_be() {
    let values = [0, 1, 2, 3, 4, 127, 128, 129, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX - 1, u32::MAX];
    for claim in values {
        let pool = Pool::new(GEOMETRY).unwrap();
        let (mut host, fds) = HostEnd::new(&pool).unwrap();
        let completed = map(fds.fronts.as_fd(), 4096, BOTH).unwrap();
        (0..3).for_each(|_| assert!(host.submit(None, 1, None).is_ok()));
        // SAFETY: mapped, aligned, and left mapped.
        unsafe { AtomicU32::from_ptr(completed.cast()) }.store(claim, Ordering::Relaxed);
        assert_eq!(host.has_news(), claim != 0);
        match host.completed() {
            Ok(new) => assert_eq!((new, claim <= 3), (claim, true)),
            Err(violation) => assert_eq!((violation.claimed, violation.accepted, claim > 3), (claim, 0, true)),
        }
    }
}
