//! Results of many megabytes, of which there is never to be much more than one copy.

use chatpb_core::{after_reading, before_writing};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;

/// Bytes that are copied before the memory that they came from is given back.
const PIECE: usize = 8 << 20;

/// A `bytes` of a text, which is given back piece by piece as it is copied.
pub fn large_bytes(py: Python<'_>, mut text: Vec<u8>) -> PyResult<Bound<'_, PyBytes>> {
    let size = isize::try_from(text.len())?;
    // SAFETY: a size and no contents make an object whose contents are not yet written, or an error.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), size) };
    // SAFETY: it is an object of our own, or there is an error.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object)? };
    // SAFETY: it is a `bytes` that nothing else has yet, so that as many bytes may be written.
    let memory = unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<MaybeUninit<u8>>();
        std::slice::from_raw_parts_mut(start, text.len())
    };
    py.detach(|| {
        before_writing(memory);
        for (from, to) in text.chunks_mut(PIECE).zip(memory.chunks_mut(PIECE)) {
            // SAFETY: both pieces are of the same size, and apart from each other.
            unsafe { from.as_ptr().copy_to_nonoverlapping(to.as_mut_ptr().cast(), from.len()) };
            after_reading(from);
        }
    });
    Ok(object.cast_into()?)
}
