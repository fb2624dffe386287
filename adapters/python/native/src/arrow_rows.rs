//! Rows of an Arrow array: their bytes, and 64-bit offsets in the machine's byte order.

use crate::input::Input;
use crate::new_bytes::{MARGIN, NewBytes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;

/// The bytes of an array, and its offsets.
pub type ArrayBuffers<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pyfunction]
#[pyo3(signature = (messages, /))]
pub fn rows_of_messages<'py>(py: Python<'py>, messages: &Bound<'py, PyAny>) -> PyResult<ArrayBuffers<'py>> {
    let rows = Input::bytes(messages)?.released(py, chatpb_core::rows_of_messages);
    let (data, offsets) = rows.ok_or_else(|| PyValueError::new_err("messages that are cut short"))?;
    Ok((PyBytes::new(py, &data), offset_bytes(py, offsets)))
}

#[pyfunction]
#[pyo3(signature = (data, offsets, /))]
pub fn messages_of_rows<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &on_rows(py, data, offsets, chatpb_core::messages_of_rows)?))
}

#[pyfunction]
#[pyo3(signature = (data, offsets, tag, /))]
pub fn fields_of_rows<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    tag: u32,
) -> PyResult<ArrayBuffers<'py>> {
    let (data, offsets) = on_rows(py, data, offsets, |rows| chatpb_core::fields_of_rows(rows, tag))?;
    Ok((PyBytes::new(py, &data), offset_bytes(py, offsets)))
}

#[pyfunction]
#[pyo3(signature = (data, offsets, tag, /))]
pub fn expanded_sizes<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    tag: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(offset_bytes(py, on_rows(py, data, offsets, |rows| chatpb_core::expanded_sizes(rows, tag))?))
}

/// Work on the rows of an array, with the GIL released.
pub fn on_rows<T: Send>(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    offsets: &Bound<'_, PyAny>,
    work: impl FnOnce(&[&[u8]]) -> T + Send,
) -> PyResult<T> {
    Rows::of(data, offsets)?.released(py, work)
}

/// The rows of an array: its bytes from the first row to the last, which may be a small part of the data, and the offsets.
struct Rows<'a> {
    data: Input<'a>,
    offsets: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn of(data: &'a Bound<'_, PyAny>, offsets: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (py, offsets) = (data.py(), Input::bytes(offsets)?);
        let (words, rest) = offsets.get(py).as_chunks();
        let words: Vec<i64> = words.iter().map(|&word| i64::from_ne_bytes(word)).collect();
        let (Some(&first), Some(&last), []) = (words.first(), words.last(), rest) else { return Err(wrong_offsets()) };
        let (Ok(start), Ok(stop)) = (first.try_into(), last.try_into()) else { return Err(wrong_offsets()) };
        let data = Input::part(data, start..stop)?.ok_or_else(wrong_offsets)?;
        let offsets = words.iter().flat_map(|offset| offset.wrapping_sub(first).to_ne_bytes()).collect();
        Ok(Rows { data, offsets })
    }

    fn released<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&[&[u8]]) -> T + Send) -> PyResult<T> {
        self.data
            .released(py, |data| chatpb_core::rows_of(data, &self.offsets).map(|rows| work(&rows)))
            .ok_or_else(wrong_offsets)
    }
}

#[cold]
fn wrong_offsets() -> PyErr {
    PyValueError::new_err("offsets that are not those of the data")
}

/// Convert the rows of an array. The result is rarely more than `growth` times as large as they are.
pub fn convert_rows<'py, E: Send>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    growth: usize,
    convert: impl FnOnce(&[&[u8]], &mut [MaybeUninit<u8>]) -> Result<chatpb_core::Rows, (usize, E)> + Send,
    error_in_row: impl FnOnce(usize, E) -> PyErr,
) -> PyResult<ArrayBuffers<'py>> {
    let rows = Rows::of(data, offsets)?;
    let mut batch = NewBytes::new(py, rows.data.size() * growth + MARGIN)?;
    let memory = batch.memory();
    let rows = rows.released(py, |rows| convert(rows, memory))?;
    let rows = rows.map_err(|(row, error)| error_in_row(row, error))?;
    // SAFETY: the rows were written to the batch's memory.
    Ok((unsafe { batch.finish_batch(py, &rows.data) }?, offset_bytes(py, rows.offsets)))
}

/// Offsets, or sizes, in the machine's byte order.
fn offset_bytes(py: Python<'_>, offsets: Vec<i64>) -> Bound<'_, PyBytes> {
    let bytes: Vec<u8> = offsets.into_iter().flat_map(i64::to_ne_bytes).collect();
    PyBytes::new(py, &bytes)
}
