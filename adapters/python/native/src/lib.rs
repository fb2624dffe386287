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
use std::sync::atomic::{AtomicI64, Ordering};

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

/// Refuse a second interpreter of the process. What is kept of classes and names is that of the first one, whose objects
/// others must not use.
fn check_interpreter(py: Python<'_>) -> PyResult<()> {
    static FIRST: AtomicI64 = AtomicI64::new(-1);
    // SAFETY: the thread is attached to an interpreter.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if this < 0 {
        return Err(PyErr::fetch(py));
    }
    match FIRST.compare_exchange(-1, this, Ordering::AcqRel, Ordering::Acquire) {
        Err(first) if first != this => Err(PyImportError::new_err(
            "the native engine of chatpb serves one interpreter of a process, and another one has it; \
             CHATPB_ENGINE=python serves all",
        )),
        _ => Ok(()),
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
    use crate::arrow_rows::{fields_of_rows, messages_of_rows, rows_of_messages};
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
