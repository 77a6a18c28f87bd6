//! Records of one chunk, one after the other, for the code of a stage.

use crate::buffer::Buffer;
use crate::failed::Failed;
use crate::operator::{Emit, Operator, Verdict};
use crate::pass::Emitted;
use crate::record::RecordMut;

/// Records of a chunk in their order, for [`Operator::on_row`].
#[derive(Debug)]
pub struct Row<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) emitted: &'a mut Emitted,
    /// The record in work. It lies with the chunk, so that a panic shows where it was.
    pub(crate) at: &'a mut usize,
    pub(crate) end: usize,
    /// When the chunk holds more bytes, the row is over.
    pub(crate) grown: usize,
}

impl Row<'_> {
    /// Has the operator handle records until all have simply gone on, or with one of them there is more to do: that one is
    /// the record in work then, and this is what was said of it.
    #[inline]
    pub(crate) fn each<O: Operator + ?Sized>(&mut self, code: &mut O) -> Option<Result<Verdict, Failed>> {
        while *self.at < self.end && self.buffer.used() <= self.grown {
            let mut record = RecordMut { buffer: self.buffer, nth: *self.at };
            match handled(code, &mut record, self.emitted) {
                Ok(Verdict::Next) if self.emitted.0.is_empty() => *self.at += 1,
                said => return Some(said),
            }
        }
        None
    }
}

/// What an operator says of a record. One that it fails on is put back as it was, if the operator wants that.
#[inline]
pub(crate) fn handled<O: Operator + ?Sized>(
    code: &mut O,
    record: &mut RecordMut<'_>,
    emit: &mut dyn Emit,
) -> Result<Verdict, Failed> {
    match code.puts_back() {
        true => record.or_as_it_was(|record| code.on(record, emit)),
        false => code.on(record, emit),
    }
}
