//! Appending to a buffer in steps of whole words and blocks.
//!
//! Most of what is written is a few bytes long, for which a call of memcpy costs more than the copy. So the functions
//! here write eight or sixteen bytes at a time into the room behind the end, and then count only those that are meant.

/// Append the `size` lowest bytes of a word, at most eight.
#[inline(always)]
pub fn put_word(out: &mut Vec<u8>, word: u64, size: usize) {
    if out.capacity() - out.len() < 8 {
        grow(out, 8);
    }
    let size = size.min(8);
    // SAFETY: there is room for eight bytes behind the end, all of which are written; at most eight are counted.
    unsafe {
        out.as_mut_ptr().add(out.len()).cast::<u64>().write_unaligned(word.to_le());
        out.set_len(out.len() + size);
    }
}

/// Append `source[start..stop]`.
#[inline(always)]
pub fn put_span(out: &mut Vec<u8>, source: &[u8], start: usize, stop: usize) {
    let span = &source[start..stop];
    if span.len() > 64 || source.len() - start < 64 {
        out.extend_from_slice(span);
        return;
    }
    if out.capacity() - out.len() < 64 {
        grow(out, 64);
    }
    // SAFETY: there are 64 bytes from `start` on in the source and room for 64 behind the end, in memory of its own;
    // of the blocks of sixteen that are copied, four at most, only the bytes of the span are counted.
    unsafe {
        let from = source.as_ptr().add(start);
        let to = out.as_mut_ptr().add(out.len());
        let mut at = 0;
        loop {
            to.add(at).cast::<[u8; 16]>().write_unaligned(from.add(at).cast::<[u8; 16]>().read_unaligned());
            at += 16;
            if at >= span.len() {
                break;
            }
        }
        out.set_len(out.len() + span.len());
    }
}

/// Append `text` from `at` on up to the first byte that needs attention, and return its place: `end` where there is
/// none before. Sets `high` if a byte before it is not ASCII.
#[inline(always)]
pub fn put_plain(out: &mut Vec<u8>, text: &[u8], mut at: usize, end: usize, high: &mut bool) -> usize {
    let end = end.min(text.len());
    #[cfg(target_arch = "x86_64")]
    {
        if out.capacity() - out.len() < end.saturating_sub(at) + 16 {
            grow(out, end.saturating_sub(at) + 16);
        }
        let mut all = 0;
        while at < end {
            let Some(block) = crate::scan::chunk::<16>(text, at) else {
                break;
            };
            let (found, above) = crate::scan::block(block);
            // What is past the end counts as found at the end.
            let found = found | 0xffff << (end - at).min(16);
            let size = found.trailing_zeros().min(16) as usize;
            // SAFETY: there was room for all up to the end and sixteen bytes more, of which `at` bytes of text have
            // taken as many; sixteen are written, and those counted do not go past the end.
            unsafe {
                out.as_mut_ptr().add(out.len()).cast::<[u8; 16]>().write_unaligned(*block);
                out.set_len(out.len() + size);
            }
            all |= above & ((1 << size) - 1);
            at += size;
            if size < 16 {
                *high |= all != 0;
                return at;
            }
        }
        *high |= all != 0;
        if at == end {
            return at;
        }
    }
    let stop = crate::scan::special(&text[..end], at, high);
    out.extend_from_slice(&text[at..stop]);
    at = stop;
    at
}

#[cold]
#[inline(never)]
fn grow(out: &mut Vec<u8>, size: usize) {
    out.reserve(size);
}
