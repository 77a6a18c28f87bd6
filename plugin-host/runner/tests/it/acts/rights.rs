//! What only root may, or what would give more than the process has.
use super::{Named, address, call, end};

pub const ACTS: &[Named] = &[
    ("priority", |cell| {
        cell.shut_in();
        end(libc::SYS_setpriority, &[0, 0, 1])
    }),
    ("change the user", |cell| {
        cell.shut_in();
        end(libc::SYS_setresuid, &[1, 1, 1])
    }),
    ("set the clock", |cell| {
        // An adjustment of nothing, which root may make: a mode that says so, and the present state of the rest.
        let mut adjustment = [0u64; 26];
        call(libc::SYS_adjtimex, &[address(&mut adjustment)]).unwrap();
        adjustment[0] = 0x10;
        cell.shut_in();
        end(libc::SYS_adjtimex, &[address(&mut adjustment)])
    }),
    ("raise a limit", |cell| {
        let mut limits = [0u64; 2];
        let limit = i64::from(libc::RLIMIT_CORE);
        cell.shut_in();
        call(libc::SYS_prlimit64, &[0, limit, 0, address(&mut limits)]).unwrap();
        limits = limits.map(|limit| limit.saturating_add(4096));
        end(libc::SYS_prlimit64, &[0, limit, address(&mut limits), 0])
    }),
];
