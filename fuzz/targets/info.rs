//! What a plugin says of itself: a name, a schema, and parameters that are to fit it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_plugin_host::fuzzing::info(bytes);
});
