//! What a process holds on a file, a pipe or a socket, under the name that each system has for it.

/// An open file, pipe or socket that is owned: a file descriptor, or a handle on Windows.
#[cfg(not(windows))]
pub type Descriptor = std::os::fd::OwnedFd;
/// An open file, pipe or socket that is owned: a file descriptor, or a handle on Windows.
#[cfg(windows)]
pub type Descriptor = std::os::windows::io::OwnedHandle;

/// An open file, pipe or socket that somebody else owns.
#[cfg(not(windows))]
pub type BorrowedDescriptor<'a> = std::os::fd::BorrowedFd<'a>;
/// An open file, pipe or socket that somebody else owns.
#[cfg(windows)]
pub type BorrowedDescriptor<'a> = std::os::windows::io::BorrowedHandle<'a>;
