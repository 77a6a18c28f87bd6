//! A number for the sources that the runner is built from, so that a host and a runner that do not go together say so.
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What both sides share. In a package from a registry the last two are not there, and the version says it.
const SOURCES: [&str; 3] = ["src", "../../shm-channel/src", "../../plugin-sdk/src"];

/// The number of other sources, to be taken in place of the own: for a runner that was changed on purpose.
const TAKEN: &str = "PROSCENIUM_BUILD_AS";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed={TAKEN}");
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut build = Fnv::new();
    build.add(env::var("CARGO_PKG_VERSION").unwrap_or_default().as_bytes());
    for source in SOURCES {
        let folder = own.join(source);
        if folder.is_dir() {
            println!("cargo::rerun-if-changed={}", folder.display());
            files(&folder, Path::new(source), &mut build)?;
        }
    }
    let taken = env::var(TAKEN).ok().and_then(|taken| taken.parse::<u64>().ok());
    println!("cargo::rustc-env=PROSCENIUM_RUNNER_BUILD={}", taken.unwrap_or(build.0));
    Ok(())
}

/// In the order of their names; what they are called is the same in each checkout.
fn files(folder: &Path, called: &Path, build: &mut Fnv) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let called = called.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(&entry.path(), &called, build)?;
        } else {
            build.add(called.as_os_str().as_encoded_bytes());
            build.add(&fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// FNV-1a: it is for mistakes, not against anybody.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
