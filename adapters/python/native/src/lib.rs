//! The module `chatpb._engine.native.native`: chatpb-core for Python.

mod arrow_rows;
mod calls;
mod chunks;
mod codec;
mod columns;
mod dict_to_json;
mod errors;
mod input;
mod json_to_dict;
mod native_function;
mod new_bytes;

use input::Input;
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Count the whole messages, each after its length, that a buffer begins with, and find where the last one ends.
#[pyfunction]
#[pyo3(signature = (wire, limit, /))]
fn whole_messages(wire: &Bound<'_, PyAny>, limit: usize) -> PyResult<(usize, usize)> {
    Ok(Input::bytes(wire)?.released(wire.py(), |wire| chatpb_core::whole_messages(wire, limit)))
}

#[pyfunction]
fn instruction_set() -> &'static str {
    chatpb_core::instruction_set()
}

#[pyfunction]
fn instruction_sets() -> Vec<&'static str> {
    chatpb_core::instruction_sets()
}

/// Refuse all interpreters of the process but the main one. What is kept of classes and names is that of one
/// interpreter, whose objects others must not use, and the main one lives as long as the process.
fn check_interpreter(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the thread is attached to an interpreter.
    match unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) } {
        0 => Ok(()),
        ..0 => Err(PyErr::fetch(py)),
        _ => Err(PyImportError::new_err(
            "the native engine of chatpb serves the main interpreter of a process; CHATPB_ENGINE=python serves all",
        )),
    }
}

#[pymodule]
mod native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::check_interpreter(module.py())
    }

    #[pymodule_export]
    use super::{instruction_set, instruction_sets, whole_messages};
    #[pymodule_export]
    use crate::arrow_rows::{expanded_sizes, fields_of_rows, messages_of_rows, rows_of_messages};
    #[pymodule_export]
    use crate::calls::forget_classes;
    #[pymodule_export]
    use crate::chunks::{ChunkAccumulator, ChunkSplitter};
    #[pymodule_export]
    use crate::codec::Codec;
    #[pymodule_export]
    use crate::columns::ColumnReader;
    #[pymodule_export]
    use crate::native_function::native_function;
}
