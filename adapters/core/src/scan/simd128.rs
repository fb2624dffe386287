//! The vectors of WebAssembly, for modules that are compiled with them.

use crate::scan::instruction_set::InstructionSet;
use std::arch::wasm32::*;

#[derive(Clone, Copy)]
pub struct Simd128;

impl InstructionSet for Simd128 {
    type Vector = v128;
    const SIZE: usize = 16;

    fn name(self) -> &'static str {
        "simd128"
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> v128 {
        // SAFETY: by the contract; the load takes any alignment.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    fn equal_to(self, bytes: v128, byte: u8) -> v128 {
        u8x16_eq(bytes, u8x16_splat(byte))
    }

    #[inline(always)]
    fn equal(self, first: v128, second: v128) -> v128 {
        u8x16_eq(first, second)
    }

    #[inline(always)]
    fn control_or_high(self, bytes: v128) -> v128 {
        // Bytes above 0x7f are negative.
        i8x16_lt(bytes, i8x16_splat(0x20))
    }

    #[inline(always)]
    fn or(self, first: v128, second: v128) -> v128 {
        v128_or(first, second)
    }

    #[inline(always)]
    fn mask(self, marks: v128) -> u64 {
        u64::from(i8x16_bitmask(marks))
    }
}
