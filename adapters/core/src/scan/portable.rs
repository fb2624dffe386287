//! Words of eight bytes, for processors whose vectors are not used.

use crate::scan::instruction_set::InstructionSet;

const ONES: u64 = u64::MAX / 0xff;
const LOW: u64 = ONES * 0x7f;
const HIGH: u64 = ONES * 0x80;

#[derive(Clone, Copy)]
pub struct Portable;

impl InstructionSet for Portable {
    /// The first byte is lowest.
    type Vector = u64;
    const SIZE: usize = 8;

    fn name(self) -> &'static str {
        "portable"
    }

    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> u64 {
        // SAFETY: by the contract; the read takes any alignment.
        u64::from_le(unsafe { from.cast::<u64>().read_unaligned() })
    }

    #[inline(always)]
    fn equal_to(self, bytes: u64, byte: u8) -> u64 {
        self.equal(bytes, ONES * u64::from(byte))
    }

    #[inline(always)]
    fn equal(self, first: u64, second: u64) -> u64 {
        let different = first ^ second;
        // No sum is carried into the next byte.
        !(different | ((different & LOW) + LOW)) & HIGH
    }

    #[inline(always)]
    fn control_or_high(self, bytes: u64) -> u64 {
        (!((bytes & LOW) + ONES * (0x80 - 0x20)) | bytes) & HIGH
    }

    #[inline(always)]
    fn or(self, first: u64, second: u64) -> u64 {
        first | second
    }

    #[inline(always)]
    fn mask(self, marks: u64) -> u64 {
        // Each bit is moved to a place of the highest byte, where no two meet.
        ((marks & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }

    #[inline(always)]
    fn any(self, marks: u64) -> bool {
        marks & HIGH != 0
    }
}
