//! What a process has without asking: its folder, its environment, its user's powers.
use std::ffi::c_char;
use std::fs;
use std::path::Path;

use rustix::thread::{CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs};

use super::report::NotInForce;

/// Goes into an empty folder.
pub fn working_folder(folder: &Path) -> Result<String, NotInForce> {
    std::env::set_current_dir(folder).map_err(|error| NotInForce::broken(folder.display(), error))?;
    let mut entries = fs::read_dir(".").map_err(|error| NotInForce::broken(folder.display(), error))?;
    match entries.next() {
        None => Ok("empty".to_owned()),
        Some(_) => Err(NotInForce::Broken(format!("{} is not empty; give each plugin a new one", folder.display()))),
    }
}

// SAFETY: every C library for Linux has this variable, of this type.
unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Takes away what the host left in the environment: the names, and the text, which a plugin could read off its stack.
///
/// # Safety
/// No other thread runs, and nobody keeps a pointer that `getenv` gave.
pub unsafe fn environment() -> String {
    let mut cleared = 0;
    // JUSTIFICATION: std can unset a variable, but its text stays where exec put it.
    // SAFETY:
    // - `environ` is null, or an array of pointers to C strings that ends with null: POSIX says so, and the runner
    //   makes no array of its own;
    // - each string is writable: exec put it on the stack, or `setenv` on the heap;
    // - nobody else reads or writes it: the caller promises one thread, and no kept pointers.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let text = *entry;
            let length = libc::strlen(text);
            std::ptr::write_bytes(text, 0, length);
            entry = entry.add(1);
            cleared += 1;
        }
        libc::clearenv();
    }
    match cleared {
        0 => "was empty".to_owned(),
        n => format!("{n} variables cleared"),
    }
}

/// From here on no program that is executed gets more rights than this process has.
pub fn no_new_privileges() -> Result<String, NotInForce> {
    set_no_new_privs(true).map_err(|error| NotInForce::broken("no_new_privs", error))?;
    Ok("for good".to_owned())
}

/// A host that runs as root has a plugin that is root by name alone.
pub fn capabilities() -> Result<String, NotInForce> {
    let none = CapabilitySet::empty();
    clear_ambient_capability_set().map_err(|error| NotInForce::broken("ambient capabilities", error))?;
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(|error| NotInForce::broken("capabilities", error))?;
    Ok("none left".to_owned())
}
