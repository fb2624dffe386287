//! Prints strings, in whole blocks.

use crate::buffer::output::{OutputPointer, RESERVED};
use crate::print::compiled::CompiledFor;
use crate::print::printing::{Printed, Printing, READ_BEHIND};
use crate::scan::{InstructionSet, is_plain_ascii, special_and_high, special_or_high32};

/// The escape of each byte that has one: its text as a word, the first byte lowest, and in the highest byte its size.
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

const LONG_BLOCK: usize = 64;
/// More bytes than a string has that is looked at in short blocks alone.
const SHORT: usize = 128;
/// Bytes of room that a string needs after its opening quote.
const OPENED: usize = RESERVED / 2;
const _: () = assert!(SHORT + READ_BEHIND + 2 <= OPENED);
/// Bytes of the longest escape.
const MAX_ESCAPE: usize = 6;

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print a string in quotes and a byte after it. Return `None` if it is not UTF-8.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`, and the string is a part of the wire bytes.
    #[inline(always)]
    pub unsafe fn string(
        &mut self,
        set: impl InstructionSet,
        string: &'a [u8],
        after: u8,
        end: OutputPointer,
    ) -> Printed {
        let end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        unsafe { self.opened_string(set, string, after, end.put_bytes(b"\"")) }
    }

    /// Print what `string` prints after its opening quote, without a call where the string is short and plain.
    ///
    /// # Safety
    ///
    /// That of `string`, and there is room for `OPENED` bytes.
    #[inline(always)]
    pub unsafe fn opened_string(
        &mut self,
        set: impl InstructionSet,
        string: &'a [u8],
        after: u8,
        end: OutputPointer,
    ) -> Printed {
        let (address, mut left) = (string.as_ptr().addr(), string.len());
        if left < SHORT && address + left <= self.wire_limit {
            let (mut from, mut end) = (self.wire.as_ptr().with_addr(address), end);
            // SAFETY: these are wire bytes, of which there are `READ_BEHIND` behind the string. There is room for `OPENED`
            // bytes, which are more than a short string, a block behind it and two bytes.
            unsafe {
                loop {
                    let bytes = from.cast::<[u8; READ_BEHIND]>().read_unaligned();
                    let marked = special_or_high32(set, &bytes);
                    if left < READ_BEHIND {
                        if marked & ((1 << left) - 1) == 0 {
                            return Some(end.put_block(&bytes, left).put_bytes(&[b'"', after]));
                        }
                        break;
                    }
                    if marked != 0 {
                        break;
                    }
                    (end, from, left) = (end.put_bytes(&bytes), from.add(READ_BEHIND), left - READ_BEHIND);
                }
            }
        }
        S::string(self, string, after, end)
    }

    /// Print any string after its opening quote.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`, and the string is a part of the wire bytes.
    #[inline(always)]
    pub unsafe fn inlined_string(&mut self, string: &'a [u8], after: u8, end: OutputPointer) -> Printed {
        let mut end = self.out.reserve_for(end, string.len());
        let (mut from, mut left, mut high) = (string.as_ptr(), string.len(), 0);
        // SAFETY: every block is followed by as many bytes of the string, and there is room for what is left of it and
        // `RESERVED` bytes, here and after every block.
        unsafe {
            while left >= 2 * LONG_BLOCK {
                let bytes = &*from.cast::<[u8; LONG_BLOCK]>();
                if is_plain_ascii(self.set, bytes) {
                    end = end.put_bytes(bytes);
                } else {
                    end = self.full_block::<LONG_BLOCK>(from, left, &mut high, end)?;
                }
                (from, left) = (from.add(LONG_BLOCK), left - LONG_BLOCK);
            }
        }
        let (end, tail_high) = if from.addr() + left > self.wire_limit {
            self.last_bytes(&string[string.len() - left..], after, end)?
        } else {
            let from = self.wire.as_ptr().with_addr(from.addr());
            // SAFETY: these are wire bytes, of which there are `READ_BEHIND` more. There is room for them and `RESERVED`
            // bytes.
            unsafe { self.tail(from, left, after, end)? }
        };
        if tail_high | (high != 0) { end_if_utf8(string, end) } else { Some(end) }
    }

    /// Print what `tail` prints, of bytes behind which too few may be read, from a copy. Return `None` where the wire has
    /// fewer bytes before than are copied: short ones have enough behind their strings.
    ///
    /// # Safety
    ///
    /// `left` is a part of the wire bytes of less than two long blocks, and there is room for it and `RESERVED` bytes.
    #[inline(never)]
    unsafe fn last_bytes(&mut self, left: &[u8], after: u8, end: OutputPointer) -> Printed<(OutputPointer, bool)> {
        let stop = left.as_ptr().addr() + left.len() - self.wire.as_ptr().addr();
        let last = self.wire[..stop].last_chunk::<{ 2 * LONG_BLOCK }>()?;
        let mut copy = [0; 2 * LONG_BLOCK + READ_BEHIND];
        copy[..last.len()].copy_from_slice(last);
        // SAFETY: by the contract; `READ_BEHIND` bytes of the copy are behind them.
        unsafe { self.tail(copy.as_ptr().add(last.len() - left.len()), left.len(), after, end) }
    }

    /// Print the last bytes of a string, its closing quote and a byte after it. Return whether one of them is not ASCII
    /// too.
    ///
    /// # Safety
    ///
    /// `left` bytes from `from` on, and `READ_BEHIND` more, may be read, and there is room for `left` and `RESERVED`
    /// bytes.
    #[inline(always)]
    unsafe fn tail(
        &mut self,
        mut from: *const u8,
        mut left: usize,
        after: u8,
        mut end: OutputPointer,
    ) -> Printed<(OutputPointer, bool)> {
        let mut high = 0;
        // SAFETY: every block that is read starts in the string or at its end. There is room for what is left of the
        // string and `RESERVED` bytes, here and after every block.
        unsafe {
            while left >= READ_BEHIND {
                end = self.full_block::<READ_BEHIND>(from, left, &mut high, end)?;
                (from, left) = (from.add(READ_BEHIND), left - READ_BEHIND);
            }
            let bytes = from.cast::<[u8; READ_BEHIND]>().read_unaligned();
            let (special, above) = special_and_high(self.set, &bytes);
            let mine = (1 << left) - 1;
            high |= above & mine;
            end = if special & mine == 0 {
                end.put_block(&bytes, left)
            } else {
                self.escaped::<READ_BEHIND>(from, left, special & mine, left, end)?
            };
            Some((end.put_bytes(&[b'"', after]), high != 0))
        }
    }

    /// Print a whole block of a string of which `left` bytes are left. Add the mask of those that are not ASCII to `high`.
    ///
    /// # Safety
    ///
    /// `SIZE` bytes from `from` on, and as many more, may be read, and there is room for what is left and `RESERVED` bytes.
    #[inline(always)]
    unsafe fn full_block<const SIZE: usize>(
        &mut self,
        from: *const u8,
        left: usize,
        high: &mut u64,
        end: OutputPointer,
    ) -> Printed {
        // SAFETY: by the contract.
        unsafe {
            let bytes = &*from.cast::<[u8; SIZE]>();
            let (special, above) = special_and_high(self.set, bytes);
            *high |= above;
            match special {
                0 => Some(end.put_bytes(bytes)),
                _ => self.escaped::<SIZE>(from, SIZE, special, left, end),
            }
        }
    }

    /// Print a block of `size` bytes of which some are special.
    ///
    /// # Safety
    ///
    /// `SIZE` bytes may be read from each byte of the block on, and from its end on. `end` keeps the rule of `print`.
    #[inline(never)]
    unsafe fn escaped<const SIZE: usize>(
        &mut self,
        from: *const u8,
        size: usize,
        mut special: u64,
        left: usize,
        end: OutputPointer,
    ) -> Printed {
        let mut end = self.out.reserve_for(end, SIZE * MAX_ESCAPE + left);
        let mut at = 0;
        // SAFETY: there is room for as many escapes and what is left behind the block; blocks that are read start in
        // this one or at its end.
        unsafe {
            while special != 0 {
                let next = special.trailing_zeros() as usize;
                special &= special - 1;
                let plain = from.add(at).cast::<[u8; SIZE]>().read_unaligned();
                let escape = ESCAPES[usize::from(from.add(next).read())];
                end = end.put_block(&plain, next - at).put_word(escape, (escape >> 56) as usize);
                at = next + 1;
            }
            let plain = from.add(at).cast::<[u8; SIZE]>().read_unaligned();
            Some(end.put_block(&plain, size - at))
        }
    }
}

/// Return the end if a string is UTF-8.
#[inline(never)]
fn end_if_utf8(string: &[u8], end: OutputPointer) -> Printed {
    simdutf8::basic::from_utf8(string).is_ok().then_some(end)
}
