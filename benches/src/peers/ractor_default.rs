//! ractor with its default features. One build unifies features, so it is a program outside of the workspace, built
//! at its first sample and asked for the one thing that the features change most: the memory of an idle actor.

use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::child;
use crate::measure::{Plan, Sample};
use crate::options::target_dir;

pub const NAME: &str = "ractor default";

/// Builds the program; quick when it is there.
pub fn build() -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/ractor-default/Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir()?.join("bench-peers"))
        .status()?;
    if built.success() { Ok(()) } else { Err("ractor with its default features does not build".into()) }
}

/// Bytes for each idle actor.
pub fn idle(plan: Plan) -> Sample {
    let program = target_dir()?.join("bench-peers/release/ractor-default");
    child::numbers_of(Command::new(program).args([plan.flavour.name(), &plan.ops.to_string()]))
}
