//! Results of many megabytes, of which there is never to be much more than one copy.

use chatpb_core::{after_reading, before_writing, write_copy};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;

/// Bytes that are copied before the memory that they came from is given back.
const PIECE: usize = 8 << 20;

/// A `bytes` whose memory is written once, with the GIL released.
///
/// # Safety
///
/// All of the memory is written.
pub unsafe fn new_bytes(
    py: Python<'_>,
    size: usize,
    write: impl FnOnce(&mut [MaybeUninit<u8>]) + Send,
) -> PyResult<Bound<'_, PyBytes>> {
    let signed = isize::try_from(size)?;
    // SAFETY: a size and no contents make an object whose contents are not yet written, or an error.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), signed) };
    // SAFETY: it is an object of our own, or there is an error.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object)? };
    // SAFETY: it is a `bytes` that nothing else has yet, so that as many bytes may be written.
    let memory = unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<MaybeUninit<u8>>();
        std::slice::from_raw_parts_mut(start, size)
    };
    py.detach(|| {
        before_writing(memory);
        write(memory);
    });
    Ok(object.cast_into()?)
}

/// A `bytes` of a text, which is given back piece by piece as it is copied.
pub fn large_bytes(py: Python<'_>, mut text: Vec<u8>) -> PyResult<Bound<'_, PyBytes>> {
    let size = text.len();
    let write = |memory: &mut [MaybeUninit<u8>]| {
        for (from, to) in text.chunks_mut(PIECE).zip(memory.chunks_mut(PIECE)) {
            write_copy(to, from);
            after_reading(from);
        }
    };
    // SAFETY: all pieces of as much text are written.
    unsafe { new_bytes(py, size, write) }
}
