//! Pipelines as files: both formats, what is wrong with them, what is printed.

mod ends;
mod errors;
mod files;
mod known;
mod lines;
mod round_trip;
mod toml;
