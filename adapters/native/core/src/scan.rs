//! Looking for the bytes of a string that need attention.
//!
//! SSE2 is in every x86-64 and is used there; words of eight bytes elsewhere.

use crate::schema::Token;

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

/// The bytes from a place on, if there are as many.
#[inline(always)]
pub fn chunk<const SIZE: usize>(text: &[u8], at: usize) -> Option<&[u8; SIZE]> {
    if at > text.len() || text.len() - at < SIZE {
        return None;
    }
    // SAFETY: there are SIZE bytes from `at` on, as was just seen.
    Some(unsafe { &*text.as_ptr().add(at).cast::<[u8; SIZE]>() })
}

/// Of 64 bytes, none of which may be special: a mask that is zero if all are ASCII. `None` if one is special.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn blocks(bytes: &[u8; 64]) -> Option<u32> {
    use std::arch::x86_64::*;
    // SAFETY: the loads read the 64 bytes of the array, at any alignment; SSE2 is part of x86-64.
    unsafe {
        let (mut found, mut all) = (_mm_setzero_si128(), _mm_setzero_si128());
        for at in 0..4 {
            let block = _mm_loadu_si128(bytes.as_ptr().add(at * 16).cast());
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            found = _mm_or_si128(_mm_or_si128(found, control), _mm_or_si128(quote, backslash));
            all = _mm_or_si128(all, block);
        }
        (_mm_movemask_epi8(found) == 0).then(|| _mm_movemask_epi8(all) as u32)
    }
}

/// Whether a text starts with a token.
#[inline(always)]
pub fn matches(ahead: &[u8; 32], token: &Token) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: the loads read two halves of arrays of 32 bytes, that of the token at an address divisible by 16, as
        // the token's is by 32; SSE2 is part of x86-64.
        unsafe {
            let half = |at: usize| {
                let ahead = _mm_loadu_si128(ahead.as_ptr().add(at).cast());
                _mm_movemask_epi8(_mm_cmpeq_epi8(ahead, _mm_load_si128(token.bytes.as_ptr().add(at).cast()))) as u32
            };
            half(0) | half(16) << 16 | token.behind == u32::MAX
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let same = |at: usize| u32::from(ahead[at] == token.bytes[at]) << at;
        (0..32).fold(token.behind, |found, at| found | same(at)) == u32::MAX
    }
}

/// Of sixteen bytes: a bit for each that is special, and a bit for each that is not ASCII.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn block(bytes: &[u8; 16]) -> (u32, u32) {
    use std::arch::x86_64::*;
    // SAFETY: the load reads the sixteen bytes of the array, at any alignment; SSE2 is part of x86-64.
    let block = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        let found = _mm_or_si128(_mm_or_si128(quote, backslash), control);
        (_mm_movemask_epi8(found) as u32, _mm_movemask_epi8(block) as u32)
    }
}

/// The same of 64 bytes.
#[inline(always)]
pub fn block64(bytes: &[u8; 64]) -> (u64, u64) {
    let part = |at: usize| block(bytes[at..].first_chunk().unwrap_or(&[0; 16]));
    [48, 32, 16, 0].into_iter().fold((0, 0), |(special, high), at| {
        let found = part(at);
        (special << 16 | u64::from(found.0), high << 16 | u64::from(found.1))
    })
}

/// Of 32 bytes: a bit for each that is special or not ASCII, which is found faster than either alone.
#[inline(always)]
pub fn other32(bytes: &[u8; 32]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // SAFETY: the loads read two halves of the 32 bytes, at any alignment; SSE2 is part of x86-64.
        unsafe {
            let half = |at: usize| {
                let block = _mm_loadu_si128(bytes.as_ptr().add(at).cast());
                let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
                let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
                // Bytes above 0x7f are negative.
                let rest = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
                _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), rest)) as u32
            };
            half(0) | half(16) << 16
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let half = |at: usize| {
            let (special, high) = block(bytes[at..].first_chunk().unwrap_or(&[0; 16]));
            special | high
        };
        half(0) | half(16) << 16
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn block(bytes: &[u8; 16]) -> (u32, u32) {
    let bit = |at: usize, set: bool| u32::from(set) << at;
    bytes.iter().enumerate().fold((0, 0), |(special, above), (at, &byte)| {
        let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
        (special | bit(at, is_special), above | bit(at, byte >= 0x80))
    })
}

/// Of 64 bytes, none of which may be special: a mask that is zero if all are ASCII. `None` if one is special.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn blocks(bytes: &[u8; 64]) -> Option<u32> {
    let (mut special, mut above) = (0, 0);
    for bytes in bytes.as_chunks::<16>().0 {
        let found = block(bytes);
        special |= found.0;
        above |= found.1;
    }
    (special == 0).then_some(above)
}
