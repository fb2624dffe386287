//! 32 bytes at a time. These functions are as those of `sse2`.

use crate::schema::Token;
use std::arch::x86_64::*;

/// Of 32 bytes, those that are special.
#[inline(always)]
fn special(block: __m256i) -> __m256i {
    // SAFETY: this is compiled for processors with AVX2 alone.
    unsafe {
        let quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"' as i8));
        let backslash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
        let control = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
        _mm256_or_si256(_mm256_or_si256(quote, backslash), control)
    }
}

/// Both halves of 64 bytes.
#[inline(always)]
fn halves(bytes: &[u8; 64]) -> [__m256i; 2] {
    // SAFETY: the loads read the 64 bytes of the array, at any alignment; AVX2 as above.
    unsafe { [0, 32].map(|at| _mm256_loadu_si256(bytes.as_ptr().add(at).cast())) }
}

#[inline(always)]
pub fn block64(bytes: &[u8; 64]) -> (u64, u64) {
    let [first, second] = halves(bytes);
    // SAFETY: AVX2 as above.
    let mask = |first, second| unsafe {
        u64::from(_mm256_movemask_epi8(first) as u32) | u64::from(_mm256_movemask_epi8(second) as u32) << 32
    };
    (mask(special(first), special(second)), mask(first, second))
}

#[inline(always)]
pub fn blocks(bytes: &[u8; 64]) -> Option<u32> {
    let [first, second] = halves(bytes);
    // SAFETY: AVX2 as above.
    unsafe {
        let found = _mm256_or_si256(special(first), special(second));
        (_mm256_movemask_epi8(found) == 0).then(|| _mm256_movemask_epi8(_mm256_or_si256(first, second)) as u32)
    }
}

#[inline(always)]
pub fn other32(bytes: &[u8; 32]) -> u32 {
    // SAFETY: the load reads the 32 bytes of the array, at any alignment; AVX2 as above.
    unsafe {
        let block = _mm256_loadu_si256(bytes.as_ptr().cast());
        let quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'"' as i8));
        let backslash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(b'\\' as i8));
        // Bytes above 0x7f are negative.
        let rest = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), block);
        _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, backslash), rest)) as u32
    }
}

#[inline(always)]
pub fn matches(ahead: &[u8; 32], token: &Token) -> bool {
    // SAFETY: the loads read arrays of 32 bytes, that of the token at an address divisible by 32; AVX2 as above.
    unsafe {
        let ahead = _mm256_loadu_si256(ahead.as_ptr().cast());
        let same = _mm256_cmpeq_epi8(ahead, _mm256_load_si256(token.bytes.as_ptr().cast()));
        _mm256_movemask_epi8(same) as u32 | token.behind == u32::MAX
    }
}
