//! Rows of an Arrow array: their bytes, and 64-bit offsets in the machine's order of bytes.

use crate::SLACK;
use crate::input::Input;
use crate::new_bytes::NewBytes;
use chatpb_core::Rows;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::mem::MaybeUninit;

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
    on_inputs(py, &Input::bytes(data)?, &Input::bytes(offsets)?, work)
}

fn on_inputs<T: Send>(
    py: Python<'_>,
    data: &Input<'_>,
    offsets: &Input<'_>,
    work: impl FnOnce(&[&[u8]]) -> T + Send,
) -> PyResult<T> {
    let offsets = offsets.get(py);
    data.released(py, |data| chatpb_core::rows_of(data, offsets).map(|rows| work(&rows)))
        .ok_or_else(|| PyValueError::new_err("offsets that are not those of the data"))
}

/// What becomes of the rows of an array, mostly at most `times` as large.
pub fn made_rows<'py, E: Send>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    times: usize,
    work: impl FnOnce(&[&[u8]], &mut [MaybeUninit<u8>]) -> Result<Rows, (usize, E)> + Send,
    fail: impl FnOnce(usize, E) -> PyErr,
) -> PyResult<Made<'py>> {
    // An array may be a small part of its data.
    let (data, offsets) = (Input::bytes(data)?, Input::bytes(offsets)?);
    let size = span(offsets.get(py)).min(data.size());
    let mut batch = NewBytes::new(py, size * times + SLACK)?;
    let memory = batch.memory();
    let rows = on_inputs(py, &data, &offsets, |rows| work(rows, memory))?.map_err(|(row, error)| fail(row, error))?;
    // SAFETY: they were written to the batch's memory.
    Ok((unsafe { batch.finish_batch(py, &rows.data) }?, words(py, rows.offsets)))
}

/// From the first to the last of some offsets.
fn span(offsets: &[u8]) -> usize {
    let (words, _) = offsets.as_chunks();
    let ends = words.first().zip(words.last());
    let distance = ends.map(|(&first, &last)| i64::from_ne_bytes(last).saturating_sub(i64::from_ne_bytes(first)));
    distance.and_then(|distance| usize::try_from(distance).ok()).unwrap_or(0)
}

/// Offsets in the machine's order of bytes.
fn words(py: Python<'_>, offsets: Vec<i64>) -> Bound<'_, PyBytes> {
    let bytes: Vec<u8> = offsets.into_iter().flat_map(i64::to_ne_bytes).collect();
    PyBytes::new(py, &bytes)
}
