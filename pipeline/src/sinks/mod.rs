//! The sinks that come with the crate.

mod line_format;
mod names;
mod rolling_files;
mod rolling_writer;

pub use line_format::FileFormat;
pub use rolling_files::RollingFiles;

#[cfg(test)]
mod power_cuts;
