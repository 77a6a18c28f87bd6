//! The table that a process leaves in a batch.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_plugin_host::fuzzing::table(bytes);
});
