//! Prints arrays and maps.

use crate::buffer::output::OutputPointer;
use crate::json::print_number::put_unsigned;
use crate::print::compiled::CompiledFor;
use crate::print::name_filter::{NameFilter, hash};
use crate::print::printing::{Printed, Printing};
use crate::scan::OWN;
use crate::schema::Field;
use crate::wire::read::{delimited, expect, known_tag};
use crate::wire::struct_tags::ENTRY_KEY;

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print the array whose fields the bytes begin with. Return the bytes after them too. `depth` is the nesting level
    /// of the array. If `whole`, the bytes are a whole message that stands for the array; otherwise an array without
    /// items is unusual.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn array(
        &mut self,
        field: &Field,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
        whole: bool,
    ) -> Printed<(OutputPointer, &'a [u8])> {
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"[") };
        let mut is_empty = true;
        let mut rest = bytes;
        while let Some((tag, mut after)) = known_tag(rest) {
            if tag == field.tag as usize {
                let payload;
                (payload, after) = delimited(after)?;
                if field.is_packable() {
                    end = self.packed(field, payload, end)?;
                    is_empty &= payload.is_empty();
                } else {
                    end = self.delimited(field, payload, depth, end)?;
                    is_empty = false;
                }
            } else if tag == (field.number << 3 | field.wire_type()) as usize {
                (end, after) = self.scalar(field, after, end)?;
                is_empty = false;
            } else {
                break;
            }
            rest = after;
        }
        if is_empty && !whole {
            return None;
        }
        end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some((unsafe { end.close(b']') }, rest))
    }

    /// Print the values of a packed field.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn packed(&mut self, field: &Field, mut values: &'a [u8], mut end: OutputPointer) -> Printed {
        while !values.is_empty() {
            (end, values) = self.scalar(field, values, end)?;
        }
        Some(end)
    }

    /// Print bytes as an array of integers.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn byte_array(&mut self, bytes: &[u8], end: OutputPointer) -> Printed {
        let mut end = self.out.reserve_for(end, 4 * bytes.len());
        // SAFETY: a byte takes four at most with its comma, and there is room for a number behind the last.
        unsafe {
            end = end.put_bytes(b"[");
            for &byte in bytes {
                end = put_unsigned(u64::from(byte), end).put_bytes(b",");
            }
            Some(end.close(b']'))
        }
    }

    /// Print the map whose fields the bytes begin with. Return the bytes after them too. `depth` is the nesting level
    /// of the map.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn map(
        &mut self,
        field: &Field,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
    ) -> Printed<(OutputPointer, &'a [u8])> {
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"{") };
        let (mut names, mut maybe_duplicate) = (NameFilter::default(), false);
        let mut rest = bytes;
        while let Some((tag, after)) = known_tag(rest)
            && tag == field.tag as usize
        {
            let entry;
            (entry, rest) = delimited(after)?;
            let (key, value) = delimited(expect(ENTRY_KEY, entry)?)?;
            maybe_duplicate |= names.add(hash(key));
            end = self.string(OWN, key, b':', end)?;
            let value = expect((2 << 3 | field.wire_type()) as u8, value)?;
            let left;
            if field.is_packable() {
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
        if maybe_duplicate && has_duplicate([&bytes[..bytes.len() - rest.len()]])? {
            return None;
        }
        end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some((unsafe { end.close(b'}') }, rest))
    }
}

/// Return whether two entries of some maps have the same key. Each map is the bytes of its fields.
#[cold]
#[inline(never)]
pub fn has_duplicate<const COUNT: usize>(maps: [&[u8]; COUNT]) -> Option<bool> {
    let mut keys = Vec::new();
    for mut rest in maps {
        while !rest.is_empty() {
            let (_, field) = known_tag(rest)?;
            let (entry, after) = delimited(field)?;
            keys.push(delimited(expect(ENTRY_KEY, entry)?)?.0);
            rest = after;
        }
    }
    keys.sort_unstable();
    Some(keys.windows(2).any(|pair| pair[0] == pair[1]))
}
