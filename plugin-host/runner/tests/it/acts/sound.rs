//! What must go on working.
use std::ffi::CString;
use std::process::abort;
use std::time::{Instant, SystemTime};

use proscenium_plugin_runner::sandbox::{Mode, learned};

use super::{Named, address, call, end, errno};
use crate::child::Cell;

pub const ACTS: &[Named] = &[
    ("C++", |cell| {
        cell.shut_in_as(|sandbox| sandbox.library_folder = cell.argument.rsplit_once('/').unwrap().0.into());
        cpp(cell)
    }),
    ("C++ that is learnt from", |cell| {
        cell.shut_in_as(|sandbox| {
            sandbox.library_folder = cell.argument.rsplit_once('/').unwrap().0.into();
            sandbox.mode = Mode::Learn;
        });
        let errno = cpp(cell);
        print!("{}", learned());
        errno
    }),
    ("threads of Rust", |cell| {
        cell.shut_in();
        let threads: Vec<_> =
            (0..8).map(|n| std::thread::Builder::new().name(format!("t{n}")).spawn(move || n)).collect();
        let sum: i32 = threads.into_iter().map(|thread| thread.unwrap().join().unwrap()).sum();
        i32::from(sum != 28 || std::thread::available_parallelism().is_err())
    }),
    ("clocks and chance", |cell| {
        cell.shut_in();
        let mut bytes = [0u8; 32];
        let got = call(libc::SYS_getrandom, &[address(&mut bytes), 32, 0]);
        i32::from(got != Ok(32) || Instant::now().elapsed().as_secs() > 1 || SystemTime::UNIX_EPOCH.elapsed().is_err())
    }),
    ("a panic with a backtrace", |cell| {
        cell.shut_in();
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        let caught = std::panic::catch_unwind(|| panic!("meant"));
        i32::from(caught.is_ok() || !trace.contains("on_start"))
    }),
    ("a signal stack", |cell| {
        static SEEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        extern "C" fn seen(_: i32) {
            SEEN.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        cell.shut_in();
        let mut stack = vec![0u8; 64 * 1024];
        // SAFETY: the stack outlives the signal, which is raised here; the handler stores one word.
        unsafe {
            let given = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
            assert_eq!(libc::sigaltstack(&raw const given, std::ptr::null_mut()), 0);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = seen as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
            assert_eq!(libc::raise(libc::SIGUSR1), 0);
        }
        i32::from(!SEEN.load(std::sync::atomic::Ordering::Relaxed))
    }),
    ("a signal to itself", |cell| {
        cell.shut_in();
        end(libc::SYS_kill, &[i64::from(std::process::id()), 0])
    }),
    ("its own limits", |cell| {
        let mut limits = [0u64; 2];
        cell.shut_in();
        let own = i64::from(std::process::id());
        let limit = i64::from(libc::RLIMIT_NOFILE);
        end(libc::SYS_prlimit64, &[0, limit, 0, address(&mut limits)])
            + end(libc::SYS_prlimit64, &[own, limit, 0, address(&mut limits)])
    }),
    ("the file of its memory map", |cell| {
        cell.shut_in();
        super::io_end(std::fs::read("/proc/self/maps"))
    }),
    ("a refused fork is an error", |cell| {
        cell.shut_in();
        // SAFETY: it is refused, so there is no child.
        let forked = unsafe { libc::fork() };
        i32::from((forked, errno()) != (-1, libc::EPERM))
    }),
    ("raise SIGSEGV", |cell| {
        cell.shut_in();
        // SAFETY: it has no preconditions.
        unsafe { libc::raise(libc::SIGSEGV) }
    }),
    ("write to nowhere", |cell| {
        cell.shut_in();
        // SAFETY: it is not sound; the act is to crash.
        unsafe { std::ptr::without_provenance_mut::<u8>(16).write_volatile(1) };
        0
    }),
    ("abort", |cell| {
        cell.shut_in();
        abort()
    }),
];

/// Loads the library after the walls are up, and has it do everything.
fn cpp(cell: &Cell) -> i32 {
    let functions =
        ["constructors", "threads", "memory", "chance", "streams", "locales", "exceptions", "clocks", "files"];
    let path = CString::new(cell.argument.as_str()).unwrap();
    // SAFETY: the library is that of this test, and so are the signatures of its functions.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        if library.is_null() {
            eprintln!("{:?}", std::ffi::CStr::from_ptr(libc::dlerror()));
            return 1;
        }
        for name in functions {
            let symbol = libc::dlsym(library, CString::new(name).unwrap().as_ptr());
            assert!(!symbol.is_null(), "{name}");
            let function: extern "C" fn() -> i32 = std::mem::transmute(symbol);
            let line = function();
            if line != 0 {
                eprintln!("{name}: plugin.cc:{line}");
                return 2;
            }
        }
    }
    0
}
