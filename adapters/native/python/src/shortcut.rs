//! The calls that are made most, without Python code between their caller and the engine.
//!
//! A shortcut is a built-in function that stands for one of Python. It serves the plain call itself, which gives
//! nothing but what is to be converted and its class; every other call it hands on to that function.

use crate::Schema;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{Borrowed, ffi};
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

const JSON_TO_WIRE: usize = 0;
const WIRE_TO_JSON: usize = 1;
const FROM_JSON: usize = 2;
const TO_JSON: usize = 3;

static SHORTCUTS: [PyOnceLock<Shortcut>; 4] = [const { PyOnceLock::new() }; 4];

struct Shortcut {
    /// The function that it stands for.
    function: Py<PyAny>,
    /// The class of a call that gives none.
    class: Py<PyAny>,
    /// Tells of a class its schema and what makes its messages, or takes them apart.
    resolve: Py<PyAny>,
    /// The class that was met last, or none.
    met: AtomicPtr<Met>,
}

/// A class that was met. There are few, and each stays for good, so that it may be referred to at any time.
struct Met {
    class: Py<PyAny>,
    schema: Py<Schema>,
    runtime: Py<PyAny>,
    before: *const Met,
}

/// The built-in function of a name. Its text starts with its signature, as `inspect` reads it.
#[pyfunction]
pub fn shortcut<'py>(
    py: Python<'py>,
    function: Py<PyAny>,
    text: CString,
    class: Py<PyAny>,
    resolve: Py<PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let name: CString = function.getattr(py, "__name__")?.extract(py)?;
    let (way, call): (usize, ffi::PyCFunctionFastWithKeywords) = match name.to_bytes() {
        b"json_to_wire" => (JSON_TO_WIRE, call::<JSON_TO_WIRE>),
        b"wire_to_json" => (WIRE_TO_JSON, call::<WIRE_TO_JSON>),
        b"from_json" => (FROM_JSON, call::<FROM_JSON>),
        b"to_json" => (TO_JSON, call::<TO_JSON>),
        _ => return Err(PyValueError::new_err("there is no shortcut of this name")),
    };
    let module = function.getattr(py, "__module__")?;
    let made = Shortcut { function, class, resolve, met: AtomicPtr::new(null_mut()) };
    if SHORTCUTS[way].set(py, made).is_err() {
        return Err(PyValueError::new_err("there is a shortcut of this name already"));
    }
    // Python refers to both as long as the function is there, which may be for good.
    let leak = |text: CString| -> *const c_char { text.into_raw() };
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: leak(name),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: leak(text),
    }));
    // SAFETY: the definition is never freed, and its flags are those of its function; no object is bound.
    unsafe {
        let made = ffi::PyCFunction_NewEx(definition, null_mut(), module.as_ptr());
        Bound::from_owned_ptr_or_err(py, made)
    }
}

/// Ask anew of each class what belongs to it.
#[pyfunction]
pub fn forget_classes(py: Python<'_>) {
    for shortcut in SHORTCUTS.iter().filter_map(|each| each.get(py)) {
        shortcut.met.store(null_mut(), Ordering::Release);
    }
}

/// What the interpreter calls.
unsafe extern "C" fn call<const WAY: usize>(
    _: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on a thread that is attached to it, and stays so meanwhile.
    let py = unsafe { Python::assume_attached() };
    let done = catch_unwind(AssertUnwindSafe(|| {
        let Some(shortcut) = SHORTCUTS[WAY].get(py) else {
            return Err(PyRuntimeError::new_err("a shortcut that was not made"));
        };
        // SAFETY: the interpreter gives so many objects, then one for each name of the tuple `names`, if that is not
        // null. They live until this returns.
        unsafe {
            if names.is_null() && (count == 1 || count == 2) {
                let first = Borrowed::from_ptr(py, *arguments);
                let second = (count == 2).then(|| Borrowed::from_ptr(py, *arguments.add(1)));
                if let Some(done) = shortcut.plain::<WAY>(first, second) {
                    return done;
                }
            }
            let names = Bound::from_borrowed_ptr_or_opt(py, names);
            let names = names.as_ref().map(|names| names.cast::<PyTuple>()).transpose()?;
            let named = names.map_or(0, |names| names.len());
            let given = (0..count as usize + named).map(|at| Borrowed::from_ptr(py, *arguments.add(at)));
            shortcut.hand_on(py, given.map(|each| each.to_owned()).collect(), names)
        }
    }));
    let error = match done {
        Ok(Ok(object)) => return object.into_ptr(),
        Ok(Err(error)) => error,
        Err(_) => PyRuntimeError::new_err("the native engine failed; this is a defect of chatpb"),
    };
    error.restore(py);
    null_mut()
}

impl Shortcut {
    /// The result of a call without names, if this is a plain one.
    #[inline(always)]
    fn plain<'py, const WAY: usize>(
        &self,
        first: Borrowed<'_, 'py, PyAny>,
        second: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        let py = first.py();
        let class = match (WAY, second) {
            (TO_JSON, None) => {
                // SAFETY: every object has a type, which lives as long.
                unsafe { Borrowed::from_ptr(py, ffi::Py_TYPE(first.as_ptr()).cast()) }
            }
            (TO_JSON, Some(_)) => return None,
            (_, Some(class)) => class,
            (_, None) => self.class.bind_borrowed(py),
        };
        let met = match self.met(class) {
            Ok(met) => met,
            Err(error) => return Some(Err(error)),
        };
        let schema = met.schema.get();
        Some(match WAY {
            JSON_TO_WIRE => schema.json_to_wire(py, &first, false, false).map(Bound::into_any),
            WIRE_TO_JSON => schema.wire_to_json(py, &first, false, false, false).map(Bound::into_any),
            FROM_JSON => schema.json_to_wire(py, &first, false, false).and_then(|wire| met.runtime(&wire)),
            _ => met
                .runtime(&first)
                .and_then(|wire| schema.wire_to_json(py, &wire, false, false, false).map(Bound::into_any)),
        })
    }

    #[inline(always)]
    fn met(&self, class: Borrowed<'_, '_, PyAny>) -> PyResult<&'static Met> {
        let mut met = self.met.load(Ordering::Acquire).cast_const();
        // SAFETY: what is met stays for good.
        while let Some(each) = unsafe { met.as_ref() } {
            if each.class.as_ptr() == class.as_ptr() {
                return Ok(each);
            }
            met = each.before;
        }
        self.meet(class)
    }

    #[cold]
    #[inline(never)]
    fn meet(&self, class: Borrowed<'_, '_, PyAny>) -> PyResult<&'static Met> {
        let told = self.resolve.bind(class.py()).call1((class,))?;
        let (schema, runtime) = told.extract()?;
        let before = self.met.load(Ordering::Acquire);
        let met = Box::leak(Box::new(Met { class: class.to_owned().unbind(), schema, runtime, before }));
        // Of two threads that meet a class at a time, one may have to meet its own again.
        self.met.store(met, Ordering::Release);
        Ok(met)
    }

    #[cold]
    #[inline(never)]
    fn hand_on<'py>(
        &self,
        py: Python<'py>,
        mut given: Vec<Bound<'py, PyAny>>,
        names: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let named = PyDict::new(py);
        if let Some(names) = names {
            let values = given.split_off(given.len() - names.len());
            for (name, value) in names.iter().zip(values) {
                named.set_item(name.cast_into::<PyString>()?, value)?;
            }
        }
        self.function.bind(py).call(PyTuple::new(py, given)?, Some(&named))
    }
}

impl Met {
    /// The runtime's function of one argument.
    #[inline(always)]
    fn runtime<'py>(&self, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = argument.py();
        // A call by PyO3 would make a tuple, which costs as much as a short message.
        // SAFETY: both are objects, and null ends them.
        unsafe {
            let done =
                ffi::PyObject_CallFunctionObjArgs(self.runtime.as_ptr(), argument.as_ptr(), null::<ffi::PyObject>());
            Bound::from_owned_ptr_or_err(py, done)
        }
    }
}
