//! Results that are written straight into their `bytes`, so that there is one copy of them.

use crate::input::Input;
use chatpb_core::{Room, Written, before_writing, write_copy};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

/// A `bytes` that is written before its size is known.
///
/// It is made with more room than it will mostly need, and gives back the rest in the end. What was never touched the
/// system has not given any memory for.
pub struct NewBytes {
    object: Py<PyBytes>,
    size: usize,
}

impl NewBytes {
    /// One with room for so many bytes.
    pub fn new(py: Python<'_>, size: usize) -> PyResult<Self> {
        let wanted = isize::try_from(size)?;
        // SAFETY: a size and no contents make such an object of our own, or an error.
        let object =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), wanted))? };
        let mut made = NewBytes { object: object.cast_into()?.unbind(), size };
        before_writing(made.memory());
        Ok(made)
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: it is a `bytes`, whose memory is somewhere.
        unsafe { NonNull::new_unchecked(ffi::PyBytes_AsString(self.object.as_ptr()).cast()) }
    }

    pub fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: nothing else has the object yet, so that as many bytes may be written as it was made with.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr().cast(), self.size) }
    }

    /// The `bytes` of the first `used` bytes.
    ///
    /// # Safety
    ///
    /// As many are written.
    pub unsafe fn finish(self, py: Python<'_>, used: usize) -> Bound<'_, PyBytes> {
        if used == 0 {
            return PyBytes::new(py, &[]);
        }
        let start = self.start();
        // SAFETY: it may change its size and its place, as Python's own function for this does, since nothing else has it;
        // its memory has one byte more than its size, for the zero behind it.
        unsafe {
            let object = self.object.into_ptr();
            (*object.cast::<ffi::PyVarObject>()).ob_size = used as isize;
            start.add(used).write(0);
            let size = start.addr().get() + used + 1 - object.addr();
            let smaller: *mut ffi::PyObject = ffi::PyObject_Realloc(object.cast(), size).cast();
            let object = if smaller.is_null() { object } else { smaller };
            Bound::from_owned_ptr(py, object).cast_into_unchecked()
        }
    }

    /// The `bytes` of all that a batch has written.
    ///
    /// # Safety
    ///
    /// It was written to the memory.
    pub unsafe fn finish_batch<'py>(mut self, py: Python<'py>, written: &Written) -> PyResult<Bound<'py, PyBytes>> {
        let Written { size, late } = written;
        if late.is_empty() {
            // SAFETY: by the contract.
            return Ok(unsafe { self.finish(py, *size) });
        }
        let total = size + late.iter().map(Vec::len).sum::<usize>();
        let mut whole = NewBytes::new(py, total)?;
        let (head, mut rest) = whole.memory().split_at_mut(*size);
        head.copy_from_slice(&self.memory()[..*size]);
        for bytes in late {
            let (place, after) = rest.split_at_mut(bytes.len());
            write_copy(place, bytes);
            rest = after;
        }
        Ok(whole.object.into_bound(py))
    }
}

// SAFETY: the memory of a `bytes` that nothing else has yet may be written; what is used moves along when it grows.
unsafe impl Room for NewBytes {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        if self.size - used < more {
            let size = used.saturating_add(more).saturating_mul(2);
            let mut larger = match Python::attach(|py| NewBytes::new(py, size)) {
                Ok(larger) => larger,
                Err(error) => resume_unwind(Box::new(error)),
            };
            larger.memory()[..used].copy_from_slice(&self.memory()[..used]);
            let before = std::mem::replace(self, larger);
            Python::attach(|_| drop(before));
        }
        (self.start(), self.size)
    }
}

/// A `bytes` of what `work` writes for an input, with the GIL released. It returns how many bytes that is, or an error.
/// `size` is a guess for that, and better too large. `MemoryError` where there is no memory for them.
///
/// # Safety
///
/// `work` writes as many bytes in the room that it is given.
// Inlined, it made calls for short inputs, which have no use for it, 5 % slower.
#[inline(never)]
pub unsafe fn growing_bytes<'py, E: Send>(
    py: Python<'py>,
    input: &Input<'_>,
    size: usize,
    work: impl FnOnce(&[u8], &mut dyn Room) -> Result<usize, E> + Send,
) -> PyResult<Result<Bound<'py, PyBytes>, E>> {
    let mut room = NewBytes::new(py, size)?;
    let done = catch_unwind(AssertUnwindSafe(|| input.released(py, |bytes| work(bytes, &mut room))));
    match done {
        // SAFETY: by the contract.
        Ok(done) => Ok(done.map(|used| unsafe { room.finish(py, used) })),
        Err(cause) => Err(*cause.downcast::<PyErr>().unwrap_or_else(|cause| resume_unwind(cause))),
    }
}
