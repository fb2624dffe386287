//! Memory that is written in whole words and blocks, without asking each time whether there is room.
//!
//! A pen is a pointer to the end of what is written. `Sheet::room` makes sure that `ROOM` bytes can be written from it.
//! What writes on from there writes, what is not meant but written behind it included, at most as many before it calls
//! `room` again. Builds with debug assertions check that at each write. A pen is good until the sheet makes room; what
//! must come back to one keeps its offset.

use crate::end::Room;
use crate::wire::{varint_bytes, varint_size};
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

    /// Write `source[start..stop]`.
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
        self.put_slice(span)
    }

    /// Write bytes that are not on the sheet.
    #[inline(always)]
    #[must_use]
    pub fn put_slice(self, bytes: &[u8]) -> Pen {
        self.check(bytes.len());
        // SAFETY: by the rules of this file, there is room for as many bytes; they are not on the sheet.
        unsafe { self.place.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
        self.skip(bytes.len())
    }
}

/// Some memory and its room. All before the pen is written.
pub struct Sheet<'a> {
    memory: &'a mut dyn Room,
    start: NonNull<u8>,
    /// The address of the last pen from which `ROOM` bytes can be written.
    last: usize,
    /// The offset of the pen when it was put down.
    used: usize,
}

impl<'a> Sheet<'a> {
    /// A sheet on memory of which some bytes are used. `pen` gives the first pen.
    ///
    /// # Safety
    ///
    /// As many bytes of the memory are written.
    pub unsafe fn new(memory: &'a mut dyn Room, used: usize) -> Sheet<'a> {
        Sheet { memory, start: NonNull::dangling(), last: 0, used }
    }

    /// The same pen, or one in larger memory with the same before it.
    #[inline(always)]
    pub fn room(&mut self, pen: Pen) -> Pen {
        if pen.place.as_ptr().addr() <= self.last { pen } else { self.grow(self.offset(pen), 0) }
    }

    /// Make room for some bytes more.
    #[inline(always)]
    pub fn room_for(&mut self, pen: Pen, count: usize) -> Pen {
        let place = pen.place.as_ptr().addr();
        if place.saturating_add(count) <= self.last { pen } else { self.grow(self.offset(pen), count) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, used: usize, count: usize) -> Pen {
        // SAFETY: all before a pen is written.
        let (start, size) = unsafe { self.memory.grow(used, count + ROOM) };
        self.start = start;
        self.last = start.addr().get() + size - ROOM;
        self.at(used)
    }

    /// How many bytes are before a pen.
    #[inline(always)]
    pub fn offset(&self, pen: Pen) -> usize {
        pen.place.as_ptr().addr() - self.start.as_ptr().addr()
    }

    /// The pen before which there are as many bytes, which were written since the first pen.
    #[inline(always)]
    pub fn at(&self, offset: usize) -> Pen {
        debug_assert!(self.start.addr().get() + offset <= self.last + ROOM);
        Pen {
            // SAFETY: as many bytes were written, so that they are in the memory.
            place: unsafe { self.start.add(offset) },
            #[cfg(debug_assertions)]
            end: self.last + ROOM,
        }
    }

    /// Take up the pen where it was put down, with room for some bytes more.
    #[inline(always)]
    pub fn pen(&mut self, count: usize) -> Pen {
        // Before the first pen, `last` is below every address.
        if self.last == 0 {
            return self.grow(self.used, count);
        }
        self.room_for(self.at(self.used), count)
    }

    /// Put the pen down.
    #[inline(always)]
    pub fn put_down(&mut self, pen: Pen) {
        self.used = self.offset(pen);
    }

    /// How many bytes were written when the pen was put down.
    #[inline(always)]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Forget what was written from an offset on, the pen being put down.
    pub fn truncate(&mut self, size: usize) {
        self.used = self.used.min(size);
    }

    /// What was written when the pen was put down.
    pub fn bytes(&self) -> &[u8] {
        if self.last == 0 {
            return &[];
        }
        // SAFETY: all before a pen is written.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }

    /// What is written before a pen.
    pub fn before(&mut self, pen: Pen) -> &mut [u8] {
        // SAFETY: all before a pen is written, and borrowed as the sheet is.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.offset(pen)) }
    }

    /// Write bytes that are not on the sheet, however many. There is room behind them.
    pub fn put(&mut self, pen: Pen, bytes: &[u8]) -> Pen {
        self.room_for(pen, bytes.len()).put_slice(bytes)
    }

    /// Move what is written between two offsets, so that it starts at another. There is room for it.
    pub fn move_to(&mut self, at: usize, start: usize, stop: usize) {
        self.at(at).check(stop - start);
        // SAFETY: by the rules of this file, as many bytes are written, and there is room for them.
        unsafe { self.start.add(at).copy_from(self.start.add(start), stop - start) }
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
        let length = self.offset(pen) - start;
        let (at, size) = (start - width, varint_size(length));
        let pen = self.room_for(pen, size);
        if size == width {
            let _ = self.at(at).put_slice(&varint_bytes(length)[..size]);
            return (pen, size);
        }
        self.move_to(at + size, start, start + length);
        (self.at(at).put_slice(&varint_bytes(length)[..size]).skip(length), size)
    }
}
