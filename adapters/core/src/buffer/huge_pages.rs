//! Large pages for large buffers.
//!
//! The system maps new memory page by page, and to map a page of 4 KB costs more than to fill it. Linux maps pages of 2
//! MB where a process asks for them; on other systems nothing is done here.

use std::mem::MaybeUninit;

/// Smaller buffers are left alone.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

/// Ask for large pages for memory that is about to be written.
pub fn advise_huge_pages(memory: &mut [MaybeUninit<u8>]) {
    #[cfg(target_os = "linux")]
    if memory.len() >= LARGE
        && let Some((start, size)) = whole_pages(memory.as_mut_ptr().cast(), memory.len(), 4 << 10)
    {
        // SAFETY: these are pages of the memory, whose contents stay as they are. If it fails, it is but slower.
        unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Return the start and the size of the whole pages inside some memory, or `None` if there are none.
#[cfg(target_os = "linux")]
fn whole_pages(start: *mut u8, size: usize, page: usize) -> Option<(*mut libc::c_void, usize)> {
    let skipped = start.addr().next_multiple_of(page) - start.addr();
    let whole = size.checked_sub(skipped)? / page * page;
    (whole > 0).then(|| (start.wrapping_add(skipped).cast(), whole))
}
