//! A field's tag and the varint after it, written to an output.

use crate::buffer::output::OutputPointer;
use crate::wire::write::{TagWord, short_varint};

/// Write a tag of at most four bytes and the varint after it of a value below 2^28, without a branch.
///
/// # Safety
///
/// There is room for eight bytes, and the tag has at most four.
#[inline(always)]
pub unsafe fn put_short_header(end: OutputPointer, tag: TagWord, value: u32) -> OutputPointer {
    let halves = value & 0x3fff | (value & 0x0fff_c000) << 2;
    let bytes = halves & 0x007f_007f | (halves & 0x3f80_3f80) << 1;
    let (more, size) = MORE[(value | 1).ilog2() as usize & 31];
    // SAFETY: by the contract.
    unsafe { end.put_word(tag.0 | u64::from(bytes | more) << (tag.1 * 8), tag.1 + size as usize) }
}

/// By the highest bit of a varint's value: the bits that say that a byte follows, and how many bytes there are.
const MORE: [(u32, u32); 32] = {
    let mut more = [(0, 0); 32];
    let mut bit = 0;
    while bit < 32 {
        let after = bit as u32 / 7;
        more[bit] = (0x8080_8080 & ((1u64 << (8 * after)) - 1) as u32, after + 1);
        bit += 1;
    }
    more
};

/// Write a tag of at most five bytes and the varint after it.
///
/// # Safety
///
/// There is room for 24 bytes.
#[inline(always)]
pub unsafe fn put_header(end: OutputPointer, tag: TagWord, value: u64) -> OutputPointer {
    let (word, size) = short_varint(value);
    // SAFETY: by the contract.
    unsafe {
        if size > 0 {
            return end.put_word(tag.0 | word << (tag.1 * 8), tag.1 + size);
        }
        put_long_varint(end.put_word(tag.0, tag.1), value)
    }
}

/// Write a varint.
///
/// # Safety
///
/// There is room for 18 bytes.
#[inline(never)]
unsafe fn put_long_varint(mut end: OutputPointer, mut value: u64) -> OutputPointer {
    // SAFETY: by the contract; a varint has at most ten bytes.
    unsafe {
        while value > 127 {
            end = end.put_word(value & 127 | 128, 1);
            value >>= 7;
        }
        end.put_word(value, 1)
    }
}
