//! Encodes objects: each member to its home.
//!
//! Names come in the same order in most documents. So the encoder compares the text with the name that came next last
//! time, and looks a name up only if that fails.

use crate::buffer::output::OutputPointer;
use crate::encode::compiled::{CompiledFor, string};
use crate::encode::encoding::{Encoding, Homeless, MessageBuffers};
use crate::encode::guesses::{MessageGuesses, START, UNKNOWN};
use crate::encode::headers::put_header;
use crate::encode::seen_fields::{DeferredField, OpenMark, SeenFields};
use crate::encode::token_reader::Encoded;
use crate::json::fail::Fail;
use crate::json::member_names::{MemberName, MemberNames, NamesMark};
use crate::json::padded_text::TextPointer;
use crate::limits::MAX_DEPTH;
use crate::scan::OWN;
use crate::schema::home_fields::VERBATIM_PROPERTIES_TAG;
use crate::schema::{ExpectedMember, FastPath, MessageSchema};
use crate::wire::member_order::{Ascent, name_start};
use crate::wire::struct_tags::{ENTRY_KEY, ENTRY_VALUE};
use crate::wire::write::{close_length, open_length, put_delimited, put_varint};
use std::cell::Cell;

/// Where a value starts: its index in the text, and the offset of its field in the output.
#[derive(Debug, Clone, Copy)]
struct ValueStart {
    text: usize,
    output: usize,
}

impl<'a, S: CompiledFor> Encoding<'a, S> {
    /// Encode the whole text.
    pub fn document(&mut self) -> Result<(), Fail> {
        let text = self.reader.source.text;
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let at = self.reader.source.pointer(start);
        // SAFETY: the pointers are those that the text and the output just returned.
        let at = unsafe {
            let at = self.reader.skip_space(at);
            if at.byte() != b'{' {
                return Err(Fail::Malformed);
            }
            let end = self.out.resume(text.len());
            let (at, end) = self.message(0, at, end, 1)?;
            self.out.save(end);
            if self.reader.source.index(at) == text.len() {
                return Ok(());
            }
            self.reader.skip_space(at)
        };
        if self.reader.source.index(at) == text.len() { Ok(()) } else { Err(Fail::Malformed) }
    }

    /// Encode the object that starts here as the payload of a message of the type of an index, at a nesting level.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn message(&mut self, index: usize, at: TextPointer, end: OutputPointer, depth: usize) -> Encoded {
        S::message(self, index, at, end, depth)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn inlined_message(
        &mut self,
        index: usize,
        at: TextPointer,
        end: OutputPointer,
        depth: usize,
    ) -> Encoded {
        if depth > MAX_DEPTH {
            return Err(Fail::Malformed);
        }
        let message = &self.schema.messages[index];
        let at = self.reader.inside(at);
        if at.byte() == b'}' {
            self.breaks_contract |= message.required & !message.nullable != 0;
            return Ok((at.skip(1), end));
        }
        let base = self.out.offset(end);
        let mut fields = SeenFields::new(base, depth);
        match self.members(index, at, end, &mut fields) {
            Ok((at, end)) => {
                if let Some(mark) = fields.open {
                    self.close_open_members(mark, &fields.open_names)?;
                }
                let missing = message.required & !fields.members;
                self.breaks_contract |= (missing | fields.null) & !message.nullable != 0;
                Ok((at, self.finish(index, &mut fields, end)))
            }
            Err(fail) => {
                self.forget_message(&fields);
                Err(fail)
            }
        }
    }

    /// Forget the names of the open members of a message that ends. Note their order, if they are in one map. Fail if two of
    /// them are equal.
    #[inline(never)]
    fn close_open_members(&mut self, mark: OpenMark, names: &Ascent) -> Result<(), Fail> {
        if self.buffers.verbatim.len() == mark.verbatim {
            return self.close_object(mark.names, mark.orders, names);
        }
        // Each of two maps has an order of its own.
        self.reader.names.close(self.reader.source.text, mark.names)
    }

    /// Truncate all buffers to what they were before a message.
    #[cold]
    fn forget_message(&mut self, fields: &SeenFields) {
        self.buffers.deferred.truncate(self.buffers.deferred.len() - fields.deferred_count());
        if let Some(mark) = fields.open {
            self.forget_open_members(mark);
            self.reader.names.reset(mark.names);
        }
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn members(
        &mut self,
        index: usize,
        mut at: TextPointer,
        mut end: OutputPointer,
        fields: &mut SeenFields,
    ) -> Encoded {
        let (message, guesses) = (&self.schema.messages[index], &self.guesses.messages[index]);
        let to_defer = guesses.to_defer.get();
        let mut next = guesses.after(START);
        let mut seen = 0u64;
        loop {
            at = self.reader.source.with_lookahead(at);
            end = self.out.reserve(end);
            let mut expected = message.expected(next.get());
            let named = match at.skip_token(self.reader.set, &expected.name) {
                Some(value) => {
                    at = value.skip_space();
                    true
                }
                None => {
                    let index;
                    (at, index) = self.other_name(message, next, at, fields)?;
                    expected = message.expected(index);
                    index != UNKNOWN
                }
            };
            if named {
                if seen & expected.bit != 0 {
                    return Err(Fail::Malformed);
                }
                seen |= expected.bit;
                next = guesses.after(expected.member);
                (at, end) = self.member(message, guesses, expected, to_defer, at, end, fields)?;
            } else {
                next = guesses.after(UNKNOWN);
                at = self.unknown_member(at, fields)?;
            }
            match at.byte() {
                b',' => at = at.skip(1).skip_space(),
                b'}' => {
                    at = self.reader.source.with_lookahead(at.skip(1));
                    break;
                }
                _ => match self.reader.more(at, b'}')? {
                    (after, true) => at = after,
                    (after, false) => {
                        at = after;
                        break;
                    }
                },
            }
        }
        fields.members = seen;
        Ok((at, end))
    }

    /// Read a name that is not the expected one, or that whitespace comes before. Return the index of its member. Note
    /// the name if it is unknown.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn other_name(
        &mut self,
        message: &'a MessageSchema,
        next: &Cell<u8>,
        at: TextPointer,
        fields: &mut SeenFields,
    ) -> Result<(TextPointer, u8), Fail> {
        S::other_name(self, message, next, at, fields)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn inlined_other_name(
        &mut self,
        message: &'a MessageSchema,
        next: &Cell<u8>,
        at: TextPointer,
        fields: &mut SeenFields,
    ) -> Result<(TextPointer, u8), Fail> {
        let set = self.reader.set;
        let at = self.reader.skip_space(at);
        let expected = message.expected(next.get());
        if let Some(after) = at.skip_token(set, &expected.name) {
            return Ok((after, expected.member));
        }
        let mark = self.reader.names.mark();
        let quote = at;
        let (at, name, start) = self.reader.name(set, at)?;
        let size = name.size();
        let index = if size < 30 && !name.is_decoded() && quote.skip(size + 2).byte() == b':' {
            let same = |index: &u8| quote.skip_token(set, &message.expected(*index).name).is_some();
            message.of_length(size).iter().copied().find(same)
        } else {
            message.find(self.reader.names.bytes(self.reader.source.text, name))
        };
        let at = self.reader.source.with_lookahead(at);
        next.set(index.unwrap_or(UNKNOWN));
        if let Some(index) = index {
            self.reader.names.reset(mark);
            return Ok((at, index));
        }
        if !message.has_homes {
            self.reader.names.reset(mark);
            let at = self.reader.skip_space(at);
            return Err(self.without_home(message, self.reader.source.index(at)));
        }
        if name.is_lone() {
            self.reader.names.reset(mark);
            return Err(Fail::DoesNotFit);
        }
        if fields.open.is_none() {
            fields.open = Some(self.open_mark(mark));
        }
        self.reader.names.list.push(name);
        fields.open_names.add(start);
        Ok((at, UNKNOWN))
    }

    fn open_mark(&mut self, names: NamesMark) -> OpenMark {
        OpenMark {
            names,
            additional: self.additional.used(),
            verbatim: self.buffers.verbatim.len(),
            entry_starts: self.buffers.entry_starts.len(),
            verbatim_starts: self.buffers.verbatim_starts.len(),
            orders: self.open_object(),
        }
    }

    /// Encode the value of a known member. `to_defer` has the bits of the fields to hold back.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // inlined at its one call
    unsafe fn member(
        &mut self,
        message: &'a MessageSchema,
        guesses: &MessageGuesses,
        expected: &'a ExpectedMember,
        to_defer: u64,
        at: TextPointer,
        mut end: OutputPointer,
        fields: &mut SeenFields,
    ) -> Encoded {
        if at.starts_with(b"null") {
            if !message.has_homes {
                return Err(self.without_home(message, self.reader.source.index(at)));
            }
            fields.null |= expected.bit;
            return Ok((at.skip(4), end));
        }
        if to_defer & expected.bit != 0
            && let Some(at) = self.defer(expected, at, fields)
        {
            return Ok((at, end));
        }
        // The member that matches no text, which a zero byte may seem to be, has no bit.
        let lower = expected.bit.wrapping_sub(1);
        if fields.deferred & lower != 0 {
            end = self.put_deferred(guesses, fields, lower, end);
        }
        let ExpectedMember { tag, place, .. } = *expected;
        let type_index = expected.type_index as usize;
        let done = match (expected.fast_path, at.byte()) {
            (FastPath::Integer, _) => match self.integer(tag, at, end) {
                Some(done) => Ok(done),
                None => return self.other_value(message, expected, at, end, fields),
            },
            (FastPath::Enum, b'"') => match self.expected_enum(self.reader.set, type_index, at) {
                Some((number, at)) => Ok((at, put_header(end, tag, number))),
                None => {
                    let start = self.start(at, end);
                    self.any_enum(type_index, tag, at, end).map_err(|fail| (fail, start))
                }
            },
            (FastPath::String, b'"') => {
                let (start, set) = (self.start(at, end), self.reader.set);
                string(&mut self.reader, set, &mut self.out, (tag, place), at, end).map_err(|fail| (fail, start))
            }
            (FastPath::Message, b'{') => {
                let start = self.start(at, end);
                self.submessage(type_index, tag, place, at, end, fields.depth).map_err(|fail| (fail, start))
            }
            (FastPath::Messages, b'[') => {
                let start = self.start(at, end);
                let done = self.messages(type_index, tag, place, at, end, fields.depth + 1);
                if let Ok((at, end)) = done
                    && self.out.offset(end) == start.output
                {
                    if !message.has_homes {
                        return Err(self.without_home(message, start.text));
                    }
                    fields.empty |= expected.bit;
                    return Ok((at, end));
                }
                done.map_err(|fail| (fail, start))
            }
            _ => return self.other_value(message, expected, at, end, fields),
        };
        match done {
            Ok(done) => {
                fields.add(expected.bit);
                Ok(done)
            }
            Err((fail, start)) => self.other_home(message, expected, fail, start, fields),
        }
    }

    #[inline(always)]
    fn start(&self, at: TextPointer, end: OutputPointer) -> ValueStart {
        ValueStart { text: self.reader.source.index(at), output: self.out.offset(end) }
    }

    /// Hold back an integer, an enum string or a short string. Return `None` if that is not possible.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn defer(
        &mut self,
        expected: &ExpectedMember,
        at: TextPointer,
        fields: &mut SeenFields,
    ) -> Option<TextPointer> {
        let ExpectedMember { bit, tag, .. } = *expected;
        let mut text = None;
        let (value, at) = match expected.fast_path {
            FastPath::Enum => self.expected_enum(OWN, expected.type_index as usize, at)?,
            FastPath::String => {
                let size = self.reader.plain_string(at)?;
                text = Some(self.reader.source.index(at) + 1);
                (size as u64, at.skip(size + 2))
            }
            _ => match at.small_integer() {
                Some(found) => found,
                None if expected.is_long => at.long_integer()?,
                None => return None,
            },
        };
        let before = fields.present | fields.deferred;
        let lower = (fields.deferred & (bit - 1)).count_ones() as usize;
        let place = self.buffers.deferred.len() - lower;
        self.buffers.deferred.insert(place, DeferredField { bit, before, tag, value, text });
        fields.deferred |= bit;
        Some(at)
    }

    /// Encode the value of a known member that has no fast path, or that is of another kind than its fast path is for.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn other_value(
        &mut self,
        message: &'a MessageSchema,
        expected: &'a ExpectedMember,
        at: TextPointer,
        end: OutputPointer,
        fields: &mut SeenFields,
    ) -> Encoded {
        if expected.is_long
            && let Some((value, at)) = at.long_integer()
        {
            fields.add(expected.bit);
            return Ok((at, put_header(end, expected.tag, value)));
        }
        let at = self.reader.skip_space(at);
        let start = self.start(at, end);
        let (at, kind) = self.reader.kind(at)?;
        let Some(kind) = kind else {
            if !message.has_homes {
                return Err(self.without_home(message, start.text));
            }
            fields.null |= expected.bit;
            return Ok((at, end));
        };
        let field = message.members[usize::from(expected.member)].by_kind[kind as usize];
        let Some(field) = message.fields.get(usize::from(field)) else {
            return self.other_home(message, expected, Fail::DoesNotFit, start, fields);
        };
        match self.field(field, kind, at, end, fields.depth) {
            Ok((at, end)) => {
                if self.out.offset(end) > start.output {
                    fields.add(1 << field.number);
                } else if !message.has_homes {
                    return Err(self.without_home(message, start.text));
                } else {
                    fields.empty |= expected.bit;
                }
                Ok((at, end))
            }
            Err(fail) => self.other_home(message, expected, fail, start, fields),
        }
    }

    /// Note that an envelope has no home for the value at an index of the text, unless a value inside it is noted.
    #[cold]
    #[inline(never)]
    fn without_home(&mut self, envelope: &'a MessageSchema, text: usize) -> Fail {
        self.homeless.get_or_insert(Homeless { text, envelope: &envelope.full_name });
        Fail::DoesNotFit
    }

    /// Encode a known member whose value does not fit its field, as an open member.
    #[cold]
    #[inline(never)]
    fn other_home(
        &mut self,
        message: &'a MessageSchema,
        expected: &ExpectedMember,
        fail: Fail,
        start: ValueStart,
        fields: &mut SeenFields,
    ) -> Encoded {
        if fail == Fail::Malformed {
            return Err(fail);
        }
        if !message.has_homes {
            return Err(self.without_home(message, start.text));
        }
        self.homeless = None;
        self.breaks_contract = true;
        let names = self.reader.names.mark();
        if fields.open.is_none() {
            fields.open = Some(self.open_mark(names));
        }
        let bytes = message.members[usize::from(expected.member)].name.as_bytes();
        let MemberNames { list, arena } = &mut *self.reader.names;
        let from = arena.len();
        arena.extend_from_slice(bytes);
        let name = MemberName::in_arena(from, arena.len(), false);
        list.push(name);
        fields.open_names.add(name_start(bytes));
        let at = self.reader.source.pointer(start.text);
        // SAFETY: all before the value's field is written, where there is as much room as there was; the text is read from the
        // value on.
        unsafe {
            let end = self.out.pointer(start.output);
            Ok((self.open_member(name, at, fields)?, end))
        }
    }

    /// Encode the value of the unknown member whose name was noted last.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn unknown_member(&mut self, at: TextPointer, fields: &SeenFields) -> Result<TextPointer, Fail> {
        let Some(&name) = self.reader.names.list.last() else { return Err(Fail::Malformed) };
        self.open_member(name, at, fields)
    }

    /// Encode the value of an open member: as an additional property, or else as a verbatim one.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn open_member(
        &mut self,
        name: MemberName,
        at: TextPointer,
        fields: &SeenFields,
    ) -> Result<TextPointer, Fail> {
        let index = self.reader.source.index(at);
        let MessageBuffers { entry_starts, orders, .. } = &*self.buffers;
        let (names, entry_starts, orders) = (self.reader.names.mark(), entry_starts.len(), orders.len());
        let end = self.additional.resume(0);
        let start = self.additional.offset(end);
        if self.canonical {
            self.buffers.entry_starts.push(start);
        }
        match self.entry(OWN, name, at, end, 0, fields.depth) {
            Ok((at, end)) => {
                self.additional.save(end);
                Ok(at)
            }
            Err(Fail::Malformed) => Err(Fail::Malformed),
            Err(Fail::DoesNotFit) => {
                self.buffers.entry_starts.truncate(entry_starts);
                self.buffers.orders.truncate(orders);
                self.reader.names.reset(names);
                self.additional.truncate(start);
                self.verbatim(name, index, fields.depth)
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn verbatim(&mut self, name: MemberName, index: usize, depth: usize) -> Result<TextPointer, Fail> {
        let MessageBuffers { verbatim, verbatim_starts, .. } = &mut *self.buffers;
        if self.canonical {
            verbatim_starts.push(verbatim.len());
        }
        put_varint(VERBATIM_PROPERTIES_TAG.into(), verbatim);
        let start = open_length(1, verbatim);
        put_delimited(ENTRY_KEY.into(), self.reader.names.bytes(self.reader.source.text, name), verbatim);
        put_varint(ENTRY_VALUE.into(), verbatim);
        let text = open_length(1, verbatim);
        let at = self.reader.normalize(index, depth, self.canonical, verbatim)?;
        close_length(text, 1, verbatim);
        close_length(start, 1, verbatim);
        Ok(at)
    }
}
