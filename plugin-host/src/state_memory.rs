//! Memory that a state is carried in: from the old process to the host, and from the host to the new one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};

/// Copied at once.
const CHUNK: usize = 256 << 10;

/// A memfd of fixed size. Its memory is taken when it is first written.
pub(crate) struct StateMemory(OwnedFd);

impl StateMemory {
    /// Room for so many bytes, which a process may write and not resize.
    pub(crate) fn of(bytes: u64) -> io::Result<Self> {
        let memory = memfd_create("proscenium-state", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memory, bytes)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(StateMemory(memory))
    }

    /// The first bytes, in memory that nobody can write any more: whoever wrote this one may still be at it.
    pub(crate) fn sealed_copy(&self, len: u64, limit: u64) -> io::Result<Self> {
        if len > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a state of {len} bytes, and {limit} are the limit"),
            ));
        }
        let copy = memfd_create("proscenium-state", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut chunk = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
        let mut at = 0;
        while at < len {
            let wanted = chunk.len().min(usize::try_from(len - at).unwrap_or(CHUNK));
            let read = pread(&self.0, &mut chunk[..wanted], at)?;
            let written = pwrite(&copy, &chunk[..read], at)?;
            if written == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += written as u64;
        }
        fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(StateMemory(copy))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_copied_whole_and_the_copy_cannot_be_written() {
        let memory = StateMemory::of(1 << 20).unwrap();
        let state: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
        assert_eq!(pwrite(&memory.0, &state, 0).unwrap(), state.len());
        let copy = memory.sealed_copy(state.len() as u64, 1 << 20).unwrap();
        let mut read = vec![0; state.len() + 1];
        assert_eq!(pread(&copy.0, &mut read, 0).unwrap(), state.len());
        assert_eq!(&read[..state.len()], state);
        assert!(pwrite(&copy.0, b"x", 0).is_err());
        assert!(ftruncate(&memory.0, 0).is_err());
        assert!(memory.sealed_copy((1 << 20) + 1, 1 << 20).is_err());
        assert!(memory.sealed_copy((1 << 20) + 1, 2 << 20).is_err(), "more than there is");
    }
}
