//! Memory files that two processes map, sealed so that neither can pull the memory from under the other.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Who may write a region.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The process that made it, through the mapping that it has; nobody can get another one, nor write the file.
    Maker,
    /// Whoever has the descriptor.
    Everybody,
}

/// A mapping of a region, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread. What lies in it is reached through atomics, through opaque
// copies, or by the one owner of a slot.
unsafe impl Send for Mapping {}
// SAFETY: as above; the mapping itself does not change before it is dropped.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Maps a whole region.
    pub(crate) fn new(file: BorrowedFd<'_>, len: usize, protection: ProtFlags) -> io::Result<Self> {
        // SAFETY: a new mapping, at an address that the kernel chooses, touches nothing that there is.
        let base = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0)? };
        Self::of(base, len)
    }

    /// Addresses without memory behind them.
    pub(crate) fn reserve(len: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, at an address that the kernel chooses, touches nothing that there is.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags)? };
        Self::of(base, len)
    }

    /// Puts a part of a region where reserved addresses are.
    pub(crate) fn place(
        &mut self,
        at: usize,
        len: usize,
        protection: ProtFlags,
        file: BorrowedFd<'_>,
        offset: usize,
    ) -> io::Result<()> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a part of a region beyond the reserved addresses",
            ));
        }
        // SAFETY:
        // - what is replaced lies within this mapping, as was just checked, so it is ours;
        // - nobody has a pointer into it: `&mut self`, and blocks are handed out only after all are placed.
        unsafe {
            let target = self.base.as_ptr().add(at).cast::<c_void>();
            mmap(target, len, protection, MapFlags::SHARED | MapFlags::FIXED, file, offset as u64)?;
        }
        Ok(())
    }

    fn of(base: *mut c_void, len: usize) -> io::Result<Self> {
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("a mapping at address 0"))?;
        Ok(Self { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are those of a mapping of ours; who has pointers into it borrows or owns this value.
        // An error would mean that the range is not mapped, and then nothing is left to do.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A memory file of zeros, mapped here for reading and writing, and sealed.
///
/// `name` shows in /proc/PID/maps.
pub(crate) fn create(name: &str, len: usize, writer: Writer) -> io::Result<(OwnedFd, Mapping)> {
    let usual = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = match memfd_create(name, usual | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3. There a memory file may be executed: the sandbox has to refuse it.
        Err(Errno::INVAL) => memfd_create(name, usual),
        made => made,
    }?;
    ftruncate(&file, len as u64)?;
    let mapping = Mapping::new(file.as_fd(), len, ProtFlags::READ | ProtFlags::WRITE)?;
    let mut seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    if writer == Writer::Maker {
        // After our own mapping, which stays writable.
        seals |= SealFlags::FUTURE_WRITE;
    }
    fcntl_add_seals(&file, seals)?;
    Ok((file, mapping))
}

/// Whether a region that came from elsewhere is as large as it should be, and stays so.
pub(crate) fn check(name: &str, file: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let size = fstat(file)?.st_size;
    if usize::try_from(size) != Ok(len) {
        return Err(invalid(format!(
            "the region {name} has {size} bytes and should have {len}: host and child differ in geometry or page size"
        )));
    }
    if !fcntl_get_seals(file)?.contains(SealFlags::SHRINK | SealFlags::GROW) {
        return Err(invalid(format!("the region {name} is not sealed against a change of its size")));
    }
    Ok(())
}
