//! The end of the text that is being written, as a pointer that stays in a register.
//!
//! A `Vec` keeps its end in memory, and every step onto it loads, checks and stores that. Here an `End` is handed from one
//! step to the next by value. It is not `Copy`: a step takes the end and gives a new one, so that none is used after the
//! memory has moved. Steps do not look for room, but whoever calls them does, once for many: hence they are unsafe.

use crate::pages::before_writing;
use std::ptr::NonNull;

/// Memory that is written into, which may move when it grows.
///
/// # Safety
///
/// What `grow` returns must be writable, and hold the bytes used so far, until the next call or the end of the borrow.
pub unsafe trait Room {
    /// Have room for `more` bytes behind the `used` that are written. Returns the start of the memory and its size.
    /// Unwinds where there is no memory to be had.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory returned last are written.
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize);
}

// SAFETY: a vector's spare capacity is writable, and `reserve` keeps what is within the length.
unsafe impl Room for Vec<u8> {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        // SAFETY: they are written, within the capacity that was returned last.
        unsafe { self.set_len(used) };
        let before = self.capacity();
        self.reserve(more);
        if self.capacity() > before {
            before_writing(self.spare_capacity_mut());
        }
        (NonNull::from(self.as_mut_slice()).cast(), self.capacity())
    }
}

/// Steps need no more room than this behind the end, unless they say so.
pub const STEP: usize = 64;

/// The place behind the last byte written.
#[derive(Debug)]
pub struct End(NonNull<u8>);

impl End {
    pub fn new(place: NonNull<u8>) -> End {
        End(place)
    }

    #[inline(always)]
    pub fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// # Safety
    ///
    /// There is room for `size` bytes, and they are written.
    #[inline(always)]
    pub unsafe fn after(self, size: usize) -> End {
        // SAFETY: inside the room, by the contract.
        End(unsafe { self.0.add(size) })
    }

    /// A block of bytes of which the first `size` are meant.
    ///
    /// # Safety
    ///
    /// There is room for the whole block, and `size` is not more.
    #[inline(always)]
    pub unsafe fn block<const SIZE: usize>(self, block: &[u8; SIZE], size: usize) -> End {
        // SAFETY: by the contract.
        unsafe {
            self.0.cast::<[u8; SIZE]>().write_unaligned(*block);
            self.after(size)
        }
    }

    /// The `size` lowest bytes of a word.
    ///
    /// # Safety
    ///
    /// There is room for eight bytes, and `size` is not more.
    #[inline(always)]
    pub unsafe fn word(self, word: u64, size: usize) -> End {
        // SAFETY: by the contract.
        unsafe { self.block(&word.to_le_bytes(), size) }
    }

    /// # Safety
    ///
    /// There is room for `SIZE` bytes.
    #[inline(always)]
    pub unsafe fn bytes<const SIZE: usize>(self, bytes: &[u8; SIZE]) -> End {
        // SAFETY: by the contract.
        unsafe { self.block(bytes, SIZE) }
    }

    /// # Safety
    ///
    /// There is room for all bytes.
    #[inline]
    pub unsafe fn slice(self, bytes: &[u8]) -> End {
        // SAFETY: by the contract; the room is borrowed mutably, so that the bytes are elsewhere.
        unsafe {
            self.0.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            self.after(bytes.len())
        }
    }

    /// Close a list: in place of the comma after its last item, or behind the opening bracket where it has none, comes
    /// the closing bracket, and a comma.
    ///
    /// # Safety
    ///
    /// There is room for two bytes, and a byte was written before.
    #[inline(always)]
    pub unsafe fn close(self, closing: u8) -> End {
        // SAFETY: by the contract.
        unsafe {
            let last = self.0.sub(1);
            let end = if last.read() == b',' { End(last) } else { self };
            end.bytes(&[closing, b','])
        }
    }

    /// Room of a type that is nothing but bytes, to be written in place.
    ///
    /// # Safety
    ///
    /// There is room for a `T`.
    #[inline(always)]
    pub unsafe fn place<T>(&mut self, value: T) -> &mut T {
        const { assert!(align_of::<T>() == 1) }
        // SAFETY: there is room, of any alignment, and it is valid once the value is written.
        unsafe {
            self.0.cast::<T>().write(value);
            self.0.cast::<T>().as_mut()
        }
    }
}
