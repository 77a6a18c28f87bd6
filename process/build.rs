//! Builds the guard, a small C program, and leaves it where `src/image.rs` takes it in.
//!
//! It is there for Linux on the processors that `guard/system.h` knows; elsewhere nothing is built, and
//! `cfg(proscenium_guard)` is off.
use std::env;
use std::path::Path;
use std::process::Command;

const PROCESSORS: &[&str] = &["x86_64", "aarch64", "riscv64"];
const FLAGS: &[&str] = &[
    "-std=c11",
    "-O2",
    "-Wall",
    "-nostdlib",
    "-static",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-fno-asynchronous-unwind-tables",
    "-Wl,--build-id=none",
    "-s",
];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(proscenium_guard)");
    println!("cargo::rerun-if-changed=guard");
    let variable = |name: &str| {
        println!("cargo::rerun-if-env-changed={name}");
        env::var(name).ok().filter(|value| !value.trim().is_empty())
    };
    let processor = variable("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let is_wide = variable("CARGO_CFG_TARGET_POINTER_WIDTH").is_some_and(|width| width == "64");
    let is_linux = variable("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux");
    if !(is_linux && is_wide && PROCESSORS.contains(&processor.as_str())) {
        return;
    }
    let target = variable("TARGET").unwrap_or_default();
    let usual = if variable("HOST").is_some_and(|host| host == target) {
        "cc".to_owned()
    } else {
        format!("{processor}-linux-gnu-gcc")
    };
    let compiler = variable(&format!("CC_{}", target.replace('-', "_")))
        .or_else(|| variable(&format!("CC_{target}")))
        .or_else(|| variable("TARGET_CC"))
        .or_else(|| variable("CC"))
        .unwrap_or(usual);
    let out = Path::new(&variable("OUT_DIR").expect("cargo names the folder to write to")).join("guard");
    let mut words = compiler.split_whitespace();
    let built = Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .args(FLAGS)
        .arg("-o")
        .arg(&out)
        .arg("guard/guard.c")
        .status();
    let remedy = format!(
        "install a C compiler and the kernel's headers (Debian: gcc linux-libc-dev), \
         or name a compiler for {target} in CC_{}",
        target.replace('-', "_")
    );
    match built {
        Ok(status) if status.success() => println!("cargo::rustc-cfg=proscenium_guard"),
        Ok(status) => panic!("`{compiler}` could not build guard/guard.c ({status}, see above); {remedy}"),
        Err(error) => panic!("`{compiler}` could not be run ({error}); {remedy}"),
    }
}
