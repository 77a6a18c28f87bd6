//! Whether a file can be a library for this machine, by its first bytes.

use std::fmt;

/// Bytes of the header that are looked at.
pub(crate) const HEAD: usize = 64;

/// Why it cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoLibrary {
    /// It does not begin as an ELF file does.
    NotElf,
    /// It ends before its header does, or before what the header says.
    CutOff {
        /// Bytes that it has.
        len: u64,
        /// Bytes that it must have at least.
        at_least: u64,
    },
    /// Of another machine, by ELF's number.
    Machine {
        /// What the file is for.
        found: u16,
        /// What this host is.
        wanted: u16,
    },
    /// A 32-bit or big-endian file.
    Width,
    /// A program or an object file.
    Kind(u16),
}

const MACHINE: u16 = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => 62,
    b"aarch64" => 183,
    _ => 243, // RISC-V
};

fn machine(number: u16) -> &'static str {
    match number {
        3 => "32-bit x86",
        40 => "32-bit ARM",
        62 => "x86-64",
        183 => "AArch64",
        243 => "RISC-V",
        _ => "another machine",
    }
}

impl fmt::Display for NoLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NoLibrary::NotElf => write!(f, "it is no ELF file; build it with `cc -shared -fPIC`"),
            NoLibrary::CutOff { len, at_least } => {
                write!(f, "it is cut off: it has {len} bytes, and must have {at_least}; build or copy it again")
            }
            NoLibrary::Machine { found, wanted } => {
                let (found, wanted) = (machine(found), machine(wanted));
                write!(f, "it is built for {found}, and this is {wanted}; build it for this machine")
            }
            NoLibrary::Width => write!(f, "it is no 64-bit little-endian file; build it for this machine"),
            NoLibrary::Kind(1) => write!(f, "it is an object file; link it with `cc -shared`"),
            NoLibrary::Kind(2) => write!(f, "it is a program; build it with `cc -shared -fPIC`"),
            NoLibrary::Kind(kind) => write!(f, "it is an ELF file of kind {kind}; build it with `cc -shared -fPIC`"),
        }
    }
}

impl std::error::Error for NoLibrary {}

/// Looks at the head of a file of `len` bytes.
pub(crate) fn check(head: &[u8], len: u64) -> Result<(), NoLibrary> {
    if !head.starts_with(b"\x7fELF") {
        return Err(NoLibrary::NotElf);
    }
    let cut_off = |at_least| NoLibrary::CutOff { len, at_least };
    let head: &[u8; HEAD] = head.try_into().map_err(|_| cut_off(HEAD as u64))?;
    if head[4..6] != [2, 1] {
        return Err(NoLibrary::Width);
    }
    let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let long = |at: usize| head[at..at + 8].iter().rev().fold(0_u64, |long, &byte| long << 8 | u64::from(byte));
    match (half(16), half(18)) {
        (3, MACHINE) => {}
        (3, found) => return Err(NoLibrary::Machine { found, wanted: MACHINE }),
        (kind, _) => return Err(NoLibrary::Kind(kind)),
    }
    // The tables of segments and sections. The latter stands at the end, so that a file cut anywhere is found.
    let segments = long(32).saturating_add(u64::from(half(54)) * u64::from(half(56)));
    let sections = long(40).saturating_add(u64::from(half(58)) * u64::from(half(60)));
    match segments.max(sections) {
        at_least if at_least > len => Err(cut_off(at_least)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_test_is_a_library_of_this_machine_and_its_halves_are_not() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let len = whole.len() as u64;
        assert_eq!(check(&whole[..HEAD], len), Ok(()), "a position-independent program is of the same kind");
        assert!(matches!(check(&whole[..HEAD], len / 2), Err(NoLibrary::CutOff { .. })));
        assert!(matches!(check(&whole[..HEAD], len - 1), Err(NoLibrary::CutOff { .. })));
        for short in 0..HEAD {
            assert!(check(&whole[..short], short as u64).is_err(), "{short} bytes");
        }
        let changed = |at: usize, to: u8| {
            let mut head = whole[..HEAD].to_vec();
            head[at] = to;
            check(&head, len)
        };
        assert_eq!(changed(0, b'#'), Err(NoLibrary::NotElf));
        assert_eq!(changed(4, 1), Err(NoLibrary::Width));
        assert_eq!(changed(16, 2), Err(NoLibrary::Kind(2)));
        assert_eq!(changed(18, 40), Err(NoLibrary::Machine { found: 40, wanted: MACHINE }));
    }
}
