//! Tokens of JSON text, and strings and numbers written as they are read.

use super::Step;
use crate::json::{Cursor, Fail, KINDS, Name, Names, NamesMark};
use crate::number::Number;
use crate::scan::{block64, other32, special};
use crate::schema::Json;
use crate::sheet::{Pen, Sheet};
use crate::source::{At, Source};
use crate::strings::{DECODED, unescape, unescape_until_quote};
use crate::text::TextPrinter;
use crate::wire::short_varint;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU8, Ordering};

pub struct Reader<'a> {
    pub source: Source<'a>,
    pub nonfinite: bool,
    /// Whether the text is known to be UTF-8.
    pub valid: bool,
    pub names: &'a mut Names,
    pub decoded: &'a mut Vec<u8>,
}

impl<'a> Reader<'a> {
    /// A cursor at a place, for what is seldom.
    pub fn cursor(&self, at: At) -> Cursor<'a> {
        let Source { text, .. } = self.source;
        Cursor { text, at: self.source.index(at), nonfinite: self.nonfinite, valid: self.valid }
    }

    #[inline(always)]
    pub fn space(&mut self, at: At) -> At {
        if at.byte() <= b' ' { self.spaces(at) } else { at }
    }

    #[inline(never)]
    fn spaces(&mut self, at: At) -> At {
        let mut cursor = self.cursor(at);
        cursor.space();
        self.source.at(cursor.at)
    }

    /// The first byte of what follows an opening bracket, where it stands.
    #[inline(always)]
    pub fn inside(&mut self, at: At) -> At {
        self.space(at.skip(1))
    }

    /// What follows an entry: the next one and true after a comma, false after the closing bracket.
    #[inline(always)]
    pub fn more(&mut self, at: At, closing: u8) -> Result<(At, bool), Fail> {
        let byte = at.byte();
        if byte == b',' {
            let at = at.skip(1).skip_space();
            return Ok((self.space(at), true));
        }
        if byte == closing { Ok((at.skip(1), false)) } else { self.more_after_space(at, closing) }
    }

    #[inline(never)]
    fn more_after_space(&mut self, at: At, closing: u8) -> Result<(At, bool), Fail> {
        let at = self.space(at);
        match at.byte() {
            b',' => {
                let at = self.space(at.skip(1));
                Ok((self.source.ahead(at), true))
            }
            byte if byte == closing => Ok((at.skip(1), false)),
            _ => Err(Fail::Malformed),
        }
    }

    /// The kind of a value by its first byte; `None` for `null`, which is stepped over.
    #[inline(always)]
    pub fn kind(&self, at: At) -> Result<(At, Option<Json>), Fail> {
        if let kind @ Some(_) = KINDS[usize::from(at.byte())] {
            return Ok((at, kind));
        }
        if at.is(b"null") {
            return Ok((at.skip(4), None));
        }
        self.cursor(at).rare_kind().map(|kind| (at, Some(kind)))
    }

    /// A name and the colon after it, and a bit that equal names have in common.
    #[inline(always)]
    pub fn name(&mut self, at: At) -> Result<(At, Name, u64), Fail> {
        if at.byte() == b'"' {
            let inside = at.skip(1);
            if let Some(other) = NonZeroU32::new(other32(inside.bytes())) {
                let size = other.trailing_zeros() as usize;
                let after = inside.skip(size);
                if after.bytes() == b"\":" {
                    let start = self.source.index(inside);
                    let name = Name { start, stop: start + size, decoded: false, lone: false };
                    let hash = hash(inside.word(), size);
                    return Ok((self.space(after.skip(2).skip_space()), name, hash));
                }
            }
        }
        self.any_name(at)
    }

    #[inline(never)]
    fn any_name(&mut self, at: At) -> Result<(At, Name, u64), Fail> {
        let mut cursor = self.cursor(at);
        let name = cursor.name(self.names)?;
        let bytes = self.names.bytes(self.source.text, name);
        let mut word = [0; 8];
        let size = bytes.len().min(8);
        word[..size].copy_from_slice(&bytes[..size]);
        Ok((self.source.at(cursor.at), name, hash(u64::from_le_bytes(word), bytes.len())))
    }

    /// Forget the names since a mark. Fails if one was there twice; `maybe` is whether that may be.
    #[inline(always)]
    pub fn close_names(&mut self, mark: NamesMark, maybe: bool) -> Result<(), Fail> {
        if maybe {
            return self.names.close(self.source.text, mark);
        }
        self.names.reset(mark);
        Ok(())
    }

    #[inline(never)]
    pub fn number(&mut self, at: At) -> Result<(At, Number<'a>), Fail> {
        let (number, stop) = Number::read(self.source.text, self.source.index(at))?;
        Ok((self.source.at(stop), number))
    }

    #[inline(never)]
    pub fn nonfinite(&mut self, at: At) -> Result<(At, f64), Fail> {
        let mut cursor = self.cursor(at);
        let double = cursor.nonfinite()?;
        Ok((self.source.at(cursor.at), double))
    }

    #[inline(always)]
    pub fn bool(&self, at: At) -> Result<(At, bool), Fail> {
        if at.is(b"true") {
            Ok((at.skip(4), true))
        } else if at.is(b"fals") && at.skip(4).byte() == b'e' {
            Ok((at.skip(5), false))
        } else {
            Err(Fail::Malformed)
        }
    }

    /// The string at a cursor, decoded, and whether it has a lone surrogate.
    pub fn decoded<'b>(&'b mut self, cursor: &mut Cursor<'a>) -> Result<(&'b [u8], bool), Fail> {
        let raw = cursor.string()?;
        let string = &cursor.text[raw.start..raw.stop];
        if !raw.escaped {
            return Ok((string, false));
        }
        self.decoded.clear();
        let lone = unescape(string, self.decoded)?;
        Ok((self.decoded, lone))
    }

    /// Print the value at an index of the text as text at the end of a buffer.
    pub fn print(&mut self, index: usize, depth: usize, canonical: bool, out: &mut Vec<u8>) -> Result<At, Fail> {
        let mut cursor = Cursor { text: self.source.text, at: index, nonfinite: self.nonfinite, valid: self.valid };
        let mut printer = TextPrinter { cursor: &mut cursor, names: self.names, canonical, deepest: 0 };
        printer.value(out, depth)?;
        Ok(self.source.at(cursor.at))
    }

    /// A string that starts with its quote, written after a tag and its length. `width` is a guess for that.
    #[inline(always)]
    pub fn string(&mut self, sheet: &mut Sheet, tag: (u64, usize), width: &AtomicU8, at: At, pen: Pen) -> Step {
        let inside = at.skip(1);
        let block = inside.bytes();
        if let Some(other) = NonZeroU32::new(other32(block)) {
            let size = other.trailing_zeros() as usize;
            if inside.skip(size).byte() == b'"' {
                pen.write(0, &((tag.0 | (size as u64) << (tag.1 * 8)) as u32).to_le_bytes());
                pen.write(tag.1 + 1, block);
                return Ok((inside.skip(size + 1), pen.skip(tag.1 + 1 + size)));
            }
        }
        self.long_string(sheet, tag, width, inside, pen)
    }

    #[inline(never)]
    fn long_string(&mut self, sheet: &mut Sheet, tag: (u64, usize), width: &AtomicU8, inside: At, pen: Pen) -> Step {
        // Up to 128 bytes are copied as they are read, behind a length of one byte.
        pen.write(0, &(tag.0 as u32).to_le_bytes());
        let payload = pen.skip(tag.1 + 1);
        let mut plain = 0;
        while plain < 128 {
            let block = inside.skip(plain);
            let bytes = block.bytes();
            payload.write(plain, bytes);
            let other = other32(bytes);
            let count = other.trailing_zeros() as usize;
            plain += count;
            if other != 0 {
                if block.skip(count).byte() == b'"' {
                    pen.write(tag.1, &[plain as u8]);
                    return Ok((inside.skip(plain + 1), payload.skip(plain)));
                }
                break;
            }
        }
        self.any_string(sheet, tag, width, inside, plain, pen)
    }

    /// The same, of which the first `plain` bytes are neither special nor above ASCII.
    #[inline(never)]
    fn any_string(
        &mut self,
        sheet: &mut Sheet,
        tag: (u64, usize),
        width: &AtomicU8,
        inside: At,
        plain: usize,
        pen: Pen,
    ) -> Step {
        let text = self.source.text;
        let start = self.source.index(inside);
        let mut high = false;
        let stop = special(text, start + plain, &mut high);
        match text.get(stop) {
            Some(b'"') => {
                if high {
                    self.validate(start, stop)?;
                }
                let pen = sheet.room_for(pen, stop - start);
                let pen = put_header(pen, tag, (stop - start) as u64).put_span(text, start, stop);
                Ok((self.source.at(stop + 1), pen))
            }
            Some(b'\\') => self.escaped_string(sheet, pen.put(tag.0, tag.1), width, start, stop, high),
            _ => Err(Fail::Malformed),
        }
    }

    fn validate(&self, start: usize, stop: usize) -> Result<(), Fail> {
        Cursor { text: self.source.text, at: start, nonfinite: false, valid: self.valid }.validate(start, stop)
    }

    /// A string of which all before `plain` needs no decoding, after its length.
    fn escaped_string(
        &mut self,
        sheet: &mut Sheet,
        pen: Pen,
        width: &AtomicU8,
        start: usize,
        plain: usize,
        mut high: bool,
    ) -> Step {
        let guess = usize::from(width.load(Ordering::Relaxed));
        let (pen, payload) = sheet.open(pen, guess);
        let mut pen = sheet.room_for(pen, plain - start).put_span(self.source.text, start, plain);
        let mut at = self.source.at(plain);
        let mut above = 0;
        // What is special in a block is found by its mask alone, so that no step waits for the one before.
        'blocks: loop {
            at = self.source.ahead(at);
            pen = sheet.room(pen);
            let (mut special, high) = block64(at.bytes());
            let mut done = 0;
            while special != 0 {
                let count = special.trailing_zeros() as usize;
                let [byte, escape] = *at.skip(count).bytes();
                let decoded = DECODED[usize::from(escape)];
                pen.write::<64>(0, at.skip(done).bytes());
                pen = pen.skip(count - done);
                if byte != b'\\' || decoded == 0 {
                    above |= high & ((1 << count) - 1);
                    at = at.skip(count);
                    break 'blocks;
                }
                pen = pen.put(u64::from(decoded), 1);
                done = count + 2;
                special &= !(3 << count);
            }
            above |= high;
            pen.write::<64>(0, at.skip(done).bytes());
            pen = pen.skip(64usize.saturating_sub(done));
            at = at.skip(done.max(64));
        }
        high |= above != 0;
        let mut lone = false;
        if at.byte() != b'"' {
            let index = self.source.index(at);
            let stop;
            self.decoded.clear();
            (stop, lone) = unescape_until_quote(self.source.text, index, self.decoded, &mut high)?;
            if stop == self.source.text.len() {
                return Err(Fail::Malformed);
            }
            (at, pen) = (self.source.at(stop), sheet.put(pen, self.decoded));
        }
        if high {
            self.validate(start, self.source.index(at))?;
        }
        if lone {
            return Err(Fail::Unfit);
        }
        let (pen, size) = sheet.close(payload, guess, pen);
        if size != guess {
            width.store(size as u8, Ordering::Relaxed);
        }
        Ok((at.skip(1), pen))
    }
}

/// A bit for a name, from its first eight bytes and its size. What is behind a shorter one does not count.
#[inline(always)]
fn hash(word: u64, size: usize) -> u64 {
    let word = if size < 8 { word << 8 << (56 - size * 8) } else { word };
    1 << ((word ^ size as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

/// Write a tag of at most four bytes and the varint after it of a value below 2^28, without a branch.
#[inline(always)]
pub fn put_short_header(pen: Pen, tag: (u64, usize), value: u32) -> Pen {
    let halves = value & 0x3fff | (value & 0x0fff_c000) << 2;
    let bytes = halves & 0x007f_007f | (halves & 0x3f80_3f80) << 1;
    let (more, size) = MORE[(value | 1).ilog2() as usize & 31];
    pen.put(tag.0 | u64::from(bytes | more) << (tag.1 * 8), tag.1 + size as usize)
}

/// By the highest bit of a varint's value: the bits that say that a byte follows, and how many bytes there are.
const MORE: [(u32, u32); 32] = {
    let mut more = [(0, 0); 32];
    let mut bit = 0;
    while bit < 32 {
        let after = bit as u32 / 7;
        more[bit] = (0x8080_8080 & ((1u64 << (8 * after)) - 1) as u32, after + 1);
        bit += 1;
    }
    more
};

/// Write a tag of at most five bytes and the varint after it.
#[inline(always)]
pub fn put_header(pen: Pen, tag: (u64, usize), value: u64) -> Pen {
    let (word, size) = short_varint(value);
    if size > 0 {
        return pen.put(tag.0 | word << (tag.1 * 8), tag.1 + size);
    }
    put_long_varint(pen.put(tag.0, tag.1), value)
}

#[inline(never)]
fn put_long_varint(mut pen: Pen, mut value: u64) -> Pen {
    while value > 127 {
        pen = pen.put(value & 127 | 128, 1);
        value >>= 7;
    }
    pen.put(value, 1)
}
