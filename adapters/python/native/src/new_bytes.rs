//! Results that are written straight into a `bytes`, so that they are not copied.

use crate::input::Input;
use chatpb_core::{GrowableMemory, Written, advise_huge_pages, write_copy};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

/// Bytes to ask for beyond the expected size of a result, which short results exceed most in proportion.
pub const MARGIN: usize = 1 << 10;

/// A `bytes` that is written before its size is known.
///
/// It is made larger than its contents are likely to be, and shrunk at the end. The system gives no memory for pages that
/// were never written.
pub struct NewBytes {
    object: Py<PyBytes>,
    size: usize,
    /// The size up to which it may grow; beyond that there is no memory to be had.
    limit: Option<usize>,
}

impl NewBytes {
    /// One of the size, with nothing written.
    pub fn new(py: Python<'_>, size: usize) -> PyResult<Self> {
        let wanted = isize::try_from(size)?;
        // SAFETY: the GIL is held. Without contents to copy, the call returns a `bytes` that nothing else has, or an error.
        let object =
            unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), wanted))? };
        let mut made = NewBytes { object: object.cast_into()?.unbind(), size, limit: None };
        advise_huge_pages(made.memory());
        Ok(made)
    }

    /// One that is likely to take `size` bytes, and may take `limit`.
    ///
    /// While it moves to larger memory its contents are there twice. So if it may have to move once it is beyond a quarter
    /// of the limit, it has all of that from the beginning.
    fn limited(py: Python<'_>, size: usize, limit: Option<usize>) -> PyResult<Self> {
        let limit = limit.map(|limit| limit.saturating_add(MARGIN));
        let size = limit.map_or(size, |limit| if size > limit / 4 { limit } else { size });
        Ok(NewBytes { limit, ..NewBytes::new(py, size)? })
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: the object is a `bytes`, for which the call returns the address of its contents.
        unsafe { NonNull::new_unchecked(ffi::PyBytes_AsString(self.object.as_ptr()).cast()) }
    }

    pub fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the `bytes` was made with `size` bytes, and nothing else has it yet.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr().cast(), self.size) }
    }

    /// Return the `bytes`, shrunk to its first `used` bytes.
    ///
    /// # Safety
    ///
    /// The first `used` bytes are written.
    pub unsafe fn finish(self, py: Python<'_>, used: usize) -> Bound<'_, PyBytes> {
        if used == 0 {
            return PyBytes::new(py, &[]);
        }
        let start = self.start();
        // SAFETY: nothing else has the object, so that its size and place may change, as in `_PyBytes_Resize`. Its memory
        // has one byte more than its size, for a zero at the end. A smaller size than before leaves it in place or moves it.
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

    /// Return the `bytes` of all that a batch has written.
    ///
    /// # Safety
    ///
    /// The batch wrote to the memory of this object.
    pub unsafe fn finish_batch<'py>(mut self, py: Python<'py>, written: &Written) -> PyResult<Bound<'py, PyBytes>> {
        let Written { size, overflow } = written;
        if overflow.is_empty() {
            // SAFETY: the batch wrote `size` bytes from the start on.
            return Ok(unsafe { self.finish(py, *size) });
        }
        let total = size + overflow.iter().map(Vec::len).sum::<usize>();
        let mut whole = NewBytes::new(py, total)?;
        let (head, mut rest) = whole.memory().split_at_mut(*size);
        head.copy_from_slice(&self.memory()[..*size]);
        for bytes in overflow {
            let (place, after) = rest.split_at_mut(bytes.len());
            write_copy(place, bytes);
            rest = after;
        }
        Ok(whole.object.into_bound(py))
    }
}

// SAFETY: `grow` returns memory of a `bytes` that nothing else has, with the `used` bytes copied to it where it is new.
unsafe impl GrowableMemory for NewBytes {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        if self.size - used < more {
            let needed = used.saturating_add(more);
            let size = self.limit.map_or(needed.saturating_mul(2), |limit| limit.max(needed));
            let mut larger = match Python::attach(|py| match self.limit {
                // What is reserved first is a guess.
                Some(limit) if used > 0 && needed > limit => Err(too_large(limit - MARGIN)),
                limit => Ok(NewBytes { limit, ..NewBytes::new(py, size)? }),
            }) {
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

/// Return the error for a result that is larger than the caller allows.
#[cold]
pub fn too_large(limit: usize) -> PyErr {
    PyMemoryError::new_err(format!("a result of more than {limit} bytes"))
}

/// Return the `bytes` that `work` writes for an input, with the GIL released, or its error. `work` returns how many bytes it
/// wrote; `size` is what to expect, better too large. Raises MemoryError where there is no memory for them, or more than
/// `limit` of them.
///
/// # Safety
///
/// `work` writes as many bytes as it returns, from the start of the memory on.
// Where it is inlined, calls for short inputs, which do not use it, take 5 % longer.
#[inline(never)]
pub unsafe fn growing_bytes<'py, E: Send>(
    py: Python<'py>,
    input: &Input<'_>,
    size: usize,
    limit: Option<usize>,
    work: impl FnOnce(&[u8], &mut dyn GrowableMemory) -> Result<usize, E> + Send,
) -> PyResult<Result<Bound<'py, PyBytes>, E>> {
    let mut memory = NewBytes::limited(py, size, limit)?;
    let done = catch_unwind(AssertUnwindSafe(|| input.released(py, |bytes| work(bytes, &mut memory))));
    match done {
        // SAFETY: by the contract of this function.
        Ok(done) => Ok(done.map(|used| unsafe { memory.finish(py, used) })),
        Err(cause) => Err(*cause.downcast::<PyErr>().unwrap_or_else(|cause| resume_unwind(cause))),
    }
}
