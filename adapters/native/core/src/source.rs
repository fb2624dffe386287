//! JSON text that is read in whole words and blocks, without asking each time whether they end before it does.
//!
//! A place is a pointer into the text. `Source::ahead` makes sure that `AHEAD` bytes can be read from it: near the end,
//! it moves the place to a copy of the text's last bytes with zeros behind them. What reads on from there
//!
//! - steps only over bytes that it has looked at, none of which is zero, so that it never passes the end of the text;
//! - takes fewer than `AHEAD - PAD` such steps before it calls `ahead` again;
//! - reads at most `PAD` bytes from where it stands.
//!
//! So every read is inside the text or its copy. Builds with debug assertions check that at each read. A place is
//! good until the source has moved on; what must come back to a place keeps its index.

use crate::scan::matches;
use crate::schema::Token;
use std::num::NonZeroU64;
use std::ptr::NonNull;

/// Bytes that can be read from a place that `Source::ahead` returns.
pub const AHEAD: usize = 256;
/// Zeros behind the copy of the text's end, which stay as they are.
const PAD: usize = 64;

/// Room for the copy of the text's end.
#[derive(Debug)]
pub struct Tail([u8; AHEAD + PAD]);

impl Default for Tail {
    fn default() -> Tail {
        Tail([0; AHEAD + PAD])
    }
}

/// A place in a text or in the copy of its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct At {
    place: NonNull<u8>,
    #[cfg(debug_assertions)]
    end: usize,
}

impl At {
    #[inline(always)]
    fn new(place: *const u8, _size: usize) -> At {
        // SAFETY: the place is in a slice, whose pointer is never null.
        let place = unsafe { NonNull::new_unchecked(place.cast_mut()) };
        At {
            place,
            #[cfg(debug_assertions)]
            end: place.as_ptr().addr() + _size,
        }
    }

    /// The bytes that stand here.
    #[inline(always)]
    pub fn bytes<const SIZE: usize>(&self) -> &[u8; SIZE] {
        #[cfg(debug_assertions)]
        assert!(self.place.as_ptr().addr() + SIZE <= self.end, "a read past the end of the text");
        // SAFETY: by the rules of this file, as many bytes can be read, and stay as they are while the source is in use.
        unsafe { self.place.cast::<[u8; SIZE]>().as_ref() }
    }

    #[inline(always)]
    pub fn byte(self) -> u8 {
        self.bytes::<1>()[0]
    }

    /// Eight bytes, the first of them lowest.
    #[inline(always)]
    pub fn word(self) -> u64 {
        u64::from_le_bytes(*self.bytes())
    }

    /// The place so many bytes on.
    #[inline(always)]
    #[must_use]
    pub fn skip(self, count: usize) -> At {
        #[cfg(debug_assertions)]
        assert!(self.place.as_ptr().addr() + count <= self.end, "a step past the end of the text");
        // SAFETY: by the rules of this file, steps stay inside the text or its copy.
        At { place: unsafe { self.place.add(count) }, ..self }
    }

    /// Past one space, if it stands here.
    #[inline(always)]
    #[must_use]
    pub fn skip_space(self) -> At {
        if self.byte() == b' ' {
            // A jump, which is foretold, since a document has spaces everywhere or nowhere. Without this the compiler
            // adds the comparison's result, so that each step waits for the byte.
            // SAFETY: no instruction.
            unsafe { std::arch::asm!("", options(nomem, nostack, preserves_flags)) };
            return self.skip(1);
        }
        self
    }

    /// An integer of one to seven digits, and the place after it. `None` too if a fraction or an exponent follows.
    #[inline(always)]
    pub fn small_integer(self) -> Option<(u64, At)> {
        let word = self.word();
        let (value, digits) = seven_digits(word)?;
        if ends_integer((word >> (digits * 8)) as u8) { Some((value, self.skip(digits))) } else { None }
    }

    /// The same of up to fifteen digits, of which there are eight at least.
    #[inline(never)]
    pub fn long_integer(self) -> Option<(u64, At)> {
        let (first, rest) = (self.word() ^ ZEROS, self.skip(8));
        if first & 0xff == 0 || first_other(first) != 0 {
            return None;
        }
        let value = eight_digits(first);
        let word = rest.word();
        let count = first_other(word ^ ZEROS).trailing_zeros() as usize / 8;
        if count > 7 || !ends_integer((word >> (count * 8)) as u8) {
            return None;
        }
        if count == 0 {
            return Some((value, rest));
        }
        let digits = eight_digits((word ^ ZEROS) << (64 - count * 8));
        Some((value * 10u64.pow(count as u32) + digits, rest.skip(count)))
    }

    /// Past a token, if it stands here.
    #[inline(always)]
    pub fn past(self, token: &Token) -> Option<At> {
        if matches(self.bytes(), token) { Some(self.skip(usize::from(token.size))) } else { None }
    }

    /// Whether a word of four bytes stands here.
    #[inline(always)]
    pub fn is(self, word: &[u8; 4]) -> bool {
        self.bytes::<4>() == word
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Of eight bytes less `'0'`, a high bit for each that is no digit. The lowest is exact.
#[inline(always)]
fn first_other(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The value of eight digits, the highest in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(2561) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(6_553_601) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(42_949_672_960_001) >> 32
}

/// The value of the one to seven digits that a word starts with, and how many there are. `None` with a leading zero.
#[inline(always)]
fn seven_digits(word: u64) -> Option<(u64, usize)> {
    let digits = word ^ ZEROS;
    let bits = NonZeroU64::new(first_other(digits))?.trailing_zeros() & !7;
    if bits == 0 || (digits & 0xff == 0 && bits > 8) {
        return None;
    }
    Some((eight_digits(digits << (64 - bits)), bits as usize / 8))
}

/// Whether what follows the digits of a number leaves it an integer.
#[inline(always)]
fn ends_integer(byte: u8) -> bool {
    byte != b'.' && byte | 0x20 != b'e'
}

/// A text and the copy of its end.
#[derive(Debug)]
pub struct Source<'a> {
    pub text: &'a [u8],
    tail: &'a mut Tail,
    /// Whether the copy is there.
    copied: bool,
    /// Addresses: of the text's first byte, if the text were as a whole where places are now; of the last place from
    /// which `AHEAD` bytes can be read there.
    origin: usize,
    last: usize,
    /// The last index of the text from which `AHEAD` bytes can be read in it.
    last_index: Option<usize>,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a [u8], tail: &'a mut Tail) -> Source<'a> {
        let last_index = text.len().checked_sub(AHEAD);
        Source { text, tail, copied: false, origin: 0, last: 0, last_index }
    }

    /// A place from which `AHEAD` bytes can be read: this one, or the same in the copy.
    #[inline(always)]
    pub fn ahead(&mut self, at: At) -> At {
        if at.place.as_ptr().addr() <= self.last { at } else { self.at_end(self.index(at)) }
    }

    /// How many bytes of the text are before a place.
    #[inline(always)]
    pub fn index(&self, at: At) -> usize {
        let index = at.place.as_ptr().addr().wrapping_sub(self.origin);
        debug_assert!(index <= self.text.len(), "a place from before the source moved on");
        index
    }

    /// The place before which there are as many bytes of the text, with `AHEAD` bytes to read.
    #[inline(always)]
    pub fn at(&mut self, index: usize) -> At {
        if let Some(last) = self.last_index
            && index <= last
        {
            self.origin = self.text.as_ptr().addr();
            self.last = self.origin + last;
            return At::new(self.text.as_ptr().wrapping_add(index), self.text.len() - index);
        }
        self.at_end(index)
    }

    /// A place in the copy of the text's end.
    #[inline(never)]
    fn at_end(&mut self, index: usize) -> At {
        let start = self.text.len().saturating_sub(AHEAD);
        let tail = &mut self.tail.0;
        if !self.copied {
            self.copied = true;
            match self.text.last_chunk::<AHEAD>() {
                Some(chunk) => tail[..AHEAD].copy_from_slice(chunk),
                None => {
                    tail[..AHEAD].fill(0);
                    tail[..self.text.len()].copy_from_slice(self.text);
                }
            }
        }
        self.origin = tail.as_ptr().addr().wrapping_sub(start);
        self.last = usize::MAX;
        At::new(tail[index - start..].as_ptr(), tail.len() - (index - start))
    }
}
