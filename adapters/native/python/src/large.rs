//! Results that are written straight into their `bytes`, so that there is one copy of them.

use crate::input::Input;
use chatpb_core::{Room, Written, before_writing, write_copy};
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

/// The memory of a `bytes`.
///
/// # Safety
///
/// Nothing else has the object yet, and its size is this.
unsafe fn memory_of<'a>(object: *mut ffi::PyObject, size: usize) -> &'a mut [MaybeUninit<u8>] {
    // SAFETY: it is a `bytes`, and by the contract as many bytes may be written.
    unsafe { std::slice::from_raw_parts_mut(ffi::PyBytes_AsString(object).cast(), size) }
}

/// A `bytes` of the first `used` bytes of one, which gives back the rest of its memory.
///
/// # Safety
///
/// Nothing else has the object yet, and as many bytes of it are written.
unsafe fn shrunk(object: Bound<'_, PyBytes>, used: usize) -> Bound<'_, PyBytes> {
    let py = object.py();
    if used == 0 {
        return PyBytes::new(py, &[]);
    }
    // SAFETY: it may change its size and its place, as Python's own function for this does, since nothing else has it; its
    // memory has one byte more than its size, for the zero behind it.
    unsafe {
        let start = ffi::PyBytes_AsString(object.as_ptr()).cast::<u8>();
        let object = object.into_ptr();
        (*object.cast::<ffi::PyVarObject>()).ob_size = used as isize;
        start.add(used).write(0);
        let size = start.addr() + used + 1 - object.addr();
        let smaller: *mut ffi::PyObject = ffi::PyObject_Realloc(object.cast(), size).cast();
        let object = if smaller.is_null() { object } else { smaller };
        Bound::from_owned_ptr(py, object).cast_into_unchecked()
    }
}

/// A `bytes` of what a batch makes.
pub struct BatchBytes<'py> {
    object: Bound<'py, PyBytes>,
    size: usize,
}

impl<'py> BatchBytes<'py> {
    /// One with memory for so many bytes, which is a guess, and better too large.
    pub fn new(py: Python<'py>, size: usize) -> PyResult<Self> {
        Ok(BatchBytes { object: unwritten(py, size)?, size })
    }

    pub fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object is of this size, and ours until it is finished.
        unsafe { memory_of(self.object.as_ptr(), self.size) }
    }

    /// The `bytes` of all that was written.
    ///
    /// # Safety
    ///
    /// It was written to the memory.
    pub unsafe fn finish(mut self, written: &Written) -> PyResult<Bound<'py, PyBytes>> {
        let Written { size, late } = written;
        if late.is_empty() {
            // SAFETY: by the contract.
            return Ok(unsafe { shrunk(self.object, *size) });
        }
        let total = size + late.iter().map(Vec::len).sum::<usize>();
        let mut whole = BatchBytes::new(self.object.py(), total)?;
        let (head, mut rest) = whole.memory().split_at_mut(*size);
        head.copy_from_slice(&self.memory()[..*size]);
        for bytes in late {
            let (place, after) = rest.split_at_mut(bytes.len());
            write_copy(place, bytes);
            rest = after;
        }
        Ok(whole.object)
    }
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
        match self.object {
            // SAFETY: by the contract.
            Some(object) => unsafe { shrunk(object.into_bound(py), used) },
            None => PyBytes::new(py, &[]),
        }
    }

    /// Have an object of as many bytes, of which the first `used` are those that there are.
    fn enlarge(&mut self, size: usize, used: usize) -> PyResult<()> {
        let object = Python::attach(|py| unwritten(py, size).map(Bound::unbind))?;
        let before = std::mem::replace(self, GrowingBytes { object: Some(object), size });
        if let Some(object) = &self.object {
            // SAFETY: the object is new and of this size.
            let memory = unsafe { memory_of(object.as_ptr(), size) };
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
