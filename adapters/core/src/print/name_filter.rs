//! A Bloom filter of names, which says quickly that a name is new.

/// A set of names that may say that it has a name which it does not have: two bits for each name.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameFilter([u64; 2]);

impl NameFilter {
    /// Return whether the filter may have the name of a hash.
    #[inline(always)]
    pub fn may_have(&self, hash: u64) -> bool {
        (self.0[0] >> (hash >> 58)) & (self.0[1] >> (hash >> 52 & 63)) & 1 != 0
    }

    /// Add the name of a hash. Return whether the filter may have had it.
    #[inline(always)]
    pub fn add(&mut self, hash: u64) -> bool {
        let duplicate = self.may_have(hash);
        self.0[0] |= 1 << (hash >> 58);
        self.0[1] |= 1 << (hash >> 52 & 63);
        duplicate
    }
}

/// Return a number whose highest bits differ for most names.
#[inline(always)]
pub fn hash(name: &[u8]) -> u64 {
    let word = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(23),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => name.iter().fold(1, |word, &byte| word << 8 | u64::from(byte)),
        },
    };
    (word ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
