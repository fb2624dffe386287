//! Search for the bytes of a string that need attention.
//!
//! `blocks` has the searches in blocks of bytes, written once for the vectors of all instruction sets; `dispatch` chooses
//! the set. `sse2`, `avx2`, `neon`, `simd128` and `portable` are the sets.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod blocks;
mod dispatch;
mod instruction_set;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(
    test,
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    ))
))]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod sse2;
pub mod token;

use token::Token;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
pub use blocks::{is_plain_ascii, special_and_high};
#[cfg(target_arch = "x86_64")]
pub use dispatch::avx2;
pub use dispatch::{OWN, Scan, instruction_set, instruction_sets, scan};
pub use instruction_set::InstructionSet;

/// Return the masks of the special and of the high ones of 16 bytes.
#[inline(always)]
pub fn block16(bytes: &[u8; 16]) -> (u32, u32) {
    let (special, high) = special_and_high(OWN, bytes);
    (special as u32, high as u32)
}

/// Return the mask of the bytes that are special or high, which takes fewer steps than either alone.
#[inline(always)]
pub fn special_or_high32(set: impl InstructionSet, bytes: &[u8; 32]) -> u32 {
    blocks::special_or_high(set, bytes)
}

/// Return whether a text starts with a token.
#[inline(always)]
pub fn matches(set: impl InstructionSet, ahead: &[u8; 32], token: &Token) -> bool {
    blocks::equal(set, ahead, &token.bytes) | token.behind == u32::MAX
}

/// Return the index of the first special byte at or after `at`, or the length of the text where there is none. Set
/// `high` if a byte before that index is high.
#[inline(always)]
pub fn find_special(text: &[u8], at: usize, high: &mut bool) -> usize {
    let Some(bytes) = chunk(text, at) else { return find_special_byte(text, at, high) };
    let (special, above) = block16(bytes);
    if special != 0 {
        let length = special.trailing_zeros();
        *high |= above & ((1 << length) - 1) != 0;
        return at + length as usize;
    }
    // A string of more than 16 bytes is mostly long.
    let (stop, found_high) = scan(FindSpecial { text, at: at + 16 });
    *high |= found_high | (above != 0);
    stop
}

struct FindSpecial<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan for FindSpecial<'_> {
    /// The index, and whether a byte before it is high.
    type Found = (usize, bool);

    #[inline(always)]
    fn with(self, set: impl InstructionSet) -> (usize, bool) {
        let FindSpecial { text, mut at } = self;
        let mut high = false;
        while let Some(bytes) = chunk(text, at) {
            if !is_plain_ascii(set, bytes) {
                let (special, above) = special_and_high(set, bytes);
                if special != 0 {
                    let length = special.trailing_zeros();
                    return (at + length as usize, high | (above & ((1 << length) - 1) != 0));
                }
                high |= above != 0;
            }
            at += 64;
        }
        while let Some(bytes) = chunk(text, at) {
            let (special, above) = block16(bytes);
            let length = special.trailing_zeros().min(16);
            high |= above & ((1 << length) - 1) != 0;
            at += length as usize;
            if length < 16 {
                return (at, high);
            }
        }
        (find_special_byte(text, at, &mut high), high)
    }
}

/// Return what `find_special` does, byte by byte.
#[inline(always)]
fn find_special_byte(text: &[u8], mut at: usize, high: &mut bool) -> usize {
    while let Some(&byte) = text.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        *high |= byte >= 0x80;
        at += 1;
    }
    at
}

/// Return the `SIZE` bytes from an index on, or `None` if the text ends before that.
#[inline(always)]
pub fn chunk<const SIZE: usize>(text: &[u8], at: usize) -> Option<&[u8; SIZE]> {
    text.get(at..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check all searches with an instruction set against a byte-by-byte search, wherever the bytes that are not plain
    /// stand.
    fn check(set: impl InstructionSet) {
        let bytes = [0, 0x1f, b' ', b'!', b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0x9f, 0xa0, 0xff];
        for byte in bytes.into_iter().step_by(if cfg!(miri) { 4 } else { 1 }) {
            for place in (0..64).step_by(if cfg!(miri) { 31 } else { 1 }) {
                for around in [b'a', 0x7f, byte] {
                    let mut bytes = [around; 64];
                    bytes[place] = byte;
                    check_blocks(set, &bytes);
                    for start in [0, 1, 15, 16, 17, 31, 33, 49, 63].into_iter().step_by(if cfg!(miri) { 4 } else { 1 })
                    {
                        check_find(set, &bytes[start..]);
                        check_find(set, &[&[b'a'; 64], &bytes[start..]].concat());
                    }
                }
            }
        }
    }

    fn check_blocks(set: impl InstructionSet, bytes: &[u8; 64]) {
        let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        let mask = |bytes: &[u8], is: &dyn Fn(u8) -> bool| {
            bytes.iter().enumerate().fold(0u64, |all, (at, &byte)| all | u64::from(is(byte)) << at)
        };
        let (special, high) = (mask(bytes, &is_special), mask(bytes, &|byte| byte >= 0x80));
        let name = set.name();
        assert_eq!(special_and_high(set, bytes), (special, high), "{name} {bytes:?}");
        assert_eq!(is_plain_ascii(set, bytes), special | high == 0, "{name} {bytes:?}");
        let (halves, _) = bytes.as_chunks::<32>();
        for half in halves {
            let either = mask(half, &|byte| is_special(byte) || byte >= 0x80);
            assert_eq!(u64::from(blocks::special_or_high(set, half)), either, "{name} {half:?}");
            let mut other = [b'a'; 32];
            other[31] = half[31];
            let equal = half.iter().zip(&other).enumerate();
            let equal = equal.fold(0, |all, (at, (first, second))| all | u32::from(first == second) << at);
            assert_eq!(blocks::equal(set, half, &other), equal, "{name} {half:?}");
        }
        for block in bytes.as_chunks::<16>().0 {
            let expected = (mask(block, &is_special) as u32, mask(block, &|byte| byte >= 0x80) as u32);
            assert_eq!(block16(block), expected, "{block:?}");
        }
    }

    fn check_find(set: impl InstructionSet, text: &[u8]) {
        let mut expected = false;
        let expected = (find_special_byte(text, 0, &mut expected), expected);
        assert_eq!(FindSpecial { text, at: 0 }.with(set), expected, "{} {text:?}", set.name());
        let mut high = false;
        assert_eq!((find_special(text, 0, &mut high), high), expected, "{text:?}");
    }

    #[test]
    fn every_instruction_set_agrees_with_single_bytes() {
        check(OWN);
        check(portable::Portable);
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = avx2::Avx2::detect() {
            avx2.call(check);
        }
    }

    #[test]
    fn a_token_matches_what_starts_with_it() {
        for size in 0..=32 {
            let text: [u8; 32] = std::array::from_fn(|at| b'a' + (at % 26) as u8);
            let token = Token::new(&text[..size]);
            assert!(matches(OWN, &text, &token));
            for place in 0..32 {
                let mut other = text;
                other[place] ^= 1;
                assert_eq!(matches(OWN, &other, &token), place >= size, "{size} {place}");
            }
        }
        assert!(!matches(OWN, &[b'a'; 32], &Token::NONE) && !matches(OWN, &[b'a'; 32], &Token::new(&[b'a'; 33])));
    }

    #[test]
    fn the_set_in_use_is_one_of_the_machine() {
        assert!(instruction_sets().contains(&instruction_set()));
        let all = ["avx2", "sse2", "neon", "simd128", "portable"];
        assert!(instruction_sets().iter().all(|name| all.contains(name)), "{:?}", instruction_sets());
    }
}
