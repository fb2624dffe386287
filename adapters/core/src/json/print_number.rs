//! The JSON text of numbers.
//!
//! Digits are made eight at a time in a word, without a loop.

use crate::buffer::output::{OutputPointer, RESERVED, append_to_vec};
use crate::limits::MAX_EXACT_INTEGER;

/// Bytes of room that a number needs to be written. Its text is shorter.
pub const MAX_NUMBER: usize = 32;

/// Write an unsigned integer.
///
/// # Safety
///
/// There is room for `MAX_NUMBER` bytes.
#[inline(always)]
pub unsafe fn put_unsigned(value: u64, end: OutputPointer) -> OutputPointer {
    // SAFETY: by the contract.
    unsafe {
        if value < 10 {
            return end.put_bytes(&[b'0' + value as u8]);
        }
        put_digits(value, end)
    }
}

/// Write a signed integer.
///
/// # Safety
///
/// There is room for `MAX_NUMBER` bytes.
#[inline(always)]
pub unsafe fn put_signed(value: i64, end: OutputPointer) -> OutputPointer {
    // SAFETY: by the contract.
    unsafe {
        let end = if value < 0 { end.put_bytes(b"-") } else { end };
        put_unsigned(value.unsigned_abs(), end)
    }
}

/// Write any unsigned integer.
///
/// # Safety
///
/// There is room for 24 bytes.
unsafe fn put_digits(value: u64, end: OutputPointer) -> OutputPointer {
    const GROUP: u64 = 100_000_000;
    // SAFETY: three groups of eight at most, one written after the other.
    unsafe {
        if value < 100 {
            return put_two(value, end);
        }
        if value < GROUP {
            return put_without_zeros(value as u32, end);
        }
        let (high, low) = (value / GROUP, (value % GROUP) as u32);
        // Most large numbers are times in seconds, which have ten digits.
        let end = if let 10..100 = high {
            put_two(high, end)
        } else if high < GROUP {
            put_without_zeros(high as u32, end)
        } else {
            put_eight(put_without_zeros((high / GROUP) as u32, end), (high % GROUP) as u32)
        };
        put_eight(end, low)
    }
}

/// Write a number below 100 as two digits.
///
/// # Safety
///
/// There is room for eight bytes.
#[inline(always)]
unsafe fn put_two(value: u64, end: OutputPointer) -> OutputPointer {
    let tens = (value * 103) >> 10;
    // SAFETY: by the contract.
    unsafe { end.put_word(tens | (value - tens * 10) << 8 | ZEROS, 2) }
}

/// Return the eight digits of a number, the first in the lowest byte.
#[inline(always)]
fn eight_digits(value: u32) -> u64 {
    // Two halves of four digits, then four of two, then eight of one, all halves of a step at once. The factors are
    // reciprocals, exact for numbers of so few digits.
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Write a number below 10^8 as eight digits.
///
/// # Safety
///
/// There is room for eight bytes.
#[inline(always)]
unsafe fn put_eight(end: OutputPointer, value: u32) -> OutputPointer {
    // SAFETY: by the contract.
    unsafe { end.put_word(eight_digits(value) | ZEROS, 8) }
}

/// Write a number above zero and below 10^8, without zeros before it.
///
/// # Safety
///
/// There is room for eight bytes.
#[inline(always)]
unsafe fn put_without_zeros(value: u32, end: OutputPointer) -> OutputPointer {
    let digits = eight_digits(value);
    let zeros = digits.trailing_zeros() / 8;
    // SAFETY: by the contract; a digit is not zero.
    unsafe { end.put_word((digits | ZEROS) >> (zeros * 8), 8 - zeros as usize) }
}

/// Write a double: an integer of at most 2^53 without a fraction, any other number in the fewest digits that read back.
///
/// # Safety
///
/// There is room for `MAX_NUMBER` bytes.
pub unsafe fn put_double(value: f64, mut end: OutputPointer) -> OutputPointer {
    let integer = value as i64;
    let small = integer.unsigned_abs() <= MAX_EXACT_INTEGER;
    // SAFETY: by the contract; the longest text of a double is of 24 bytes, which `Buffer` holds.
    unsafe {
        if small && integer as f64 == value && !(integer == 0 && value.is_sign_negative()) {
            return put_signed(integer, end);
        }
        if !value.is_finite() {
            return end.put_slice(nonfinite(value).as_bytes());
        }
        const { assert!(size_of::<zmij::Buffer>() <= MAX_NUMBER) }
        let text = end.put_value(zmij::Buffer::new()).format_finite(value).as_bytes();
        let size = text.len();
        // Only positive exponents have a plus sign, which is left out.
        if value.abs() >= 1e15
            && let Some(plus) = text.iter().position(|&byte| byte == b'+')
        {
            let digits = text[plus + 1..].iter().rev().fold(0, |word, &digit| word << 8 | u64::from(digit));
            return end.advance(plus).put_word(digits, size - plus - 1);
        }
        end.advance(size)
    }
}

fn nonfinite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

pub fn print_double(value: f64, out: &mut Vec<u8>) {
    // SAFETY: a number needs no more than `MAX_NUMBER` bytes.
    unsafe { append_to_vec(out, |end| put_double(value, end)) }
}

pub fn print_integer(value: i64, out: &mut Vec<u8>) {
    // SAFETY: a number needs no more than `MAX_NUMBER` bytes.
    unsafe { append_to_vec(out, |end| put_signed(value, end)) }
}

pub fn print_unsigned(value: u64, out: &mut Vec<u8>) {
    // SAFETY: a number needs no more than `MAX_NUMBER` bytes.
    unsafe { append_to_vec(out, |end| put_unsigned(value, end)) }
}

const _: () = assert!(MAX_NUMBER <= RESERVED);
