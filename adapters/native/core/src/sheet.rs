//! A buffer that is written in whole words and blocks, without asking each time whether there is room.
//!
//! A pen is a pointer to the end of what is written. `Sheet::room` makes sure that `ROOM` bytes can be written from it.
//! What writes on from there writes, what is not meant but written behind it included, at most as many before it calls
//! `room` again. Builds with debug assertions check that at each write. A pen is good until the sheet makes room, or
//! is written as a vector; what must come back to one keeps its offset.

use crate::pages::before_writing;
use std::ptr::NonNull;

/// Bytes that can be written from a pen that `Sheet::room` returns.
pub const ROOM: usize = 512;

/// The end of what is written on a sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pen {
    place: NonNull<u8>,
    #[cfg(debug_assertions)]
    end: usize,
}

impl Pen {
    #[inline(always)]
    fn check(self, _size: usize) {
        #[cfg(debug_assertions)]
        assert!(self.place.as_ptr().addr() + _size <= self.end, "a write past the room of a sheet");
    }

    /// Write bytes at a distance from here, without moving.
    #[inline(always)]
    pub fn write<const SIZE: usize>(self, distance: usize, bytes: &[u8; SIZE]) {
        self.check(distance + SIZE);
        // SAFETY: by the rules of this file, there is room for as many bytes.
        unsafe { self.place.add(distance).cast().copy_from_nonoverlapping(NonNull::from(bytes), 1) }
    }

    /// Past bytes that are written.
    #[inline(always)]
    #[must_use]
    pub fn skip(self, count: usize) -> Pen {
        self.check(count);
        // SAFETY: by the rules of this file, there is room for as many bytes.
        Pen { place: unsafe { self.place.add(count) }, ..self }
    }

    /// Write the `size` lowest bytes of a word.
    #[inline(always)]
    #[must_use]
    pub fn put(self, word: u64, size: usize) -> Pen {
        self.write(0, &word.to_le_bytes());
        self.skip(size)
    }

    /// Write `source[start..stop]`, which is at most 128 bytes.
    #[inline(always)]
    #[must_use]
    pub fn put_span(self, source: &[u8], start: usize, stop: usize) -> Pen {
        let span = &source[start..stop];
        if let Some(block) = source[start..].first_chunk::<32>() {
            self.write(0, block);
            if span.len() <= 32 {
                return self.skip(span.len());
            }
        }
        self.check(span.len());
        // SAFETY: by the rules of this file, there is room for as many bytes; a source is not on the sheet.
        unsafe { self.place.as_ptr().copy_from_nonoverlapping(span.as_ptr(), span.len()) }
        self.skip(span.len())
    }
}

/// A buffer and its room. All before the pen is written.
#[derive(Debug, Default)]
pub struct Sheet {
    bytes: Vec<u8>,
    /// The address of the last pen from which `ROOM` bytes can be written.
    last: usize,
}

impl Sheet {
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What is written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same pen, or one on a larger buffer with the same before it.
    #[inline(always)]
    pub fn room(&mut self, pen: Pen) -> Pen {
        if pen.place.as_ptr().addr() <= self.last { pen } else { self.grow(pen, 0) }
    }

    /// Make room for some bytes more.
    #[inline(always)]
    pub fn room_for(&mut self, pen: Pen, count: usize) -> Pen {
        if pen.place.as_ptr().addr().saturating_add(count) <= self.last { pen } else { self.grow(pen, count) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, pen: Pen, count: usize) -> Pen {
        self.vector(pen);
        self.reserve(count);
        self.pen()
    }

    /// How many bytes are before a pen.
    #[inline(always)]
    pub fn offset(&self, pen: Pen) -> usize {
        pen.place.as_ptr().addr() - self.bytes.as_ptr().addr()
    }

    /// The pen before which there are as many bytes, which were written.
    #[inline(always)]
    pub fn at(&mut self, offset: usize) -> Pen {
        debug_assert!(offset <= self.bytes.capacity());
        // SAFETY: as many bytes were written, so that they are in the buffer.
        let place = unsafe { NonNull::new_unchecked(self.bytes.as_mut_ptr().add(offset)) };
        Pen {
            place,
            #[cfg(debug_assertions)]
            end: self.bytes.as_ptr().addr() + self.bytes.capacity(),
        }
    }

    /// The buffer as a vector that ends at the pen.
    #[inline(always)]
    pub fn vector(&mut self, pen: Pen) -> &mut Vec<u8> {
        let size = self.offset(pen);
        // SAFETY: all before the pen is written, and in the buffer.
        unsafe { self.bytes.set_len(size) }
        &mut self.bytes
    }

    /// A pen at the end of the vector.
    #[inline]
    pub fn pen(&mut self) -> Pen {
        if self.bytes.capacity() - self.bytes.len() < ROOM {
            self.bytes.reserve(ROOM);
        }
        self.last = self.bytes.as_ptr().addr() + self.bytes.capacity() - ROOM;
        self.at(self.bytes.len())
    }

    /// Forget all that was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Forget what was written from an offset on.
    pub fn truncate(&mut self, size: usize) {
        self.bytes.truncate(size);
    }

    /// The pen before which there are as many bytes, once the vector was written or given up.
    pub fn again(&mut self, offset: usize) -> Pen {
        let start = self.at(offset);
        self.vector(start);
        self.pen()
    }

    /// Make room for as many bytes at the end of the vector.
    pub fn reserve(&mut self, count: usize) {
        let before = self.bytes.capacity();
        self.bytes.reserve(count + ROOM);
        if self.bytes.capacity() > before {
            before_writing(self.bytes.spare_capacity_mut());
        }
    }

    /// The vector, and a sheet with nothing on it.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self).bytes
    }

    /// Make room for the length of what is written from the pen on. Returns the offset where that starts.
    #[inline(always)]
    pub fn open(&self, pen: Pen, width: usize) -> (Pen, usize) {
        let pen = pen.put(0, width);
        (pen, self.offset(pen))
    }

    /// Write the length of all from `start` to the pen into the room of `width` bytes before it, moving it where that is
    /// not the right size. Returns the size.
    #[inline(always)]
    pub fn close(&mut self, start: usize, width: usize, pen: Pen) -> (Pen, usize) {
        let length = self.offset(pen) - start;
        if width == 1 && length < 128 {
            self.at(start - 1).write(0, &[length as u8]);
            return (pen, 1);
        }
        if width == 2 && (128..1 << 14).contains(&length) {
            self.at(start - 2).write(0, &[length as u8 | 128, (length >> 7) as u8]);
            return (pen, 2);
        }
        self.resize(start, width, pen)
    }

    #[inline(never)]
    fn resize(&mut self, start: usize, width: usize, pen: Pen) -> (Pen, usize) {
        let size = crate::wire::close_length(start, width, self.vector(pen));
        (self.pen(), size)
    }
}
