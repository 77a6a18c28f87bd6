//! What a process says on its control socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_plugin_host::fuzzing::packet(bytes);
});
