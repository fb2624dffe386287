//! SSE2, which every x86-64 has.

use crate::scan::instruction_set::InstructionSet;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub struct Sse2;

impl InstructionSet for Sse2 {
    type Vector = __m128i;
    const SIZE: usize = 16;

    fn name(self) -> &'static str {
        "sse2"
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> __m128i {
        // SAFETY: by the contract; the load takes any alignment. SSE2 is part of x86-64, here and below.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    #[inline(always)]
    fn equal_to(self, bytes: __m128i, byte: u8) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    fn equal(self, first: __m128i, second: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_cmpeq_epi8(first, second) }
    }

    #[inline(always)]
    fn control_or_high(self, bytes: __m128i) -> __m128i {
        // Bytes above 0x7f are negative.
        // SAFETY: as above.
        unsafe { _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)) }
    }

    #[inline(always)]
    fn or(self, first: __m128i, second: __m128i) -> __m128i {
        // SAFETY: as above.
        unsafe { _mm_or_si128(first, second) }
    }

    #[inline(always)]
    fn mask(self, marks: __m128i) -> u64 {
        // SAFETY: as above.
        unsafe { _mm_movemask_epi8(marks) as u64 }
    }
}
