//! Memory of large buffers. To fetch a page of 4 KB costs more than to fill it, and memory that was just asked for has to
//! be fetched page by page. Linux gives pages of 2 MB to those who ask; elsewhere nothing is done here.

use std::mem::MaybeUninit;

/// Buffers of fewer bytes are left alone.
pub const LARGE: usize = 4 << 20;

/// Ask for large pages for memory that is about to be written.
pub fn before_writing(memory: &mut [MaybeUninit<u8>]) {
    #[cfg(target_os = "linux")]
    if memory.len() >= LARGE
        && let Some((start, size)) = inner(memory.as_mut_ptr().cast(), memory.len(), 4 << 10)
    {
        // SAFETY: these are pages of the memory, whose contents stay as they are. If it fails, it is but slower.
        unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Write a copy of bytes into memory of the same size.
pub fn write_copy(memory: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    // SAFETY: these are the same bytes, of which is only said that they need not be written.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<MaybeUninit<u8>>(), bytes.len()) };
    memory.copy_from_slice(bytes);
}

/// Have bytes fetched into the caches that processors share: in order, which is many times as fast as from place to place.
pub fn fetch(bytes: &[u8]) {
    for line in bytes.chunks(64) {
        std::hint::black_box(line[0]);
    }
}

/// The whole pages of a size inside some memory, if there are any.
#[cfg(target_os = "linux")]
fn inner(start: *mut u8, size: usize, page: usize) -> Option<(*mut libc::c_void, usize)> {
    let skipped = start.addr().next_multiple_of(page) - start.addr();
    let whole = size.checked_sub(skipped)? / page * page;
    (whole > 0).then(|| (start.wrapping_add(skipped).cast(), whole))
}
