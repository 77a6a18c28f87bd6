//! Files.
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Named, call, end, io_end, parent, text};

pub const ACTS: &[Named] = &[
    ("read /etc/passwd", |cell| {
        cell.shut_in();
        io_end(fs::read("/etc/passwd"))
    }),
    ("list /", |cell| {
        cell.shut_in();
        io_end(fs::read_dir("/"))
    }),
    ("read beside the library", |cell| {
        let secret = cell.folder.join("secret");
        fs::write(&secret, "x").unwrap();
        cell.shut_in();
        io_end(fs::read(secret))
    }),
    ("write beside the library", |cell| {
        let secret = cell.folder.join("lib/libplugin.so");
        fs::write(&secret, "x").unwrap();
        cell.shut_in();
        io_end(fs::OpenOptions::new().append(true).open(secret))
    }),
    ("create in the working folder", |cell| {
        std::env::set_current_dir(cell.folder.join("work")).unwrap();
        cell.shut_in();
        io_end(fs::write("new", "x"))
    }),
    ("read the parent's memory file", |cell| {
        cell.shut_in();
        io_end(fs::File::open(format!("/proc/{}/mem", parent())))
    }),
    ("list the descriptors of itself", |cell| {
        cell.shut_in();
        io_end(fs::read_dir("/proc/self/fd"))
    }),
    ("make a folder", |cell| {
        std::env::set_current_dir(cell.folder.join("work")).unwrap();
        cell.shut_in();
        io_end(fs::create_dir("new"))
    }),
    ("remove a file", |cell| {
        fs::write(cell.folder.join("secret"), "x").unwrap();
        let path = cell.folder.join("secret");
        cell.shut_in();
        io_end(fs::remove_file(path))
    }),
    ("change the mode of a file", |cell| {
        let path = cell.folder.join("lib");
        cell.shut_in();
        io_end(fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
    }),
    ("watch a folder", |cell| {
        cell.shut_in();
        let Ok(watch) = call(libc::SYS_inotify_init1, &[0]) else { return super::errno() };
        end(libc::SYS_inotify_add_watch, &[watch, text("/etc"), 2])
    }),
    ("handle of a file", |cell| {
        // `file_handle`: room for 128 bytes, which are then filled.
        let mut handle = [0u32; 34];
        handle[0] = 128;
        let mut mount = 0i32;
        cell.shut_in();
        let at = i64::from(libc::AT_FDCWD);
        end(
            libc::SYS_name_to_handle_at,
            &[at, text("/etc/passwd"), super::address(&mut handle), super::address(&mut mount), 0],
        )
    }),
    ("openat2", |cell| {
        let mut how = [0u64; 3];
        cell.shut_in();
        end(libc::SYS_openat2, &[i64::from(libc::AT_FDCWD), text("/dev/null"), super::address(&mut how), 24])
    }),
];
