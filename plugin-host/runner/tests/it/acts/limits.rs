//! Acts at a limit.
use std::fs;
use std::io::Write;

use super::{Named, call, errno, io_end};

const MIB: i64 = 1024 * 1024;

/// Maps memory, and gives the errno.
fn map(bytes: i64, flags: i32) -> i32 {
    let writable = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    call(libc::SYS_mmap, &[0, bytes, writable, i64::from(flags | libc::MAP_ANONYMOUS), -1, 0]).err().unwrap_or(0)
}

fn limits(which: &str) -> [u64; 2] {
    let text = fs::read_to_string("/proc/self/limits").unwrap();
    let line = text.lines().find(|line| line.starts_with(which)).unwrap();
    let words: Vec<&str> = line[which.len()..].split_whitespace().collect();
    [words[0], words[1]].map(|word| word.parse().unwrap())
}

pub const ACTS: &[Named] = &[
    ("private memory", |cell| {
        cell.shut_in_as(|sandbox| sandbox.limits.data_bytes = Some(64 << 20));
        assert_eq!(map(32 * MIB, libc::MAP_PRIVATE), 0);
        map(64 * MIB, libc::MAP_PRIVATE)
    }),
    ("shared memory", |cell| {
        cell.shut_in_as(|sandbox| sandbox.limits.address_space_bytes = Some(512 << 20));
        assert_eq!(map(32 * MIB, libc::MAP_SHARED), 0);
        map(512 * MIB, libc::MAP_SHARED)
    }),
    ("descriptors", |cell| {
        cell.shut_in_as(|sandbox| sandbox.limits.open_files = Some(20));
        let all: Vec<_> = (0..30).map(|_| fs::File::open("/dev/null")).collect();
        let opened = all.iter().take_while(|file| file.is_ok()).count();
        assert!((10..20).contains(&opened), "{opened}");
        all.into_iter().find_map(Result::err).map_or(0, |error| error.raw_os_error().unwrap())
    }),
    ("a big file", |cell| {
        cell.shut_in_as(|sandbox| {
            sandbox.grants.write.push(cell.folder.join("work"));
            sandbox.limits.file_bytes = Some(4096);
        });
        let mut file = fs::File::create(cell.folder.join("work/file")).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        io_end(file.write_all(&[1]))
    }),
    ("a second of work", |cell| {
        cell.shut_in_as(|sandbox| sandbox.limits.cpu_seconds = Some(1));
        loop {
            std::hint::spin_loop();
        }
    }),
    ("locked memory", |cell| {
        let page = vec![1u8; 8192];
        cell.shut_in_as(|sandbox| sandbox.grants.syscalls.push("mlock".parse().unwrap()));
        // SAFETY: the page is there; locking changes nothing of it.
        if unsafe { libc::mlock(page.as_ptr().cast(), 4096) } == 0 { 0 } else { errno() }
    }),
    ("all limits", |cell| {
        cell.shut_in_as(|sandbox| sandbox.grants.read.push("/proc/self/limits".into()));
        assert_eq!(limits("Max core file size"), [0, 0]);
        assert_eq!(limits("Max locked memory"), [0, 0]);
        assert_eq!(limits("Max realtime priority"), [0, 0]);
        assert_eq!(limits("Max data size"), [1 << 30; 2]);
        assert_eq!(limits("Max address space"), [8 << 30; 2]);
        assert_eq!(limits("Max stack size"), [8 << 20; 2]);
        assert_eq!(limits("Max file size"), [64 << 20; 2]);
        assert_eq!(limits("Max open files"), [256; 2]);
        0
    }),
];
