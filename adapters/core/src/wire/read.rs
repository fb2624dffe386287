//! Reads of the protobuf wire format.
//!
//! Functions read from the front of a slice, quickly: they return `None` for what is wrong or unusual. `WireReader` reads
//! through them from a place in a buffer, and says in words what is wrong, by the rules of `chatpb/_wire/read.py`.

use crate::error::WireError;
use crate::limits::MAX_GROUP_DEPTH;
use crate::wire::struct_tags::{ENTRY_KEY, ENTRY_VALUE, STRUCT_FIELDS};
use crate::wire::{END_GROUP, FIXED32, FIXED64, LEN, START_GROUP, VARINT};

/// What was read, and the bytes after it.
pub type Split<'a, T> = Option<(T, &'a [u8])>;

/// Bytes of the longest varint.
const MAX_VARINT: usize = 10;

#[inline(always)]
pub fn varint(bytes: &[u8]) -> Split<'_, u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 128 { Some((u64::from(first), rest)) } else { long_varint(bytes) }
}

fn long_varint(bytes: &[u8]) -> Split<'_, u64> {
    let (value, size) = varint_and_size(bytes);
    if size == 0 { None } else { Some((value, &bytes[size..])) }
}

/// Read a varint of more than one byte. Return how many bytes it has too, or 0 if there is none. Both are returned in registers.
#[inline(never)]
fn varint_and_size(bytes: &[u8]) -> (u64, usize) {
    if let [low, high @ 0..128, ..] = *bytes {
        return (u64::from(low & 127) | u64::from(high) << 7, 2);
    }
    if let Some(word) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*word);
        let last = !word & HIGH_BITS;
        if last != 0 {
            // The seven bits of each byte up to the last one, joined in pairs, then in fours, then in eights.
            let sevens = word & (last ^ (last - 1)) & !HIGH_BITS;
            let pairs = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
            let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
            return (fours & 0x0fff_ffff | (fours >> 32) << 28, last.trailing_zeros() as usize / 8 + 1);
        }
    }
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(MAX_VARINT) {
        // Bits of the tenth byte beyond the 64th are dropped, as protobuf's own parser does.
        value |= u64::from(byte & 127) << (7 * at);
        if byte < 128 {
            return (value, at + 1);
        }
    }
    (0, 0)
}

/// The highest bit of each byte of a word.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Read a length and the bytes that it measures.
#[inline(always)]
pub fn delimited(bytes: &[u8]) -> Split<'_, &[u8]> {
    let (size, rest) = match *bytes {
        [size @ 0..128, ref rest @ ..] => (usize::from(size), rest),
        [low, high @ 0..128, ref rest @ ..] => (usize::from(low & 127) | usize::from(high) << 7, rest),
        _ => {
            let (size, rest) = long_varint(bytes)?;
            (usize::try_from(size).ok()?, rest)
        }
    };
    rest.split_at_checked(size)
}

/// Step over a byte that must be here.
#[inline(always)]
pub fn expect(byte: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    (first == byte).then_some(rest)
}

/// Read a map's entry after its tag: its key and its length-delimited value, in this order. Return the bytes after it
/// too.
#[inline(always)]
pub fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (entry, rest) = delimited(bytes)?;
    let (key, after) = delimited(expect(ENTRY_KEY, entry)?)?;
    let (value, left) = delimited(expect(ENTRY_VALUE, after)?)?;
    left.is_empty().then_some((key, value, rest))
}

/// Read an entry of a google.protobuf.Struct, as `entry` does.
#[inline(always)]
pub fn struct_entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    // Mostly all lengths are of one byte.
    if let [STRUCT_FIELDS, size @ 0..128, ENTRY_KEY, key_size @ 0..128, ..] = *bytes
        && let Some((entry, rest)) = bytes.split_at_checked(2 + usize::from(size))
        && let Some((key, [ENTRY_VALUE, value_size, value @ ..])) =
            entry.get(4..).and_then(|inner| inner.split_at_checked(key_size.into()))
        && usize::from(*value_size) == value.len()
    {
        return Some((key, value, rest));
    }
    entry(expect(STRUCT_FIELDS, bytes)?)
}

/// Read a tag of one or two bytes, no more than it needs, as those of all known fields are.
#[inline(always)]
pub fn known_tag(bytes: &[u8]) -> Split<'_, usize> {
    match *bytes {
        [tag @ 0..128, ref rest @ ..] => Some((usize::from(tag), rest)),
        [low, high @ 1..4, ref rest @ ..] => Some((usize::from(low & 127) | usize::from(high) << 7, rest)),
        _ => None,
    }
}

/// Step over the value of a field that is no group and not of 32 bits, as those of all known fields are.
#[inline(always)]
pub fn skip(tag: usize, bytes: &[u8]) -> Option<&[u8]> {
    match tag as u32 & 7 {
        VARINT => Some(varint(bytes)?.1),
        FIXED64 => bytes.get(8..),
        LEN => Some(delimited(bytes)?.1),
        _ => None,
    }
}

/// A place in a message, from which it is read quickly: the methods move behind what they read, and return `None` for what
/// is wrong or unusual.
#[derive(Debug, Clone, Copy)]
pub struct WireCursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> WireCursor<'a> {
    #[inline(always)]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline(always)]
    pub fn varint(&mut self) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        if first < 128 {
            self.at += 1;
            return Some(first.into());
        }
        let (value, size) = varint_and_size(&self.bytes[self.at..]);
        self.at += size;
        (size != 0).then_some(value)
    }

    /// Read a length and the bytes that it measures.
    #[inline(always)]
    pub fn delimited(&mut self) -> Option<&'a [u8]> {
        let size = usize::try_from(self.varint()?).ok()?;
        let span = self.bytes.get(self.at..)?.get(..size)?;
        self.at += size;
        Some(span)
    }

    /// Read a tag of one or two bytes, no more than it needs, as those of all known fields are.
    #[inline(always)]
    pub fn known_tag(&mut self) -> Option<usize> {
        match *self.bytes.get(self.at)? {
            tag @ 0..128 => {
                self.at += 1;
                Some(tag.into())
            }
            low => {
                let high @ 1..4 = *self.bytes.get(self.at + 1)? else { return None };
                self.at += 2;
                Some(usize::from(low & 127) | usize::from(high) << 7)
            }
        }
    }

    /// Step over the value of a field that is no group and not of 32 bits, as those of all known fields are.
    #[inline(always)]
    pub fn skip(&mut self, tag: usize) -> Option<()> {
        match tag as u32 & 7 {
            VARINT => drop(self.varint()?),
            FIXED64 => {
                self.bytes.get(self.at..)?.first_chunk::<8>()?;
                self.at += 8;
            }
            LEN => drop(self.delimited()?),
            _ => return None,
        }
        Some(())
    }
}

pub const PAST_END: &str = "a field that runs past the end of its message";

/// What is wrong with the field being read.
#[derive(Debug)]
pub struct FieldError(pub String);

impl From<&str> for FieldError {
    fn from(reason: &str) -> FieldError {
        FieldError(reason.to_owned())
    }
}

/// A buffer and a place in it. Each read is given the end of the message around the place, and moves behind what it
/// reads.
#[derive(Debug, Clone, Copy)]
pub struct WireReader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> WireReader<'a> {
    /// Return the bytes up to the end of the message.
    fn rest(&self, end: usize) -> &'a [u8] {
        &self.bytes[self.at..end]
    }

    #[inline(always)]
    pub fn varint(&mut self, end: usize) -> Result<u64, FieldError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 128 && self.at < end => {
                self.at += 1;
                Ok(byte.into())
            }
            _ => self.long_varint(end),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self, end: usize) -> Result<u64, FieldError> {
        let rest = self.rest(end);
        let Some((value, after)) = varint(rest) else {
            return Err(if rest.len() < MAX_VARINT { PAST_END } else { "a varint of more than ten bytes" }.into());
        };
        self.at = end - after.len();
        Ok(value)
    }

    #[inline]
    pub fn tag(&mut self, end: usize) -> Result<u32, FieldError> {
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

    /// Read a length. Return the index where what it measures stops.
    pub fn stop(&mut self, end: usize) -> Result<usize, FieldError> {
        let size = self.varint(end)?;
        if size > (end - self.at) as u64 {
            return Err(PAST_END.into());
        }
        Ok(self.at + size as usize)
    }

    /// Read a length and the bytes that it measures.
    pub fn span(&mut self, end: usize) -> Result<&'a [u8], FieldError> {
        let stop = self.stop(end)?;
        let span = &self.bytes[self.at..stop];
        self.at = stop;
        Ok(span)
    }

    pub fn string(&mut self, end: usize) -> Result<&'a [u8], FieldError> {
        let span = self.span(end)?;
        match span.is_ascii() || simdutf8::basic::from_utf8(span).is_ok() {
            true => Ok(span),
            false => Err("a string that is not valid UTF-8".into()),
        }
    }

    fn fixed<const SIZE: usize>(&mut self, end: usize) -> Result<[u8; SIZE], FieldError> {
        let bytes = *self.rest(end).first_chunk().ok_or(PAST_END)?;
        self.at += SIZE;
        Ok(bytes)
    }

    pub fn double(&mut self, end: usize) -> Result<f64, FieldError> {
        self.fixed(end).map(f64::from_le_bytes)
    }

    /// Step over the value of a field of any kind. `depth` counts the groups around it.
    pub fn skip(&mut self, tag: u32, end: usize, depth: usize) -> Result<(), FieldError> {
        match tag & 7 {
            VARINT => self.varint(end).map(drop),
            FIXED64 => self.fixed::<8>(end).map(drop),
            LEN => self.span(end).map(drop),
            FIXED32 => self.fixed::<4>(end).map(drop),
            START_GROUP => {
                if depth == MAX_GROUP_DEPTH {
                    return Err(FieldError(format!("groups nested deeper than {MAX_GROUP_DEPTH} levels")));
                }
                loop {
                    let inner = self.tag(end)?;
                    if inner & 7 == END_GROUP {
                        if inner >> 3 == tag >> 3 {
                            return Ok(());
                        }
                        return Err("the end of a group that was not begun".into());
                    }
                    self.skip(inner, end, depth + 1)?;
                }
            }
            END_GROUP => Err("the end of a group that was not begun".into()),
            kind => Err(FieldError(format!("wire type {kind}, which does not exist"))),
        }
    }
}

/// One field as it stands on the wire.
#[derive(Clone, Copy)]
pub struct WireField<'a> {
    pub tag: u32,
    /// The bytes of the field, its tag included.
    pub data: &'a [u8],
    /// Offset of the field from the start of the input.
    pub start: usize,
}

impl<'a> WireField<'a> {
    pub fn number(&self) -> u32 {
        self.tag >> 3
    }

    /// Return the bytes after the length, of a field that has one.
    pub fn payload(&self) -> &'a [u8] {
        let mut wire = WireReader { bytes: self.data, at: 0 };
        let end = self.data.len();
        // Both were read before, when the field was split off.
        wire.tag(end).and_then(|_| wire.span(end)).unwrap_or_default()
    }

    /// Return the offset of the payload from the start of the input.
    pub fn payload_start(&self) -> usize {
        self.start + self.data.len() - self.payload().len()
    }
}

/// Return the outermost fields of a message that starts at `base` of the input. `path` is that of an error.
pub fn fields_of(bytes: &[u8], path: impl Fn() -> String, base: usize) -> Result<Vec<WireField<'_>>, WireError> {
    let mut wire = WireReader { bytes, at: 0 };
    let mut out = Vec::new();
    while wire.at < bytes.len() {
        let start = wire.at;
        let tag = wire.tag(bytes.len()).and_then(|tag| wire.skip(tag, bytes.len(), 0).map(|()| tag));
        let tag = tag.map_err(|FieldError(reason)| WireError { path: path(), offset: base + start, reason })?;
        out.push(WireField { tag, data: &bytes[start..wire.at], start: base + start });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::write::{put_delimited, put_varint, varint_size};

    fn edges() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX])
    }

    #[test]
    fn varints_come_back() {
        for value in edges() {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            assert_eq!(bytes.len(), varint_size(value));
            assert_eq!(varint(&bytes), Some((value, &b""[..])));
            bytes.push(1);
            let mut reader = WireReader { bytes: &bytes, at: 0 };
            assert_eq!(reader.varint(bytes.len()).ok(), Some(value));
            assert_eq!(reader.at, bytes.len() - 1);
            for end in 0..bytes.len() - 1 {
                assert_eq!(varint(&bytes[..end]), None);
                let FieldError(reason) = WireReader { bytes: &bytes, at: 0 }.varint(end).expect_err("cut");
                assert_eq!(reason, PAST_END);
            }
        }
        for size in [10, 11, 20] {
            let FieldError(reason) = WireReader { bytes: &vec![0x80; size], at: 0 }.varint(size).expect_err("too long");
            assert_eq!(reason, "a varint of more than ten bytes");
            assert_eq!(varint(&vec![0x80; size]), None);
        }
        // The bits beyond the 64th are dropped.
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some((u64::MAX, &b""[..])));
    }

    #[test]
    fn payloads_end_where_their_length_says() {
        for size in (0..300).step_by(if cfg!(miri) { 64 } else { 1 }).chain([16_383, 16_384]) {
            let mut bytes = Vec::new();
            put_delimited(10, &vec![3; size], &mut bytes);
            bytes.extend_from_slice(b"rest");
            assert_eq!(known_tag(&bytes), Some((10, &bytes[1..])));
            assert_eq!(delimited(&bytes[1..]), Some((&vec![3; size][..], &b"rest"[..])));
            assert_eq!(skip(10, &bytes[1..]), Some(&b"rest"[..]));
            assert_eq!(WireCursor { bytes: &bytes, at: 1 }.delimited(), Some(&vec![3; size][..]));
            let end = bytes.len() - 4;
            for cut in [1, 2, size].into_iter().filter(|&cut| cut > 0 && cut < end) {
                assert_eq!(delimited(&bytes[1..end - cut]), None, "{size} {cut}");
                assert_eq!(WireCursor { bytes: &bytes[..end - cut], at: 1 }.delimited(), None, "{size} {cut}");
                let mut reader = WireReader { bytes: &bytes, at: 1 };
                assert!(reader.span(end - cut).is_err());
            }
            let mut reader = WireReader { bytes: &bytes, at: 1 };
            assert_eq!(reader.span(end).ok(), Some(&vec![3; size][..]));
        }
        for huge in edges().filter(|&value| value > 8) {
            let mut bytes = Vec::new();
            put_varint(huge, &mut bytes);
            bytes.extend_from_slice(&[0; 8]);
            assert_eq!(delimited(&bytes), None, "{huge}");
            assert_eq!(WireCursor { bytes: &bytes, at: 0 }.delimited(), None, "{huge}");
            assert!(WireReader { bytes: &bytes, at: 0 }.span(bytes.len()).is_err());
        }
    }

    #[test]
    fn tags_of_known_fields_have_at_most_two_bytes() {
        for tag in 0..2000 {
            let mut bytes = Vec::new();
            put_varint(tag, &mut bytes);
            let known = (tag < 512).then_some((tag as usize, &b""[..]));
            assert_eq!(known_tag(&bytes), known);
            let mut cursor = WireCursor { bytes: &bytes, at: 0 };
            assert_eq!(cursor.known_tag(), known.map(|(tag, _)| tag));
            assert!(known.is_none() || cursor.at == bytes.len());
            let exact = WireReader { bytes: &bytes, at: 0 }.tag(bytes.len());
            assert_eq!(exact.ok(), (tag >= 8).then_some(tag as u32));
        }
    }
}
