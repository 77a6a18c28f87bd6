//! The part of a slot that the child writes, as the host sees it.

use crate::error::AccessError;
use crate::foreign;
use crate::region::Mapping;

/// Header, record table and heap of one slot, in one incarnation.
///
/// The child may write all of it at any time, a rogue one while the host reads. So there is no reference into it: bytes are
/// copied out, and the copy is judged. Offsets are those of the block: 0 is the header's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Front<'a> {
    mapping: &'a Mapping,
    begin: usize,
    size: u32,
}

impl<'a> Front<'a> {
    /// `size` bytes from `begin` of a mapping, which lie in it.
    pub(crate) fn of(mapping: &'a Mapping, begin: usize, size: u32) -> Self {
        assert!(begin + size as usize <= mapping.len(), "a front beyond the region");
        Self { mapping, begin, size }
    }

    /// Bytes of it.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Writes words, in the machine's order of bytes.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`].
    pub fn store(&self, offset: u32, words: &[u64]) -> Result<(), AccessError> {
        let to = self.at(offset, size_of_val(words))?;
        // SAFETY: `at` has checked that the bytes are mapped; `words` is private, and as long.
        unsafe { foreign::copy_in(words.as_ptr().cast(), to, size_of_val(words)) };
        Ok(())
    }

    /// Reads words, in the machine's order of bytes.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; `words` is unchanged.
    pub fn load(&self, offset: u32, words: &mut [u64]) -> Result<(), AccessError> {
        let from = self.at(offset, size_of_val(words))?;
        // SAFETY: `at` has checked that the bytes are mapped; `words` is private, as long, and any bytes are a `u64`.
        unsafe { foreign::copy_out(from, words.as_mut_ptr().cast(), size_of_val(words)) };
        Ok(())
    }

    /// Whether these words are there. Each is read once, and nothing is kept of what was read.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`].
    pub fn holds(&self, offset: u32, words: &[u64]) -> Result<bool, AccessError> {
        // All of them lie in the front, so that none of the smaller loads does not.
        self.at(offset, size_of_val(words))?;
        // So few at once that the copy stays in the processor's first cache.
        let mut copy = [0; 128];
        let mut at = offset;
        for words in words.chunks(copy.len()) {
            let copy = &mut copy[..words.len()];
            self.load(at, copy)?;
            if copy != words {
                return Ok(false);
            }
            at += size_of_val(words) as u32;
        }
        Ok(true)
    }

    /// Reads one half of a word, such as `progress`.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`].
    pub fn load_u32(&self, offset: u32) -> Result<u32, AccessError> {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; `bytes` is unchanged.
    pub fn read(&self, offset: u32, bytes: &mut [u8]) -> Result<(), AccessError> {
        let from = self.at(offset, bytes.len())?;
        // SAFETY: `at` has checked that the bytes are mapped; `bytes` is private, and as long.
        unsafe { foreign::copy_out(from, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Appends `len` bytes to `to`, which grows if it has not enough room: that is the only allocation.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`], before anything is allocated; `to` is unchanged.
    pub fn copy_out(&self, offset: u32, len: u32, to: &mut Vec<u8>) -> Result<(), AccessError> {
        let from = self.at(offset, len as usize)?;
        to.reserve(len as usize);
        // SAFETY:
        // - `at` has checked that the bytes are mapped;
        // - `reserve` has made room for `len` bytes behind those that `to` has, and all of them are written before they
        //   count.
        unsafe {
            foreign::copy_out(from, to.as_mut_ptr().add(to.len()), len as usize);
            to.set_len(to.len() + len as usize);
        }
        Ok(())
    }

    fn at(&self, offset: u32, len: usize) -> Result<*mut u8, AccessError> {
        if (offset as usize).checked_add(len).is_none_or(|end| end > self.size as usize) {
            return Err(AccessError::OutOfBounds { offset, len, size: self.size });
        }
        // Within the front, as was just checked, and the front lies within the mapping.
        Ok(self.mapping.base().as_ptr().wrapping_add(self.begin + offset as usize))
    }
}
