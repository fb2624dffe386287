//! Columns of values that are read from the wire bytes of messages.

use crate::arrow_rows::on_rows;
use crate::codec::Codec;
use crate::errors::wire_error;
use chatpb_core::{Column, ColumnError, ColumnType};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A column in Arrow's layout: validity, offsets of lists, values or offsets, and data.
type ColumnBuffers<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pyclass(frozen, module = "chatpb._engine.native")]
pub struct ColumnReader(chatpb_core::ColumnReader);

#[pymethods]
impl ColumnReader {
    #[new]
    #[pyo3(signature = (codec, columns, /))]
    fn new(codec: &Codec, columns: Vec<(String, Vec<String>)>) -> PyResult<Self> {
        let typed = columns.into_iter().map(|(column_type, sources)| Ok((column_type_of(&column_type)?, sources)));
        let columns = typed.collect::<PyResult<Vec<_>>>()?;
        chatpb_core::ColumnReader::new(codec.schema(), &columns).map(ColumnReader).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (messages, /))]
    fn of_messages<'py>(
        &self,
        py: Python<'py>,
        messages: Vec<Bound<'py, PyBytes>>,
    ) -> PyResult<Vec<ColumnBuffers<'py>>> {
        let messages: Vec<&[u8]> = messages.iter().map(|message| message.as_bytes()).collect();
        buffers(py, py.detach(|| self.0.read(&messages, 1)))
    }

    #[pyo3(signature = (data, offsets, threads, /))]
    fn of_array<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        threads: usize,
    ) -> PyResult<Vec<ColumnBuffers<'py>>> {
        buffers(py, on_rows(py, data, offsets, |messages| self.0.read(messages, threads))?)
    }
}

fn column_type_of(name: &str) -> PyResult<ColumnType> {
    match name {
        "integer" => Ok(ColumnType::Integer),
        "number" => Ok(ColumnType::Number),
        "string" => Ok(ColumnType::String),
        "strings" => Ok(ColumnType::Strings),
        "present" => Ok(ColumnType::Present),
        _ => Err(PyValueError::new_err(format!("no column is of type {name:?}"))),
    }
}

fn buffers(py: Python<'_>, columns: Result<Vec<Column>, ColumnError>) -> PyResult<Vec<ColumnBuffers<'_>>> {
    let columns = columns.map_err(|error| match error {
        ColumnError::Wire(error) => wire_error(py, error),
        ColumnError::TooLarge => PyOverflowError::new_err("more than 2 GiB of strings in a column"),
    })?;
    let buffers = columns.into_iter().map(|column| {
        let [validity, lists, values, data] = column.buffers().map(|buffer| PyBytes::new(py, &buffer));
        (validity, lists, values, data)
    });
    Ok(buffers.collect())
}
