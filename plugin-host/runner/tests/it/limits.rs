//! Each limit is met, and what happens there is what its documentation says.
use crate::child::{End, run};

#[test]
fn at_each_limit_comes_what_is_said_of_it() {
    for (act, end) in [
        ("private memory", End::Errno(libc::ENOMEM)),
        ("shared memory", End::Errno(libc::ENOMEM)),
        ("descriptors", End::Errno(libc::EMFILE)),
        ("a big file", End::Signal(libc::SIGXFSZ)),
        ("a second of work", End::Signal(libc::SIGXCPU)),
        ("locked memory", End::Errno(libc::EPERM)),
        ("all limits", End::Done),
    ] {
        let outcome = run(act, true, "");
        assert_eq!(outcome.end, end, "{act}: {}", outcome.text);
    }
}
