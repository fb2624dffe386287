//! The buffer that all results are written to, in whole words and blocks, without a check for room at each write.
//!
//! One rule makes it safe: **from an end that `Output::reserve` returned, `RESERVED` bytes can be written** before
//! `reserve` is called again, those included that a block writes in excess of what is kept.
//!
//! - An `OutputPointer` is a place in the memory of one output. It can be written through until that output reserves more,
//!   which may move the memory. Whoever returns to an earlier place keeps its offset, not its pointer.
//! - All functions that rely on a pointer are `unsafe`. What they need is written as *room*: "room for n bytes" means that
//!   the n bytes from the pointer on are in the output's memory as it is now.
//! - All bytes before a pointer are written.
//!
//! Builds with debug assertions check each write against what was reserved, even where the memory has more room.

use crate::buffer::huge_pages::advise_huge_pages;
use crate::wire::write::{varint_bytes, varint_size};
use std::ptr::NonNull;

/// Memory that a result is written to, and that may move when it grows: a `Vec`, or a buffer of the caller's language.
///
/// # Safety
///
/// What `grow` returns must be writable, and hold the bytes used so far, until the next call or the end of the borrow. Its
/// size is at least `used + more`.
pub unsafe trait GrowableMemory {
    /// Make room for `more` bytes behind the `used` that are written. Return the start of the memory and its size.
    /// Unwind where there is no memory to be had.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory returned last are written.
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize);
}

// SAFETY: a vector's spare capacity is writable, and `reserve` keeps what is within the length.
unsafe impl GrowableMemory for Vec<u8> {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        // SAFETY: they are written, within the capacity that was returned last.
        unsafe { self.set_len(used) };
        let before = self.capacity();
        self.reserve(more);
        if self.capacity() > before {
            advise_huge_pages(self.spare_capacity_mut());
        }
        // A reference would lend the bytes within the length alone.
        // SAFETY: the pointer of a vector is never null.
        (unsafe { NonNull::new_unchecked(self.as_mut_ptr()) }, self.capacity())
    }
}

/// Bytes that can be written from an end that `Output::reserve` returns.
pub const RESERVED: usize = 512;

/// The end of what is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputPointer {
    place: NonNull<u8>,
    /// The address up to which bytes can be written.
    #[cfg(debug_assertions)]
    limit: usize,
}

impl OutputPointer {
    /// Return the same pointer, of which `_count` bytes are reserved.
    #[inline(always)]
    fn reserved(self, _count: usize) -> OutputPointer {
        OutputPointer {
            #[cfg(debug_assertions)]
            limit: self.place.addr().get() + _count,
            ..self
        }
    }

    #[inline(always)]
    fn check(self, _size: usize) {
        #[cfg(debug_assertions)]
        assert!(
            self.place.addr().get().checked_add(_size).is_some_and(|end| end <= self.limit),
            "a write past the reserved bytes of an output"
        );
    }

    /// Write bytes at a distance from here, without moving.
    ///
    /// # Safety
    ///
    /// There is room for `distance + SIZE` bytes.
    #[inline(always)]
    pub unsafe fn write<const SIZE: usize>(self, distance: usize, bytes: &[u8; SIZE]) {
        self.check(distance + SIZE);
        // SAFETY: by the contract.
        unsafe { self.place.add(distance).cast::<[u8; SIZE]>().write_unaligned(*bytes) }
    }

    /// Return the pointer behind the next `count` bytes.
    ///
    /// # Safety
    ///
    /// There is room for `count` bytes, and they are written before anything reads them.
    #[inline(always)]
    #[must_use]
    pub unsafe fn advance(self, count: usize) -> OutputPointer {
        self.check(count);
        // SAFETY: by the contract.
        OutputPointer { place: unsafe { self.place.add(count) }, ..self }
    }

    /// Write a block and keep its first `size` bytes.
    ///
    /// # Safety
    ///
    /// There is room for the whole block, and `size` is not more.
    #[inline(always)]
    #[must_use]
    pub unsafe fn put_block<const SIZE: usize>(self, block: &[u8; SIZE], size: usize) -> OutputPointer {
        debug_assert!(size <= SIZE);
        // SAFETY: by the contract.
        unsafe {
            self.write(0, block);
            self.advance(size)
        }
    }

    /// Write a word and keep its `size` lowest bytes.
    ///
    /// # Safety
    ///
    /// There is room for eight bytes, and `size` is not more.
    #[inline(always)]
    #[must_use]
    pub unsafe fn put_word(self, word: u64, size: usize) -> OutputPointer {
        // SAFETY: by the contract.
        unsafe { self.put_block(&word.to_le_bytes(), size) }
    }

    /// Write bytes of a number known when this is compiled.
    ///
    /// # Safety
    ///
    /// There is room for `SIZE` bytes.
    #[inline(always)]
    #[must_use]
    pub unsafe fn put_bytes<const SIZE: usize>(self, bytes: &[u8; SIZE]) -> OutputPointer {
        // SAFETY: by the contract.
        unsafe { self.put_block(bytes, SIZE) }
    }

    /// Write bytes that are not in the output.
    ///
    /// # Safety
    ///
    /// There is room for all bytes.
    #[inline(always)]
    #[must_use]
    pub unsafe fn put_slice(self, bytes: &[u8]) -> OutputPointer {
        self.check(bytes.len());
        // SAFETY: by the contract; they are borrowed, so that they are not in the output.
        unsafe {
            self.place.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.advance(bytes.len())
        }
    }

    /// Write `source[start..stop]`, which is not in the output.
    ///
    /// # Safety
    ///
    /// There is room for 32 bytes, and for all bytes.
    #[inline(always)]
    #[must_use]
    pub unsafe fn put_span(self, source: &[u8], start: usize, stop: usize) -> OutputPointer {
        let span = &source[start..stop];
        // SAFETY: by the contract.
        unsafe {
            if let Some(block) = source[start..].first_chunk::<32>() {
                self.write(0, block);
                if span.len() <= 32 {
                    return self.advance(span.len());
                }
            }
            self.put_slice(span)
        }
    }

    /// Close an array or an object of JSON text: write the closing bracket over the comma after its last item, or behind
    /// the opening bracket if it has no item; then a comma.
    ///
    /// # Safety
    ///
    /// There is room for two bytes, and a byte was written before.
    #[inline(always)]
    #[must_use]
    pub unsafe fn close(self, closing: u8) -> OutputPointer {
        // SAFETY: by the contract.
        unsafe {
            let last = self.place.sub(1);
            let end = if last.read() == b',' { OutputPointer { place: last, ..self } } else { self };
            end.put_bytes(&[closing, b','])
        }
    }

    /// Write a value of a type without alignment and return a reference to it, without moving.
    ///
    /// # Safety
    ///
    /// There is room for a `T`.
    #[inline(always)]
    pub unsafe fn put_value<T>(&mut self, value: T) -> &mut T {
        const { assert!(align_of::<T>() == 1) }
        self.check(size_of::<T>());
        // SAFETY: there is room, of any alignment, and it is valid once the value is written.
        unsafe {
            self.place.cast::<T>().write(value);
            self.place.cast::<T>().as_mut()
        }
    }
}

/// Memory that is written through pointers.
pub struct Output<'a> {
    memory: &'a mut dyn GrowableMemory,
    place: OutputPlace,
    /// The offset of the end that was saved last, before which all bytes are written.
    used: usize,
}

/// Where the memory of an output is.
#[derive(Debug, Clone, Copy)]
pub struct OutputPlace {
    start: NonNull<u8>,
    /// The address of the last pointer from which `RESERVED` bytes can be written.
    last: usize,
}

impl<'a> Output<'a> {
    /// Return an output that continues memory of which `used` bytes are used. `resume` returns its first pointer.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory are written.
    pub unsafe fn new(memory: &'a mut dyn GrowableMemory, used: usize) -> Output<'a> {
        Output { memory, place: OutputPlace { start: NonNull::dangling(), last: 0 }, used }
    }

    /// Reserve `RESERVED` bytes. Return the same end, in memory that may have moved.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since.
    #[inline(always)]
    #[must_use]
    pub unsafe fn reserve(&mut self, end: OutputPointer) -> OutputPointer {
        if end.place.addr().get() <= self.place.last {
            return end.reserved(RESERVED);
        }
        // SAFETY: by the contract.
        unsafe { self.grow(self.offset(end), 0) }
    }

    /// Reserve `count` bytes more than `reserve` does.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since.
    #[inline(always)]
    #[must_use]
    pub unsafe fn reserve_for(&mut self, end: OutputPointer, count: usize) -> OutputPointer {
        if end.place.addr().get().saturating_add(count) <= self.place.last {
            return end.reserved(count + RESERVED);
        }
        // SAFETY: by the contract.
        unsafe { self.grow(self.offset(end), count) }
    }

    /// Return the end behind `used` bytes, with `count` bytes reserved more than `reserve` does.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory are written.
    #[cold]
    #[inline(never)]
    unsafe fn grow(&mut self, used: usize, count: usize) -> OutputPointer {
        // SAFETY: by the contract.
        unsafe {
            let (start, size) = self.memory.grow(used, count + RESERVED);
            self.place = OutputPlace { start, last: start.addr().get() + size - RESERVED };
            self.pointer(used).reserved(count + RESERVED)
        }
    }

    /// Return the number of bytes before a pointer of this output.
    #[inline(always)]
    pub fn offset(&self, pointer: OutputPointer) -> usize {
        pointer.place.addr().get().wrapping_sub(self.place.start.addr().get())
    }

    /// Return the pointer at an offset.
    ///
    /// # Safety
    ///
    /// As many bytes were written since the first pointer.
    #[inline(always)]
    pub unsafe fn pointer(&self, offset: usize) -> OutputPointer {
        debug_assert!(self.place.start.addr().get() + offset <= self.place.last + RESERVED);
        OutputPointer {
            // SAFETY: by the contract, so that they are in the memory.
            place: unsafe { self.place.start.add(offset) },
            #[cfg(debug_assertions)]
            limit: self.place.last + RESERVED,
        }
    }

    /// Return the end that was saved last, with `count` bytes reserved more than `reserve` does.
    #[inline(always)]
    pub fn resume(&mut self, count: usize) -> OutputPointer {
        // SAFETY: all before the saved end is written.
        unsafe {
            // Before the first pointer, `last` is below every address.
            if self.place.last == 0 {
                return self.grow(self.used, count);
            }
            self.reserve_for(self.pointer(self.used), count)
        }
    }

    /// Save the end for `resume`, `used` and `bytes`.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since, and all before it is written.
    #[inline(always)]
    pub unsafe fn save(&mut self, end: OutputPointer) {
        self.used = self.offset(end);
    }

    /// Return the number of bytes before the saved end.
    #[inline(always)]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Move the saved end back to an offset, if it is behind that.
    pub fn truncate(&mut self, size: usize) {
        self.used = self.used.min(size);
    }

    /// Return the bytes before the saved end.
    pub fn bytes(&self) -> &[u8] {
        if self.place.last == 0 {
            return &[];
        }
        // SAFETY: all before the saved end is written.
        unsafe { std::slice::from_raw_parts(self.place.start.as_ptr(), self.used) }
    }

    /// Return the bytes before a pointer.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since, and all before it is written.
    pub unsafe fn before(&mut self, end: OutputPointer) -> &mut [u8] {
        // SAFETY: by the contract; they are borrowed as the output is.
        unsafe { std::slice::from_raw_parts_mut(self.place.start.as_ptr(), self.offset(end)) }
    }

    /// Write any number of bytes that are not in the output, and reserve as `reserve` does.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since.
    #[must_use]
    pub unsafe fn put(&mut self, end: OutputPointer, bytes: &[u8]) -> OutputPointer {
        // SAFETY: by the contract; there is room, as was just reserved.
        unsafe { self.reserve_for(end, bytes.len()).put_slice(bytes) }
    }

    /// Copy the bytes between two offsets to another offset.
    ///
    /// # Safety
    ///
    /// The bytes were written since the first pointer, as were all before `at`, where there is room for them.
    pub unsafe fn copy_within(&mut self, at: usize, start: usize, stop: usize) {
        // SAFETY: by the contract.
        unsafe {
            self.pointer(at).check(stop - start);
            self.place.start.add(at).copy_from(self.place.start.add(start), stop - start);
        }
    }

    /// Leave `width` bytes for the length of a payload. Return the offset at which the payload starts.
    ///
    /// # Safety
    ///
    /// `end` is a pointer of this output, which reserved no more since, with room for eight bytes; `width` is not more.
    #[inline(always)]
    pub unsafe fn open_length(&self, end: OutputPointer, width: usize) -> (OutputPointer, usize) {
        // SAFETY: by the contract.
        let end = unsafe { end.put_word(0, width) };
        (end, self.offset(end))
    }

    /// Write the length of the payload from `start` to the end into the `width` bytes before it; move the payload if
    /// its length takes another number of bytes. Return that number.
    ///
    /// # Safety
    ///
    /// `open_length` was called with that width on this output, and returned that start; `end` is a later pointer of it,
    /// since when it reserved no more, and all before it is written.
    #[inline(always)]
    #[must_use]
    pub unsafe fn close_length(&mut self, start: usize, width: usize, end: OutputPointer) -> (OutputPointer, usize) {
        let length = self.offset(end) - start;
        // SAFETY: by the contract, as many bytes are before the start.
        unsafe {
            if width == 1 && length < 128 {
                self.pointer(start - 1).write(0, &[length as u8]);
                return (end, 1);
            }
            if width == 2 && (128..1 << 14).contains(&length) {
                self.pointer(start - 2).write(0, &[length as u8 | 128, (length >> 7) as u8]);
                return (end, 2);
            }
            self.close_long_length(start, width, end)
        }
    }

    /// Do what `close_length` does for any length.
    ///
    /// # Safety
    ///
    /// That of `close_length`.
    #[inline(never)]
    unsafe fn close_long_length(&mut self, start: usize, width: usize, end: OutputPointer) -> (OutputPointer, usize) {
        let length = self.offset(end) - start;
        let (at, size) = (start - width, varint_size(length as u64));
        // SAFETY: by the contract, all from `at` on is written; the payload moves by less than `size` bytes, for which
        // there is room.
        unsafe {
            let end = self.reserve_for(end, size);
            if size == width {
                let _ = self.pointer(at).put_slice(&varint_bytes(length as u64)[..size]);
                return (end, size);
            }
            self.copy_within(at + size, start, start + length);
            (self.pointer(at).put_slice(&varint_bytes(length as u64)[..size]).advance(length), size)
        }
    }

    /// Return the same output for a shorter time, after which `follow` must be called with its place.
    pub fn lend(&mut self) -> Output<'_> {
        Output { memory: &mut *self.memory, place: self.place, used: self.used }
    }

    /// Return where the memory is.
    pub fn place(&self) -> OutputPlace {
        self.place
    }

    /// Take over where the memory is.
    ///
    /// # Safety
    ///
    /// It is the place of the output that `lend` returned last, when that was used last.
    pub unsafe fn follow(&mut self, place: OutputPlace) {
        self.place = place;
    }
}

/// Append to a vector what a function writes, which returns the end of it.
///
/// # Safety
///
/// The function needs room for no more than `RESERVED` bytes, and all before the end that it returns is written.
#[inline]
pub unsafe fn append_to_vec(out: &mut Vec<u8>, write: impl FnOnce(OutputPointer) -> OutputPointer) {
    let used = out.len();
    // SAFETY: a vector's bytes up to its length are written; by the contract, so are those up to the end.
    unsafe {
        let mut output = Output::new(out, used);
        let end = write(output.resume(0));
        let used = output.offset(end);
        out.set_len(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::read::{WireReader, delimited};

    /// Call a function with an output that continues some bytes, and return what it holds then.
    fn written(before: &[u8], write: impl FnOnce(&mut Output) -> OutputPointer) -> Vec<u8> {
        let mut memory = before.to_vec();
        // SAFETY: a vector's bytes up to its length are written, and so are those that the function writes.
        unsafe {
            let mut output = Output::new(&mut memory, before.len());
            let end = write(&mut output);
            output.save(end);
            let used = output.used();
            assert_eq!(output.bytes().len(), used);
            memory.set_len(used);
        }
        memory
    }

    #[test]
    fn a_reserved_end_has_its_room_wherever_the_memory_is() {
        for used in [0, 1, 511, 512, 513, 5000] {
            for count in [0, 1, 500, 100_000] {
                let bytes = written(&vec![7; used], |output| {
                    let end = output.resume(count);
                    assert_eq!(output.offset(end), used);
                    // SAFETY: as much was reserved.
                    unsafe { output.reserve(end.put_slice(&vec![8; count + RESERVED])) }
                });
                assert_eq!(bytes, [vec![7; used], vec![8; count + RESERVED]].concat());
            }
        }
    }

    #[test]
    #[cfg_attr(target_family = "wasm", ignore = "a panic ends a WebAssembly program")]
    #[cfg(debug_assertions)]
    fn writes_past_what_is_reserved_are_noticed() {
        for size in [RESERVED + 1, RESERVED + 2, 1 << 20] {
            let past = std::panic::catch_unwind(|| {
                let mut memory = Vec::with_capacity(4 << 20);
                // SAFETY: nothing is used, and the check comes before the write.
                unsafe { _ = Output::new(&mut memory, 0).resume(0).put_slice(&vec![0; size]) };
            });
            assert!(past.is_err(), "{size}");
        }
    }

    #[test]
    fn an_output_has_no_bytes_before_its_first_pointer() {
        let mut memory = b"before".to_vec();
        // SAFETY: these bytes are written.
        let mut output = unsafe { Output::new(&mut memory, 6) };
        assert_eq!(output.bytes(), b"");
        _ = output.resume(0);
        assert_eq!(output.bytes(), b"before");
    }

    #[test]
    fn lengths_of_any_width_measure_their_payloads() {
        let large = if cfg!(miri) { &[16_383, 16_384][..] } else { &[16_382, 16_383, 16_384, 2_097_151, 2_097_152] };
        for length in (0..300).step_by(if cfg!(miri) { 127 } else { 1 }).chain(large.iter().copied()) {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            for width in 0..=5 {
                let mut size = 0;
                let bytes = written(b"before", |output| {
                    let end = output.resume(0);
                    // SAFETY: each step continues the end that the one before returned.
                    unsafe {
                        let (end, start) = output.open_length(end, width);
                        let end = output.put(end, &payload);
                        let (end, found) = output.close_length(start, width, end);
                        size = found;
                        output.put(end, b"behind")
                    }
                });
                let (found, behind) = delimited(&bytes[6..]).expect("a payload");
                assert!(found == payload && behind == b"behind", "{length} {width}");
                assert_eq!(bytes.len(), 12 + size + length);
                let mut reader = WireReader { bytes: &bytes, at: 6 };
                assert_eq!(reader.stop(bytes.len()).ok(), Some(6 + size + length));
            }
        }
    }

    #[test]
    fn spans_are_copied_with_and_without_bytes_behind_them() {
        let source: Vec<u8> = (0..100).collect();
        for start in (0..100).step_by(if cfg!(miri) { 33 } else { 1 }) {
            for stop in (start..=100).step_by(if cfg!(miri) { 11 } else { 1 }) {
                let bytes = written(b"", |output| {
                    let end = output.resume(0);
                    // SAFETY: there is room for all bytes.
                    unsafe { end.put_span(&source, start, stop) }
                });
                assert_eq!(bytes, source[start..stop]);
            }
        }
    }

    #[test]
    fn brackets_close_over_a_comma() {
        for (text, closed) in [("[", "[],"), ("[1,", "[1],"), ("{\"a\":[],", "{\"a\":[]],")] {
            let bytes = written(b"", |output| {
                let end = output.resume(0);
                // SAFETY: there is room, and the text is not empty.
                unsafe { end.put_slice(text.as_bytes()).close(b']') }
            });
            assert_eq!(bytes, closed.as_bytes());
        }
    }

    #[test]
    fn what_is_lent_grows_the_same_memory() {
        let bytes = written(b"before", |output| {
            let end = output.resume(0);
            let used = output.offset(end);
            let mut lent = output.lend();
            // SAFETY: the ends are those of the output that they are given to, which follows.
            unsafe {
                let end = lent.put(lent.pointer(used), &[1; 10_000]);
                let (used, place) = (lent.offset(end), lent.place());
                output.follow(place);
                output.put(output.pointer(used), b"behind")
            }
        });
        assert_eq!(bytes, [&b"before"[..], &[1; 10_000], b"behind"].concat());
    }
}
