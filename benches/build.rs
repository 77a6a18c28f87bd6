//! Reads the peers' versions from `Cargo.lock`, so that a table never names a version that was not measured.

use std::path::{Path, PathBuf};

/// Peers in programs of their own, with lock files of their own.
const OUTSIDE: [(&str, &str); 4] =
    [("ractor-supervisor", "ractor-supervisor"), ("plugins", "rmp"), ("plugins", "rmp-serde"), ("plugins", "tonic")];

const PEERS: [&str; 5] = ["actix", "kameo", "proscenium-runtime", "ractor", "tokio"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let lock = find_lock();
    if let Some(path) = &lock {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let text = lock.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    for peer in PEERS {
        tell_version(&text, peer);
    }
    for (program, peer) in OUTSIDE {
        let lock = format!("peers/{program}/Cargo.lock");
        println!("cargo::rerun-if-changed={lock}");
        tell_version(&std::fs::read_to_string(lock).unwrap_or_default(), peer);
    }
    println!("cargo::rustc-env=BENCH_RUSTC={}", rustc_version());
}

fn tell_version(lock: &str, peer: &str) {
    let version = version_of(lock, peer).unwrap_or("?");
    println!("cargo::rustc-env=BENCH_{}={version}", peer.to_uppercase().replace('-', "_"));
}

/// The lock file of the workspace: the nearest one upwards.
fn find_lock() -> Option<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")?;
    Path::new(&manifest).ancestors().map(|folder| folder.join("Cargo.lock")).find(|path| path.exists())
}

fn version_of<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

fn rustc_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output();
    output.map_or_else(|_| "?".into(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
