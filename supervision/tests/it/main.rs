//! Supervision's tests.

mod beyond;
mod beyond_actors;
mod children;
mod decisions;
mod dynamic;
mod events;
mod hot_change;
mod mutants;
mod oracle;
#[cfg(all(feature = "process", target_os = "linux"))]
mod os_process;
mod partition;
mod properties;
mod races;
mod random;
mod registry;
mod reports;
mod supervisor;
mod tasks;

#[path = "../../examples/replay/actors.rs"]
mod actors;
#[path = "../../oracle/generate.rs"]
mod generate;
#[path = "../../examples/replay/script.rs"]
mod script;
#[path = "../../examples/replay/words.rs"]
mod words;
#[path = "../../examples/replay/world.rs"]
mod world;
