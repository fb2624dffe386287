//! Taking wire bytes apart from the front. `None` stands for what is wrong or unusual.

/// What is left after something was taken from the front.
pub type Split<'a, T> = Option<(T, &'a [u8])>;

#[inline(always)]
pub fn varint(bytes: &[u8]) -> Split<'_, u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 128 { Some((u64::from(first), rest)) } else { long_varint(bytes) }
}

fn long_varint(bytes: &[u8]) -> Split<'_, u64> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        // Bits of the tenth byte beyond the 64th are dropped, as protobuf's own parser does.
        value |= u64::from(byte & 127) << (7 * at);
        if byte < 128 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

/// A length, and what it measures.
#[inline(always)]
pub fn delimited(bytes: &[u8]) -> Split<'_, &[u8]> {
    let (size, rest) = match *bytes {
        [size @ 0..128, ref rest @ ..] => (usize::from(size), rest),
        [low, high @ 0..128, ref rest @ ..] => (usize::from(low & 127) | usize::from(high) << 7, rest),
        _ => {
            let (size, rest) = long_varint(bytes)?;
            (usize::try_from(size).ok()?, rest)
        }
    };
    rest.split_at_checked(size)
}

/// What follows a byte that must be here.
#[inline(always)]
pub fn expect(byte: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    (first == byte).then_some(rest)
}

/// A tag of one or two bytes, which those of all known fields are.
#[inline(always)]
pub fn tag(bytes: &[u8]) -> Split<'_, usize> {
    match *bytes {
        [tag @ 0..128, ref rest @ ..] => Some((usize::from(tag), rest)),
        [low, high @ 0..4, ref rest @ ..] => Some((usize::from(low & 127) | usize::from(high) << 7, rest)),
        _ => None,
    }
}

/// What follows the value of a field of a tag.
#[inline(always)]
pub fn skip(tag: usize, bytes: &[u8]) -> Option<&[u8]> {
    match tag & 7 {
        0 => Some(varint(bytes)?.1),
        1 => bytes.get(8..),
        2 => Some(delimited(bytes)?.1),
        _ => None,
    }
}
