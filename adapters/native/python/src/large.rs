//! Results that are written straight into their `bytes`, so that there is one copy of them.

use crate::input::Input;
use chatpb_core::{Room, before_writing, write_copy};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

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

/// A `bytes` of what `work` writes for an input, with the GIL released. It returns how many bytes that is, or an error.
/// `size` is a guess for that, and better too large. `MemoryError` where there is no memory for them.
///
/// # Safety
///
/// `work` writes as many bytes in the room that it is given.
pub unsafe fn growing_bytes<'py, E: Send>(
    py: Python<'py>,
    input: &Input<'_>,
    size: usize,
    work: impl FnOnce(&[u8], &mut dyn Room) -> Result<usize, E> + Send,
) -> PyResult<Result<Bound<'py, PyBytes>, E>> {
    let mut room = GrowingBytes::default();
    room.enlarge(size, 0)?;
    let done = catch_unwind(AssertUnwindSafe(|| input.released(py, |bytes| work(bytes, &mut room))));
    match done {
        // SAFETY: by the contract.
        Ok(done) => Ok(done.map(|used| unsafe { room.finish(py, used) })),
        Err(cause) => Err(*cause.downcast::<PyErr>().unwrap_or_else(|cause| resume_unwind(cause))),
    }
}

/// A `bytes` that is written before its size is known.
///
/// It is made with more room than it will mostly need, and gives back the rest in the end. What was never touched the
/// system has not given any memory for.
#[derive(Default)]
struct GrowingBytes {
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
    unsafe fn finish(self, py: Python<'_>, used: usize) -> Bound<'_, PyBytes> {
        let (Some(start), Some(object), 1..) = (self.start(), self.object, used) else { return PyBytes::new(py, &[]) };
        // SAFETY: nothing else has the object yet, so that it may change its size and its place, as Python's own function
        // for this does; its memory has one byte more than its size, for the zero behind it.
        unsafe {
            let object = object.into_ptr();
            (*object.cast::<ffi::PyVarObject>()).ob_size = used as isize;
            start.add(used).write(0);
            let size = start.as_ptr().addr() + used + 1 - object.addr();
            let smaller: *mut ffi::PyObject = ffi::PyObject_Realloc(object.cast(), size).cast();
            let object = if smaller.is_null() { object } else { smaller };
            Bound::from_owned_ptr(py, object).cast_into_unchecked()
        }
    }

    /// Have an object of as many bytes, of which the first `used` are those that there are.
    fn enlarge(&mut self, size: usize, used: usize) -> PyResult<()> {
        let object = Python::attach(|py| unwritten(py, size).map(Bound::unbind))?;
        let before = std::mem::replace(self, GrowingBytes { object: Some(object), size });
        if let Some(start) = self.start() {
            // SAFETY: the memory is of this size, and not that of before.
            let memory = unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>().as_ptr(), size) };
            before_writing(memory);
            if let Some(from) = before.start() {
                // SAFETY: by the contract of `grow`, as many bytes are written there.
                write_copy(&mut memory[..used], unsafe { std::slice::from_raw_parts(from.as_ptr(), used) });
            }
        }
        Python::attach(|_| drop(before));
        Ok(())
    }
}

// SAFETY: the memory of a `bytes` that nothing else has yet may be written; what is used moves along when it grows.
unsafe impl Room for GrowingBytes {
    unsafe fn grow(&mut self, used: usize, more: usize) -> (NonNull<u8>, usize) {
        if self.size - used < more || self.object.is_none() {
            let size = used.saturating_add(more).saturating_mul(2);
            if let Err(error) = self.enlarge(size, used) {
                resume_unwind(Box::new(error));
            }
        }
        match self.start() {
            Some(start) => (start, self.size),
            None => unreachable!("a bytes without memory"),
        }
    }
}
