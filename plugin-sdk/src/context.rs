//! What the host offers to a plugin.
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::abi::{CLOCK_MONOTONIC, CLOCK_REALTIME, LogLevel};
use crate::export::Calls;

/// The host's side of a plugin: parameters, log, metrics, clocks, the wish to give up.
///
/// Threads of the plugin may use it within a call (`std::thread::scope`).
pub struct Context {
    calls: Calls,
}

impl Context {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    /// A parameter of the pipeline's line. Empty if the line gave it no value.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All parameters, in the order of the line.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.calls.params()
    }

    /// A parameter as a whole number; an error that names it if it is none.
    pub fn param_int(&self, key: &str) -> Result<Option<i64>, Error> {
        self.number(key, "a whole number", |value| value.parse().ok())
    }

    /// A parameter as a number; an error that names it if it is none. Infinities and NaN are none: every comparison with
    /// a NaN limit would be false.
    pub fn param_float(&self, key: &str) -> Result<Option<f64>, Error> {
        self.number(key, "a number", |value| value.parse().ok().filter(|number: &f64| number.is_finite()))
    }

    fn number<T>(&self, key: &str, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
        let Some(value) = self.param(key) else { return Ok(None) };
        match parse(value) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::config(format!("{key} = `{value}`: not {what}"))),
        }
    }

    /// The name of the stage.
    pub fn stage(&self) -> &str {
        self.calls.stage()
    }

    /// 0 for the first process of this stage, one more with every other.
    pub fn instance(&self) -> u32 {
        self.calls.instance()
    }

    /// The one folder that the plugin may write; none if it may write nowhere.
    pub fn work_dir(&self) -> Option<&Path> {
        self.calls.work_dir().map(|dir| Path::new(OsStr::from_bytes(dir.to_bytes())))
    }

    /// Whether to give up soon: ask now and then in long work, and return [`Code::Cancelled`](crate::Code::Cancelled).
    pub fn cancelled(&self) -> bool {
        self.calls.cancelled()
    }

    /// How long the call in progress may still take; none if there is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        match self.calls.deadline_ns() {
            0 => None,
            deadline => Some(Duration::from_nanos(deadline.saturating_sub(self.now_ns()))),
        }
    }

    /// Nanoseconds since some moment, never backwards.
    pub fn now_ns(&self) -> u64 {
        self.calls.clock(CLOCK_MONOTONIC)
    }

    /// Nanoseconds since 1970.
    pub fn unix_ns(&self) -> u64 {
        self.calls.clock(CLOCK_REALTIME)
    }

    /// Writes a line to the host's log, which has limits of its own for length and rate.
    pub fn log(&self, level: LogLevel, text: &str) {
        self.calls.log(level, text);
    }

    /// Adds to a counter among the host's metrics.
    pub fn count(&self, name: &CStr, add: u64) {
        self.calls.count(name, add);
    }

    /// Sets a gauge among the host's metrics.
    pub fn gauge(&self, name: &CStr, value: f64) {
        self.calls.gauge(name, value);
    }

    /// Says why the call in progress fails.
    pub(crate) fn fail(&self, text: &str) {
        self.calls.fail(text);
    }
}
