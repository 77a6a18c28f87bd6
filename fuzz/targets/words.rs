//! The counts that a process writes, and the fronts that the host copies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proscenium_shm_channel::fuzzing::words(bytes);
});
