//! The rooms, and who may name what. A new room, or a new arrow, is a decision record and a line here.

pub struct Room {
    pub folder: &'static str,
    /// The package's name.
    pub package: &'static str,
    /// The packages of ours that it may depend on.
    pub ours: &'static [&'static str],
    /// Those that its tests may use besides.
    pub ours_in_tests: &'static [&'static str],
    /// The packages of others that it may depend on; `None` for all that are not reserved for another room.
    pub others: Option<&'static [&'static str]>,
    pub unsafe_code: Unsafe,
}

/// Where in a room `unsafe` may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// The crate says `#![forbid(unsafe_code)]`.
    Nowhere,
    /// The crate says `#![deny(unsafe_code)]`; these files are the exceptions.
    In(&'static [&'static str]),
    Everywhere,
}

const RUNTIME: &str = "proscenium-runtime";
const MACROS: &str = "proscenium-runtime-macros";
const PROCESS: &str = "proscenium-process";
const SUPERVISION: &str = "proscenium-supervision";
const SHM_CHANNEL: &str = "proscenium-shm-channel";
const PLUGIN_SDK: &str = "proscenium-plugin-sdk";
const PLUGIN_HOST: &str = "proscenium-plugin-host";
const PLUGIN_RUNNER: &str = "proscenium-plugin-runner";
const CLUSTER: &str = "proscenium-cluster";
const CLUSTER_BRIDGE: &str = "proscenium-cluster-bridge";
const PIPELINE: &str = "proscenium-pipeline";
const JOBS: &str = "proscenium-jobs";
const CONSOLE: &str = "proscenium-console";
const FACADE: &str = "proscenium";

const BELOW_CONSOLE: &[&str] = &[
    RUNTIME,
    MACROS,
    PROCESS,
    SHM_CHANNEL,
    PLUGIN_SDK,
    SUPERVISION,
    PLUGIN_HOST,
    PLUGIN_RUNNER,
    CLUSTER,
    PIPELINE,
    JOBS,
];
const BELOW_FACADE: &[&str] = &[
    RUNTIME,
    MACROS,
    PROCESS,
    SHM_CHANNEL,
    PLUGIN_SDK,
    SUPERVISION,
    PLUGIN_HOST,
    PLUGIN_RUNNER,
    CLUSTER,
    PIPELINE,
    JOBS,
    CONSOLE,
    // Itself: examples and tests get every feature without a flag.
    FACADE,
];

const fn room(folder: &'static str, package: &'static str, ours: &'static [&'static str]) -> Room {
    Room { folder, package, ours, ours_in_tests: &[], others: None, unsafe_code: Unsafe::Nowhere }
}

impl Room {
    const fn others(mut self, others: &'static [&'static str]) -> Self {
        self.others = Some(others);
        self
    }

    const fn in_tests(mut self, ours: &'static [&'static str]) -> Self {
        self.ours_in_tests = ours;
        self
    }

    const fn unsafe_code(mut self, unsafe_code: Unsafe) -> Self {
        self.unsafe_code = unsafe_code;
        self
    }
}

pub const ROOMS: &[Room] = &[
    room("", FACADE, BELOW_FACADE),
    room("cli", "proscenium-cli", &[FACADE]),
    room("runtime", RUNTIME, &[MACROS]).unsafe_code(Unsafe::In(&[
        "runtime/src/lane/block.rs",
        "runtime/src/lane/lock.rs",
        "runtime/src/lane/slot.rs",
    ])),
    // What a macro writes is compiled, and documented, where it is used.
    room("runtime/macros", MACROS, &[]).in_tests(&[FACADE, RUNTIME]),
    // rustix has a safe function for each system call that it makes, and the guard is a program of its own, in C.
    room("process", PROCESS, &[]).others(&["libc", "rustix"]),
    room("supervision", SUPERVISION, &[RUNTIME, PROCESS]),
    // The mirror of the header only names the types of unsafe functions.
    room("plugin-sdk", PLUGIN_SDK, &[]).others(&[]).unsafe_code(Unsafe::In(&[
        "plugin-sdk/src/abi.rs",
        "plugin-sdk/src/export.rs",
        "plugin-sdk/src/export/block.rs",
        "plugin-sdk/src/export/calls.rs",
        "plugin-sdk/src/testing/host.rs",
    ])),
    // The runner: what both sides of a control socket say, and the program being its own runner (decisions/0019).
    room("plugin-host", PLUGIN_HOST, &[RUNTIME, SUPERVISION, PROCESS, SHM_CHANNEL, PLUGIN_SDK, PLUGIN_RUNNER]),
    // tokio for one thin adapter, behind a feature; loom where its protocol is model-checked.
    room("shm-channel", SHM_CHANNEL, &[]).others(&["libc", "loom", "rustix", "tokio"]).unsafe_code(Unsafe::Everywhere),
    room("plugin-host/runner", PLUGIN_RUNNER, &[PROCESS, SHM_CHANNEL, PLUGIN_SDK]).unsafe_code(Unsafe::Everywhere),
    room("cluster", CLUSTER, &[RUNTIME, SUPERVISION]),
    room("cluster/bridge", CLUSTER_BRIDGE, &[RUNTIME, SUPERVISION, CLUSTER]),
    room("pipeline", PIPELINE, &[RUNTIME, SUPERVISION, PLUGIN_HOST]),
    room("jobs", JOBS, &[RUNTIME, SUPERVISION, CLUSTER, PLUGIN_HOST]),
    room("console", CONSOLE, BELOW_CONSOLE),
    room("benches", "proscenium-bench", BELOW_FACADE),
];

/// A package of others that only one room may name, its code included.
pub struct Reserved {
    pub package: &'static str,
    pub room: &'static str,
}

pub const RESERVED: &[Reserved] = &[
    Reserved { package: "ractor", room: "runtime" },
    Reserved { package: "libloading", room: "plugin-host/runner" },
    Reserved { package: "foca", room: "cluster" },
    Reserved { package: "openraft", room: "cluster" },
    Reserved { package: "ractor_cluster", room: "cluster/bridge" },
    Reserved { package: "anyhow", room: "cli" },
];

/// The benchmarks measure peers, so they may name them; nothing depends on them.
pub const BENCHES: &str = "benches";

/// Crates that stand outside the workspace, as a user's crate does, and outside this table.
pub const OUTSIDE: &[&str] = &["tests/light", "benches/peers", "fuzz", "plugins"];

pub fn room_in(folder: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.folder == folder)
}

pub fn is_outside(path: &str) -> bool {
    OUTSIDE.iter().any(|folder| crate::tree::is_below(path, folder))
}
