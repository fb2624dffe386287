//! Blocks of bytes and their masks, which have a bit for each byte, that of the first byte lowest.
//!
//! A byte is *special* if a JSON string cannot hold it as it is: a quote, a backslash or a control character. A byte is
//! *high* if it is not ASCII.

use crate::scan::instruction_set::InstructionSet;

/// Return the masks of the special and of the high bytes.
#[inline(always)]
pub fn special_and_high<const SIZE: usize>(set: impl InstructionSet, bytes: &[u8; SIZE]) -> (u64, u64) {
    let high = mask(set, bytes, |_, vector| vector);
    (mask(set, bytes, either) & !high, high)
}

/// Return whether no byte is special or high.
#[inline(always)]
pub fn is_plain_ascii<Set: InstructionSet>(set: Set, bytes: &[u8; 64]) -> bool {
    let mut found = either(set, load(set, bytes, 0));
    for at in (Set::SIZE..64).step_by(Set::SIZE) {
        found = set.or(found, either(set, load(set, bytes, at)));
    }
    !set.any(found)
}

/// Return the mask of the bytes that are special or high, which takes fewer steps than either alone.
#[inline(always)]
pub fn special_or_high(set: impl InstructionSet, bytes: &[u8; 32]) -> u32 {
    mask(set, bytes, either) as u32
}

/// Mark the bytes that are special or high.
#[inline(always)]
fn either<Set: InstructionSet>(set: Set, bytes: Set::Vector) -> Set::Vector {
    let quote_or_backslash = set.or(set.equal_to(bytes, b'"'), set.equal_to(bytes, b'\\'));
    set.or(quote_or_backslash, set.control_or_high(bytes))
}

/// Return the mask of the bytes that are equal in two blocks.
#[inline(always)]
pub fn equal<Set: InstructionSet>(set: Set, first: &[u8; 32], second: &[u8; 32]) -> u32 {
    let mut found = 0;
    for at in (0..32).step_by(Set::SIZE) {
        found |= set.mask(set.equal(load(set, first, at), load(set, second, at))) << at;
    }
    found as u32
}

/// Return the mask of the bytes that a function marks.
#[inline(always)]
fn mask<Set: InstructionSet, const SIZE: usize>(
    set: Set,
    bytes: &[u8; SIZE],
    marks: impl Fn(Set, Set::Vector) -> Set::Vector,
) -> u64 {
    let mut found = 0;
    for at in (0..SIZE).step_by(Set::SIZE) {
        found |= set.mask(marks(set, load(set, bytes, at))) << at;
    }
    found
}

/// Return the vector at an index of some bytes.
#[inline(always)]
fn load<Set: InstructionSet, const SIZE: usize>(set: Set, bytes: &[u8; SIZE], at: usize) -> Set::Vector {
    assert!(at + Set::SIZE <= SIZE, "a block that is not a whole number of vectors");
    // SAFETY: as many bytes are there.
    unsafe { set.load(bytes.as_ptr().add(at)) }
}
