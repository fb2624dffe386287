//! Sixteen bytes at a time.

// Builds with AVX2 use `block` alone.
#![cfg_attr(target_feature = "avx2", allow(dead_code))]

use crate::schema::Token;
use std::arch::x86_64::*;

/// Of sixteen bytes, those that are special.
#[inline(always)]
fn special(block: __m128i) -> __m128i {
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        _mm_or_si128(_mm_or_si128(quote, backslash), control)
    }
}

/// Of sixteen bytes: a bit for each that is special, and a bit for each that is not ASCII.
#[inline(always)]
pub fn block(bytes: &[u8; 16]) -> (u32, u32) {
    // SAFETY: the load reads the sixteen bytes of the array, at any alignment; SSE2 is part of x86-64.
    unsafe {
        let block = _mm_loadu_si128(bytes.as_ptr().cast());
        (_mm_movemask_epi8(special(block)) as u32, _mm_movemask_epi8(block) as u32)
    }
}

/// Of 64 bytes, none of which may be special: a mask that is zero if all are ASCII. `None` if one is special.
#[inline(always)]
pub fn blocks(bytes: &[u8; 64]) -> Option<u32> {
    // SAFETY: the loads read the 64 bytes of the array, at any alignment; SSE2 is part of x86-64.
    unsafe {
        let (mut found, mut all) = (_mm_setzero_si128(), _mm_setzero_si128());
        for at in 0..4 {
            let block = _mm_loadu_si128(bytes.as_ptr().add(at * 16).cast());
            found = _mm_or_si128(found, special(block));
            all = _mm_or_si128(all, block);
        }
        (_mm_movemask_epi8(found) == 0).then(|| _mm_movemask_epi8(all) as u32)
    }
}

/// Of 32 bytes: a bit for each that is special or not ASCII, which is found faster than either alone.
#[inline(always)]
pub fn other32(bytes: &[u8; 32]) -> u32 {
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

/// Whether a text starts with a token.
#[inline(always)]
pub fn matches(ahead: &[u8; 32], token: &Token) -> bool {
    // SAFETY: the loads read two halves of arrays of 32 bytes, that of the token at an address divisible by 16, as the
    // token's is by 32; SSE2 is part of x86-64.
    unsafe {
        let half = |at: usize| {
            let ahead = _mm_loadu_si128(ahead.as_ptr().add(at).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(ahead, _mm_load_si128(token.bytes.as_ptr().add(at).cast()))) as u32
        };
        half(0) | half(16) << 16 | token.behind == u32::MAX
    }
}
