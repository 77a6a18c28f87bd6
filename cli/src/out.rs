//! What commands print on stdout. The library's own `print!` and `println!` panic when nobody reads any more, as behind
//! `| head`; these, which take their place in this program, end it as other programs end then.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};
use std::process::exit;

/// 128 and the number of SIGPIPE, which is what shells say of a program that it has ended.
const NOBODY_READS: i32 = 141;

pub(crate) fn write(text: Arguments<'_>) {
    let mut out = stdout().lock();
    match out.write_fmt(text) {
        Ok(()) => (),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(NOBODY_READS),
        Err(error) => {
            eprintln!("proscenium: stdout cannot be written: {error}");
            exit(1);
        }
    }
}

macro_rules! print {
    ($($text:tt)*) => { $crate::out::write(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::out::write(format_args!("{}\n", format_args!($($text)*))) };
}
