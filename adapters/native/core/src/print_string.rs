//! Printing strings, sixteen bytes at a time.

use crate::end::{End, STEP};
use crate::print::{Done, Printing};
use crate::scan::{block, block64, blocks};

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

/// Bytes that may be read behind a string that is printed where it stands.
pub const BEHIND: usize = 32;

const BLOCK: usize = 16;
const BLOCKS: usize = 64;
/// Bytes of the longest escape.
const ESCAPE: usize = 6;

impl<'a> Printing<'a> {
    /// A string in quotes and a byte after it. Fails where it is not UTF-8.
    pub fn string(&mut self, string: &'a [u8], after: u8, end: End) -> Done {
        let size = string.len();
        if string.as_ptr().addr() + size > self.wire_limit {
            return self.last_string(string, after, end);
        }
        let start = self.wire.as_ptr().with_addr(string.as_ptr().addr());
        // SAFETY: the string is a part of the wire bytes, of which there are as many more behind it.
        let (end, high) = unsafe { self.quoted(start, size, after, end)? };
        if high { valid(string, end) } else { Some(end) }
    }

    /// One that may not be read in whole blocks.
    #[inline(never)]
    fn last_string(&mut self, string: &'a [u8], after: u8, end: End) -> Done {
        let (mut short, long);
        let padded = if string.len() <= BEHIND {
            short = [0; 2 * BEHIND];
            short[..string.len()].copy_from_slice(string);
            &short
        } else {
            long = [string, &[0; BEHIND]].concat();
            long.as_slice()
        };
        // SAFETY: as many bytes are behind the string.
        let (end, high) = unsafe { self.quoted(padded.as_ptr(), string.len(), after, end)? };
        if high { valid(string, end) } else { Some(end) }
    }

    /// The bytes of a string in quotes, and whether one is not ASCII.
    ///
    /// # Safety
    ///
    /// `size` bytes from `from` on, and `BEHIND` more, may be read.
    #[inline(always)]
    unsafe fn quoted(&mut self, mut from: *const u8, size: usize, after: u8, end: End) -> Option<(End, bool)> {
        let mut end = self.room(end, size + STEP)?;
        let mut left = size;
        let mut high = 0;
        // SAFETY: every block of sixteen that is read starts in the string or at its end, and every one of 64 has as many
        // bytes of what is left or behind it. There is room for what is left of the string and a step, here and after
        // every block.
        unsafe {
            end = end.bytes(b"\"");
            while left >= BLOCKS + BEHIND {
                let bytes = from.cast::<[u8; BLOCKS]>().read_unaligned();
                if let Some(above) = blocks(&bytes) {
                    high |= above;
                    end = end.bytes(&bytes);
                } else {
                    let (special, above) = block64(&bytes);
                    high |= u32::from(above != 0);
                    end = self.escaped::<BLOCKS>(from, BLOCKS, special, left, end)?;
                }
                from = from.add(BLOCKS);
                left -= BLOCKS;
            }
            while left >= BLOCK {
                end = self.block(from, left, &mut high, end)?;
                from = from.add(BLOCK);
                left -= BLOCK;
            }
            let bytes = from.cast::<[u8; BLOCK]>().read_unaligned();
            let (special, above) = block(&bytes);
            let mine = (1 << left) - 1;
            high |= above & mine;
            end = if special & mine == 0 {
                end.block(&bytes, left)
            } else {
                self.escaped::<BLOCK>(from, left, u64::from(special & mine), left, end)?
            };
            Some((end.bytes(&[b'"', after]), high != 0))
        }
    }

    /// A whole block of a string of which so much is left.
    ///
    /// # Safety
    ///
    /// `BEHIND` bytes from `from` on may be read, and there is room for what is left and a step.
    #[inline(always)]
    unsafe fn block(&mut self, from: *const u8, left: usize, high: &mut u32, end: End) -> Done {
        // SAFETY: by the contract.
        unsafe {
            let bytes = from.cast::<[u8; BLOCK]>().read_unaligned();
            let (special, above) = block(&bytes);
            *high |= above;
            if special == 0 {
                Some(end.bytes(&bytes))
            } else {
                self.escaped::<BLOCK>(from, BLOCK, special.into(), left, end)
            }
        }
    }

    /// A block of `size` bytes of which some are special.
    ///
    /// # Safety
    ///
    /// `SIZE` bytes from each of the block on, and from its end on, may be read.
    #[inline(never)]
    unsafe fn escaped<const SIZE: usize>(
        &mut self,
        from: *const u8,
        size: usize,
        mut special: u64,
        left: usize,
        end: End,
    ) -> Done {
        let mut end = self.room(end, SIZE * ESCAPE + left + STEP)?;
        let mut at = 0;
        // SAFETY: there is room for as many escapes and what is left behind the block; blocks that are read start in this
        // one or at its end.
        unsafe {
            while special != 0 {
                let next = special.trailing_zeros() as usize;
                special &= special - 1;
                let plain = from.add(at).cast::<[u8; SIZE]>().read_unaligned();
                let escape = ESCAPES[usize::from(from.add(next).read())];
                end = end.block(&plain, next - at).word(escape, (escape >> 56) as usize);
                at = next + 1;
            }
            let plain = from.add(at).cast::<[u8; SIZE]>().read_unaligned();
            Some(end.block(&plain, size - at))
        }
    }
}

/// The end, if a string is UTF-8.
#[inline(never)]
fn valid(string: &[u8], end: End) -> Done {
    simdutf8::basic::from_utf8(string).is_ok().then_some(end)
}
