//! Encodes open JSON values as the wire bytes of google.protobuf.Value.

use crate::buffer::output::OutputPointer;
use crate::encode::compiled::{CompiledFor, string};
use crate::encode::encoding::Encoding;
use crate::encode::entry_order::sort_entries;
use crate::encode::guesses::OPEN_STRING;
use crate::encode::token_reader::Encoded;
use crate::json::fail::Fail;
use crate::json::kind::JsonKind;
use crate::json::member_names::{MemberName, NamesMark};
use crate::json::padded_text::TextPointer;
use crate::limits::{MAX_DEPTH, MAX_STRUCT_DEPTH};
use crate::scan::{InstructionSet, special_or_high32};
use crate::wire::member_order::{Ascent, MAX_IN_WORD, ObjectOrder, order_of};
use crate::wire::struct_tags::{
    BOOL_VALUE, ENTRY_VALUE, LIST_VALUE, LIST_VALUES, NULL_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS,
    STRUCT_VALUE,
};
use std::num::NonZeroU32;

/// Bytes of the longest name whose entry with a short value has a length of one byte.
const SHORT: usize = 64;

impl<S: CompiledFor> Encoding<'_, S> {
    /// Encode a name and the value that starts here as a field of google.protobuf.Struct. `level` counts the containers
    /// around the value in the same open value, `depth` all of them.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn entry(
        &mut self,
        set: impl InstructionSet,
        name: MemberName,
        at: TextPointer,
        end: OutputPointer,
        level: usize,
        depth: usize,
    ) -> Encoded {
        let size = name.size();
        if size <= SHORT {
            // Tags and lengths of the entry, its key and its value; all lengths are below 128.
            let value = self.key(end.advance(2), name);
            if let Some((at, value_end)) = self.short_value(set, at, value.advance(2)) {
                let length = self.additional.offset(value_end) - self.additional.offset(value) - 2;
                value.write(0, &[ENTRY_VALUE, length as u8]);
                end.write(0, &[STRUCT_FIELDS, (4 + size + length) as u8]);
                return Ok((at, value_end));
            }
        }
        self.long_entry(name, at, end, level, depth)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn long_entry(
        &mut self,
        name: MemberName,
        at: TextPointer,
        end: OutputPointer,
        level: usize,
        depth: usize,
    ) -> Encoded {
        let end = self.additional.reserve_for(end, name.size());
        let width = self.width(at, level);
        let (end, entry) = self.additional.open_length(end.put_word(STRUCT_FIELDS.into(), 1), width);
        let end = self.key(end, name);
        let (end, start) = self.additional.open_length(end.put_word(ENTRY_VALUE.into(), 1), width);
        let (at, end) = self.value(at, end, level, depth)?;
        let (end, _) = self.additional.close_length(start, width, end);
        let (end, _) = self.additional.close_length(entry, width, end);
        Ok((at, end))
    }

    /// Guess how many bytes the lengths around a value take: mostly as many as its own.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn width(&self, at: TextPointer, level: usize) -> usize {
        match at.byte() {
            b'{' | b'[' => self.guesses.open_widths.get(level).map_or(1, |width| usize::from(width.get())),
            _ => 1,
        }
    }

    /// Encode a value as the payload of a google.protobuf.Value of at most 40 bytes. Return `None` if it is not easy to
    /// see that it is one.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn short_value(
        &self,
        set: impl InstructionSet,
        at: TextPointer,
        end: OutputPointer,
    ) -> Option<(TextPointer, OutputPointer)> {
        match at.byte() {
            b'"' => {
                let inside = at.skip(1);
                let block = inside.bytes();
                let size = NonZeroU32::new(special_or_high32(set, block))?.trailing_zeros() as usize;
                if inside.skip(size).byte() != b'"' {
                    return None;
                }
                end.write(0, &[STRING_VALUE, size as u8]);
                end.write(2, block);
                Some((inside.skip(size + 1), end.advance(2 + size)))
            }
            b'0'..=b'9' => {
                let (value, at) = at.small_integer()?;
                Some((at, put_number(end, value as f64)))
            }
            b't' if at.starts_with(b"true") => Some((at.skip(4), end.put_word(u64::from(BOOL_VALUE) | 1 << 8, 2))),
            b'f' if at.starts_with(b"fals") && at.skip(4).byte() == b'e' => {
                Some((at.skip(5), end.put_word(BOOL_VALUE.into(), 2)))
            }
            b'n' if at.starts_with(b"null") => Some((at.skip(4), end.put_word(NULL_VALUE.into(), 2))),
            _ => None,
        }
    }

    /// Encode a value as the payload of a google.protobuf.Value.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn value(&mut self, at: TextPointer, end: OutputPointer, level: usize, depth: usize) -> Encoded {
        S::open_value(self, at, end, level, depth)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn inlined_value(&mut self, at: TextPointer, end: OutputPointer, level: usize, depth: usize) -> Encoded {
        let set = self.reader.set;
        if let Some(done) = self.short_value(set, at, end) {
            return Ok(done);
        }
        let (at, kind) = self.reader.kind(at)?;
        match kind {
            Some(JsonKind::String) => {
                string(&mut self.reader, set, &mut self.additional, ((STRING_VALUE.into(), 1), OPEN_STRING), at, end)
            }
            Some(JsonKind::Number) => {
                let (at, number) = self.reader.number(at)?;
                Ok((at, put_number(end, number.exact_double().ok_or(Fail::DoesNotFit)?)))
            }
            Some(JsonKind::Nonfinite) => {
                let (at, double) = self.reader.nonfinite(at)?;
                Ok((at, put_number(end, double)))
            }
            Some(kind @ (JsonKind::Object | JsonKind::Array)) => {
                if depth == MAX_DEPTH {
                    return Err(Fail::Malformed);
                }
                if level == MAX_STRUCT_DEPTH {
                    return Err(Fail::DoesNotFit);
                }
                let at = self.reader.inside(at);
                let tag = if kind == JsonKind::Object { STRUCT_VALUE } else { LIST_VALUE };
                let width = usize::from(self.guesses.open_widths[level].get());
                let (end, start) = self.additional.open_length(end.put_word(tag.into(), 1), width);
                let (at, end) = match kind {
                    JsonKind::Object => self.structure(at, end, level + 1, depth + 1)?,
                    _ => self.list_value(at, end, level + 1, depth + 1)?,
                };
                let (end, size) = self.additional.close_length(start, width, end);
                self.guesses.open_widths[level].set(size as u8);
                Ok((at, end))
            }
            _ => Err(Fail::Malformed),
        }
    }

    /// Encode an array from its first item or its closing bracket on, as the payload of a google.protobuf.ListValue.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn list_value(&mut self, at: TextPointer, end: OutputPointer, level: usize, depth: usize) -> Encoded {
        if at.byte() == b']' {
            return Ok((at.skip(1), end));
        }
        let (mut at, mut end) = (at, end);
        loop {
            at = self.reader.source.with_lookahead(at);
            end = self.additional.reserve(end);
            let start;
            let width = self.width(at, level);
            (end, start) = self.additional.open_length(end.put_word(LIST_VALUES.into(), 1), width);
            (at, end) = self.value(at, end, level, depth)?;
            end = self.additional.close_length(start, width, end).0;
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                return Ok((at, end));
            }
        }
    }

    /// Encode an object from its first member or its closing bracket on, as the payload of a google.protobuf.Struct.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn structure(&mut self, at: TextPointer, end: OutputPointer, level: usize, depth: usize) -> Encoded {
        if at.byte() == b'}' {
            return Ok((at.skip(1), end));
        }
        let (mut at, mut end) = (at, end);
        let names = self.reader.names.mark();
        let (order, mut ascent) = (self.open_object(), Ascent::default());
        let (base, entry_starts) = (self.additional.offset(end), self.buffers.entry_starts.len());
        loop {
            at = self.reader.source.with_lookahead(at);
            end = self.additional.reserve(end);
            let (next, name, start) = self.reader.name(self.reader.set, at)?;
            ascent.add(start);
            if name.is_lone() {
                return Err(Fail::DoesNotFit);
            }
            self.reader.names.list.push(name);
            if self.canonical {
                self.buffers.entry_starts.push(self.additional.offset(end));
            }
            at = self.reader.source.with_lookahead(next);
            (at, end) = self.entry(self.reader.set, name, at, end, level, depth)?;
            let (next, more) = self.reader.more(at, b'}')?;
            at = next;
            if !more {
                break;
            }
        }
        if self.canonical {
            sort_entries(self.additional.before(end), &self.buffers.entry_starts[entry_starts..], base);
            self.buffers.entry_starts.truncate(entry_starts);
        }
        self.close_object(names, order, &ascent)?;
        Ok((at, end))
    }

    /// Return the place of the order of an object that starts.
    #[inline(always)]
    pub fn open_object(&mut self) -> usize {
        self.buffers.orders.push(ObjectOrder::sorted(0));
        self.buffers.orders.len() - 1
    }

    /// Note the order of an object that ends, whose names are those since a mark. Forget these. Fail if two of them are
    /// equal.
    #[inline(always)]
    pub fn close_object(&mut self, names: NamesMark, order: usize, ascent: &Ascent) -> Result<(), Fail> {
        if ascent.unsure {
            self.close_unsure(names, order)?;
        } else if self.reader.names.since(names).len() > 1 {
            self.buffers.orders[order] = ObjectOrder::sorted(2);
        }
        self.reader.names.reset(names);
        Ok(())
    }

    #[inline(never)]
    fn close_unsure(&mut self, mark: NamesMark, order: usize) -> Result<(), Fail> {
        let (names, text, orders) = (self.reader.names.since(mark), self.reader.source.text, &mut self.buffers.orders);
        let bytes = names.iter().map(|&name| self.reader.names.bytes(text, name));
        if names.len() <= MAX_IN_WORD {
            orders[order] = ObjectOrder::of(bytes).ok_or(Fail::Malformed)?;
        } else {
            let bytes: Vec<&[u8]> = bytes.collect();
            orders.splice(order..=order, order_of(&bytes).ok_or(Fail::Malformed)?);
        }
        Ok(())
    }
}

/// # Safety
///
/// `at` and `end` keep the rules of `encode`.
#[inline(always)]
unsafe fn put_number(end: OutputPointer, value: f64) -> OutputPointer {
    end.put_word(NUMBER_VALUE.into(), 1).put_word(value.to_bits(), 8)
}
