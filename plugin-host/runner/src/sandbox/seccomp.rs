//! The filter of system calls, handed to the kernel.
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use super::filter_core::{Instruction, Machine, compile};
use super::grants::Grants;
use super::learn::take_notes;
use super::policy_core::{Facts, rules};
use super::report::NotInForce;

/// A filter is made for one calling convention; elsewhere there is none.
#[cfg(target_arch = "x86_64")]
const MACHINE: Option<Machine> = Some(Machine { audit_arch: 0xc000_003e, foreign_numbers: Some(0x4000_0000) });
#[cfg(target_arch = "aarch64")]
const MACHINE: Option<Machine> = Some(Machine { audit_arch: 0xc000_00b7, foreign_numbers: None });
#[cfg(target_arch = "riscv64")]
const MACHINE: Option<Machine> = Some(Machine { audit_arch: 0xc000_00f3, foreign_numbers: None });
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const MACHINE: Option<Machine> = None;

pub fn apply(grants: &Grants, facts: Facts) -> Result<String, NotInForce> {
    let machine = MACHINE.ok_or_else(|| {
        NotInForce::Missing(format!("there is no list of system calls for {}", std::env::consts::ARCH))
    })?;
    let rules = rules(grants, facts);
    let program = compile(machine, &rules, facts.learning);
    let known = rules.len();
    if facts.learning {
        let asked = install(&program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
        // SAFETY: with that flag a success is a new descriptor, and nobody else has it.
        take_notes(unsafe { OwnedFd::from_raw_fd(asked) })?;
        return Ok(format!("{known} system calls known, others get EPERM and are noted"));
    }
    // All threads, should there be more than the one that there should be.
    match install(&program, libc::SECCOMP_FILTER_FLAG_TSYNC)? {
        0 => Ok(format!("{known} system calls known, others get EPERM")),
        thread => Err(NotInForce::Broken(format!("thread {thread} has another filter and cannot take this one"))),
    }
}

/// As the kernel's `sock_fprog`.
#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const Instruction,
}

/// What the kernel answers: by the flags a descriptor, or the thread that is in the way.
fn install(program: &[Instruction], flags: libc::c_ulong) -> Result<i32, NotInForce> {
    let length = u16::try_from(program.len()).map_err(|error| NotInForce::broken("the filter is too long", error))?;
    let filter = Filter { length, instructions: program.as_ptr() };
    // JUSTIFICATION: neither std nor rustix has this call.
    // SAFETY:
    // - the kernel reads `length` instructions from `instructions`: both are those of the borrowed `program`;
    // - `Filter` and `Instruction` have the layout of `sock_fprog` and `sock_filter` (repr(C), same fields);
    // - it writes nothing of ours.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    if answer >= 0 {
        return Ok(answer as i32);
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::ENOSYS) => NotInForce::Missing("the kernel has no seccomp (CONFIG_SECCOMP_FILTER)".into()),
        _ => NotInForce::broken("loading the filter", error),
    })
}
