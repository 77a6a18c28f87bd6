//! Pipelines as files: two formats, one [`Plan`](crate::Plan), and errors that say where and what to do.
//!
//! ```text
//!   file ──▶ Text (UTF-8, places) ──▶ line_format ─┐            ┌─▶ Plan ──▶ print_lines · print_toml
//!                                └──▶ toml_format ─┴─▶ joints ──┤
//!                     environment, library, policy, keys        └─▶ Diagnostics: all of them, in their order
//! ```
//!
//! Reading decides nothing by itself: variables, files, kinds and ends come in with [`Surroundings`].
//!
//! **Bounds**: a file has 1 MiB, 1,000 parts; a value 64 KiB after its variables are filled in, all of them 4 MiB; 100
//! errors are shown, and the rest counted. Of a TOML file above 256 KiB only the first syntax error is shown.

mod diagnostic;
mod environment;
mod excerpt;
mod file;
mod findings;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod joints;
mod keys;
mod kinds;
mod known;
mod library;
mod line_format;
mod name;
mod places;
mod policy;
mod surroundings;
mod text;
mod toml_format;
mod unprintable;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use file::{Format, parse, read, read_bytes};
pub use keys::Keys;
pub use kinds::{Kinds, MakeSink, MakeSource};
pub use line_format::print as print_lines;
pub use surroundings::{Ends, Surroundings};
pub use toml_format::print as print_toml;
pub use unprintable::Unprintable;
