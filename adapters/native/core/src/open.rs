//! Open JSON values as the wire bytes of google.protobuf.Value.

use crate::encode::Encoding;
use crate::json::{Fail, Name, Raw};
use crate::limits::{MAX_DEPTH, MAX_STRUCT_DEPTH};
use crate::out::put_word;
use crate::schema::Json;
use crate::strings::unescape;
use crate::wire::{close_length, open_length, put_delimited, put_header, put_varint, varint_size};
use std::sync::atomic::AtomicU8;

const KEY: u64 = 1 << 3 | 2;
const VALUE: u64 = 2 << 3 | 2;
const STRING: u8 = 3 << 3 | 2;
const STRUCT: u8 = 5 << 3 | 2;
const LIST: u8 = 6 << 3 | 2;

/// The guess for the length of an open string.
static OPEN_WIDTH: AtomicU8 = AtomicU8::new(1);

impl Encoding<'_> {
    /// A field that is an entry of a map from strings to google.protobuf.Value, from a name and the value at the cursor.
    pub(crate) fn open_entry(&mut self, tag: u64, name: Name, level: usize, depth: usize) -> Result<(), Fail> {
        if self.cursor.peek() == b'"' {
            let raw = self.cursor.string()?;
            return self.string_entry(tag, name, raw);
        }
        if self.scalar_entry(tag, name)? {
            return Ok(());
        }
        put_varint(tag, self.out);
        let start = open_length(1, self.out);
        put_delimited(KEY, self.work.names.bytes(self.cursor.text, name), self.out);
        put_varint(VALUE, self.out);
        let value = open_length(1, self.out);
        self.open_value(level, depth)?;
        close_length(value, 1, self.out);
        close_length(start, 1, self.out);
        Ok(())
    }

    /// The same for a number, a word or null, whose lengths are known. False for any other value, which is not touched.
    #[inline(always)]
    fn scalar_entry(&mut self, tag: u64, name: Name) -> Result<bool, Fail> {
        let key_size = name.stop - name.start;
        if key_size > 100 || !matches!(self.cursor.peek(), b'0'..=b'9' | b'-' | b't' | b'f' | b'n') {
            return Ok(false);
        }
        // All lengths are below 128; that of the value is put in when it is known.
        put_word(self.out, tag, 2);
        put_delimited(KEY, self.work.names.bytes(self.cursor.text, name), self.out);
        put_word(self.out, VALUE, 2);
        let value = self.out.len();
        self.open_value(0, 0)?;
        let size = self.out.len() - value;
        self.out[value - 1] = size as u8;
        let entry = value - key_size - 4;
        self.out[entry - 1] = (key_size + 4 + size) as u8;
        Ok(true)
    }

    /// The same for a string, whose lengths are all known once it is decoded.
    #[inline]
    fn string_entry(&mut self, tag: u64, name: Name, raw: Raw) -> Result<(), Fail> {
        let text = self.cursor.text;
        let mut string = &text[raw.start..raw.stop];
        if raw.escaped {
            self.work.decoded.clear();
            if unescape(string, &mut self.work.decoded)? {
                return Err(Fail::Unfit);
            }
            string = &self.work.decoded;
        }
        let key = self.work.names.bytes(text, name);
        let value = 1 + varint_size(string.len()) + string.len();
        let entry = 2 + varint_size(key.len()) + key.len() + varint_size(value) + value;
        put_header((tag, 1), entry as u64, self.out);
        put_delimited(KEY, key, self.out);
        put_header((VALUE, 1), value as u64, self.out);
        put_delimited(u64::from(STRING), string, self.out);
        Ok(())
    }

    /// The payload of a google.protobuf.Value. `level` counts the containers around it in the same open value.
    pub(crate) fn open_value(&mut self, level: usize, depth: usize) -> Result<(), Fail> {
        let Some(kind) = self.cursor.kind()? else {
            put_word(self.out, 1 << 3, 2);
            return Ok(());
        };
        match kind {
            Json::String => {
                return self.string((u64::from(STRING), 1), &OPEN_WIDTH);
            }
            Json::Number => {
                let double = self.cursor.number()?.double().ok_or(Fail::Unfit)?;
                put_word(self.out, 2 << 3 | 1, 1);
                put_word(self.out, double.to_bits(), 8);
            }
            Json::Nonfinite => {
                let double = self.cursor.nonfinite()?;
                put_word(self.out, 2 << 3 | 1, 1);
                put_word(self.out, double.to_bits(), 8);
            }
            Json::Bool => {
                let value = self.cursor.bool()?;
                put_word(self.out, 4 << 3 | u64::from(value) << 8, 2);
            }
            Json::Object | Json::Array => {
                if depth == MAX_DEPTH {
                    return Err(Fail::Malformed);
                }
                if level == MAX_STRUCT_DEPTH {
                    return Err(Fail::Unfit);
                }
                self.cursor.at += 1;
                self.out.push(if kind == Json::Object { STRUCT } else { LIST });
                let start = open_length(1, self.out);
                if kind == Json::Object {
                    self.open_object(level + 1, depth + 1)?;
                } else {
                    self.open_array(level + 1, depth + 1)?;
                }
                close_length(start, 1, self.out);
            }
        }
        Ok(())
    }

    fn open_array(&mut self, level: usize, depth: usize) -> Result<(), Fail> {
        if self.cursor.is_closed(b']') {
            return Ok(());
        }
        loop {
            put_varint(KEY, self.out);
            let start = open_length(1, self.out);
            self.open_value(level, depth)?;
            close_length(start, 1, self.out);
            if !self.cursor.more(b']')? {
                return Ok(());
            }
        }
    }

    fn open_object(&mut self, level: usize, depth: usize) -> Result<(), Fail> {
        let names = self.work.names.mark();
        let parts = self.work.parts.len();
        let base = self.out.len();
        if !self.cursor.is_closed(b'}') {
            loop {
                let name = self.cursor.name(&mut self.work.names)?;
                if name.lone {
                    return Err(Fail::Unfit);
                }
                self.work.names.list.push(name);
                let start = self.out.len();
                self.open_entry(KEY, name, level, depth)?;
                if self.canonical {
                    self.part(1, start);
                }
                if !self.cursor.more(b'}')? {
                    break;
                }
            }
        }
        if self.canonical {
            self.sort_entries(parts, base);
        }
        self.work.names.close(self.cursor.text, names)
    }
}
