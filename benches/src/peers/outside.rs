//! Peers that want ractor with its default features, or packages that nothing of ours needs. One build unifies features, so
//! each is a program outside of the workspace, in `benches/peers`, built at its first sample.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::measure::{Plan, Sample};
use crate::options::target_dir;
use crate::{Failure, child};

/// Runs a sample of the program of this name: `<name> <flavour> <count>`.
pub fn sample(name: &'static str, plan: Plan) -> Sample {
    sample_of(name, &[], plan)
}

/// The same with words before these: `<name> <words…> <flavour> <count>`.
pub fn sample_of(name: &'static str, words: &[&str], plan: Plan) -> Sample {
    build(name)?;
    let program = target_dir()?.join("bench-peers/release").join(name);
    child::numbers_of(Command::new(program).args(words).args([plan.flavour.name(), &plan.ops.to_string()]))
}

/// Builds it once in a run; quick when it is there.
fn build(name: &'static str) -> Result<(), Failure> {
    static BUILT: Mutex<Vec<(&str, bool)>> = Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let succeeded = match built.iter().find(|(one, _)| *one == name) {
        Some((_, succeeded)) => *succeeded,
        None => {
            let succeeded = cargo_build(name)?;
            built.push((name, succeeded));
            succeeded
        }
    };
    if succeeded { Ok(()) } else { Err(format!("benches/peers/{name} does not build").into()) }
}

fn cargo_build(name: &str) -> Result<bool, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name).join("Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir()?.join("bench-peers"))
        .status()?;
    Ok(built.success())
}
