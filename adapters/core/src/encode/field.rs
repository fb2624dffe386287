//! Encodes the values of typed fields, by kind and cardinality.

use crate::buffer::output::OutputPointer;
use crate::encode::compiled::{CompiledFor, string};
use crate::encode::encoding::Encoding;
use crate::encode::entry_order::sort_entries;
use crate::encode::headers::{put_header, put_short_header};
use crate::encode::token_reader::Encoded;
use crate::json::fail::Fail;
use crate::json::kind::JsonKind;
use crate::json::member_names::MemberName;
use crate::json::number::Number;
use crate::json::padded_text::TextPointer;
use crate::limits::MAX_DEPTH;
use crate::scan::{InstructionSet, OWN};
use crate::schema::{Cardinality, Field, FieldKind};
use crate::wire::struct_tags::ENTRY_KEY;
use crate::wire::write::TagWord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl<'a, S: CompiledFor> Encoding<'a, S> {
    /// Encode a whole field. An empty array or map writes nothing.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn field(
        &mut self,
        field: &'a Field,
        kind: JsonKind,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        match field.cardinality {
            Cardinality::Singular => self.single(field, field.tag_word, kind, at, end, depth),
            Cardinality::Repeated => self.array(field, at, end, depth + 1),
            Cardinality::Map => self.map(field, at, end, depth + 1),
        }
    }

    /// Encode one value and the tag before it.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn single(
        &mut self,
        field: &'a Field,
        tag: TagWord,
        kind: JsonKind,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        match field.kind {
            FieldKind::String => string(&mut self.reader, OWN, &mut self.out, (tag, field.place), at, end),
            FieldKind::Message => self.submessage(field.type_index, tag, field.place, at, end, depth),
            FieldKind::Int32 | FieldKind::Int64 | FieldKind::Uint32 | FieldKind::Uint64 => {
                match self.integer(tag, at, end) {
                    Some(done) => Ok(done),
                    None => self.any_integer(field, tag, at, end),
                }
            }
            FieldKind::Enum => self.any_enum(field.type_index, tag, at, end),
            _ => self.rare_kind(field, kind, at, end.put_word(tag.0, tag.1), depth),
        }
    }

    /// Encode a message after its tag and its length, as the field of a place.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn submessage(
        &mut self,
        type_index: usize,
        tag: TagWord,
        place: u32,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        let guess = self.guesses.width(place);
        let width = usize::from(guess.get());
        let (end, start) = self.out.open_length(end.put_word(tag.0, tag.1), width);
        let (at, end) = self.message(type_index, at, end, depth + 1)?;
        let (end, size) = self.out.close_length(start, width, end);
        if size != width {
            guess.set(size as u8);
        }
        Ok((at, end))
    }

    /// Encode a small integer, which every kind of integer field takes. Return `None` for any other value.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn integer(
        &mut self,
        tag: TagWord,
        at: TextPointer,
        end: OutputPointer,
    ) -> Option<(TextPointer, OutputPointer)> {
        // Many have one digit, so that the tag and the varint are at most five bytes.
        if let Some((value, at)) = at.one_digit() {
            return Some((at, end.put_word(tag.0 | value << (tag.1 * 8), tag.1 + 1)));
        }
        let (value, at) = at.small_integer()?;
        Some((at, put_short_header(end, tag, value as u32)))
    }

    /// Encode any number in an integer field.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn any_integer(&mut self, field: &Field, tag: TagWord, at: TextPointer, end: OutputPointer) -> Encoded {
        if matches!(field.kind, FieldKind::Int64 | FieldKind::Uint64)
            && let Some((value, at)) = at.long_integer()
        {
            return Ok((at, put_header(end, tag, value)));
        }
        let (at, number) = self.reader.number(at)?;
        let varint = integer_varint(number, field.kind).ok_or(Fail::DoesNotFit)?;
        Ok((at, put_header(end, tag, varint)))
    }

    /// Read the enum string that came last time. Return its number as a varint has it, or `None` for any other string.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn expected_enum(
        &self,
        set: impl InstructionSet,
        type_index: usize,
        at: TextPointer,
    ) -> Option<(u64, TextPointer)> {
        let tokens = &self.schema.enums[type_index].tokens;
        let (token, number) = tokens.get(usize::from(self.guesses.enums[type_index].get()))?;
        Some((*number, at.skip_token(set, token)?))
    }

    /// Encode any string in an enum field.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn any_enum(&mut self, type_index: usize, tag: TagWord, at: TextPointer, end: OutputPointer) -> Encoded {
        let table = &self.schema.enums[type_index];
        for (index, (token, number)) in table.tokens.iter().enumerate() {
            if let Some(at) = at.skip_token(OWN, token) {
                self.guesses.enums[type_index].set(index as u8);
                return Ok((at, put_header(end, tag, *number)));
            }
        }
        let mut tokenizer = self.reader.tokenizer(at);
        let string = self.reader.decoded_string(&mut tokenizer)?.0;
        let number = table.number_of(string).ok_or(Fail::DoesNotFit)?;
        Ok((self.reader.source.pointer(tokenizer.at), put_header(end, tag, i64::from(number) as u64)))
    }

    /// Encode one value of a field of a rare kind, whose tag is written.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn rare_kind(
        &mut self,
        field: &'a Field,
        kind: JsonKind,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        match field.kind {
            FieldKind::Double => {
                let (at, double) = match kind {
                    JsonKind::Number => {
                        let (at, number) = self.reader.number(at)?;
                        (at, number.exact_double().ok_or(Fail::DoesNotFit)?)
                    }
                    _ => self.reader.nonfinite(at)?,
                };
                Ok((at, end.put_word(double.to_bits(), 8)))
            }
            FieldKind::Bool => {
                let (at, value) = self.reader.bool(at)?;
                Ok((at, end.put_word(u64::from(value), 1)))
            }
            FieldKind::Text => self.text(at, end, depth),
            FieldKind::Bytes => self.base64(at, end),
            FieldKind::ByteArray => self.byte_array(field, at, end, depth + 1),
            _ => {
                let (end, start) = self.out.open_length(end, 1);
                let (at, end) = self.array(&self.schema.messages[field.type_index].fields[0], at, end, depth + 1)?;
                Ok((at, self.out.close_length(start, 1, end).0))
            }
        }
    }

    /// Write the JSON text of a value, after its length.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn text(&mut self, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        let (end, start) = self.out.open_length(end, 1);
        let index = self.reader.source.index(at);
        self.scratch.clear();
        let at = self.reader.normalize(index, depth, false, self.scratch)?;
        let end = self.out.put(end, self.scratch);
        Ok((at, self.out.close_length(start, 1, end).0))
    }

    /// Write the bytes of standard base64 with padding (RFC 4648, section 4), in the one spelling that they have, after
    /// their length.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn base64(&mut self, at: TextPointer, end: OutputPointer) -> Encoded {
        let mut tokenizer = self.reader.tokenizer(at);
        let string = self.reader.decoded_string(&mut tokenizer)?.0;
        let width = if string.len() < 170 { 1 } else { 2 };
        let (end, start) = self.out.open_length(end, width);
        self.scratch.clear();
        STANDARD.decode_vec(string, self.scratch).map_err(|_| Fail::DoesNotFit)?;
        let end = self.out.put(end, self.scratch);
        Ok((self.reader.source.pointer(tokenizer.at), self.out.close_length(start, width, end).0))
    }

    /// Write an array of integers 0-255 as bytes, after their length. `depth` is the nesting level of the array.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn byte_array(&mut self, field: &Field, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        let mut at = self.enter(at, depth)?;
        let guess = self.guesses.width(field.place);
        let width = usize::from(guess.get());
        let (mut end, start) = self.out.open_length(end, width);
        if at.byte() == b']' {
            at = at.skip(1);
        } else {
            loop {
                at = self.reader.source.with_lookahead(at);
                end = self.out.reserve(end);
                let byte = match at.small_integer() {
                    Some((value @ 0..256, next)) => {
                        at = next;
                        value as u8
                    }
                    _ => {
                        let (next, kind) = self.reader.kind(at)?;
                        if kind != Some(JsonKind::Number) {
                            return Err(Fail::DoesNotFit);
                        }
                        let (next, number) = self.reader.number(next)?;
                        at = next;
                        byte(number).ok_or(Fail::DoesNotFit)?
                    }
                };
                end = end.put_word(u64::from(byte), 1);
                let (next, more) = self.reader.more(at, b']')?;
                at = next;
                if !more {
                    break;
                }
            }
        }
        let (end, size) = self.out.close_length(start, width, end);
        guess.set(size as u8);
        Ok((at, end))
    }

    /// Step into a container of a nesting level, to its first entry or its closing bracket.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline]
    unsafe fn enter(&mut self, at: TextPointer, depth: usize) -> Result<TextPointer, Fail> {
        if depth > MAX_DEPTH { Err(Fail::Malformed) } else { Ok(self.reader.inside(at)) }
    }

    /// Encode an array of messages, a field for each. `depth` is the nesting level of the array.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn messages(
        &mut self,
        type_index: usize,
        tag: TagWord,
        place: u32,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        let (mut at, mut end) = (self.enter(at, depth)?, end);
        if at.byte() == b']' {
            return Ok((at.skip(1), end));
        }
        loop {
            if at.byte() != b'{' {
                return Err(Fail::DoesNotFit);
            }
            at = self.reader.source.with_lookahead(at);
            end = self.out.reserve(end);
            (at, end) = self.submessage(type_index, tag, place, at, end, depth)?;
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                return Ok((at, end));
            }
        }
    }

    /// Encode an array: a packed field, or a field for each item. `depth` is the nesting level of the array.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn array(&mut self, field: &'a Field, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        if field.kind == FieldKind::Message {
            return self.messages(field.type_index, field.tag_word, field.place, at, end, depth);
        }
        let (mut at, mut end) = (self.enter(at, depth)?, end);
        if at.byte() == b']' {
            return Ok((at.skip(1), end));
        }
        let packed = field.is_packable();
        let tag = if packed { (0, 0) } else { field.tag_word };
        let (mut width, mut start) = (0, 0);
        if packed {
            width = usize::from(self.guesses.width(field.place).get());
            (end, start) = self.out.open_length(end.put_word(field.tag_word.0, field.tag_word.1), width);
        }
        loop {
            at = self.reader.source.with_lookahead(at);
            end = self.out.reserve(end);
            (at, end) = match self.reader.kind(at)? {
                (at, Some(kind)) if field.takes(kind) => self.single(field, tag, kind, at, end, depth)?,
                _ => return Err(Fail::DoesNotFit),
            };
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                break;
            }
        }
        if packed {
            let size;
            (end, size) = self.out.close_length(start, width, end);
            self.guesses.width(field.place).set(size as u8);
        }
        Ok((at, end))
    }

    /// Encode a map, a field for each entry. `depth` is the nesting level of the object.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn map(&mut self, field: &'a Field, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        let names = self.reader.names.mark();
        let entry_starts = self.buffers.entry_starts.len();
        let done = self.map_entries(field, at, end, depth);
        match done {
            Ok(_) => self.reader.names.close(self.reader.source.text, names)?,
            Err(_) => self.reader.names.reset(names),
        }
        self.buffers.entry_starts.truncate(entry_starts);
        done
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn map_entries(&mut self, field: &'a Field, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        let (mut at, mut end) = (self.enter(at, depth)?, end);
        if at.byte() == b'}' {
            return Ok((at.skip(1), end));
        }
        let base = self.out.offset(end);
        let entry_starts = self.buffers.entry_starts.len();
        loop {
            at = self.reader.source.with_lookahead(at);
            let (next, name, _) = self.reader.name(OWN, at)?;
            if name.is_lone() {
                return Err(Fail::DoesNotFit);
            }
            self.reader.names.list.push(name);
            if self.canonical {
                self.buffers.entry_starts.push(self.out.offset(end));
            }
            end = self.out.reserve_for(end, name.size());
            let start;
            (end, start) = self.out.open_length(end.put_word(field.tag_word.0, field.tag_word.1), 1);
            end = self.key(end, name);
            let tag = (2 << 3 | u64::from(field.wire_type()), 1);
            at = self.reader.source.with_lookahead(next);
            end = self.out.reserve(end);
            (at, end) = match self.reader.kind(at)? {
                (at, Some(kind)) if field.takes(kind) => self.single(field, tag, kind, at, end, depth)?,
                _ => return Err(Fail::DoesNotFit),
            };
            end = self.out.close_length(start, 1, end).0;
            let (next, more) = self.reader.more(at, b'}')?;
            at = next;
            if !more {
                break;
            }
        }
        if self.canonical {
            sort_entries(self.out.before(end), &self.buffers.entry_starts[entry_starts..], base);
        }
        Ok((at, end))
    }

    /// Write the key of a map's entry, for which there is room.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn key(&self, end: OutputPointer, name: MemberName) -> OutputPointer {
        let end = put_header(end, (ENTRY_KEY.into(), 1), name.size() as u64);
        let source = self.reader.names.source(self.reader.source.text, name);
        end.put_span(source, name.start(), name.stop())
    }
}

/// Return the varint of a number in a field of an integer kind, or `None` if it is out of range.
#[inline]
fn integer_varint(number: Number, kind: FieldKind) -> Option<u64> {
    let (negative, magnitude) = number.exact_integer()?;
    let (most, least) = match kind {
        FieldKind::Int32 => (i32::MAX as u64, 1 << 31),
        FieldKind::Int64 => (i64::MAX as u64, 1 << 63),
        FieldKind::Uint32 => (u64::from(u32::MAX), 0),
        _ => (u64::MAX, 0),
    };
    if negative {
        (magnitude <= least).then_some(magnitude.wrapping_neg())
    } else {
        (magnitude <= most).then_some(magnitude)
    }
}

/// Return a number as a byte, or `None` if it is out of range.
fn byte(number: Number) -> Option<u8> {
    let (negative, magnitude) = number.exact_integer()?;
    if negative && magnitude != 0 { None } else { u8::try_from(magnitude).ok() }
}
