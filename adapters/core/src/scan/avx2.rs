//! AVX2, with the instructions for bits of the same processors (Intel since 2013, AMD since 2015).

use crate::scan::instruction_set::InstructionSet;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// Return the set if the processor has it.
    pub fn detect() -> Option<Avx2> {
        let detected = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        detected.then_some(Avx2(()))
    }

    /// Call a function, which is compiled for this set as far as it is inlined.
    #[inline(always)]
    pub fn call<T>(self, function: impl FnOnce(Avx2) -> T) -> T {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        fn call<T>(set: Avx2, function: impl FnOnce(Avx2) -> T) -> T {
            function(set)
        }
        // SAFETY: the processor has the set, as this value proves.
        unsafe { call(self, function) }
    }
}

impl InstructionSet for Avx2 {
    type Vector = __m256i;
    const SIZE: usize = 32;

    fn name(self) -> &'static str {
        "avx2"
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> __m256i {
        // SAFETY: by the contract; the load takes any alignment. The processor has the set, here and below.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    fn equal_to(self, bytes: __m256i, byte: u8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    fn equal(self, first: __m256i, second: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_cmpeq_epi8(first, second) }
    }

    #[inline(always)]
    fn control_or_high(self, bytes: __m256i) -> __m256i {
        // Bytes above 0x7f are negative.
        // SAFETY: as above.
        unsafe { _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes) }
    }

    #[inline(always)]
    fn or(self, first: __m256i, second: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_or_si256(first, second) }
    }

    #[inline(always)]
    fn mask(self, marks: __m256i) -> u64 {
        // SAFETY: as above.
        unsafe { u64::from(_mm256_movemask_epi8(marks) as u32) }
    }
}
