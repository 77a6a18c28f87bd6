//! The actor that keeps dead letters: on the disk, or, without a place for them, in the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;

use crate::letter::Letter;
use crate::source_actor::pause_before;
use crate::stage_desk::Posted;
use crate::stats::Stats;
use crate::trouble::Trouble;
