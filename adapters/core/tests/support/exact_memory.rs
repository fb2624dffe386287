//! Memory that ends where it is said to end, for tests of bounds.

use chatpb_core::GrowableMemory;
use std::ptr::NonNull;

const CANARY: u8 = 0xa5;
/// Bytes behind the memory. Miri watches its end itself.
const MARGIN: usize = if cfg!(miri) { 0 } else { 1024 };

/// Memory that gives exactly as many bytes as are asked for, elsewhere each time, with a canary behind them.
#[derive(Default)]
pub struct ExactMemory {
    bytes: Vec<u8>,
    size: usize,
}

impl ExactMemory {
    /// Memory of which some bytes are used, with no room behind them.
    pub fn with(used: &[u8]) -> ExactMemory {
        ExactMemory { bytes: [used, &[CANARY; MARGIN]].concat(), size: used.len() }
    }

    /// Return the bytes up to where they are used. Fail if the canary is dead.
    pub fn finish(self, used: usize) -> Vec<u8> {
        self.check();
        assert!(used <= self.size, "more bytes are used than there are");
        self.bytes[..used].to_vec()
    }

    pub fn check(&self) {
        assert!(self.bytes[self.size..].iter().all(|&byte| byte == CANARY), "bytes were written behind the memory");
    }
}

// SAFETY: the vector has as many bytes, which stay where they are until the next call, and those used are copied.
unsafe impl GrowableMemory for ExactMemory {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        self.check();
        let mut larger = vec![CANARY; used + more + MARGIN];
        larger[..used].copy_from_slice(&self.bytes[..used]);
        (self.bytes, self.size) = (larger, used + more);
        (NonNull::from(self.bytes.as_mut_slice()).cast(), self.size)
    }
}

/// Bytes that end where a page begins which may not be read.
#[cfg(all(target_os = "linux", not(miri)))]
pub struct GuardedBytes {
    pages: NonNull<u8>,
    size: usize,
    page: usize,
}

#[cfg(all(target_os = "linux", not(miri)))]
impl GuardedBytes {
    /// Make room for up to `size` bytes.
    pub fn new(size: usize) -> GuardedBytes {
        // SAFETY: no memory is touched but that which is mapped here.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let size = size.max(1).next_multiple_of(page);
            let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let pages = libc::mmap(std::ptr::null_mut(), size + page, access, flags, -1, 0);
            assert_ne!(pages, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(pages.add(size), page, libc::PROT_NONE), 0);
            GuardedBytes { pages: NonNull::new(pages.cast()).expect("pages"), size, page }
        }
    }

    /// Return a copy of bytes that ends at the guard.
    pub fn holding(&mut self, bytes: &[u8]) -> &[u8] {
        assert!(bytes.len() <= self.size);
        // SAFETY: these are the last bytes of the pages that may be written.
        unsafe {
            let start = self.pages.as_ptr().add(self.size - bytes.len());
            start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            std::slice::from_raw_parts(start, bytes.len())
        }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
impl Drop for GuardedBytes {
    fn drop(&mut self) {
        // SAFETY: they were mapped with this size, and nothing borrows them.
        unsafe { libc::munmap(self.pages.as_ptr().cast(), self.size + self.page) };
    }
}

/// Elsewhere, bytes in an allocation of their own, whose end the tools that run such tests watch.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub struct GuardedBytes(Box<[u8]>);

#[cfg(not(all(target_os = "linux", not(miri))))]
impl GuardedBytes {
    pub fn new(_size: usize) -> GuardedBytes {
        GuardedBytes(Box::default())
    }

    pub fn holding(&mut self, bytes: &[u8]) -> &[u8] {
        self.0 = bytes.into();
        &self.0
    }
}
