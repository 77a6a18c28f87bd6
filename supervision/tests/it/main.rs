//! Supervision's tests.

mod decisions;
