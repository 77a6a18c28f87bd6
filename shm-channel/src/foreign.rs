//! Copies out of and into memory that another process may be writing at the same time.
//!
//! A plain Rust access to such memory would be a data race, so none is made. On x86-64 the bytes are moved by assembly,
//! which the compiler neither repeats, splits nor reasons about; elsewhere, and where a tool wants to see the accesses
//! (ThreadSanitizer, Miri), by relaxed atomic words. What a copy holds is what was there at some moment *for each byte*: the
//! whole may be a mixture that never stood there at once. It is private from then on, so it can be judged.
//!
//! Measured: docs/decisions/0017-foreign-bytes.md.

use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Copies out of foreign memory.
///
/// # Safety
/// - `from` is mapped and readable for `len` bytes, for as long as the call takes;
/// - `to` is private memory of the caller's, writable for `len` bytes, and does not overlap `from`.
pub(crate) unsafe fn copy_out(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promises, handed on.
    unsafe {
        #[cfg(all(target_arch = "x86_64", not(miri), not(proscenium_words)))]
        if len >= 16 {
            return blocks(from, to, len);
        }
        words_out(from, to, len);
    }
}

/// Copies into foreign memory.
///
/// # Safety
/// - `from` is private memory of the caller's, readable for `len` bytes;
/// - `to` is mapped and writable for `len` bytes, for as long as the call takes, and does not overlap `from`.
pub(crate) unsafe fn copy_in(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promises, handed on.
    unsafe {
        #[cfg(all(target_arch = "x86_64", not(miri), not(proscenium_words)))]
        if len >= 16 {
            return blocks(from, to, len);
        }
        words_in(from, to, len);
    }
}

/// 16 bytes at least, by registers of 16 bytes; the last block overlaps the one before it instead of leaving a rest.
///
/// # Safety
/// As of [`copy_out`] or [`copy_in`]; `len >= 16`.
#[cfg(all(target_arch = "x86_64", not(miri), not(proscenium_words)))]
unsafe fn blocks(mut from: *const u8, mut to: *mut u8, len: usize) {
    use std::arch::asm;
    let rest = if len >= 64 {
        // SAFETY:
        // - in bounds: `len / 64` rounds of 64 bytes each, and then one that ends where `len` does;
        // - unaligned addresses are what `movups` is for; every x86-64 has these registers;
        // - the stack is not touched.
        unsafe {
            asm!(
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "dec {rounds}",
                "jnz 2b",
                from = inout(reg) from,
                to = inout(reg) to,
                rounds = inout(reg) len / 64 => _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
        len % 64
    } else {
        len
    };
    let mut left = rest;
    while left > 0 {
        // The last one reaches back over what is copied already: there are 16 bytes in all, says the caller.
        let back = 16_usize.saturating_sub(left);
        // SAFETY:
        // - in bounds: 16 bytes from `back` bytes before `from`, of which `left + back >= 16` are the caller's;
        // - unaligned addresses are what `movups` is for;
        // - the stack is not touched.
        unsafe {
            from = from.sub(back);
            to = to.sub(back);
            asm!(
                "movups {a}, [{from}]",
                "movups [{to}], {a}",
                from = in(reg) from,
                to = in(reg) to,
                a = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
            from = from.add(16);
            to = to.add(16);
        }
        left = left.saturating_sub(16);
    }
}

/// By relaxed words where `from` is aligned for them, else by bytes.
///
/// # Safety
/// As of [`copy_out`].
unsafe fn words_out(from: *const u8, to: *mut u8, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY:
        // - in bounds: `at < len`, and a word is read only where 8 bytes are left;
        // - aligned: a word is read only at a multiple of 8;
        // - no plain access races: the foreign side is read by atomics alone; `to` is private.
        unsafe {
            let source = from.add(at).cast_mut();
            if source.addr().is_multiple_of(8) && len - at >= 8 {
                let word = AtomicU64::from_ptr(source.cast()).load(Ordering::Relaxed);
                ptr::write_unaligned(to.add(at).cast(), word);
                at += 8;
            } else {
                to.add(at).write(AtomicU8::from_ptr(source).load(Ordering::Relaxed));
                at += 1;
            }
        }
    }
}

/// By relaxed words where `to` is aligned for them, else by bytes.
///
/// # Safety
/// As of [`copy_in`].
unsafe fn words_in(from: *const u8, to: *mut u8, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY:
        // - in bounds: `at < len`, and a word is written only where 8 bytes are left;
        // - aligned: a word is written only at a multiple of 8;
        // - no plain access races: the foreign side is written by atomics alone; `from` is private.
        unsafe {
            let target = to.add(at);
            if target.addr().is_multiple_of(8) && len - at >= 8 {
                let word = ptr::read_unaligned(from.add(at).cast());
                AtomicU64::from_ptr(target.cast()).store(word, Ordering::Relaxed);
                at += 8;
            } else {
                AtomicU8::from_ptr(target).store(from.add(at).read(), Ordering::Relaxed);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{copy_in, copy_out};

    const ROOM: usize = 400;

    /// Every length up to several rounds, at every alignment of both sides: all bytes, and none besides.
    fn each(copy: impl Fn(*const u8, *mut u8, usize)) {
        let from: Vec<u8> = (0..ROOM).map(|at| at as u8 | 1).collect();
        for len in 0..300 {
            for shift in 0..9 {
                let mut to = vec![0; ROOM];
                copy(from[shift..].as_ptr(), to[8 - shift..].as_mut_ptr(), len);
                assert!(to[..8 - shift].iter().all(|&byte| byte == 0), "before {len} bytes");
                assert_eq!(to[8 - shift..][..len], from[shift..][..len]);
                assert!(to[8 - shift + len..].iter().all(|&byte| byte == 0), "behind {len} bytes");
            }
        }
    }

    #[test]
    fn copies_are_whole_and_no_longer() {
        // SAFETY: both sides are private, do not overlap, and have `ROOM` bytes: more than shift and length together.
        each(|from, to, len| unsafe { copy_out(from, to, len) });
        // SAFETY: as above.
        each(|from, to, len| unsafe { copy_in(from, to, len) });
        // SAFETY: as above. This is what other processors take.
        each(|from, to, len| unsafe { super::words_out(from, to, len) });
        // SAFETY: as above.
        each(|from, to, len| unsafe { super::words_in(from, to, len) });
    }
}
