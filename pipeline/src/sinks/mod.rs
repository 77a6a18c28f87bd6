//! Where records end: the sinks that come with the pipeline.

mod channel;
mod line_format;
mod names;
mod null;
mod rolling_files;
mod rolling_writer;
mod stdout;
mod tcp;

pub use channel::ChannelSink;
pub use line_format::LineFormat;
pub use null::Null;
pub use rolling_files::RollingFiles;
pub use stdout::Stdout;
pub use tcp::TcpSink;

#[cfg(test)]
mod power_cuts;
