//! The program as it is used: real plugins, what it prints, and its exit code.

mod bad_input;
mod built;
mod letters;
mod orders;
mod pipelines;
mod reports;
mod running;
