//! Files, ports, and signals to others: what landlock guards.
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::grants::Grants;
use super::report::NotInForce;

/// The newest set of rights that we know; on an older kernel the crate asks for fewer.
const NEWEST: ABI = ABI::V7;

/// Read by the loader and by the C and C++ libraries. All of it is the same for everybody on the machine.
const SYSTEM: &[&str] = &[
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/dev/urandom",
    // How many processors there are.
    "/sys/devices/system/cpu/online",
];

/// What names are resolved by.
const RESOLVER: &[&str] =
    &["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/services"];

/// Where a backtrace, and the C library for the stack of the first thread, learn what is mapped.
const OWN_MEMORY_MAP: &str = "/proc/self/maps";

/// The program that this process runs, whose text it has in its memory anyway: backtraces name functions by it.
const OWN_PROGRAM: &str = "/proc/self/exe";

const NOTHING: &str = "/dev/null";

/// What has been put up.
pub struct Guarded {
    pub extent: String,
    /// Signals to processes outside are refused by the kernel.
    pub signals: bool,
}

pub fn apply(grants: &Grants, library_folder: &Path, working_folder: &Path) -> Result<Guarded, NotInForce> {
    let tried = restrict(grants, library_folder, working_folder);
    let status = tried.map_err(|error| match error {
        Step::Grant(path, why) => NotInForce::Broken(format!("{}: {why}", path.display())),
        Step::Rules(error) => NotInForce::broken("landlock", error),
    })?;
    let abi = match status.landlock {
        LandlockStatus::NotImplemented => {
            return Err(NotInForce::Missing("the kernel has no landlock (5.13 or later)".into()));
        }
        LandlockStatus::NotEnabled => {
            return Err(NotInForce::Missing("landlock is not among the kernel's active LSMs (lsm=)".into()));
        }
        LandlockStatus::Available { effective_abi, .. } => effective_abi as i32,
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(NotInForce::Broken("the kernel took none of the rules".into()));
    }
    // What each level of the interface added.
    let missing: Vec<&str> = [
        (2, "renaming between folders is always refused"),
        (3, "truncating is not guarded"),
        (4, "TCP ports are not"),
        (5, "device controls are not"),
        (6, "signals and abstract sockets are not"),
    ]
    .into_iter()
    .filter_map(|(since, what)| (abi < since).then_some(what))
    .collect();
    let extent = match missing.as_slice() {
        [] => format!("files, TCP ports, signals, abstract sockets (interface {abi})"),
        missing => format!("files (interface {abi}: {})", missing.join(", ")),
    };
    Ok(Guarded { extent, signals: abi >= 6 })
}

enum Step {
    Grant(PathBuf, String),
    Rules(RulesetError),
}

impl From<RulesetError> for Step {
    fn from(error: RulesetError) -> Self {
        Self::Rules(error)
    }
}

fn restrict(
    grants: &Grants,
    library_folder: &Path,
    working_folder: &Path,
) -> Result<landlock::RestrictionStatus, Step> {
    let mut read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    if grants.processes {
        read |= AccessFs::Execute;
    }
    // What it writes it may not execute.
    let write = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let mut rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    rules = rules.handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
    if !grants.network {
        // Behind the refused `socket`: a right to connect that no rule gives to anybody.
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut rules = rules.create()?;
    let resolver = if grants.network { RESOLVER } else { &[] };
    // A system library folder that is not there is none; neither is a file.
    for path in SYSTEM.iter().chain(resolver) {
        if let Ok(opened) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(opened, read))?;
        }
    }
    rules = rules.add_rule(PathBeneath::new(open(Path::new(NOTHING))?, AccessFs::ReadFile | AccessFs::WriteFile))?;
    if let Ok(map) = PathFd::new(OWN_MEMORY_MAP) {
        rules = rules.add_rule(PathBeneath::new(&map, AccessFs::ReadFile))?;
        // A file of /proc is made anew when the kernel has forgotten it, and then no rule knows it: keep it in use.
        std::mem::forget(map);
    }
    if let Ok(program) = PathFd::new(OWN_PROGRAM) {
        rules = rules.add_rule(PathBeneath::new(program, AccessFs::ReadFile))?;
    }
    for path in std::iter::once(library_folder).chain(grants.read.iter().map(PathBuf::as_path)) {
        rules = rules.add_rule(PathBeneath::new(open(path)?, read))?;
    }
    let own = grants.work_dir.then_some(working_folder);
    for path in grants.write.iter().map(PathBuf::as_path).chain(own) {
        rules = rules.add_rule(PathBeneath::new(open(path)?, write))?;
    }
    Ok(rules.restrict_self()?)
}

/// A grant of what is not there is a mistake, and the plugin would find out much later.
fn open(path: &Path) -> Result<PathFd, Step> {
    PathFd::new(path).map_err(|error| Step::Grant(path.to_owned(), error.to_string()))
}
