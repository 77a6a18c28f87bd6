//! What a child does when it is told to, by name.
mod files;
mod granted;
mod kernel;
mod limits;
mod processes;
mod rights;
mod sound;

use std::ffi::CString;

use libc::c_long;

use crate::child::Act;

/// The act of that name.
pub fn named(name: &str) -> Act {
    let all = [files::ACTS, processes::ACTS, kernel::ACTS, rights::ACTS, sound::ACTS, granted::ACTS, limits::ACTS];
    let found = all.into_iter().flatten().find(|(act, _)| *act == name);
    found.unwrap_or_else(|| panic!("there is no act called {name}")).1
}

pub type Named = (&'static str, Act);

/// A system call, past the C library. The errno on failure.
pub fn call(number: c_long, arguments: &[i64]) -> Result<i64, i32> {
    let at = |n: usize| arguments.get(n).copied().unwrap_or(0);
    // SAFETY: acts pass numbers, and addresses of what outlives the call; what the kernel writes goes where they say.
    let answer = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    if answer == -1 { Err(errno()) } else { Ok(answer) }
}

/// The errno of a call, or 0: what an act returns.
pub fn end(number: c_long, arguments: &[i64]) -> i32 {
    call(number, arguments).err().unwrap_or(0)
}

pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

/// The errno of what std tried, or 0.
pub fn io_end<T>(tried: std::io::Result<T>) -> i32 {
    tried.err().map_or(0, |error| error.raw_os_error().unwrap())
}

/// An address that stays.
pub fn text(text: &str) -> i64 {
    CString::new(text).unwrap().into_raw().expose_provenance() as i64
}

pub fn address<T>(value: &mut T) -> i64 {
    std::ptr::from_mut(value).expose_provenance() as i64
}

pub fn parent() -> i64 {
    i64::from(std::os::unix::process::parent_id())
}
