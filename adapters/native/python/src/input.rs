//! The bytes of an argument, read where they are.

use chatpb_core::Origin;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyMemoryView, PyString, PyType};
use pyo3::{PyErr, ffi};
use std::borrow::Cow;
use std::mem::MaybeUninit;

pub enum Input<'a> {
    /// Of a `bytes`, which never change.
    Bytes(&'a [u8]),
    /// Of a `str`; a copy where it has surrogates.
    Str(Cow<'a, [u8]>),
    /// Boxed, so that the others are small.
    Buffer(Box<Buffer>),
}

impl<'a> Input<'a> {
    /// Of text or a buffer.
    #[inline]
    pub fn text(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        // What is most common is known by its type alone, without a call.
        if !data.is_exact_instance_of::<PyBytes>()
            && let Ok(data) = data.cast::<PyString>()
        {
            return match data.to_str() {
                Ok(text) => Ok(Input::Str(Cow::Borrowed(text.as_bytes()))),
                Err(_) => {
                    let encoded = data.call_method1("encode", ("utf-8", "surrogatepass"))?;
                    Ok(Input::Str(Cow::Owned(encoded.extract()?)))
                }
            };
        }
        Input::bytes(data)
    }

    /// Of a buffer.
    #[inline]
    pub fn bytes(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        match data.cast_exact::<PyBytes>().or_else(|_| data.cast::<PyBytes>()) {
            Ok(bytes) => Ok(Input::Bytes(bytes.as_bytes())),
            Err(_) => Ok(Input::Buffer(Box::new(Buffer::of(data)?))),
        }
    }

    /// Bytes that there are.
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Input::Bytes(bytes) => bytes.len(),
            Input::Str(text) => text.len(),
            Input::Buffer(buffer) => buffer.bytes().len(),
        }
    }

    #[inline]
    pub fn origin(&self) -> Origin {
        match self {
            Input::Str(Cow::Borrowed(_)) => Origin::String,
            Input::Str(Cow::Owned(_)) => Origin::Surrogates,
            _ => Origin::Bytes,
        }
    }

    /// The bytes, read with the GIL held.
    #[inline]
    pub fn get(&self, _: Python<'_>) -> &[u8] {
        match self {
            Input::Bytes(bytes) => bytes,
            Input::Str(text) => text,
            Input::Buffer(buffer) => buffer.bytes(),
        }
    }

    /// Work on the bytes, with the GIL released where nothing can change them meanwhile.
    pub fn released<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&[u8]) -> T + Send) -> T {
        let bytes = self.get(py);
        match self {
            Input::Buffer(buffer) if !buffer.is_fixed(py) => work(bytes),
            _ => py.detach(|| work(bytes)),
        }
    }
}

/// A view of an object's buffer, given back when dropped.
pub struct Buffer(ffi::Py_buffer);

impl Buffer {
    fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut view = MaybeUninit::uninit();
        // SAFETY: the object is alive and the GIL held; on success the call fills the view.
        let failed = unsafe { ffi::PyObject_GetBuffer(data.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_SIMPLE) };
        if failed != 0 {
            return Err(PyErr::fetch(data.py()));
        }
        // SAFETY: filled above.
        Ok(Buffer(unsafe { view.assume_init() }))
    }

    /// Whether no Python code can change the bytes: they are those of a `bytes`, or of a file mapped for reading. That a
    /// view is read-only says less, since what it is a view of may be a `bytearray`.
    fn is_fixed(&self, py: Python<'_>) -> bool {
        static MMAP: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        if self.0.readonly == 0 {
            return false;
        }
        // SAFETY: the view holds a reference to the object that gave it, or none.
        let Some(giver) = (unsafe { Bound::from_borrowed_ptr_or_opt(py, self.0.obj) }) else { return false };
        let owner = if giver.is_exact_instance_of::<PyMemoryView>() { giver.getattr("obj") } else { Ok(giver) };
        let Ok(owner) = owner else { return false };
        owner.is_exact_instance_of::<PyBytes>()
            || MMAP.import(py, "mmap", "mmap").is_ok_and(|mmap| owner.get_type().is(mmap))
    }

    fn bytes(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: a simple view is of `len` contiguous bytes, which stay in place until it is given back; unless they are
        // fixed, the GIL is held while they are read, so that no Python code changes them.
        unsafe { std::slice::from_raw_parts(self.0.buf.cast(), self.0.len as usize) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer and is given back once.
        unsafe { ffi::PyBuffer_Release(&mut self.0) }
    }
}
