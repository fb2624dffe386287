//! Writes of the protobuf wire format to a `Vec`: varints, lengths, tags and length-delimited fields.

/// A tag as it is written: its bytes as a word, the first lowest, and their number.
pub type TagWord = (u64, usize);

#[inline(always)]
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    if value < 128 {
        return out.push(value as u8);
    }
    out.extend_from_slice(&varint_bytes(value)[..varint_size(value)]);
}

/// Return a varint of up to three bytes as a word, and its size; the size is 0 for a longer one.
#[inline(always)]
pub fn short_varint(value: u64) -> (u64, usize) {
    if value < 1 << 7 {
        (value, 1)
    } else if value < 1 << 14 {
        (value & 127 | 128 | value >> 7 << 8, 2)
    } else if value < 1 << 21 {
        (value & 127 | 128 | (value >> 7 & 127 | 128) << 8 | value >> 14 << 16, 3)
    } else {
        (0, 0)
    }
}

/// Write a length-delimited field: its tag, the payload's length, the payload.
#[inline]
pub fn put_delimited(tag: u64, payload: &[u8], out: &mut Vec<u8>) {
    put_varint(tag, out);
    put_varint(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// Leave `width` bytes for the length of a payload. Return the index at which the payload starts.
pub fn open_length(width: usize, out: &mut Vec<u8>) -> usize {
    out.resize(out.len() + width, 0);
    out.len()
}

/// Write the length of the payload from `start` to the end into the `width` bytes before it; move the payload if its
/// length takes another number of bytes. Return that number.
pub fn close_length(start: usize, width: usize, out: &mut Vec<u8>) -> usize {
    let length = (out.len() - start) as u64;
    let size = varint_size(length);
    out.splice(start - width..start, varint_bytes(length).into_iter().take(size));
    size
}

/// Return the number of bytes that a varint takes.
#[inline(always)]
pub fn varint_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Return the bytes of a varint, with zeros behind them.
pub fn varint_bytes(mut value: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    let mut at = 0;
    while value > 127 {
        bytes[at] = value as u8 | 128;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    bytes
}
