//! The canonical order of a map's entries: that of protobuf's own deterministic serialization.

use std::cmp::Ordering;

/// Sort the map entries that start at some indices of a buffer, the first at `base`, the last up to the buffer's end.
pub fn sort_entries(out: &mut [u8], starts: &[usize], base: usize) {
    let end = out.len();
    let mut rest = &mut out[base..];
    let before = rest.to_vec();
    let mut entries: Vec<&[u8]> = starts
        .iter()
        .enumerate()
        .map(|(at, start)| &before[start - base..starts.get(at + 1).map_or(end, |&next| next) - base])
        .collect();
    entries.sort_by(|a, b| canonical_order(entry_key(a), entry_key(b)));
    for entry in entries {
        let (place, after) = rest.split_at_mut(entry.len());
        place.copy_from_slice(entry);
        rest = after;
    }
}

/// Return the key of a map entry that was written here: a field whose payload starts with the key.
fn entry_key(entry: &[u8]) -> &[u8] {
    let varint = |at: usize| {
        let size = entry[at..].iter().position(|&byte| byte < 128).unwrap_or(0) + 1;
        let value = entry[at..at + size].iter().rev().fold(0, |value, &byte| value << 7 | usize::from(byte & 127));
        (value, at + size)
    };
    let (_, length) = varint(0);
    let (_, key) = varint(length);
    let (size, start) = varint(key + 1);
    &entry[start..start + size]
}

/// Compare two keys by bytes, a longer key before one that begins it.
fn canonical_order(a: &[u8], b: &[u8]) -> Ordering {
    let shared = a.len().min(b.len());
    a[..shared].cmp(&b[..shared]).then(b.len().cmp(&a.len()))
}
