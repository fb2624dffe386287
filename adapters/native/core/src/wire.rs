//! The protobuf wire format: varints, lengths and tags, written and read.

use crate::limits::MAX_GROUP_DEPTH;
use crate::out::{put_span, put_word};

pub const PAST_END: &str = "a field that runs past the end of its message";

#[inline(always)]
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    let (word, size) = short_varint(value);
    if size > 0 { put_word(out, word, size) } else { put_long_varint(value, out) }
}

/// A varint of up to three bytes as a word, and its size; 0 for a longer one.
#[inline(always)]
pub fn short_varint(value: u64) -> (u64, usize) {
    if value < 1 << 7 {
        (value, 1)
    } else if value < 1 << 14 {
        (value & 127 | 128 | value >> 7 << 8, 2)
    } else if value < 1 << 21 {
        (value & 127 | 128 | (value >> 7 & 127 | 128) << 8 | value >> 14 << 16, 3)
    } else {
        (0, 0)
    }
}

#[inline(never)]
fn put_long_varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A tag as a word of at most five bytes and its size, and the varint after it.
#[inline(always)]
pub fn put_header(tag: (u64, usize), value: u64, out: &mut Vec<u8>) {
    let (word, size) = short_varint(value);
    if size > 0 {
        put_word(out, tag.0 | word << (tag.1 * 8), tag.1 + size);
    } else {
        put_word(out, tag.0, tag.1);
        put_long_varint(value, out);
    }
}

/// Bytes that a varint takes.
#[inline(always)]
pub fn varint_size(value: usize) -> usize {
    (70 - (value as u64 | 1).leading_zeros() as usize) / 7
}

/// A length-delimited field.
#[inline]
pub fn put_delimited(tag: u64, payload: &[u8], out: &mut Vec<u8>) {
    put_varint(tag, out);
    put_varint(payload.len() as u64, out);
    put_span(out, payload, 0, payload.len());
}

/// Make room for a length before a payload of which nothing is written yet. Returns where the payload starts.
pub fn open_length(width: usize, out: &mut Vec<u8>) -> usize {
    put_word(out, 0, width);
    out.len()
}

/// Write the length of the payload that starts at `start` into the room of `width` bytes before it, moving the payload
/// where that was not the right size. Returns the size.
pub fn close_length(start: usize, width: usize, out: &mut Vec<u8>) -> usize {
    let length = out.len() - start;
    let size = varint_size(length);
    out.splice(start - width..start, varint_bytes(length).into_iter().take(size));
    size
}

/// The bytes of a varint, and zeros.
pub fn varint_bytes(mut value: usize) -> [u8; 10] {
    let mut bytes = [0; 10];
    let mut at = 0;
    while value > 127 {
        bytes[at] = value as u8 | 128;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    bytes
}

/// What is wrong with the field being read.
#[derive(Debug)]
pub struct Bad(pub String);

impl From<&str> for Bad {
    fn from(reason: &str) -> Bad {
        Bad(reason.to_owned())
    }
}

/// A buffer and a place in it. Readers are given the end of the message around the place.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Wire<'a> {
    #[inline]
    pub fn varint(&mut self, end: usize) -> Result<u64, Bad> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            if self.at >= end {
                return Err(PAST_END.into());
            }
            let byte = self.bytes[self.at];
            self.at += 1;
            // Bits of the tenth byte beyond the 64th are dropped, as protobuf's own parser does.
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("a varint of more than ten bytes".into())
    }

    pub fn tag(&mut self, end: usize) -> Result<u32, Bad> {
        let start = self.at;
        let value = self.varint(end)?;
        if value >> 32 != 0 || self.at - start > 5 {
            return Err("a tag of more than 32 bits".into());
        }
        if value < 8 {
            return Err("a field numbered 0".into());
        }
        Ok(value as u32)
    }

    /// A length; the place where what it measures stops.
    pub fn stop(&mut self, end: usize) -> Result<usize, Bad> {
        let size = self.varint(end)?;
        if size > (end - self.at) as u64 {
            return Err(PAST_END.into());
        }
        Ok(self.at + size as usize)
    }

    pub fn span(&mut self, end: usize) -> Result<&'a [u8], Bad> {
        let stop = self.stop(end)?;
        let span = &self.bytes[self.at..stop];
        self.at = stop;
        Ok(span)
    }

    pub fn string(&mut self, end: usize) -> Result<&'a [u8], Bad> {
        let span = self.span(end)?;
        match simdutf8::basic::from_utf8(span) {
            Ok(_) => Ok(span),
            Err(_) => Err("a string that is not valid UTF-8".into()),
        }
    }

    pub fn fixed(&mut self, size: usize, end: usize) -> Result<&'a [u8], Bad> {
        if size > end - self.at {
            return Err(PAST_END.into());
        }
        self.at += size;
        Ok(&self.bytes[self.at - size..self.at])
    }

    pub fn double(&mut self, end: usize) -> Result<f64, Bad> {
        let bytes = self.fixed(8, end)?;
        Ok(f64::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// Step over the value of a field of any kind.
    pub fn skip(&mut self, tag: u32, end: usize, depth: usize) -> Result<(), Bad> {
        match tag & 7 {
            0 => self.varint(end).map(drop),
            1 => self.fixed(8, end).map(drop),
            2 => self.span(end).map(drop),
            5 => self.fixed(4, end).map(drop),
            3 => {
                if depth == MAX_GROUP_DEPTH {
                    return Err(Bad(format!("groups nested deeper than {MAX_GROUP_DEPTH} levels")));
                }
                loop {
                    let inner = self.tag(end)?;
                    if inner & 7 == 4 {
                        if inner >> 3 == tag >> 3 {
                            return Ok(());
                        }
                        return Err("the end of a group that was not begun".into());
                    }
                    self.skip(inner, end, depth + 1)?;
                }
            }
            4 => Err("the end of a group that was not begun".into()),
            kind => Err(Bad(format!("wire type {kind}, which does not exist"))),
        }
    }
}
