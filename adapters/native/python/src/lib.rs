//! The modules of `chatpb._native`: chatpb-core for Python.

mod input;
mod new_bytes;
mod rows;
mod shortcut;

use chatpb_core::{EncodeOptions, Encoder, JsonError, PrintOptions, Printer, ProjectError, WireError};
use input::Input;
use new_bytes::{NewBytes, growing_bytes};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};
use rows::{Made, made_rows, on_rows};
use std::cell::Cell;

/// Documents of fewer bytes are worked on without releasing the GIL, which costs more than others gain.
const RELEASE: usize = 16 << 10;
/// What the engine asks for beyond its guess of a result's size, at most.
const SLACK: usize = 1 << 10;

thread_local! {
    // Taken out while in use, since an error is made by Python code, which may call here again.
    static ENCODER: Cell<Option<Box<Encoder>>> = const { Cell::new(None) };
    static PRINTER: Cell<Option<Box<Printer>>> = const { Cell::new(None) };
}

/// The tables of a message type and of all that it contains, compiled.
#[pyclass(frozen, module = "chatpb._native")]
struct Schema(chatpb_core::Schema);

#[pymethods]
impl Schema {
    #[new]
    fn new(table: &str) -> PyResult<Self> {
        chatpb_core::Schema::parse(table).map(Schema).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (data, canonical, nonfinite, /))]
    fn json_to_wire<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        canonical: bool,
        nonfinite: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::text(data)?;
        let options = EncodeOptions { canonical, nonfinite, origin: input.origin() };
        ENCODER.with(|kept| {
            let mut encoder = kept.take().unwrap_or_default();
            let wire = match input.size() {
                ..RELEASE => match encoder.json_to_wire(&self.0, input.get(py), options) {
                    Ok(wire) => Ok(PyBytes::new(py, wire)),
                    Err(error) => Err(json_error(py, *error)),
                },
                RELEASE.. => {
                    // SAFETY: the encoder writes as many bytes, behind none.
                    unsafe {
                        growing_bytes(py, &input, input.size() + SLACK, |text, room| {
                            encoder.write(&self.0, text, options, room, 0)
                        })
                    }?
                    .map_err(|error| json_error(py, *error))
                }
            };
            kept.set(Some(encoder));
            wire
        })
    }

    #[pyo3(signature = (wire, fill_required, refuse_unknown, nonfinite, /))]
    fn wire_to_json<'py>(
        &self,
        py: Python<'py>,
        wire: &Bound<'py, PyAny>,
        fill_required: bool,
        refuse_unknown: bool,
        nonfinite: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::bytes(wire)?;
        let options = PrintOptions { fill_required, refuse_unknown, nonfinite };
        PRINTER.with(|kept| {
            let mut printer = kept.take().unwrap_or_default();
            let text = match input.size() {
                ..RELEASE => match printer.wire_to_json(&self.0, input.get(py), options) {
                    Ok(text) => Ok(PyBytes::new(py, text)),
                    Err(error) => Err(wire_error(py, *error)),
                },
                RELEASE.. => {
                    // SAFETY: the printer writes as many bytes, behind none.
                    unsafe {
                        growing_bytes(py, &input, input.size() * 5 / 2 + SLACK, |wire, room| {
                            printer.write(&self.0, wire, options, room, 0)
                        })
                    }?
                    .map_err(|error| wire_error(py, *error))
                }
            };
            kept.set(Some(printer));
            text
        })
    }

    #[pyo3(signature = (data, canonical, nonfinite, threads, /))]
    fn json_lines_to_wire<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        canonical: bool,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::text(data)?;
        let options = EncodeOptions { canonical, nonfinite, origin: input.origin() };
        let mut batch = NewBytes::new(py, input.size() + SLACK)?;
        let memory = batch.memory();
        let work = |text: &[u8]| chatpb_core::json_lines_to_wire(&self.0, text, options, threads, memory);
        let written = input.released(py, work).map_err(|error| json_error(py, error))?;
        // SAFETY: it was written to the batch's memory.
        unsafe { batch.finish_batch(py, &written) }
    }

    #[pyo3(signature = (wire, fill_required, refuse_unknown, nonfinite, threads, /))]
    fn wire_to_json_lines<'py>(
        &self,
        py: Python<'py>,
        wire: &Bound<'py, PyAny>,
        fill_required: bool,
        refuse_unknown: bool,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::bytes(wire)?;
        let options = PrintOptions { fill_required, refuse_unknown, nonfinite };
        let mut batch = NewBytes::new(py, input.size() * 5 / 2 + SLACK)?;
        let memory = batch.memory();
        let work = |wire: &[u8]| chatpb_core::wire_to_json_lines(&self.0, wire, options, threads, memory);
        let written = input.released(py, work).map_err(|error| wire_error(py, error))?;
        // SAFETY: it was written to the batch's memory.
        unsafe { batch.finish_batch(py, &written) }
    }

    /// Rows of JSON text as those of an Arrow array: bytes and 64-bit offsets. An error's path starts with the row.
    #[pyo3(signature = (data, offsets, nonfinite, threads, /))]
    fn json_to_wire_rows<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<Made<'py>> {
        let options = EncodeOptions { nonfinite, ..EncodeOptions::default() };
        let work =
            |rows: &[&[u8]], memory: &mut _| chatpb_core::json_to_wire_rows(&self.0, rows, options, threads, memory);
        made_rows(py, data, offsets, 1, work, |row, error| {
            json_error(py, JsonError { path: format!("/{row}{}", error.path), ..error })
        })
    }

    /// The way back.
    #[pyo3(signature = (data, offsets, nonfinite, threads, /))]
    fn wire_to_json_rows<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<Made<'py>> {
        let options = PrintOptions { nonfinite, ..PrintOptions::default() };
        let work =
            |rows: &[&[u8]], memory: &mut _| chatpb_core::wire_to_json_rows(&self.0, rows, options, threads, memory);
        made_rows(py, data, offsets, 3, work, |row, error| row_error(py, row, error))
    }

    /// Records with their streams compact. An error's path starts with the row.
    #[pyo3(signature = (data, offsets, tag, threads, /))]
    fn compact_records<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        tag: u32,
        threads: usize,
    ) -> PyResult<Made<'py>> {
        let work = |rows: &[&[u8]], memory: &mut _| chatpb_core::compact_records(&self.0, rows, tag, threads, memory);
        made_rows(py, data, offsets, 1, work, |row, error| row_error(py, row, error))
    }

    /// The way back.
    #[pyo3(signature = (data, offsets, tag, threads, /))]
    fn expand_records<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        tag: u32,
        threads: usize,
    ) -> PyResult<Made<'py>> {
        let work = |rows: &[&[u8]], memory: &mut _| chatpb_core::expand_records(&self.0, rows, tag, threads, memory);
        made_rows(py, data, offsets, 4, work, |row, error| row_error(py, row, error))
    }

    #[pyo3(signature = (chunks, /))]
    fn compact_stream<'py>(&self, py: Python<'py>, chunks: Vec<Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyBytes>> {
        let chunks: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
        let stream = py.detach(|| chatpb_core::compact_stream(&self.0, &chunks));
        stream.map(|stream| PyBytes::new(py, &stream)).map_err(|error| wire_error(py, error))
    }

    #[pyo3(signature = (stream, /))]
    fn expand_stream<'py>(&self, py: Python<'py>, stream: &Bound<'py, PyBytes>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let bytes = stream.as_bytes();
        let chunks = py.detach(|| chatpb_core::expand_stream(&self.0, bytes)).map_err(|error| wire_error(py, error))?;
        Ok(chunks.iter().map(|chunk| PyBytes::new(py, chunk)).collect())
    }
}

/// How many whole messages, each after its length, a buffer begins with, and where the last of them ends.
#[pyfunction]
#[pyo3(signature = (wire, limit, /))]
fn whole_messages(wire: &Bound<'_, PyAny>, limit: usize) -> PyResult<(usize, usize)> {
    Ok(Input::bytes(wire)?.released(wire.py(), |wire| chatpb_core::whole_messages(wire, limit)))
}

/// What reads columns from messages.
#[pyclass(frozen, module = "chatpb._native")]
struct Projection(chatpb_core::Projection);

/// A column's validity, offsets of lists, values or offsets, and data, as Arrow lays them out.
type Buffers<'py> = [Bound<'py, PyBytes>; 4];

#[pymethods]
impl Projection {
    #[new]
    fn new(table: &str) -> PyResult<Self> {
        chatpb_core::Projection::parse(table).map(Projection).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (messages, /))]
    fn of_messages<'py>(&self, py: Python<'py>, messages: Vec<Bound<'py, PyBytes>>) -> PyResult<Vec<Buffers<'py>>> {
        let messages: Vec<&[u8]> = messages.iter().map(|message| message.as_bytes()).collect();
        buffers(py, py.detach(|| self.0.project(&messages, 1)))
    }

    #[pyo3(signature = (data, offsets, threads, /))]
    fn of_array<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Vec<Buffers<'py>>> {
        buffers(py, on_rows(py, data, offsets, |messages| self.0.project(messages, threads))?)
    }
}

fn buffers<'py>(
    py: Python<'py>,
    columns: Result<Vec<chatpb_core::Column>, ProjectError>,
) -> PyResult<Vec<Buffers<'py>>> {
    let columns = columns.map_err(|error| match error {
        ProjectError::Wire(error) => wire_error(py, error),
        ProjectError::TooLarge => PyOverflowError::new_err("more than 2 GiB of strings in a column"),
    })?;
    Ok(columns.into_iter().map(|column| column.buffers().map(|buffer| PyBytes::new(py, &buffer))).collect())
}

#[cold]
fn json_error(py: Python<'_>, error: JsonError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let JsonError { path, line, column, offset, reason } = error;
    match CLASS.import(py, "chatpb._errors", "JsonError") {
        Ok(class) => PyErr::from_type(class.clone(), (path, line, column, offset, reason)),
        Err(failure) => failure,
    }
}

#[cold]
fn wire_error(py: Python<'_>, error: WireError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let WireError { path, offset, reason } = error;
    match CLASS.import(py, "chatpb._errors", "WireError") {
        Ok(class) => PyErr::from_type(class.clone(), (path, offset, reason)),
        Err(failure) => failure,
    }
}

fn row_error(py: Python<'_>, row: usize, error: WireError) -> PyErr {
    wire_error(py, WireError { path: format!("/{row}{}", error.path), ..error })
}

/// Whether the processor has all that x86-64-v3 is compiled for.
#[pyfunction]
fn has_v3() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("movbe")
        && is_x86_feature_detected!("popcnt");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[pymodule]
#[cfg_attr(feature = "v3", pyo3(name = "v3"))]
#[cfg_attr(not(feature = "v3"), pyo3(name = "baseline"))]
mod native {
    #[pymodule_export]
    use super::{Projection, Schema, has_v3, whole_messages};
    #[pymodule_export]
    use crate::rows::{fields_of_rows, messages_of_rows, rows_of_messages};
    #[pymodule_export]
    use crate::shortcut::{forget_classes, shortcut};
}
