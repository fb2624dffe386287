//! Rows of an Arrow array: their bytes, and 64-bit offsets in the machine's order of bytes.

use crate::input::Input;
use crate::{joined, wire_error};
use chatpb_core::WireError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bytes and offsets.
pub type Made<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pyfunction]
#[pyo3(signature = (messages, /))]
pub fn rows_of_messages<'py>(py: Python<'py>, messages: &Bound<'py, PyAny>) -> PyResult<Made<'py>> {
    let rows = Input::bytes(messages)?.released(py, chatpb_core::rows_of_messages);
    let (data, offsets) = rows.ok_or_else(|| PyValueError::new_err("messages that are cut short"))?;
    Ok((PyBytes::new(py, &data), words(py, offsets)))
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
) -> PyResult<Made<'py>> {
    let (data, offsets) = on_rows(py, data, offsets, |rows| chatpb_core::fields_of_rows(rows, tag))?;
    Ok((PyBytes::new(py, &data), words(py, offsets)))
}

/// Work on the rows of an array, with the GIL released where nothing can change them meanwhile.
pub fn on_rows<T: Send>(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    offsets: &Bound<'_, PyAny>,
    work: impl FnOnce(&[&[u8]]) -> T + Send,
) -> PyResult<T> {
    let (data, offsets) = (Input::bytes(data)?, Input::bytes(offsets)?);
    let offsets = offsets.get(py);
    data.released(py, |data| chatpb_core::rows_of(data, offsets).map(|rows| work(&rows)))
        .ok_or_else(|| PyValueError::new_err("offsets that are not those of the data"))
}

/// What becomes of rows of wire bytes.
pub fn wire_rows<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    threads: usize,
    work: impl FnOnce(&[&[u8]]) -> Result<chatpb_core::Rows, (usize, WireError)> + Send,
) -> PyResult<Made<'py>> {
    let rows = on_rows(py, data, offsets, work)?
        .map_err(|(row, error)| wire_error(py, WireError { path: format!("/{row}{}", error.path), ..error }))?;
    joined_rows(py, rows, threads)
}

/// Offsets in the machine's order of bytes.
fn words(py: Python<'_>, offsets: Vec<i64>) -> Bound<'_, PyBytes> {
    let bytes: Vec<u8> = offsets.into_iter().flat_map(i64::to_ne_bytes).collect();
    PyBytes::new(py, &bytes)
}

/// The bytes and the offsets of rows.
pub fn joined_rows<'py>(py: Python<'py>, rows: chatpb_core::Rows, threads: usize) -> PyResult<Made<'py>> {
    Ok((joined(py, &rows.data, threads)?, words(py, rows.offsets)))
}
