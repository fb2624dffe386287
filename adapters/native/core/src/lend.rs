//! Schemas for threads that work at the same time.

use crate::schema::Schema;
use std::ops::Deref;
use std::sync::PoisonError;

/// A schema of a thread's own. What documents had is noted in a schema to guess what comes next; threads that noted it in
/// the same one would wait for each other's writes.
pub struct Lent<'a> {
    of: &'a Schema,
    copy: Option<Schema>,
}

impl Deref for Lent<'_> {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        self.copy.as_ref().unwrap_or(self.of)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let copies = self.copy.take();
        self.of.copies.lock().unwrap_or_else(PoisonError::into_inner).extend(copies);
    }
}

impl Schema {
    /// The schema for one of some threads: itself if there is but one.
    pub fn lend(&self, threads: usize) -> Lent<'_> {
        let mut copy = None;
        if threads > 1 {
            copy = self.copies.lock().unwrap_or_else(PoisonError::into_inner).pop();
            // A table that was compiled once can be again.
            copy = copy.or_else(|| Schema::parse(&self.table).ok());
        }
        Lent { of: self, copy }
    }
}
