//! The sinks that come with the crate.

mod line_format;
mod names;
mod rolling_files;
mod rolling_writer;

pub use line_format::FileFormat;
pub use rolling_files::RollingFiles;

#[cfg(test)]
mod power_cuts;
//! Where records end: the sinks that come with the pipeline.

mod channel;
mod lines_format;
mod null;
#[cfg(test)]
mod sample;
mod stdout;
mod tcp;

pub use channel::ChannelSink;
pub use lines_format::LinesFormat;
pub use null::Null;
pub use stdout::Stdout;
pub use tcp::TcpSink;
