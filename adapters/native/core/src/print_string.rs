//! Printing strings, sixteen bytes at a time.

use crate::end::{End, STEP};
use crate::print::{Done, Printing};
use crate::scan::block;

/// What is written for each byte that is escaped: the text from its first byte on, and in the highest byte its size.
const ESCAPES: [u64; 256] = {
    let mut escapes = [0; 256];
    let digits = *b"0123456789abcdef";
    let mut byte = 0;
    while byte < 0x20 {
        let text = [b'\\', b'u', b'0', b'0', digits[byte >> 4], digits[byte & 15], 0, 6];
        escapes[byte] = u64::from_le_bytes(text);
        byte += 1;
    }
    let pairs = *b"\nn\"\"\\\\\tt\rr\x08b\x0cf";
    let mut at = 0;
    while at < pairs.len() {
        escapes[pairs[at] as usize] = u64::from_le_bytes([b'\\', pairs[at + 1], 0, 0, 0, 0, 0, 2]);
        at += 2;
    }
    escapes
};

impl<'a> Printing<'a> {
    /// A string in quotes and a byte after it. Fails where it is not UTF-8.
    pub fn string(&mut self, string: &'a [u8], after: u8, end: End) -> Done {
        let size = string.len();
        let stop = string.as_ptr().addr() + size;
        if self.wire.as_ptr().addr() + self.wire.len() - stop < 16 {
            return self.last_string(string, after, end);
        }
        let start = self.wire.as_ptr().with_addr(string.as_ptr().addr());
        // SAFETY: the string is a part of the wire bytes, of which there are sixteen more behind it.
        let (end, high) = unsafe { self.quoted(start, size, after, end)? };
        if high && simdutf8::basic::from_utf8(string).is_err() {
            return None;
        }
        Some(end)
    }

    /// One that may not be read in whole blocks.
    #[inline(never)]
    fn last_string(&mut self, string: &'a [u8], after: u8, end: End) -> Done {
        let padded = [string, &[0; 16]].concat();
        // SAFETY: sixteen bytes are behind the string.
        let (end, high) = unsafe { self.quoted(padded.as_ptr(), string.len(), after, end)? };
        if high && simdutf8::basic::from_utf8(string).is_err() {
            return None;
        }
        Some(end)
    }

    /// The bytes of a string in quotes, and whether one is not ASCII.
    ///
    /// # Safety
    ///
    /// `size` bytes from `from` on, and sixteen more, may be read.
    #[inline(always)]
    unsafe fn quoted(&mut self, mut from: *const u8, size: usize, after: u8, end: End) -> Option<(End, bool)> {
        let mut end = self.room(end, size + STEP)?;
        let mut left = size;
        let mut high = 0;
        // SAFETY: a block starts at most at the end of the string, so that it may be read; there is room for what is left
        // of the string and a step more, before a block and after an escape.
        unsafe {
            end = end.bytes(b"\"");
            loop {
                let bytes = from.cast::<[u8; 16]>().read_unaligned();
                let (special, above) = block(&bytes);
                if special == 0 && left >= 16 {
                    high |= above;
                    end = end.bytes(&bytes);
                    from = from.add(16);
                    left -= 16;
                    continue;
                }
                // The string's end counts as special.
                let plain = (special | 0xffff_ffff << left.min(16)).trailing_zeros() as usize;
                high |= above & ((1 << plain) - 1);
                end = end.block(&bytes, plain);
                left -= plain;
                if left == 0 {
                    break;
                }
                from = from.add(plain);
                if plain < 16 {
                    let escape = ESCAPES[usize::from(from.read())];
                    end = self.room(end, left + STEP)?.word(escape, (escape >> 56) as usize);
                    from = from.add(1);
                    left -= 1;
                }
            }
            Some((end.bytes(&[b'"', after]), high != 0))
        }
    }
}
