//! Whether this process is a plugin's.

use std::ffi::OsStr;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first argument of a plugin's process. Its descriptors say the rest.
pub const CHILD: &str = "--proscenium-plugin-child";

static HOOKED: AtomicBool = AtomicBool::new(false);

/// Whether this process was started by a plugin host to serve it.
#[must_use]
pub fn is_child() -> bool {
    std::env::args_os().nth(1).as_deref() == Some(OsStr::new(CHILD))
}

/// Lets a program be the process of its own plugins: call it first in `main`. In such a process it serves the host and
/// does not return; in any other it does nothing but note that it was called.
///
/// `#[proscenium::main]` does it. A program that cannot needs the program `proscenium-runner` beside it.
pub fn run_if_child() {
    HOOKED.store(true, Ordering::Relaxed);
    if is_child() {
        // SAFETY:
        // - the argument is given by plugin hosts alone, which pass the descriptors;
        // - `main` has just begun, as the documentation asks, so nothing has used them, nor started a thread.
        exit(unsafe { crate::serve() });
    }
}

/// Whether this program can be the process of its own plugins.
#[must_use]
pub fn is_hooked() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

/// [`run_if_child`] for a program whose `main` is not its author's, such as a test: once, at the root of the crate.
///
/// It runs before `main` does. A program with a `main` of its own calls the function there.
#[macro_export]
macro_rules! run_if_child_before_main {
    () => {
        const _: () = {
            extern "C" fn run() {
                $crate::run_if_child();
            }
            #[used]
            #[unsafe(link_section = ".init_array")]
            static RUN: extern "C" fn() = run;
        };
    };
}
