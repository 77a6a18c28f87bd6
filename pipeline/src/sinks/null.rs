//! A sink that keeps nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::sink::{Sink, SinkSpec};
use crate::source::Boxed;
use crate::trouble::Trouble;

/// Counts records, and looks at none. A clone has the same count, to be read while the pipeline runs.
#[derive(Clone, Default)]
pub struct Null {
    count: Arc<AtomicU64>,
}

impl Null {
    /// One that has counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Null::default()
    }

    /// How many records have come: those that came again, after a crash, as often as they came.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The count is no setting.
impl fmt::Debug for Null {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Null")
    }
}

impl SinkSpec for Null {
    fn kind(&self) -> &'static str {
        "null"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(Vec::new())
    }
}

impl Sink for Null {
    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        _refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        self.count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_chunks::lines;

    #[tokio::test]
    async fn it_counts_and_its_count_is_no_setting() {
        let null = Null::new();
        let mut sink = null.clone();
        let mut refused = Vec::new();
        for _ in 0..2 {
            sink.write(&lines(&["a\nb", "c"]), &mut refused).await.unwrap();
        }
        assert_eq!((null.count(), refused.len()), (4, 0));
        assert_eq!(format!("{null:?}"), format!("{:?}", Null::new()));
        assert_eq!(sink.prepare().await, Ok(Value::Null));
    }
}
