//! The core's errors as Python exceptions.

use chatpb_core::{JsonError, LinesError, Violation, WireError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyType};
use pyo3::{ffi, intern};
use std::ptr::null_mut;

#[cold]
pub fn json_error(py: Python<'_>, error: JsonError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let JsonError { path, line, column, offset, reason } = error;
    match CLASS.import(py, "chatpb._errors", "JsonError") {
        Ok(class) => PyErr::from_type(class.clone(), (path, line, column, offset, reason)),
        Err(failure) => failure,
    }
}

#[cold]
pub fn wire_error(py: Python<'_>, error: WireError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let WireError { path, offset, reason } = error;
    match CLASS.import(py, "chatpb._errors", "WireError") {
        Ok(class) => PyErr::from_type(class.clone(), (path, offset, reason)),
        Err(failure) => failure,
    }
}

/// Return the error of `chatpb._json.dicts` for something that cannot be converted behind some JSON text.
#[cold]
pub fn refusal(before: &[u8], nonfinite: bool, what: &str, culprit: &Bound<'_, PyAny>) -> PyErr {
    static REFUSAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = culprit.py();
    let made = REFUSAL
        .import(py, "chatpb._json.dicts", "refusal")
        .and_then(|refusal| refusal.call1((PyString::from_bytes(py, before)?, nonfinite, what, culprit)));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

/// Return violations as a list of `chatpb.Violation`.
pub fn violation_list(py: Python<'_>, violations: Vec<Violation>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for violation in violations {
        list.append(python_violation(py, violation)?)?;
    }
    Ok(list)
}

/// Return a `chatpb.Violation`. Its class is a frozen dataclass, whose `__init__` takes as long as to validate a message of
/// 1 KB, so that its attributes are set here.
fn python_violation(py: Python<'_>, violation: Violation) -> PyResult<Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let Violation { path, rule, message } = violation;
    let class = CLASS.import(py, "chatpb._errors", "Violation")?.as_type_ptr();
    // SAFETY: the class is one of Python, of which the call makes an instance, or returns null with an error set.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericNew(class, null_mut(), null_mut()))? };
    for (name, value) in [
        (intern!(py, "path"), PyString::new(py, &path)),
        (intern!(py, "rule"), PyString::new(py, rule)),
        (intern!(py, "message"), PyString::new(py, &message)),
    ] {
        // SAFETY: all three are objects. The call is what `object.__setattr__` does, and fails with an error set.
        if unsafe { ffi::PyObject_GenericSetAttr(made.as_ptr(), name.as_ptr(), value.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
    }
    Ok(made)
}

#[cold]
pub fn contract_error(py: Python<'_>, violations: Vec<Violation>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "chatpb._errors", "ContractError");
    match class.and_then(|class| Ok((class, violation_list(py, violations)?.unbind()))) {
        Ok((class, violations)) => PyErr::from_type(class.clone(), (violations,)),
        Err(failure) => failure,
    }
}

#[cold]
pub fn lines_error(py: Python<'_>, error: LinesError) -> PyErr {
    match error {
        LinesError::Json(error) => json_error(py, error),
        LinesError::Contract(violations) => contract_error(py, violations),
        LinesError::Wire(error) => wire_error(py, error),
    }
}
