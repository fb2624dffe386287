//! Printing members that no typed field holds: those of a google.protobuf.Struct, and those kept as JSON text.

use crate::end::{End, STEP};
use crate::limits::MAX_DEPTH;
use crate::plan::{Bloom, hash};
use crate::print::{Done, Printing};
use crate::print_items::any_twice;
use crate::split::{delimited, expect, varint};

impl<'a> Printing<'a> {
    /// The members that no typed field of a message holds: the fields of a Struct, and those of the map of texts.
    /// `printed` has a bit for each place of a typed member.
    pub fn open_members(
        &mut self,
        place: usize,
        additional: &'a [u8],
        verbatim: &'a [u8],
        printed: u64,
        depth: usize,
        mut end: End,
    ) -> Done {
        let schema = self.schema;
        let is_typed = |name: &[u8], hash| {
            schema.plan.messages[place].names.may_have(hash)
                && schema.messages[place].find(name).is_some_and(|place| printed >> place & 1 != 0)
        };
        let (mut names, mut twice) = (Bloom::default(), false);
        let mut rest = additional;
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = entry(expect(1 << 3 | 2, rest)?)?;
            let hash = hash(key);
            if is_typed(key, hash) {
                return None;
            }
            twice |= names.add(hash);
            end = self.string(key, b':', end)?;
            end = self.open_value(value, depth, end)?;
        }
        rest = verbatim;
        while !rest.is_empty() {
            let (key, value);
            // Two bytes of tag.
            (key, value, rest) = entry(&rest[2..])?;
            let hash = hash(key);
            if is_typed(key, hash) {
                return None;
            }
            twice |= names.add(hash);
            end = self.string(key, b':', end)?;
            end = self.text(value, depth, end)?;
        }
        if twice && any_twice([additional, verbatim])? {
            return None;
        }
        Some(end)
    }

    /// A google.protobuf.Value.
    fn open_value(&mut self, bytes: &'a [u8], depth: usize, end: End) -> Done {
        let Some((&tag, rest)) = bytes.split_first() else {
            let end = self.room(end, STEP)?;
            // SAFETY: there is room for a step.
            return Some(unsafe { end.bytes(b"null,") });
        };
        match tag {
            0x1a => {
                let (string, rest) = delimited(rest)?;
                if rest.is_empty() { self.string(string, b',', end) } else { None }
            }
            0x11 => self.double(rest.try_into().ok()?, end),
            0x08 | 0x20 => {
                let (value, rest) = varint(rest)?;
                let end = self.room(end, STEP)?;
                // SAFETY: there is room for a step.
                let end = unsafe {
                    match (tag, value) {
                        (0x08, _) => end.bytes(b"null,"),
                        (_, 0) => end.bytes(b"false,"),
                        _ => end.bytes(b"true,"),
                    }
                };
                rest.is_empty().then_some(end)
            }
            0x2a | 0x32 if depth < MAX_DEPTH => {
                let (inner, rest) = delimited(rest)?;
                let end = match tag {
                    0x2a => self.open_object(inner, depth + 1, end),
                    _ => self.open_array(inner, depth + 1, end),
                };
                if rest.is_empty() { end } else { None }
            }
            _ => None,
        }
    }

    fn open_object(&mut self, bytes: &'a [u8], depth: usize, end: End) -> Done {
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"{") };
        let (mut names, mut twice) = (Bloom::default(), false);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = entry(expect(1 << 3 | 2, rest)?)?;
            twice |= names.add(hash(key));
            end = self.string(key, b':', end)?;
            end = self.open_value(value, depth, end)?;
        }
        if twice && any_twice([bytes])? {
            return None;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some(unsafe { end.close(b'}') })
    }

    fn open_array(&mut self, bytes: &'a [u8], depth: usize, end: End) -> Done {
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"[") };
        let mut rest = bytes;
        while !rest.is_empty() {
            let value;
            (value, rest) = delimited(expect(1 << 3 | 2, rest)?)?;
            end = self.open_value(value, depth, end)?;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some(unsafe { end.close(b']') })
    }
}

/// A map's entry after its tag, with a key and a delimited value in this order; and what follows it.
#[inline(always)]
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (entry, rest) = delimited(bytes)?;
    let (key, after) = delimited(expect(1 << 3 | 2, entry)?)?;
    let (value, left) = delimited(expect(2 << 3 | 2, after)?)?;
    left.is_empty().then_some((key, value, rest))
}
