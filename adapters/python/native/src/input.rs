//! The bytes of an argument, which stay as they are while a call reads them.
//!
//! Those of a `bytes`, a view of it, and a `str` never change, and are read in place. Any other buffer is copied: another
//! thread may write to it without the GIL, as numpy does, and another process to a file that is mapped, even where the buffer
//! is read-only. docs/performance.md says what the copy costs.

use chatpb_core::{Origin, advise_huge_pages};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyMemoryView, PyString};
use pyo3::{PyErr, ffi};
use std::mem::MaybeUninit;
use std::ops::Range;

pub struct Input<'a> {
    bytes: Bytes<'a>,
    origin: Origin,
}

enum Bytes<'a> {
    Borrowed(&'a [u8]),
    /// A part of a `bytes`, which is kept since the view of it may be released meanwhile.
    Part(Py<PyBytes>, Range<usize>),
    Copied(Vec<u8>),
}

impl<'a> Input<'a> {
    /// The bytes of text, in a `str` or in any buffer.
    #[inline]
    pub fn text(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        // The most common class is recognized by a comparison, without a call.
        if !data.is_exact_instance_of::<PyBytes>()
            && let Ok(data) = data.cast::<PyString>()
        {
            return match data.to_str() {
                Ok(text) => Ok(Input::utf8(text.as_bytes())),
                Err(_) => {
                    // By the method of `str`, since a subclass may have another.
                    let class = data.py().get_type::<PyString>();
                    let encoded = class.call_method1("encode", (data, "utf-8", "surrogatepass"))?;
                    Ok(Input { bytes: Bytes::Copied(encoded.extract()?), origin: Origin::Surrogates })
                }
            };
        }
        Input::of(data, "json_text")
    }

    /// Text that is known to be UTF-8.
    #[inline]
    pub fn utf8(text: &'a [u8]) -> Self {
        Input { bytes: Bytes::Borrowed(text), origin: Origin::String }
    }

    /// The bytes of wire bytes, in any buffer.
    #[inline]
    pub fn bytes(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        Input::of(data, "wire_bytes")
    }

    #[inline]
    fn of(data: &'a Bound<'_, PyAny>, function: &str) -> PyResult<Self> {
        let bytes = match data.cast_exact::<PyBytes>().or_else(|_| data.cast::<PyBytes>()) {
            Ok(bytes) => Bytes::Borrowed(bytes.as_bytes()),
            Err(_) => Buffer::of(data, function)?.read(data)?,
        };
        Ok(Input { bytes, origin: Origin::Bytes })
    }

    /// A part of the bytes of a buffer. `None` if it has no such part.
    pub fn part(data: &'a Bound<'_, PyAny>, part: Range<usize>) -> PyResult<Option<Self>> {
        let bytes = match data.cast::<PyBytes>() {
            Ok(bytes) => bytes.as_bytes().get(part).map(Bytes::Borrowed),
            Err(_) => Buffer::of(data, "wire_bytes")?.read_part(data, part)?,
        };
        Ok(bytes.map(|bytes| Input { bytes, origin: Origin::Bytes }))
    }

    #[inline]
    pub fn get(&self, py: Python<'_>) -> &[u8] {
        match &self.bytes {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Part(owner, part) => &owner.as_bytes(py)[part.clone()],
            Bytes::Copied(bytes) => bytes,
        }
    }

    #[inline]
    pub fn size(&self) -> usize {
        match &self.bytes {
            Bytes::Borrowed(bytes) => bytes.len(),
            Bytes::Part(_, part) => part.len(),
            Bytes::Copied(bytes) => bytes.len(),
        }
    }

    #[inline]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Work on the bytes with the GIL released.
    pub fn released<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&[u8]) -> T + Send) -> T {
        let bytes = self.get(py);
        py.detach(|| work(bytes))
    }
}

/// A view of an object's buffer, released when dropped. It stays where it was filled, since it may point into itself.
struct Buffer(Box<ffi::Py_buffer>);

impl Buffer {
    /// Ask for what `memoryview` asks for, once. An error of the object passes unchanged; what has no buffer is refused by a
    /// function of `chatpb._inputs`.
    fn of(data: &Bound<'_, PyAny>, function: &str) -> PyResult<Self> {
        static REFUSAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = data.py();
        // SAFETY: the object is alive and the GIL held.
        if unsafe { ffi::PyObject_CheckBuffer(data.as_ptr()) } == 0 {
            let refusal = REFUSAL.import(py, "chatpb._inputs", "refusal")?.call1((function, data))?;
            return Err(PyErr::from_value(refusal));
        }
        let mut view = Box::new(MaybeUninit::uninit());
        // SAFETY: the object is alive and the GIL held; on success the call fills the view.
        match unsafe { ffi::PyObject_GetBuffer(data.as_ptr(), view.as_mut_ptr(), ffi::PyBUF_FULL_RO) } {
            // SAFETY: the call succeeded.
            0 => Ok(Buffer(unsafe { view.assume_init() })),
            _ => Err(PyErr::fetch(py)),
        }
    }

    fn read<'a>(&self, data: &Bound<'_, PyAny>) -> PyResult<Bytes<'a>> {
        match self.part_of_bytes(data) {
            Some((owner, part)) => Ok(Bytes::Part(owner, part)),
            None => self.copy(data.py()).map(Bytes::Copied),
        }
    }

    /// Read a part of the bytes. `None` if there is no such part.
    fn read_part<'a>(&self, data: &Bound<'_, PyAny>, part: Range<usize>) -> PyResult<Option<Bytes<'a>>> {
        let size = self.0.len as usize;
        if part.start > part.end || part.end > size {
            return Ok(None);
        }
        if let Some((owner, whole)) = self.part_of_bytes(data) {
            return Ok(Some(Bytes::Part(owner, whole.start + part.start..whole.start + part.end)));
        }
        if !self.is_contiguous() {
            return Ok(Some(Bytes::Copied(self.copy(data.py())?[part].to_vec())));
        }
        let mut bytes = new_vec(part.len())?;
        if !part.is_empty() {
            // SAFETY: the part is inside the view's contiguous bytes, and there is room for it in memory of its own.
            unsafe {
                bytes.as_mut_ptr().copy_from_nonoverlapping(self.0.buf.cast::<u8>().add(part.start), part.len());
                bytes.set_len(part.len());
            }
        }
        Ok(Some(Bytes::Copied(bytes)))
    }

    /// The `bytes` that the object is a view of, and which part of it.
    fn part_of_bytes(&self, data: &Bound<'_, PyAny>) -> Option<(Py<PyBytes>, Range<usize>)> {
        let owner = data.cast_exact::<PyMemoryView>().ok()?.getattr("obj").ok()?;
        let owner = owner.cast_into_exact::<PyBytes>().ok()?;
        let start = self.0.buf.addr().checked_sub(owner.as_bytes().as_ptr().addr())?;
        let part = start..start + self.0.len as usize;
        (self.is_contiguous() && part.end <= owner.as_bytes().len()).then(|| (owner.unbind(), part))
    }

    fn is_contiguous(&self) -> bool {
        // SAFETY: the view is filled.
        unsafe { ffi::PyBuffer_IsContiguous(&*self.0, b'C' as _) != 0 }
    }

    /// Copy the bytes, row by row.
    fn copy(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        let size = self.0.len as usize;
        let mut bytes = new_vec(size)?;
        if size > 0 {
            // SAFETY: there is room for as many bytes as the view has. On success the call has written all of them.
            unsafe {
                if ffi::PyBuffer_ToContiguous(bytes.as_mut_ptr().cast(), &*self.0, self.0.len, b'C' as _) != 0 {
                    return Err(PyErr::fetch(py));
                }
                bytes.set_len(size);
            }
        }
        Ok(bytes)
    }
}

/// An empty vector with room for some bytes.
fn new_vec(size: usize) -> PyResult<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| PyMemoryError::new_err(()))?;
    advise_huge_pages(bytes.spare_capacity_mut());
    Ok(bytes)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer and is released once.
        unsafe { ffi::PyBuffer_Release(&mut *self.0) }
    }
}
