//! Results of many megabytes, of which there is never to be much more than one copy.

use chatpb_core::{Room, after_reading, before_writing, write_copy};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Bytes that are copied before the memory that they came from is given back.
const PIECE: usize = 8 << 20;

/// A `bytes` whose contents are not yet written.
fn unwritten(py: Python<'_>, size: usize) -> PyResult<Bound<'_, PyBytes>> {
    let size = isize::try_from(size)?;
    // SAFETY: a size and no contents make such an object of our own, or an error.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))? };
    Ok(object.cast_into()?)
}

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
    let object = unwritten(py, size)?;
    // SAFETY: it is a `bytes` that nothing else has yet, so that as many bytes may be written.
    let memory = unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<MaybeUninit<u8>>();
        std::slice::from_raw_parts_mut(start, size)
    };
    py.detach(|| {
        before_writing(memory);
        write(memory);
    });
    Ok(object)
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

/// A `bytes` that is written before its size is known.
///
/// It is made with more room than it will mostly need, and says in the end how much of that it has. What lies behind is
/// memory that was never touched, so that the system has not given any for it.
#[derive(Default)]
pub struct GrowingBytes {
    object: Option<Py<PyBytes>>,
    size: usize,
}

impl GrowingBytes {
    /// Where the bytes are.
    fn start(&self) -> Option<NonNull<u8>> {
        let object = self.object.as_ref()?;
        // SAFETY: it is a `bytes`.
        NonNull::new(unsafe { ffi::PyBytes_AsString(object.as_ptr()) }.cast())
    }

    /// The `bytes` of the first `used` bytes.
    ///
    /// # Safety
    ///
    /// As many are written in the room that was returned last.
    pub unsafe fn finish(self, py: Python<'_>, used: usize) -> Bound<'_, PyBytes> {
        let (Some(object), Some(start)) = (&self.object, self.start()) else { return PyBytes::new(py, &[]) };
        // SAFETY: nothing else has the object yet; its memory has one byte more than its size, for the zero behind it.
        unsafe {
            (*object.as_ptr().cast::<ffi::PyVarObject>()).ob_size = used as isize;
            start.add(used).write(0);
        }
        object.clone_ref(py).into_bound(py)
    }
}

// SAFETY: the memory of a `bytes` that nothing else has yet may be written; what is used moves along when it grows.
unsafe impl Room for GrowingBytes {
    unsafe fn grow(&mut self, used: usize, more: usize) -> Option<(NonNull<u8>, usize)> {
        if self.size - used < more || self.object.is_none() {
            let size = used.checked_add(more)?.checked_mul(2)?;
            let before = std::mem::take(self);
            self.object = Python::attach(|py| unwritten(py, size).ok().map(Bound::unbind));
            self.size = size;
            let start = self.start()?;
            // SAFETY: the memory is of this size, and not that of before.
            let memory = unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>().as_ptr(), size) };
            before_writing(memory);
            if let Some(from) = before.start() {
                // SAFETY: by the contract, as many bytes are written there.
                write_copy(&mut memory[..used], unsafe { std::slice::from_raw_parts(from.as_ptr(), used) });
            }
            Python::attach(|_| drop(before));
        }
        Some((self.start()?, self.size))
    }
}
