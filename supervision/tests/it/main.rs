//! Supervision's tests.

mod children;
mod decisions;
mod supervisor;
