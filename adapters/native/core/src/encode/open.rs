//! Open JSON values as the wire bytes of google.protobuf.Value.

use super::order::sort_entries;
use super::{Encoding, Step};
use crate::json::{Fail, Name};
use crate::limits::{MAX_DEPTH, MAX_STRUCT_DEPTH};
use crate::scan::other32;
use crate::schema::Json;
use crate::sheet::Pen;
use crate::source::At;
use std::num::NonZeroU32;

const KEY: u64 = 1 << 3 | 2;
const VALUE: u64 = 2 << 3 | 2;
const STRING: u64 = 3 << 3 | 2;
const STRUCT: u64 = 5 << 3 | 2;
const LIST: u64 = 6 << 3 | 2;
const NULL: u64 = 1 << 3;
const NUMBER: u64 = 2 << 3 | 1;
const BOOL: u64 = 4 << 3;

/// Names of so many bytes have short entries with short values.
const SHORT: usize = 64;

impl Encoding<'_> {
    /// A field that is an entry of a map from strings to google.protobuf.Value, from a name and the value after it.
    #[inline(always)]
    pub fn entry(&mut self, name: Name, at: At, pen: Pen, level: usize, depth: usize) -> Step {
        let size = name.stop - name.start;
        if size <= SHORT {
            // Tags and lengths of the entry, its key and its value; all lengths are below 128.
            let value = self.key(pen.skip(2), KEY, name);
            if let Some((at, end)) = self.short_value(at, value.skip(2)) {
                let length = self.aside.offset(end) - self.aside.offset(value) - 2;
                value.write(0, &[VALUE as u8, length as u8]);
                pen.write(0, &[KEY as u8, (4 + size + length) as u8]);
                return Ok((at, end));
            }
        }
        self.long_entry(name, at, pen, level, depth)
    }

    #[inline(never)]
    fn long_entry(&mut self, name: Name, at: At, pen: Pen, level: usize, depth: usize) -> Step {
        let pen = self.aside.room_for(pen, name.stop - name.start);
        let width = self.width(at, level);
        let (pen, entry) = self.aside.open(pen.put(KEY, 1), width);
        let pen = self.key(pen, KEY, name);
        let pen = self.aside.room(pen);
        let (pen, start) = self.aside.open(pen.put(VALUE, 1), width);
        let (at, pen) = self.value(at, pen, level, depth)?;
        let (pen, _) = self.aside.close(start, width, pen);
        let (pen, _) = self.aside.close(entry, width, pen);
        Ok((at, pen))
    }

    /// A guess for the lengths around a value, which are mostly as wide as its own.
    #[inline(always)]
    fn width(&self, at: At, level: usize) -> usize {
        match at.byte() {
            b'{' | b'[' => self.widths.get(level).map_or(1, |&width| usize::from(width)),
            _ => 1,
        }
    }

    /// The payload of a google.protobuf.Value of at most 40 bytes, if that is easy to see.
    #[inline(always)]
    fn short_value(&self, at: At, pen: Pen) -> Option<(At, Pen)> {
        match at.byte() {
            b'"' => {
                let inside = at.skip(1);
                let block = inside.bytes();
                let size = NonZeroU32::new(other32(block))?.trailing_zeros() as usize;
                if inside.skip(size).byte() != b'"' {
                    return None;
                }
                pen.write(0, &[STRING as u8, size as u8]);
                pen.write(2, block);
                Some((inside.skip(size + 1), pen.skip(2 + size)))
            }
            b'0'..=b'9' => {
                let (value, at) = at.small_integer()?;
                Some((at, put_number(pen, value as f64)))
            }
            b't' if at.is(b"true") => Some((at.skip(4), pen.put(BOOL | 1 << 8, 2))),
            b'f' if at.is(b"fals") && at.skip(4).byte() == b'e' => Some((at.skip(5), pen.put(BOOL, 2))),
            b'n' if at.is(b"null") => Some((at.skip(4), pen.put(NULL, 2))),
            _ => None,
        }
    }

    /// The payload of a google.protobuf.Value. `level` counts the containers around it in the same open value.
    #[inline(never)]
    fn value(&mut self, at: At, pen: Pen, level: usize, depth: usize) -> Step {
        if let Some(step) = self.short_value(at, pen) {
            return Ok(step);
        }
        let (at, kind) = self.reader.kind(at)?;
        match kind {
            Some(Json::String) => self.reader.string(&mut self.aside, (STRING, 1), &self.schema.open_width, at, pen),
            Some(Json::Number) => {
                let (at, number) = self.reader.number(at)?;
                Ok((at, put_number(pen, number.double().ok_or(Fail::Unfit)?)))
            }
            Some(Json::Nonfinite) => {
                let (at, double) = self.reader.nonfinite(at)?;
                Ok((at, put_number(pen, double)))
            }
            Some(kind @ (Json::Object | Json::Array)) => {
                if depth == MAX_DEPTH {
                    return Err(Fail::Malformed);
                }
                if level == MAX_STRUCT_DEPTH {
                    return Err(Fail::Unfit);
                }
                let at = self.reader.inside(at);
                let tag = if kind == Json::Object { STRUCT } else { LIST };
                let width = usize::from(self.widths[level]);
                let (pen, start) = self.aside.open(pen.put(tag, 1), width);
                let (at, pen) = match kind {
                    Json::Object => self.object(at, pen, level + 1, depth + 1)?,
                    _ => self.array_of_values(at, pen, level + 1, depth + 1)?,
                };
                let (pen, size) = self.aside.close(start, width, pen);
                self.widths[level] = size as u8;
                Ok((at, pen))
            }
            _ => Err(Fail::Malformed),
        }
    }

    /// The items of an array, of which the first or the end stands here.
    fn array_of_values(&mut self, at: At, pen: Pen, level: usize, depth: usize) -> Step {
        if at.byte() == b']' {
            return Ok((at.skip(1), pen));
        }
        let (mut at, mut pen) = (at, pen);
        loop {
            at = self.reader.source.ahead(at);
            pen = self.aside.room(pen);
            let start;
            let width = self.width(at, level);
            (pen, start) = self.aside.open(pen.put(KEY, 1), width);
            (at, pen) = self.value(at, pen, level, depth)?;
            pen = self.aside.close(start, width, pen).0;
            let (next, more) = self.reader.more(at, b']')?;
            at = next;
            if !more {
                return Ok((at, pen));
            }
        }
    }

    /// The entries of an object, of which the first or the end stands here.
    fn object(&mut self, at: At, pen: Pen, level: usize, depth: usize) -> Step {
        if at.byte() == b'}' {
            return Ok((at.skip(1), pen));
        }
        let (mut at, mut pen) = (at, pen);
        let names = self.reader.names.mark();
        let (mut seen, mut twice) = (0, false);
        let (base, entries) = (self.aside.offset(pen), self.order.entries.len());
        loop {
            at = self.reader.source.ahead(at);
            pen = self.aside.room(pen);
            let (next, name, hash) = self.reader.name(at)?;
            twice |= seen & hash != 0;
            seen |= hash;
            if name.lone {
                return Err(Fail::Unfit);
            }
            self.reader.names.list.push(name);
            if self.canonical {
                self.order.entries.push(self.aside.offset(pen));
            }
            at = self.reader.source.ahead(next);
            (at, pen) = self.entry(name, at, pen, level, depth)?;
            let (next, more) = self.reader.more(at, b'}')?;
            at = next;
            if !more {
                break;
            }
        }
        if self.canonical {
            sort_entries(self.aside.before(pen), &self.order.entries[entries..], base);
            self.order.entries.truncate(entries);
        }
        self.reader.close_names(names, twice)?;
        Ok((at, pen))
    }
}

#[inline(always)]
fn put_number(pen: Pen, value: f64) -> Pen {
    pen.put(NUMBER, 1).put(value.to_bits(), 8)
}
