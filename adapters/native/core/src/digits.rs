//! Numbers as JSON text.

use crate::end::End;
use crate::limits::MAX_EXACT_INTEGER;
use std::ptr::NonNull;

/// No number has more bytes, nor needs more room.
pub const LONGEST: usize = 32;

/// # Safety
///
/// There is room for `LONGEST` bytes.
#[inline(always)]
pub unsafe fn unsigned(value: u64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe {
        if value < 10 {
            return end.bytes(&[b'0' + value as u8]);
        }
        many_digits(value, end)
    }
}

/// # Safety
///
/// There is room for `LONGEST` bytes.
#[inline(always)]
pub unsafe fn signed(value: i64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe {
        let end = if value < 0 { end.bytes(b"-") } else { end };
        unsigned(value.unsigned_abs(), end)
    }
}

/// # Safety
///
/// There is room for 24 bytes.
unsafe fn many_digits(value: u64, end: End) -> End {
    const GROUP: u64 = 100_000_000;
    // SAFETY: three groups of eight at most, one written after the other.
    unsafe {
        if value < 100 {
            let tens = (value * 103) >> 10;
            return end.word(tens | (value - tens * 10) << 8 | ZEROS, 2);
        }
        if value < GROUP {
            return leading(value as u32, end);
        }
        let (high, low) = (value / GROUP, (value % GROUP) as u32);
        let end = if high < GROUP {
            leading(high as u32, end)
        } else {
            eight(leading((high / GROUP) as u32, end), (high % GROUP) as u32)
        };
        eight(end, low)
    }
}

/// The eight digits of a number, the first in the lowest byte.
#[inline(always)]
fn digits(value: u32) -> u64 {
    // Halves of four digits, then of two, then of one, all at once. The factors are reciprocals, exact for so few digits.
    let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

#[inline(always)]
unsafe fn eight(end: End, value: u32) -> End {
    // SAFETY: the caller has room for eight bytes.
    unsafe { end.word(digits(value) | ZEROS, 8) }
}

/// A number above zero and below 10^8, without zeros before it.
#[inline(always)]
unsafe fn leading(value: u32, end: End) -> End {
    let digits = digits(value);
    let zeros = digits.trailing_zeros() / 8;
    // SAFETY: the caller has room for eight bytes; a digit is not zero.
    unsafe { end.word((digits | ZEROS) >> (zeros * 8), 8 - zeros as usize) }
}

/// The text of a double: an integer up to 2^53 without a fraction, else the shortest digits that read back.
///
/// # Safety
///
/// There is room for `LONGEST` bytes.
pub unsafe fn double(value: f64, mut end: End) -> End {
    let integer = value as i64;
    let small = integer.unsigned_abs() <= MAX_EXACT_INTEGER;
    // SAFETY: by the contract; the longest text of a double is of 24 bytes, which `Buffer` holds.
    unsafe {
        if small && integer as f64 == value && !(integer == 0 && value.is_sign_negative()) {
            return signed(integer, end);
        }
        if !value.is_finite() {
            return end.slice(nonfinite(value).as_bytes());
        }
        const { assert!(size_of::<zmij::Buffer>() <= LONGEST) }
        let text = end.place(zmij::Buffer::new()).format_finite(value).as_bytes();
        let size = text.len();
        // Only exponents above zero have a plus sign, which is left out.
        if value.abs() >= 1e15
            && let Some(plus) = text.iter().position(|&byte| byte == b'+')
        {
            let digits = text[plus + 1..].iter().rev().fold(0, |word, &digit| word << 8 | u64::from(digit));
            return end.after(plus).word(digits, size - plus - 1);
        }
        end.after(size)
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
    // SAFETY: `double` needs as much room as there is.
    print(out, |end| unsafe { double(value, end) });
}

pub fn print_integer(value: i64, out: &mut Vec<u8>) {
    // SAFETY: `signed` needs as much room as there is.
    print(out, |end| unsafe { signed(value, end) });
}

pub fn print_unsigned(value: u64, out: &mut Vec<u8>) {
    // SAFETY: `unsigned` needs as much room as there is.
    print(out, |end| unsafe { unsigned(value, end) });
}

/// Write at the end of a vector with room for `LONGEST` bytes.
#[inline]
fn print(out: &mut Vec<u8>, write: impl FnOnce(End) -> End) {
    out.reserve(LONGEST);
    let room = NonNull::from(out.spare_capacity_mut()).cast::<u8>();
    let size = write(End::new(room)).address() - room.addr().get();
    // SAFETY: as many bytes are written behind those that were.
    unsafe { out.set_len(out.len() + size) };
}
