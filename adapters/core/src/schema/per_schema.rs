//! What encoders and printers keep for each schema that they are given.

use crate::schema::Schema;

/// Schemas to keep something for. It is forgotten for the one that was not used longest.
const KEPT: usize = 16;

/// A value for each of the schemas that were used last, the very last one first.
#[derive(Debug)]
pub struct PerSchema<T>(Vec<(u64, T)>);

impl<T> Default for PerSchema<T> {
    fn default() -> PerSchema<T> {
        PerSchema(Vec::new())
    }
}

impl<T> PerSchema<T> {
    /// Return the value for a schema, which is made if there is none.
    #[inline(always)]
    pub fn of(&mut self, schema: &Schema, make: impl FnOnce(&Schema) -> T) -> &T {
        if self.0.first().is_none_or(|first| first.0 != schema.id) {
            self.bring_first(schema, make);
        }
        &self.0[0].1
    }

    #[cold]
    #[inline(never)]
    fn bring_first(&mut self, schema: &Schema, make: impl FnOnce(&Schema) -> T) {
        let found = self.0.iter().position(|kept| kept.0 == schema.id);
        let at = found.unwrap_or_else(|| {
            self.0.truncate(KEPT - 1);
            self.0.push((schema.id, make(schema)));
            self.0.len() - 1
        });
        self.0[..=at].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::contract;

    #[test]
    #[cfg_attr(miri, ignore = "it has nothing unsafe, and compiles the contract many times")]
    fn the_schemas_used_last_keep_their_values() {
        let name = "chatcompletion.v1.ErrorResponse";
        let schemas: Vec<Schema> = (0..=KEPT).map(|_| Schema::new(contract(), name).expect("a schema")).collect();
        let mut kept = PerSchema::default();
        for (value, schema) in schemas[..KEPT].iter().enumerate() {
            assert_eq!(*kept.of(schema, |_| value), value);
        }
        for (value, schema) in schemas[..KEPT].iter().enumerate() {
            assert_eq!(*kept.of(schema, |_| usize::MAX), value, "made again");
        }
        // The first one is the one that was not used longest.
        assert_eq!(*kept.of(&schemas[KEPT], |_| 100), 100);
        assert_eq!(*kept.of(&schemas[1], |_| usize::MAX), 1);
        assert_eq!(*kept.of(&schemas[0], |_| 200), 200);
    }
}
