//! Looking for the bytes of a string that need attention.
//!
//! Each way of doing so has the same functions: `avx2` where the build is for processors that have that, `sse2` for every
//! x86-64, `portable` elsewhere. Only `block64` is the same for the last two.

#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
mod avx2;
#[cfg(not(target_arch = "x86_64"))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
pub use avx2::{block64, blocks, matches, other32};
#[cfg(not(target_arch = "x86_64"))]
pub use portable::{block, blocks, matches, other32};
#[cfg(target_arch = "x86_64")]
pub use sse2::block;
#[cfg(all(target_arch = "x86_64", not(target_feature = "avx2")))]
pub use sse2::{blocks, matches, other32};

/// The place of the first quote, backslash or control character at or after `at`, or the length of the text where
/// there is none. Sets `high` if a byte before it is not ASCII.
#[inline(always)]
pub fn special(text: &[u8], mut at: usize, high: &mut bool) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut all = 0;
        while let Some(bytes) = chunk(text, at) {
            let (found, above) = block(bytes);
            if found != 0 {
                let length = found.trailing_zeros();
                *high |= all | (above & ((1 << length) - 1)) != 0;
                return at + length as usize;
            }
            all |= above;
            at += 16;
            // Strings that go on are mostly long: four blocks at a time until one has something.
            while let Some(bytes) = chunk::<64>(text, at) {
                let Some(above) = blocks(bytes) else { break };
                all |= above;
                at += 64;
            }
        }
        *high |= all != 0;
    }
    #[cfg(not(target_arch = "x86_64"))]
    while at + 8 <= text.len() {
        const ONES: u64 = u64::MAX / 255;
        const HIGHS: u64 = ONES * 128;
        let word = u64::from_le_bytes(*chunk(text, at).unwrap_or(&[0; 8]));
        // The lowest marked byte of each is exact; a borrow can only mark bytes above it.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zero(word ^ ONES * b'"' as u64) | zero(word ^ ONES * b'\\' as u64) | control;
        if found != 0 {
            let length = found.trailing_zeros() / 8;
            *high |= word & HIGHS & ((1 << (length * 8)) - 1) != 0;
            return at + length as usize;
        }
        *high |= word & HIGHS != 0;
        at += 8;
    }
    while let Some(&byte) = text.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        *high |= byte >= 0x80;
        at += 1;
    }
    at
}

/// Of 64 bytes: a bit for each that is special, and a bit for each that is not ASCII.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
#[inline(always)]
pub fn block64(bytes: &[u8; 64]) -> (u64, u64) {
    bytes.as_chunks::<16>().0.iter().rev().fold((0, 0), |(special, high), bytes| {
        let found = block(bytes);
        (special << 16 | u64::from(found.0), high << 16 | u64::from(found.1))
    })
}

/// The bytes from a place on, if there are as many.
#[inline(always)]
pub fn chunk<const SIZE: usize>(text: &[u8], at: usize) -> Option<&[u8; SIZE]> {
    if at > text.len() || text.len() - at < SIZE {
        return None;
    }
    // SAFETY: there are SIZE bytes from `at` on, as was just seen.
    Some(unsafe { &*text.as_ptr().add(at).cast::<[u8; SIZE]>() })
}
