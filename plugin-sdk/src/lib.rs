//! The interface between Proscenium and its plugins: the C header `include/proscenium_plugin.h` and its mirror in Rust.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod abi;
