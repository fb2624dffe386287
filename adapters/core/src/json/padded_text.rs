//! JSON text that is read in whole words and blocks, without a check for its end at each read.
//!
//! A `TextPointer` points into the text. `PaddedText::pointer` and `with_lookahead` return one with `LOOKAHEAD` bytes
//! *ahead* of it. One rule makes its reads safe, and all functions that rely on it are `unsafe`:
//!
//! - **n bytes ahead** means that the text has n more bytes from the pointer on, or that the pointer is in a copy of the
//!   text's last bytes, which has `PADDING` zeros behind the text's end.
//! - So with `PADDING` bytes ahead, `PADDING` bytes can be read. A step over k bytes that were looked at, none of which is
//!   zero, does not pass the end of the text, and leaves k bytes less ahead.
//!
//! Builds with debug assertions check that each read and each step is within what is ahead. A pointer is valid until a call of either function moves
//! between the text and the copy. Whoever returns to an earlier place keeps its index, not its pointer.

use crate::scan::token::Token;
use crate::scan::{InstructionSet, matches};
use std::num::NonZeroU64;
use std::ptr::NonNull;

/// Bytes ahead of a pointer that `PaddedText::with_lookahead` returns.
pub const LOOKAHEAD: usize = 256;
/// Zeros behind the copy of the text's end, which stay as they are.
pub const PADDING: usize = 64;

/// Room for the copy of the text's end.
#[derive(Debug)]
pub struct PaddedEnd([u8; LOOKAHEAD + PADDING]);

impl Default for PaddedEnd {
    fn default() -> PaddedEnd {
        PaddedEnd([0; LOOKAHEAD + PADDING])
    }
}

/// A place in a text or in the copy of its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextPointer {
    place: NonNull<u8>,
    /// The address up to which bytes can be read.
    #[cfg(debug_assertions)]
    limit: usize,
}

impl TextPointer {
    #[inline(always)]
    fn new(place: *const u8, _size: usize) -> TextPointer {
        // SAFETY: the place is in a slice, whose pointer is never null.
        let place = unsafe { NonNull::new_unchecked(place.cast_mut()) };
        TextPointer {
            place,
            #[cfg(debug_assertions)]
            limit: place.as_ptr().addr() + _size,
        }
    }

    /// Return the bytes that stand here.
    ///
    /// # Safety
    ///
    /// `SIZE` bytes can be read, and the text is in use as long as they are.
    #[inline(always)]
    pub unsafe fn bytes<const SIZE: usize>(&self) -> &[u8; SIZE] {
        #[cfg(debug_assertions)]
        assert!(self.place.as_ptr().addr() + SIZE <= self.limit, "a read past the end of the text");
        // SAFETY: by the contract.
        unsafe { self.place.cast::<[u8; SIZE]>().as_ref() }
    }

    /// Return the byte that stands here.
    ///
    /// # Safety
    ///
    /// It can be read.
    #[inline(always)]
    pub unsafe fn byte(self) -> u8 {
        // SAFETY: by the contract.
        unsafe { self.bytes::<1>()[0] }
    }

    /// Return eight bytes as a word, the first of them lowest.
    ///
    /// # Safety
    ///
    /// They can be read.
    #[inline(always)]
    pub unsafe fn word(self) -> u64 {
        // SAFETY: by the contract.
        unsafe { u64::from_le_bytes(*self.bytes()) }
    }

    /// Return the pointer `count` bytes further.
    ///
    /// # Safety
    ///
    /// As many bytes can be read.
    #[inline(always)]
    #[must_use]
    pub unsafe fn skip(self, count: usize) -> TextPointer {
        #[cfg(debug_assertions)]
        assert!(self.place.as_ptr().addr() + count <= self.limit, "a step past the end of the text");
        // SAFETY: by the contract.
        TextPointer { place: unsafe { self.place.add(count) }, ..self }
    }

    /// Step over one space, if it stands here.
    ///
    /// # Safety
    ///
    /// A byte can be read.
    #[inline(always)]
    #[must_use]
    pub unsafe fn skip_space(self) -> TextPointer {
        // SAFETY: by the contract.
        if unsafe { self.byte() } == b' ' {
            // A document has spaces everywhere or nowhere.
            keep_jump();
            // SAFETY: it was read.
            return unsafe { self.skip(1) };
        }
        self
    }

    /// Read an integer of one to seven digits. Return its value and the pointer after it; `None` if something else
    /// stands here, or if a fraction or an exponent follows.
    ///
    /// # Safety
    ///
    /// Eight bytes can be read.
    #[inline(always)]
    pub unsafe fn small_integer(self) -> Option<(u64, TextPointer)> {
        // SAFETY: by the contract; the digits are among the eight bytes.
        unsafe {
            let word = self.word();
            let (value, digits) = seven_digits(word)?;
            if ends_integer((word >> (digits * 8)) as u8) { Some((value, self.skip(digits))) } else { None }
        }
    }

    /// Read an integer of one digit, and return what `small_integer` does.
    ///
    /// # Safety
    ///
    /// Two bytes can be read.
    #[inline(always)]
    pub unsafe fn one_digit(self) -> Option<(u64, TextPointer)> {
        // SAFETY: by the contract.
        unsafe {
            let [first, after] = *self.bytes();
            let digit = first ^ b'0';
            if digit < 10 && !after.is_ascii_digit() && ends_integer(after) {
                Some((digit.into(), self.skip(1)))
            } else {
                None
            }
        }
    }

    /// Read an integer of eight to fifteen digits, and return what `small_integer` does.
    ///
    /// # Safety
    ///
    /// 16 bytes can be read.
    #[inline(never)]
    pub unsafe fn long_integer(self) -> Option<(u64, TextPointer)> {
        // SAFETY: by the contract.
        let (first, rest) = unsafe { (self.word() ^ ZEROS, self.skip(8)) };
        if first & 0xff == 0 || non_digits(first) != 0 {
            return None;
        }
        let value = eight_digits(first);
        // SAFETY: by the contract.
        let word = unsafe { rest.word() };
        let count = non_digits(word ^ ZEROS).trailing_zeros() as usize / 8;
        if count > 7 || !ends_integer((word >> (count * 8)) as u8) {
            return None;
        }
        if count == 0 {
            return Some((value, rest));
        }
        let digits = eight_digits((word ^ ZEROS) << (64 - count * 8));
        // SAFETY: these are digits among the bytes that were read.
        Some((value * 10u64.pow(count as u32) + digits, unsafe { rest.skip(count) }))
    }

    /// Step over a token. Return `None` if it does not stand here.
    ///
    /// # Safety
    ///
    /// 32 bytes can be read.
    #[inline(always)]
    pub unsafe fn skip_token(self, set: impl InstructionSet, token: &Token) -> Option<TextPointer> {
        // SAFETY: by the contract; a token has at most 32 bytes.
        unsafe { if matches(set, self.bytes(), token) { Some(self.skip(usize::from(token.size))) } else { None } }
    }

    /// Return whether a word of four bytes stands here.
    ///
    /// # Safety
    ///
    /// Four bytes can be read.
    #[inline(always)]
    pub unsafe fn starts_with(self, word: &[u8; 4]) -> bool {
        // SAFETY: by the contract.
        unsafe { self.bytes::<4>() == word }
    }
}

/// Keep the condition that this stands behind a jump, which the processor predicts. Without it the compiler may add the
/// condition's result to an address, so that each step waits for what the one before read.
#[inline(always)]
pub fn keep_jump() {
    // Assembly for WebAssembly is not stable, and Miri has none.
    // SAFETY: no instruction.
    #[cfg(not(any(target_arch = "wasm32", miri)))]
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags))
    };
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Return the high bit of each byte that is no digit, of eight bytes XORed with `'0'`. Only the lowest bit set is
/// exact.
#[inline(always)]
fn non_digits(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// Return the value of eight digits, the most significant in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(2561) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(6_553_601) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(42_949_672_960_001) >> 32
}

/// Return the value and the number of the digits that a word starts with: one to seven. `None` for a leading zero.
#[inline(always)]
fn seven_digits(word: u64) -> Option<(u64, usize)> {
    let digits = word ^ ZEROS;
    let bits = NonZeroU64::new(non_digits(digits))?.trailing_zeros() & !7;
    if bits == 0 || (digits & 0xff == 0 && bits > 8) {
        return None;
    }
    Some((eight_digits(digits << (64 - bits)), bits as usize / 8))
}

/// Return whether a number is an integer, by the byte that follows its digits.
#[inline(always)]
fn ends_integer(byte: u8) -> bool {
    byte != b'.' && byte | 0x20 != b'e'
}

/// A text and the copy of its end.
#[derive(Debug)]
pub struct PaddedText<'a> {
    pub text: &'a [u8],
    end: &'a mut PaddedEnd,
    /// Whether the copy is there.
    copied: bool,
    /// The address that the text's first byte has, or would have if the whole text stood before its copied end.
    origin: usize,
    /// The address of the last place from which `LOOKAHEAD` bytes can be read there.
    last: usize,
    /// The last index of the text from which `LOOKAHEAD` bytes can be read in it.
    last_index: Option<usize>,
}

impl<'a> PaddedText<'a> {
    pub fn new(text: &'a [u8], end: &'a mut PaddedEnd) -> PaddedText<'a> {
        let last_index = text.len().checked_sub(LOOKAHEAD);
        PaddedText { text, end, copied: false, origin: 0, last: 0, last_index }
    }

    /// Return a pointer to the same place with `LOOKAHEAD` bytes ahead: this one, or one into the copy.
    #[inline(always)]
    pub fn with_lookahead(&mut self, at: TextPointer) -> TextPointer {
        if at.place.as_ptr().addr() > self.last {
            return self.pointer_to_copy(self.index(at));
        }
        TextPointer {
            // In the copy, all up to its end can be read.
            #[cfg(debug_assertions)]
            limit: if self.last == usize::MAX { at.limit } else { at.place.as_ptr().addr() + LOOKAHEAD },
            ..at
        }
    }

    /// Return the number of bytes of the text before a pointer.
    #[inline(always)]
    pub fn index(&self, at: TextPointer) -> usize {
        let index = at.place.as_ptr().addr().wrapping_sub(self.origin);
        debug_assert!(index <= self.text.len(), "a pointer from before the text moved on to its copy");
        index
    }

    /// Return the pointer at an index of the text, with `LOOKAHEAD` bytes ahead.
    #[inline(always)]
    pub fn pointer(&mut self, index: usize) -> TextPointer {
        if let Some(last) = self.last_index
            && index <= last
        {
            self.origin = self.text.as_ptr().addr();
            self.last = self.origin + last;
            return TextPointer::new(self.text.as_ptr().wrapping_add(index), LOOKAHEAD);
        }
        self.pointer_to_copy(index)
    }

    /// Return the pointer at an index of the text, in the copy of its end.
    #[inline(never)]
    fn pointer_to_copy(&mut self, index: usize) -> TextPointer {
        let start = self.text.len().saturating_sub(LOOKAHEAD);
        let end = &mut self.end.0;
        if !self.copied {
            self.copied = true;
            match self.text.last_chunk::<LOOKAHEAD>() {
                Some(chunk) => end[..LOOKAHEAD].copy_from_slice(chunk),
                None => {
                    end[..LOOKAHEAD].fill(0);
                    end[..self.text.len()].copy_from_slice(self.text);
                }
            }
        }
        self.origin = end.as_ptr().addr().wrapping_sub(start);
        self.last = usize::MAX;
        TextPointer::new(end[index - start..].as_ptr(), end.len() - (index - start))
    }
}
