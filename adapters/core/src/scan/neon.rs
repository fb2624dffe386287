//! NEON, which every 64-bit ARM processor has.

use crate::scan::instruction_set::InstructionSet;
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub struct Neon;

impl InstructionSet for Neon {
    type Vector = uint8x16_t;
    const SIZE: usize = 16;

    fn name(self) -> &'static str {
        "neon"
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> uint8x16_t {
        // SAFETY: by the contract; the load takes any alignment. NEON is part of AArch64, here and below.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    fn equal_to(self, bytes: uint8x16_t, byte: u8) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { vceqq_u8(bytes, vdupq_n_u8(byte)) }
    }

    #[inline(always)]
    fn equal(self, first: uint8x16_t, second: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { vceqq_u8(first, second) }
    }

    #[inline(always)]
    fn control_or_high(self, bytes: uint8x16_t) -> uint8x16_t {
        // Bytes above 0x7f are negative.
        // SAFETY: as above.
        unsafe { vcltq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(0x20)) }
    }

    #[inline(always)]
    fn or(self, first: uint8x16_t, second: uint8x16_t) -> uint8x16_t {
        // SAFETY: as above.
        unsafe { vorrq_u8(first, second) }
    }

    #[inline(always)]
    fn mask(self, marks: uint8x16_t) -> u64 {
        // There is no instruction for this. A bit by its place in each half is kept of each byte, and those of a half are
        // added to one byte.
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        // SAFETY: as above; the load reads the array.
        unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let found = vandq_u8(vcltzq_s8(vreinterpretq_s8_u8(marks)), bits);
            let pairs = vpaddq_u8(found, found);
            let fours = vpaddq_u8(pairs, pairs);
            u64::from(vgetq_lane_u16::<0>(vreinterpretq_u16_u8(vpaddq_u8(fours, fours))))
        }
    }

    #[inline(always)]
    fn any(self, marks: uint8x16_t) -> bool {
        // SAFETY: as above.
        unsafe { vmaxvq_u8(marks) >= 0x80 }
    }
}
