//! The values of typed fields, by kind and shape.

use super::order::sort_entries;
use super::reader::{put_header, put_short_header};
use super::{Encoding, Step};
use crate::json::{Fail, Name};
use crate::limits::MAX_DEPTH;
use crate::schema::{Field, Json, Kind, Shape};
use crate::sheet::Pen;
use crate::source::At;
use std::sync::atomic::{AtomicU8, Ordering};

const KEY: u64 = 1 << 3 | 2;

impl<'a> Encoding<'a> {
    /// A whole field. Nothing is written for an empty array or map.
    #[inline(never)]
    pub fn field(&mut self, field: &'a Field, kind: Json, at: At, pen: Pen, depth: usize) -> Step {
        match field.shape {
            Shape::One => self.single(field, field.tag_word, kind, at, pen, depth),
            Shape::Many => self.array(field, at, pen, depth + 1),
            Shape::Map => self.map(field, at, pen, depth + 1),
        }
    }

    /// One value and the tag before it.
    fn single(&mut self, field: &'a Field, tag: (u64, usize), kind: Json, at: At, pen: Pen, depth: usize) -> Step {
        match field.kind {
            Kind::String => self.reader.string(&mut self.out, tag, &field.last, at, pen),
            Kind::Message => self.submessage(field.refers, tag, &field.last, at, pen, depth),
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => match self.integer(tag, at, pen) {
                Some(step) => Ok(step),
                None => self.any_integer(field, tag, at, pen),
            },
            Kind::Enum => self.any_enum(field.refers, tag, &field.last, at, pen),
            _ => self.rare(field, kind, at, pen.put(tag.0, tag.1), depth),
        }
    }

    /// A message, its tag and its length. `guess` is the size of that.
    #[inline(always)]
    pub fn submessage(
        &mut self,
        refers: usize,
        tag: (u64, usize),
        guess: &AtomicU8,
        at: At,
        pen: Pen,
        depth: usize,
    ) -> Step {
        let width = usize::from(guess.load(Ordering::Relaxed));
        let (pen, start) = self.out.open(pen.put(tag.0, tag.1), width);
        let (at, pen) = self.message(&self.schema.messages[refers], at, pen, depth + 1)?;
        let (pen, size) = self.out.close(start, width, pen);
        if size != width {
            guess.store(size as u8, Ordering::Relaxed);
        }
        Ok((at, pen))
    }

    /// A number written as an integer that every kind of integer field takes.
    #[inline(always)]
    pub fn integer(&mut self, tag: (u64, usize), at: At, pen: Pen) -> Option<(At, Pen)> {
        let (value, at) = at.small_integer()?;
        Some((at, put_short_header(pen, tag, value as u32)))
    }

    #[inline(never)]
    pub fn any_integer(&mut self, field: &Field, tag: (u64, usize), at: At, pen: Pen) -> Step {
        if matches!(field.kind, Kind::Int64 | Kind::Uint64)
            && let Some((value, at)) = at.long_integer()
        {
            return Ok((at, put_header(pen, tag, value)));
        }
        let (at, number) = self.reader.number(at)?;
        let varint = number.varint(field.kind).ok_or(Fail::Unfit)?;
        Ok((at, put_header(pen, tag, varint)))
    }

    /// The number of the enum string that came last time, as a varint has it, and the place after it.
    #[inline(always)]
    pub fn expected_enum(&self, refers: usize, last: &AtomicU8, at: At) -> Option<(u64, At)> {
        let expected = &self.schema.enums[refers].expected;
        let (token, number) = expected.get(usize::from(last.load(Ordering::Relaxed)))?;
        Some((*number, at.past(token)?))
    }

    #[inline(never)]
    pub fn any_enum(&mut self, refers: usize, tag: (u64, usize), last: &AtomicU8, at: At, pen: Pen) -> Step {
        let values = &self.schema.enums[refers];
        for (place, (token, number)) in values.expected.iter().enumerate() {
            if let Some(at) = at.past(token) {
                last.store(place as u8, Ordering::Relaxed);
                return Ok((at, put_header(pen, tag, *number)));
            }
        }
        let mut cursor = self.reader.cursor(at);
        let string = self.reader.decoded(&mut cursor)?.0;
        let number = values.number_of(string).ok_or(Fail::Unfit)?;
        Ok((self.reader.source.at(cursor.at), put_header(pen, tag, i64::from(number) as u64)))
    }

    #[inline(never)]
    fn rare(&mut self, field: &'a Field, kind: Json, at: At, pen: Pen, depth: usize) -> Step {
        match field.kind {
            Kind::Double => {
                let (at, double) = match kind {
                    Json::Number => {
                        let (at, number) = self.reader.number(at)?;
                        (at, number.double().ok_or(Fail::Unfit)?)
                    }
                    _ => self.reader.nonfinite(at)?,
                };
                Ok((at, pen.put(double.to_bits(), 8)))
            }
            Kind::Bool => {
                let (at, value) = self.reader.bool(at)?;
                Ok((at, pen.put(u64::from(value), 1)))
            }
            Kind::Text => self.text(at, pen, depth, false),
            Kind::Bytes => self.base64(at, pen),
            Kind::ByteArray => self.byte_array(field, at, pen, depth + 1),
            _ => {
                let (pen, start) = self.out.open(pen, 1);
                let (at, pen) = self.array(&self.schema.messages[field.refers].fields[0], at, pen, depth + 1)?;
                Ok((at, self.out.close(start, 1, pen).0))
            }
        }
    }

    /// The JSON text of a value, after its length.
    fn text(&mut self, at: At, pen: Pen, depth: usize, canonical: bool) -> Step {
        let (pen, start) = self.out.open(pen, 1);
        let index = self.reader.source.index(at);
        self.apart.clear();
        let at = self.reader.print(index, depth, canonical, self.apart)?;
        let pen = self.out.put(pen, self.apart);
        Ok((at, self.out.close(start, 1, pen).0))
    }

    /// Standard base64 with padding (RFC 4648, section 4), in the one spelling that its bytes have.
    fn base64(&mut self, at: At, pen: Pen) -> Step {
        let mut cursor = self.reader.cursor(at);
        let string = self.reader.decoded(&mut cursor)?.0;
        let width = if string.len() < 170 { 1 } else { 2 };
        let (pen, start) = self.out.open(pen, width);
        self.apart.clear();
        crate::base64::decode(string, self.apart).ok_or(Fail::Unfit)?;
        let pen = self.out.put(pen, self.apart);
        Ok((self.reader.source.at(cursor.at), self.out.close(start, width, pen).0))
    }

    /// An array of integers 0-255 as bytes, after their length. `depth` is that of the array.
    fn byte_array(&mut self, field: &Field, at: At, pen: Pen, depth: usize) -> Step {
        let mut at = self.enter(at, depth)?;
        let width = usize::from(field.last.load(Ordering::Relaxed));
        let (mut pen, start) = self.out.open(pen, width);
        if at.byte() == b']' {
            at = at.skip(1);
        } else {
            loop {
                at = self.reader.source.ahead(at);
                pen = self.out.room(pen);
                let byte = match at.small_integer() {
                    Some((value @ 0..256, next)) => {
                        at = next;
                        value as u8
                    }
                    _ => {
                        let (next, kind) = self.reader.kind(at)?;
                        if kind != Some(Json::Number) {
                            return Err(Fail::Unfit);
                        }
                        let (next, number) = self.reader.number(next)?;
                        at = next;
                        number.byte().ok_or(Fail::Unfit)?
                    }
                };
                pen = pen.put(u64::from(byte), 1);
                let (next, more) = self.reader.more(at, b']')?;
                at = next;
                if !more {
                    break;
                }
            }
        }
        let (pen, size) = self.out.close(start, width, pen);
        field.last.store(size as u8, Ordering::Relaxed);
        Ok((at, pen))
    }

    /// Step into a container of a nesting level, to its first entry or its end.
    #[inline]
    fn enter(&mut self, at: At, depth: usize) -> Result<At, Fail> {
        if depth > MAX_DEPTH { Err(Fail::Malformed) } else { Ok(self.reader.inside(at)) }
    }

    /// The fields of an array of messages. `depth` is that of the array.
    #[inline(always)]
    pub fn messages(
        &mut self,
        refers: usize,
        tag: (u64, usize),
        guess: &AtomicU8,
        at: At,
        pen: Pen,
        depth: usize,
    ) -> Step {
        let (mut at, mut pen) = (self.enter(at, depth)?, pen);
        if at.byte() == b']' {
            return Ok((at.skip(1), pen));
        }
        loop {
            if at.byte() != b'{' {
                return Err(Fail::Unfit);
            }
            pen = self.out.room(pen);
            (at, pen) = self.submessage(refers, tag, guess, at, pen, depth)?;
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                return Ok((at, pen));
            }
        }
    }

    /// The fields of an array's items. `depth` is that of the array.
    fn array(&mut self, field: &'a Field, at: At, pen: Pen, depth: usize) -> Step {
        if field.kind == Kind::Message {
            return self.messages(field.refers, field.tag_word, &field.last, at, pen, depth);
        }
        let (mut at, mut pen) = (self.enter(at, depth)?, pen);
        if at.byte() == b']' {
            return Ok((at.skip(1), pen));
        }
        let packed = field.packable();
        let tag = if packed { (0, 0) } else { field.tag_word };
        let (mut width, mut start) = (0, 0);
        if packed {
            width = usize::from(field.last.load(Ordering::Relaxed));
            (pen, start) = self.out.open(pen.put(field.tag_word.0, field.tag_word.1), width);
        }
        loop {
            at = self.reader.source.ahead(at);
            pen = self.out.room(pen);
            (at, pen) = match self.reader.kind(at)? {
                (at, Some(kind)) if field.takes(kind) => self.single(field, tag, kind, at, pen, depth)?,
                _ => return Err(Fail::Unfit),
            };
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                break;
            }
        }
        if packed {
            let size;
            (pen, size) = self.out.close(start, width, pen);
            field.last.store(size as u8, Ordering::Relaxed);
        }
        Ok((at, pen))
    }

    /// The entries of a map. `depth` is that of the object.
    fn map(&mut self, field: &'a Field, at: At, pen: Pen, depth: usize) -> Step {
        let names = self.reader.names.mark();
        let entries = self.order.entries.len();
        let done = self.entries(field, at, pen, depth);
        match done {
            Ok(_) => self.reader.close_names(names, true)?,
            Err(_) => self.reader.names.reset(names),
        }
        self.order.entries.truncate(entries);
        done
    }

    fn entries(&mut self, field: &'a Field, at: At, pen: Pen, depth: usize) -> Step {
        let (mut at, mut pen) = (self.enter(at, depth)?, pen);
        if at.byte() == b'}' {
            return Ok((at.skip(1), pen));
        }
        let base = self.out.offset(pen);
        let entries = self.order.entries.len();
        loop {
            at = self.reader.source.ahead(at);
            let (next, name, _) = self.reader.name(at)?;
            if name.lone {
                return Err(Fail::Unfit);
            }
            self.reader.names.list.push(name);
            if self.canonical {
                self.order.entries.push(self.out.offset(pen));
            }
            pen = self.out.room_for(pen, name.stop - name.start);
            let start;
            (pen, start) = self.out.open(pen.put(field.tag_word.0, field.tag_word.1), 1);
            pen = self.key(pen, KEY, name);
            let tag = (2 << 3 | u64::from(field.wire_type()), 1);
            at = self.reader.source.ahead(next);
            pen = self.out.room(pen);
            (at, pen) = match self.reader.kind(at)? {
                (at, Some(kind)) if field.takes(kind) => self.single(field, tag, kind, at, pen, depth)?,
                _ => return Err(Fail::Unfit),
            };
            pen = self.out.close(start, 1, pen).0;
            let (next, more) = self.reader.more(at, b'}')?;
            at = next;
            if !more {
                break;
            }
        }
        if self.canonical {
            sort_entries(self.out.before(pen), &self.order.entries[entries..], base);
        }
        Ok((at, pen))
    }

    /// Write a name after a tag and its length. There is room for it.
    #[inline(always)]
    pub fn key(&self, pen: Pen, tag: u64, name: Name) -> Pen {
        let pen = put_header(pen, (tag, 1), (name.stop - name.start) as u64);
        let source = self.reader.names.source(self.reader.source.text, name);
        pen.put_span(source, name.start, name.stop)
    }
}
