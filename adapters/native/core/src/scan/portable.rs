//! Byte by byte, in a form that compilers vectorize. These functions are as those of `sse2`.

use super::block64;
use crate::schema::Token;

#[inline(always)]
pub fn block(bytes: &[u8; 16]) -> (u32, u32) {
    let bit = |at: usize, set: bool| u32::from(set) << at;
    bytes.iter().enumerate().fold((0, 0), |(special, above), (at, &byte)| {
        let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
        (special | bit(at, is_special), above | bit(at, byte >= 0x80))
    })
}

#[inline(always)]
pub fn blocks(bytes: &[u8; 64]) -> Option<u32> {
    let (special, high) = block64(bytes);
    (special == 0).then_some(u32::from(high != 0))
}

#[inline(always)]
pub fn other32(bytes: &[u8; 32]) -> u32 {
    bytes.as_chunks::<16>().0.iter().rev().fold(0, |other, bytes| {
        let (special, high) = block(bytes);
        other << 16 | special | high
    })
}

#[inline(always)]
pub fn matches(ahead: &[u8; 32], token: &Token) -> bool {
    let same = |at: usize| u32::from(ahead[at] == token.bytes[at]) << at;
    (0..32).fold(token.behind, |found, at| found | same(at)) == u32::MAX
}
