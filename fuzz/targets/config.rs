//! A configuration file of a pipeline, in both formats.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_pipeline::config::fuzzing::config(bytes);
});
