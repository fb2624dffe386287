//! JSON text to wire bytes: each member of an object goes to the first home that holds it exactly.
//!
//! One pass over the text writes fields straight to the output. A value that does not fit where it was tried is taken
//! back from the output and read again for its next home. Members come in any order and fields are written in number
//! order, so the fields of a message are noted as parts, and put in order when the message ends. The text is only
//! noticed to be wrong here; `check` then says what and where.

use crate::check::check_document;
use crate::error::JsonError;
use crate::json::{Cursor, Fail, Name, Names, NamesMark, Raw};
use crate::limits::{KEPT, MAX_DEPTH, MAX_SIZE};
use crate::out::{put_span, put_word};
use crate::scan::{chunk, matches, special};
use crate::schema::{AFTER_UNKNOWN, AT_START, Field, Json, Kind, Member, Message, NONE, Schema, Shape};
use crate::strings::{unescape, unescape_until_quote};
use crate::text::TextPrinter;
use crate::wire::{close_length, open_length, put_delimited, put_header, put_varint};
use std::sync::atomic::{AtomicU8, Ordering};

const EMPTY_FIELDS: u32 = 13;
const NULL_FIELDS: u32 = 14;
const ADDITIONAL: u32 = 15;
const VERBATIM: u32 = 16;
const KEY: u64 = 1 << 3 | 2;
const VALUE: u64 = 2 << 3 | 2;

#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions {
    pub canonical: bool,
    pub nonfinite: bool,
    pub origin: Origin,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Bytes,
    /// A string of code points, so that it is UTF-8.
    String,
    /// A string of code points with surrogates among them.
    Surrogates,
}

/// A field that was written: its number and where it starts. It stops where the next one starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    number: u32,
    start: usize,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub parts: Vec<Part>,
    pub names: Names,
    pub decoded: Vec<u8>,
    sorted: Vec<(u32, usize, usize)>,
    moved: Vec<u8>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// Turns documents into wire bytes, one after the other, in the same buffers.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    work: Work,
}

impl Encoder {
    /// The wire bytes of the message that a JSON object stands for.
    pub fn json_to_wire(&mut self, schema: &Schema, text: &[u8], options: EncodeOptions) -> Result<&[u8], JsonError> {
        self.out.clear();
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
            self.work = Work::default();
        }
        let mut out = std::mem::take(&mut self.out);
        out.reserve(text.len() + 64);
        let done = self.append(schema, text, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// The same, written at the end of a buffer.
    pub(crate) fn append(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        self.work.parts.clear();
        self.work.names.clear();
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let cursor = Cursor { text, at: start, nonfinite: options.nonfinite, valid: options.origin == Origin::String };
        let base = out.len();
        let mut encoding = Encoding { schema, cursor, canonical: options.canonical, out, work: &mut self.work };
        if text.len() <= MAX_SIZE && encoding.document().is_ok() {
            return Ok(());
        }
        out.truncate(base);
        check_document(text, options.nonfinite, options.origin == Origin::Surrogates)?;
        unreachable!("the encoder refused text that the checker accepts")
    }
}

/// One document being encoded.
pub(crate) struct Encoding<'a> {
    schema: &'a Schema,
    pub cursor: Cursor<'a>,
    pub canonical: bool,
    pub out: &'a mut Vec<u8>,
    pub work: &'a mut Work,
}

/// The fields that a message has got, by number.
struct Fields {
    /// The place among the message's parts of each that is present.
    places: [u16; 64],
    present: u64,
    last: u32,
    /// Whether they came in number order.
    ordered: bool,
    /// Whether there are open members, which are parts of one field or may be more than the places count.
    open: bool,
    empty: u64,
    null: u64,
}

impl Fields {
    fn new() -> Fields {
        Fields { places: [0; 64], present: 0, last: 0, ordered: true, open: false, empty: 0, null: 0 }
    }

    #[inline(always)]
    fn note(&mut self, number: u32, place: usize) {
        self.places[(number & 63) as usize] = place as u16;
        self.present |= 1 << (number & 63);
        self.ordered &= self.last < number;
        self.last = number;
    }
}

impl Fields {
    /// The places of the fields of some numbers, in number order.
    #[inline(always)]
    fn each(&self, mut numbers: u64, mut visit: impl FnMut(usize)) {
        while numbers != 0 {
            visit(usize::from(self.places[numbers.trailing_zeros() as usize & 63]));
            numbers &= numbers - 1;
        }
    }
}

/// What goes before and after the longest part of a message.
struct Around<'a> {
    source: &'a [u8],
    head: &'a mut Vec<u8>,
    tail: &'a mut Vec<u8>,
    /// Whether the longest part was reached.
    passed: bool,
}

impl Around<'_> {
    #[inline(always)]
    fn target(&mut self) -> &mut Vec<u8> {
        if self.passed { self.tail } else { self.head }
    }
}

/// A state to go back to.
struct Mark {
    at: usize,
    out: usize,
    parts: usize,
    names: NamesMark,
}

impl<'a> Encoding<'a> {
    fn document(&mut self) -> Result<(), Fail> {
        self.cursor.space();
        self.message(&self.schema.messages[0], 1)?;
        self.cursor.space();
        if self.cursor.at == self.cursor.text.len() { Ok(()) } else { Err(Fail::Malformed) }
    }

    #[inline]
    fn mark(&self) -> Mark {
        Mark { at: self.cursor.at, out: self.out.len(), parts: self.work.parts.len(), names: self.work.names.mark() }
    }

    fn reset(&mut self, mark: &Mark) {
        self.cursor.at = mark.at;
        self.out.truncate(mark.out);
        self.work.parts.truncate(mark.parts);
        self.work.names.reset(mark.names);
    }

    #[inline]
    pub fn part(&mut self, number: u32, start: usize) {
        self.work.parts.push(Part { number, start });
    }

    /// The object at the cursor as the payload of a message of a nesting level.
    fn message(&mut self, message: &'a Message, depth: usize) -> Result<(), Fail> {
        if depth > MAX_DEPTH {
            return Err(Fail::Malformed);
        }
        self.cursor.expect(b'{')?;
        let base = self.out.len();
        let parts = self.work.parts.len();
        let names = self.work.names.mark();
        let mut seen = 0u64;
        let mut fields = Fields::new();
        let mut after = AT_START;
        if !self.cursor.is_closed(b'}') {
            loop {
                if let Some((place, member)) = self.predicted_name(message, after) {
                    self.cursor.colon()?;
                    after = place;
                    if seen >> after & 1 != 0 {
                        return Err(Fail::Malformed);
                    }
                    seen |= 1 << after;
                    self.member(message, member, depth, parts, &mut fields)?;
                } else {
                    self.other_member(message, &mut after, &mut seen, depth, parts, &mut fields)?;
                }
                if !self.cursor.more(b'}')? {
                    break;
                }
            }
        }
        self.work.names.close(self.cursor.text, names)?;
        self.finish(base, parts, &fields);
        Ok(())
    }

    /// A member of another name than the one that came last time.
    #[inline(never)]
    fn other_member(
        &mut self,
        message: &'a Message,
        after: &mut u8,
        seen: &mut u64,
        depth: usize,
        parts: usize,
        fields: &mut Fields,
    ) -> Result<(), Fail> {
        let names = self.work.names.mark();
        let name = self.cursor.name(&mut self.work.names)?;
        let place = message.find(self.work.names.bytes(self.cursor.text, name));
        let now = place.map_or(AFTER_UNKNOWN, |place| place as u8);
        message.learn(*after, now);
        *after = now;
        let Some(place) = place else {
            if name.lone {
                return Err(Fail::Unfit);
            }
            self.work.names.list.push(name);
            fields.open = true;
            return self.open_member(name, depth);
        };
        self.work.names.reset(names);
        if *seen >> place & 1 != 0 {
            return Err(Fail::Malformed);
        }
        *seen |= 1 << place;
        self.member(message, &message.members[place], depth, parts, fields)
    }

    /// Step over a name in its quotes if it is the one that came last time.
    #[inline(always)]
    fn predicted_name<'m>(&mut self, message: &'m Message, after: u8) -> Option<(u8, &'m Member)> {
        let (place, member) = message.predicted(after)?;
        let ahead = chunk(self.cursor.text, self.cursor.at)?;
        if !matches(ahead, &member.pattern) {
            return None;
        }
        self.cursor.at += member.quoted;
        Some((place, member))
    }

    #[inline(always)]
    fn member(
        &mut self,
        message: &'a Message,
        member: &'a Member,
        depth: usize,
        parts: usize,
        fields: &mut Fields,
    ) -> Result<(), Fail> {
        let start = self.cursor.at;
        let Some(kind) = self.cursor.kind()? else {
            fields.null |= member.bit;
            return Ok(());
        };
        let place = member.by_kind[kind as usize];
        if place != NONE {
            let field = &message.fields[usize::from(place)];
            let mark = self.mark();
            match self.field(field, kind, depth) {
                Ok(true) => {
                    fields.note(field.number, self.work.parts.len() - parts);
                    self.part(field.number, mark.out);
                    return Ok(());
                }
                Ok(false) => {
                    fields.empty |= member.bit;
                    return Ok(());
                }
                Err(Fail::Unfit) => self.reset(&mark),
                Err(Fail::Malformed) => return Err(Fail::Malformed),
            }
        }
        self.cursor.at = start;
        fields.open = true;
        self.misfit(member, depth)
    }

    /// A member of the contract whose value does not fit.
    #[cold]
    fn misfit(&mut self, member: &Member, depth: usize) -> Result<(), Fail> {
        let start = self.work.names.arena.len();
        self.work.names.arena.extend_from_slice(member.name.as_bytes());
        let stop = self.work.names.arena.len();
        self.open_member(Name { start, stop, decoded: true, lone: false }, depth)
    }

    /// The value at the cursor as an additional property, or else a verbatim one.
    fn open_member(&mut self, name: Name, depth: usize) -> Result<(), Fail> {
        let mark = self.mark();
        match self.open_entry(KEY, name, 0, depth) {
            Ok(()) => {
                self.part(ADDITIONAL, mark.out);
                return Ok(());
            }
            Err(Fail::Unfit) => self.reset(&mark),
            Err(Fail::Malformed) => return Err(Fail::Malformed),
        }
        put_varint(u64::from(VERBATIM << 3 | 2), self.out);
        let start = open_length(1, self.out);
        put_delimited(KEY, self.work.names.bytes(self.cursor.text, name), self.out);
        put_varint(VALUE, self.out);
        self.text(depth, self.canonical)?;
        close_length(start, 1, self.out);
        self.part(VERBATIM, mark.out);
        Ok(())
    }

    /// The JSON text of the value at the cursor, after its length.
    fn text(&mut self, depth: usize, canonical: bool) -> Result<(), Fail> {
        let start = open_length(1, self.out);
        let names = &mut self.work.names;
        let mut printer = TextPrinter { cursor: &mut self.cursor, names, canonical, deepest: 0 };
        printer.value(self.out, depth)?;
        close_length(start, 1, self.out);
        Ok(())
    }

    /// A whole field. False where nothing was written: for an empty array or map.
    #[inline(always)]
    fn field(&mut self, field: &'a Field, kind: Json, depth: usize) -> Result<bool, Fail> {
        match field.shape {
            Shape::One => {
                self.single(field, field.tag_word, kind, depth)?;
                Ok(true)
            }
            Shape::Many => self.array(field, depth + 1),
            Shape::Map => self.map(field, depth + 1),
        }
    }

    /// One value and the tag before it.
    #[inline(always)]
    fn single(&mut self, field: &'a Field, tag: (u64, usize), kind: Json, depth: usize) -> Result<(), Fail> {
        match field.kind {
            Kind::String => self.string(tag, &field.width),
            Kind::Message => {
                put_word(self.out, tag.0, tag.1);
                let width = usize::from(field.width.load(Ordering::Relaxed));
                let start = open_length(width, self.out);
                self.message(&self.schema.messages[field.refers], depth + 1)?;
                let size = close_length(start, width, self.out);
                if size != width {
                    field.width.store(size as u8, Ordering::Relaxed);
                }
                Ok(())
            }
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => {
                if let Some(value) = self.cursor.small_integer() {
                    put_header(tag, value, self.out);
                    return Ok(());
                }
                let varint = self.cursor.number()?.varint(field.kind).ok_or(Fail::Unfit)?;
                put_header(tag, varint, self.out);
                Ok(())
            }
            Kind::Enum => {
                let values = &self.schema.enums[field.refers].values;
                if let Some((number, _, quoted)) = values.get(usize::from(field.seen.load(Ordering::Relaxed))) {
                    let at = self.cursor.at;
                    if self.cursor.text.get(at..at + quoted.len()) == Some(quoted) {
                        self.cursor.at += quoted.len();
                        put_header(tag, i64::from(*number) as u64, self.out);
                        return Ok(());
                    }
                }
                let raw = self.cursor.string()?;
                self.enumerated(field, tag, raw)
            }
            _ => {
                put_word(self.out, tag.0, tag.1);
                self.rare(field, kind, depth)
            }
        }
    }

    fn rare(&mut self, field: &'a Field, kind: Json, depth: usize) -> Result<(), Fail> {
        match field.kind {
            Kind::Double => {
                let double = match kind {
                    Json::Number => self.cursor.number()?.double().ok_or(Fail::Unfit)?,
                    _ => self.cursor.nonfinite()?,
                };
                self.out.extend_from_slice(&double.to_le_bytes());
                Ok(())
            }
            Kind::Bool => {
                let value = self.cursor.bool()?;
                self.out.push(u8::from(value));
                Ok(())
            }
            Kind::Text => self.text(depth, false),
            Kind::Bytes => {
                let raw = self.cursor.string()?;
                self.base64(raw)
            }
            Kind::ByteArray => self.byte_array(depth + 1),
            _ => {
                let start = open_length(1, self.out);
                self.array(&self.schema.messages[field.refers].fields[0], depth + 1)?;
                close_length(start, 1, self.out);
                Ok(())
            }
        }
    }

    /// The string at the cursor, after a tag and its length.
    #[inline(always)]
    pub fn string(&mut self, tag: (u64, usize), width: &AtomicU8) -> Result<(), Fail> {
        let text = self.cursor.text;
        let start = self.cursor.at + 1;
        let mut high = false;
        let stop = special(text, start, &mut high);
        match text.get(stop) {
            Some(b'"') => {
                if high {
                    self.cursor.validate(start, stop)?;
                }
                self.cursor.at = stop + 1;
                put_header(tag, (stop - start) as u64, self.out);
                put_span(self.out, text, start, stop);
                Ok(())
            }
            Some(b'\\') => {
                put_word(self.out, tag.0, tag.1);
                self.escaped_string(start, stop, high, width)
            }
            _ => Err(Fail::Malformed),
        }
    }

    /// A string of which all before `plain` needs no decoding, after its length.
    fn escaped_string(&mut self, start: usize, plain: usize, mut high: bool, width: &AtomicU8) -> Result<(), Fail> {
        let text = self.cursor.text;
        let guess = usize::from(width.load(Ordering::Relaxed));
        let payload = open_length(guess, self.out);
        put_span(self.out, text, start, plain);
        let (stop, lone) = unescape_until_quote(text, plain, self.out, &mut high)?;
        if stop == text.len() {
            return Err(Fail::Malformed);
        }
        if high {
            self.cursor.validate(start, stop)?;
        }
        self.cursor.at = stop + 1;
        if lone {
            return Err(Fail::Unfit);
        }
        let size = close_length(payload, guess, self.out);
        if size != guess {
            width.store(size as u8, Ordering::Relaxed);
        }
        Ok(())
    }

    #[inline]
    fn enumerated(&mut self, field: &Field, tag: (u64, usize), raw: Raw) -> Result<(), Fail> {
        let mut string = &self.cursor.text[raw.start..raw.stop];
        if raw.escaped {
            self.work.decoded.clear();
            unescape(string, &mut self.work.decoded)?;
            string = &self.work.decoded;
        }
        let number = self.schema.enums[field.refers].number_of(string, &field.seen).ok_or(Fail::Unfit)?;
        put_header(tag, i64::from(number) as u64, self.out);
        Ok(())
    }

    /// Standard base64 with padding (RFC 4648, section 4), in the one spelling that its bytes have.
    fn base64(&mut self, raw: Raw) -> Result<(), Fail> {
        let mut string = &self.cursor.text[raw.start..raw.stop];
        if raw.escaped {
            self.work.decoded.clear();
            unescape(string, &mut self.work.decoded)?;
            string = &self.work.decoded;
        }
        let width = if string.len() < 170 { 1 } else { 2 };
        let start = open_length(width, self.out);
        crate::base64::decode(string, self.out).ok_or(Fail::Unfit)?;
        close_length(start, width, self.out);
        Ok(())
    }

    /// An array of integers 0-255 as bytes, after their length.
    fn byte_array(&mut self, depth: usize) -> Result<(), Fail> {
        self.enter(depth)?;
        let start = open_length(1, self.out);
        if !self.cursor.is_closed(b']') {
            loop {
                if self.cursor.kind()? != Some(Json::Number) {
                    return Err(Fail::Unfit);
                }
                let byte = self.cursor.number()?.byte().ok_or(Fail::Unfit)?;
                self.out.push(byte);
                if !self.cursor.more(b']')? {
                    break;
                }
            }
        }
        close_length(start, 1, self.out);
        Ok(())
    }

    /// Step into a container of a nesting level.
    #[inline]
    fn enter(&mut self, depth: usize) -> Result<(), Fail> {
        if depth > MAX_DEPTH {
            return Err(Fail::Malformed);
        }
        self.cursor.at += 1;
        Ok(())
    }

    /// The fields of an array's items. `depth` is that of the array.
    fn array(&mut self, field: &'a Field, depth: usize) -> Result<bool, Fail> {
        self.enter(depth)?;
        if self.cursor.is_closed(b']') {
            return Ok(false);
        }
        let packed = field.packable();
        let tag = if packed { (0, 0) } else { field.tag_word };
        let mut width = 0;
        let mut start = 0;
        if packed {
            put_varint(field.tag, self.out);
            width = usize::from(field.width.load(Ordering::Relaxed));
            start = open_length(width, self.out);
        }
        loop {
            match self.cursor.kind()? {
                Some(kind) if field.takes(kind) => self.single(field, tag, kind, depth)?,
                _ => return Err(Fail::Unfit),
            }
            if !self.cursor.more(b']')? {
                break;
            }
        }
        if packed {
            let size = close_length(start, width, self.out);
            field.width.store(size as u8, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// The entries of a map. `depth` is that of the object.
    fn map(&mut self, field: &'a Field, depth: usize) -> Result<bool, Fail> {
        self.enter(depth)?;
        if self.cursor.is_closed(b'}') {
            return Ok(false);
        }
        let base = self.out.len();
        let parts = self.work.parts.len();
        let names = self.work.names.mark();
        loop {
            let name = self.cursor.name(&mut self.work.names)?;
            if name.lone {
                return Err(Fail::Unfit);
            }
            self.work.names.list.push(name);
            let entry = self.out.len();
            put_varint(field.tag, self.out);
            let start = open_length(1, self.out);
            put_delimited(KEY, self.work.names.bytes(self.cursor.text, name), self.out);
            let tag = (2 << 3 | u64::from(field.wire_type()), 1);
            match self.cursor.kind()? {
                Some(kind) if field.takes(kind) => self.single(field, tag, kind, depth)?,
                _ => return Err(Fail::Unfit),
            }
            close_length(start, 1, self.out);
            if self.canonical {
                self.part(field.number, entry);
            }
            if !self.cursor.more(b'}')? {
                break;
            }
        }
        if self.canonical {
            self.sort_entries(parts, base);
        }
        self.work.names.close(self.cursor.text, names)?;
        Ok(true)
    }

    /// Put the map entries that are noted as parts in canonical order, and forget the parts.
    pub fn sort_entries(&mut self, parts: usize, base: usize) {
        let Work { parts: all, sorted, moved, .. } = &mut *self.work;
        spans(&all[parts..], self.out.len(), sorted);
        all.truncate(parts);
        moved.clear();
        moved.extend_from_slice(&self.out[base..]);
        sorted.sort_by(|a, b| canonical_order(entry_key(&moved[a.1 - base..]), entry_key(&moved[b.1 - base..])));
        self.out.truncate(base);
        for &(_, start, stop) in sorted.iter() {
            self.out.extend_from_slice(&moved[start - base..stop - base]);
        }
    }

    /// Put the fields of a message in number order, those that hold bits among them.
    #[inline]
    fn finish(&mut self, base: usize, parts: usize, fields: &Fields) {
        let Fields { empty, null, .. } = *fields;
        if fields.open && (self.canonical || self.work.parts.len() - parts > usize::from(u16::MAX)) {
            self.reorder(base, parts, empty, null);
        } else if fields.ordered && !fields.open && (empty | null == 0 || fields.last < EMPTY_FIELDS) {
            put_bits(EMPTY_FIELDS, empty, self.out);
            put_bits(NULL_FIELDS, null, self.out);
            self.work.parts.truncate(parts);
        } else {
            self.reorder_few(base, parts, fields);
        }
    }

    /// Put fields in order of which each comes once, but for those of open members, which keep theirs.
    ///
    /// The longest part is moved once at most, and never copied elsewhere: what goes before and after it is gathered
    /// apart and written around it.
    fn reorder_few(&mut self, base: usize, parts: usize, fields: &Fields) {
        let Work { parts: all, head, tail, .. } = &mut *self.work;
        let spans = &all[parts..];
        let end = self.out.len();
        // So that the last spans too are copied in blocks.
        self.out.extend_from_slice(&[0; 64]);
        let out = &mut *self.out;
        let span = |place: usize| (spans[place].start, spans.get(place + 1).map_or(end, |next| next.start));
        let (mut longest, mut length) = (usize::MAX, 0);
        for place in 0..spans.len() {
            let (start, stop) = span(place);
            if stop - start > length {
                (longest, length) = (place, stop - start);
            }
        }
        head.clear();
        tail.clear();
        let mut around = Around { source: out, head, tail, passed: false };
        let put = |place: usize, around: &mut Around| {
            if place == longest {
                around.passed = true;
            } else {
                let (start, stop) = span(place);
                let source = around.source;
                put_span(around.target(), source, start, stop);
            }
        };
        let low = fields.present & ((1 << EMPTY_FIELDS) - 1);
        fields.each(low, |place| put(place, &mut around));
        put_bits(EMPTY_FIELDS, fields.empty, around.target());
        put_bits(NULL_FIELDS, fields.null, around.target());
        if fields.open {
            let of = |number: u32| (0..spans.len()).filter(move |&place| spans[place].number == number);
            let length: usize = of(ADDITIONAL).map(|place| span(place).1 - span(place).0).sum();
            if length > 0 {
                put_header((u64::from(ADDITIONAL << 3 | 2), 1), length as u64, around.target());
            }
            of(ADDITIONAL).chain(of(VERBATIM)).for_each(|place| put(place, &mut around));
        }
        fields.each(fields.present & !low, |place| put(place, &mut around));
        let at = base + head.len();
        if longest != usize::MAX {
            let (start, stop) = span(longest);
            if at + length > out.len() {
                out.resize(at + length, 0);
            }
            out.copy_within(start..stop, at);
        } else if at > out.len() {
            out.resize(at, 0);
        }
        out.truncate(at + length);
        out[base..at].copy_from_slice(head);
        out.extend_from_slice(tail);
        all.truncate(parts);
    }

    fn reorder(&mut self, base: usize, parts: usize, empty: u64, null: u64) {
        let Work { parts: all, sorted, moved, .. } = &mut *self.work;
        let end = self.out.len();
        spans(&all[parts..], end, sorted);
        all.truncate(parts);
        moved.clear();
        moved.extend_from_slice(&self.out[base..]);
        let bytes = |start: usize, stop: usize| &moved[start - base..stop - base];
        if self.canonical {
            sorted.sort_by(|a, b| {
                let keys = || canonical_order(entry_key(bytes(a.1, a.2)), entry_key(bytes(b.1, b.2)));
                let open = a.0 == ADDITIONAL || a.0 == VERBATIM;
                a.0.cmp(&b.0).then_with(|| if open { keys() } else { a.1.cmp(&b.1) })
            });
        } else if sorted.len() <= 16 {
            for at in 1..sorted.len() {
                let part = sorted[at];
                let mut hole = at;
                while hole > 0 && sorted[hole - 1].0 > part.0 {
                    sorted[hole] = sorted[hole - 1];
                    hole -= 1;
                }
                sorted[hole] = part;
            }
        } else {
            sorted.sort_unstable_by_key(|part| (part.0, part.1));
        }
        self.out.truncate(base);
        let mut at = 0;
        let mut bits = empty | null != 0;
        while at < sorted.len() {
            let (number, start, stop) = sorted[at];
            if bits && number > NULL_FIELDS {
                bits = false;
                put_bits(EMPTY_FIELDS, empty, self.out);
                put_bits(NULL_FIELDS, null, self.out);
            }
            if number != ADDITIONAL {
                self.out.extend_from_slice(bytes(start, stop));
                at += 1;
                continue;
            }
            let count = sorted[at..].iter().take_while(|part| part.0 == ADDITIONAL).count();
            let entries = &sorted[at..at + count];
            let length: usize = entries.iter().map(|&(_, start, stop)| stop - start).sum();
            put_varint(u64::from(ADDITIONAL << 3 | 2), self.out);
            put_varint(length as u64, self.out);
            for &(_, start, stop) in entries {
                self.out.extend_from_slice(bytes(start, stop));
            }
            at += count;
        }
        if bits {
            put_bits(EMPTY_FIELDS, empty, self.out);
            put_bits(NULL_FIELDS, null, self.out);
        }
        if moved.capacity() > KEPT {
            *moved = Vec::new();
        }
    }
}

#[inline(always)]
fn put_bits(number: u32, bits: u64, out: &mut Vec<u8>) {
    if bits != 0 {
        out.push((number << 3) as u8);
        put_varint(bits, out);
    }
}

/// The parts with where each stops.
#[inline]
fn spans(parts: &[Part], end: usize, into: &mut Vec<(u32, usize, usize)>) {
    into.clear();
    for (at, part) in parts.iter().enumerate() {
        into.push((part.number, part.start, parts.get(at + 1).map_or(end, |next| next.start)));
    }
}

/// The key of a map entry that was written here: a field whose payload starts with the key.
fn entry_key(entry: &[u8]) -> &[u8] {
    let varint = |at: usize| {
        let size = entry[at..].iter().position(|&byte| byte < 128).unwrap_or(0) + 1;
        let value = entry[at..at + size].iter().rev().fold(0, |value, &byte| value << 7 | usize::from(byte & 127));
        (value, at + size)
    };
    let (_, length) = varint(0);
    let (_, key) = varint(length);
    let (size, start) = varint(key + 1);
    &entry[start..start + size]
}

/// The order of protobuf's own deterministic serialization: by bytes, a longer key before one that begins it.
fn canonical_order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let shared = a.len().min(b.len());
    a[..shared].cmp(&b[..shared]).then(b.len().cmp(&a.len()))
}
