//! What a dying process says from its signal handler.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_plugin_host::fuzzing::last_word(bytes);
});
