//! Printing arrays and maps.

use crate::digits::unsigned;
use crate::end::{End, STEP};
use crate::plan::{Bloom, hash};
use crate::print::{Done, Printing};
use crate::schema::Field;
use crate::split::{self, delimited, expect};

impl<'a> Printing<'a> {
    /// The fields of an array that follow each other, and the rest of the bytes, which begin with the first of them.
    /// `depth` is that of the array. Unless it is a whole message, one without items is unusual.
    pub fn items(
        &mut self,
        field: &Field,
        bytes: &'a [u8],
        depth: usize,
        end: End,
        whole: bool,
    ) -> Option<(End, &'a [u8])> {
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"[") };
        let mut none = true;
        let mut rest = bytes;
        while let Some((tag, mut after)) = split::tag(rest) {
            if tag == field.tag as usize {
                let payload;
                (payload, after) = delimited(after)?;
                if field.packable() {
                    end = self.packed(field, payload, end)?;
                    none &= payload.is_empty();
                } else {
                    end = self.delimited(field, payload, depth, end)?;
                    none = false;
                }
            } else if tag == (field.number << 3 | field.wire_type()) as usize {
                (end, after) = self.scalar(field, after, end)?;
                none = false;
            } else {
                break;
            }
            rest = after;
        }
        if none && !whole {
            return None;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some((unsafe { end.close(b']') }, rest))
    }

    fn packed(&mut self, field: &Field, mut values: &'a [u8], mut end: End) -> Done {
        while !values.is_empty() {
            (end, values) = self.scalar(field, values, end)?;
        }
        Some(end)
    }

    /// Bytes as an array of integers.
    pub fn octets(&mut self, bytes: &[u8], end: End) -> Done {
        let mut end = self.room(end, 4 * bytes.len() + STEP)?;
        // SAFETY: a byte takes four at most with its comma, and there is room for a number behind the last.
        unsafe {
            end = end.bytes(b"[");
            for &byte in bytes {
                end = unsigned(u64::from(byte), end).bytes(b",");
            }
            Some(end.close(b']'))
        }
    }

    /// The fields of a map that follow each other, and the rest of the bytes, which begin with the first of them. `depth`
    /// is that of the map.
    pub fn entries(&mut self, field: &Field, bytes: &'a [u8], depth: usize, end: End) -> Option<(End, &'a [u8])> {
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"{") };
        let (mut names, mut twice) = (Bloom::default(), false);
        let mut rest = bytes;
        while let Some((tag, after)) = split::tag(rest)
            && tag == field.tag as usize
        {
            let entry;
            (entry, rest) = delimited(after)?;
            let (key, value) = delimited(expect(1 << 3 | 2, entry)?)?;
            twice |= names.add(hash(key));
            end = self.string(key, b':', end)?;
            let value = expect((2 << 3 | field.wire_type()) as u8, value)?;
            let left;
            if field.packable() {
                (end, left) = self.scalar(field, value, end)?;
            } else {
                let payload;
                (payload, left) = delimited(value)?;
                end = self.delimited(field, payload, depth, end)?;
            }
            if !left.is_empty() {
                return None;
            }
        }
        if twice && any_twice([&bytes[..bytes.len() - rest.len()]])? {
            return None;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some((unsafe { end.close(b'}') }, rest))
    }
}

/// Whether two entries of maps, each of them the fields of one, have the same key.
#[cold]
#[inline(never)]
pub fn any_twice<const COUNT: usize>(maps: [&[u8]; COUNT]) -> Option<bool> {
    let mut keys = Vec::new();
    for mut rest in maps {
        while !rest.is_empty() {
            let (_, field) = split::tag(rest)?;
            let (entry, after) = delimited(field)?;
            keys.push(delimited(expect(1 << 3 | 2, entry)?)?.0);
            rest = after;
        }
    }
    keys.sort_unstable();
    Some(keys.windows(2).any(|pair| pair[0] == pair[1]))
}
