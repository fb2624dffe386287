//! Native functions: callables that do in Rust what a function of Python says.
//!
//! A native function has the parameters, annotations and docstring of a function of Python, so that they are stated once.
//! A `#[pyfunction]` has no annotations, and a `#[pyclass]` with `__call__` makes a tuple of the arguments, which costs 8 %
//! of printing a document of 1 KB. So native functions are objects of classes made here, which the interpreter calls by
//! the vectorcall protocol (PEP 590). Their base, a class of Python, has what is not worth writing in Rust.

use crate::calls;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{Borrowed, ffi};
use std::array::from_fn;
use std::ffi::{CStr, c_ulong, c_void};
use std::iter::once;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};

/// The arguments of a call in the places of their parameters, then None.
pub type Arguments<'a, 'py> = [Argument<'a, 'py>; 5];
pub type Argument<'a, 'py> = Borrowed<'a, 'py, PyAny>;

#[repr(C)]
struct Object {
    head: ffi::PyObject,
    vectorcall: ffi::vectorcallfunc,
    dict: *mut ffi::PyObject,
    weak_references: *mut ffi::PyObject,
    native: &'static Native,
}

/// What a native function consists of. There are few, and each is kept forever.
pub struct Native {
    /// The function of Python. Calls that are wrong, or not made by vectorcall, go to it.
    pub python: Py<PyAny>,
    /// The parameters, of which the first `positional` take positional arguments.
    names: Vec<Py<PyString>>,
    positional: usize,
    /// None for the first parameter, which has no default, the defaults of the others, then None.
    defaults: [Py<PyAny>; 5],
    /// The function of Python that finds what converts the messages of a class.
    pub resolve: Py<PyAny>,
}

/// Return a native function for a function of Python. `base` is a class whose objects hold nothing.
#[pyfunction]
#[pyo3(signature = (base, python, names, positional, defaults, resolve, /))]
pub fn native_function<'py>(
    base: &Bound<'py, PyAny>,
    python: Bound<'py, PyAny>,
    names: Vec<Py<PyString>>,
    positional: usize,
    defaults: Vec<Py<PyAny>>,
    resolve: Py<PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    /// Py_TPFLAGS_DISALLOW_INSTANTIATION and Py_TPFLAGS_HAVE_VECTORCALL, which the stable interface of 3.11 leaves out.
    const FLAGS: c_ulong = ffi::Py_TPFLAGS_DEFAULT | 1 << 7 | 1 << 11;
    let py = base.py();
    let vectorcall: ffi::vectorcallfunc = match python.getattr("__name__")?.extract()? {
        "json_to_wire" => vectorcall::<{ calls::JSON_TO_WIRE }>,
        "wire_to_json" => vectorcall::<{ calls::WIRE_TO_JSON }>,
        "from_json" => vectorcall::<{ calls::FROM_JSON }>,
        "to_json" => vectorcall::<{ calls::TO_JSON }>,
        "validate" => vectorcall::<{ calls::VALIDATE }>,
        "from_dict" => vectorcall::<{ calls::FROM_DICT }>,
        "to_dict" => vectorcall::<{ calls::TO_DICT }>,
        name => return Err(PyValueError::new_err(format!("there is no native function {name}"))),
    };
    let mut defaults = once(py.None()).chain(defaults);
    let defaults = from_fn(|_| defaults.next().unwrap_or_else(|| py.None()));
    let native = Native { python: python.unbind(), names, positional, defaults, resolve };

    let offset = |name: &'static CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as isize,
        flags: ffi::Py_READONLY,
        doc: null(),
    };
    let mut members = [
        offset(c"__vectorcalloffset__", offset_of!(Object, vectorcall)),
        offset(c"__dictoffset__", offset_of!(Object, dict)),
        offset(c"__weaklistoffset__", offset_of!(Object, weak_references)),
        ffi::PyMemberDef::default(),
    ];
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_tp_members, pfunc: members.as_mut_ptr().cast() },
        ffi::PyType_Slot { slot: ffi::Py_tp_call, pfunc: call as *mut c_void },
        ffi::PyType_Slot::default(),
    ];
    let mut specification = ffi::PyType_Spec {
        name: c"chatpb._engine.native.NativeFunction".as_ptr(),
        basicsize: size_of::<Object>() as i32,
        itemsize: 0,
        flags: FLAGS as u32,
        slots: slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(py, [base])?;
    // SAFETY: the specification describes `Object`. It and its arrays, which end with zeros, live until the class is made;
    // the class refers to nothing of them but the name, which is static. An object of the class is made with zeros behind
    // its head, which the fields may be except the two that are set here.
    unsafe {
        let class = ffi::PyType_FromSpecWithBases(&mut specification, bases.as_ptr());
        let class = Bound::from_owned_ptr_or_err(py, class)?;
        let function = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0))?;
        let object = function.as_ptr().cast::<Object>();
        (&raw mut (*object).vectorcall).write(vectorcall);
        (&raw mut (*object).native).write(Box::leak(Box::new(native)));
        Ok(function)
    }
}

/// A call with the arguments in a tuple and a dict.
unsafe extern "C" fn call(
    this: *mut ffi::PyObject,
    positional: *mut ffi::PyObject,
    named: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls with an object of the class, a tuple, and a dict or null.
    unsafe { ffi::PyObject_Call((*this.cast::<Object>()).native.python.as_ptr(), positional, named) }
}

/// A call by the vectorcall protocol.
unsafe extern "C" fn vectorcall<const OPERATION: usize>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls on a thread that is attached to it, and stays so until this returns.
    let py = unsafe { Python::assume_attached() };
    let raise = |error: PyErr| {
        // Errors on the way here were dropped while PyO3, which keeps its own count, took the thread for not attached. It
        // frees them when it attaches, so it does so here, and not in every call, where it would take 20 ns.
        Python::attach(|py| error.restore(py));
        null_mut()
    };
    let done = catch_unwind(AssertUnwindSafe(|| {
        // The highest bit of the count is a flag, PY_VECTORCALL_ARGUMENTS_OFFSET.
        let count = count & (usize::MAX >> 1);
        // SAFETY: `this` is an object of the class. `names` is a tuple or null, and there are as many arguments as `count`
        // says and then one for each name. All of them live until this returns.
        unsafe {
            let native = (*this.cast::<Object>()).native;
            let names = Bound::from_borrowed_ptr_or_opt(py, names).map(|names| names.cast_into_unchecked());
            let argument = |at| Borrowed::from_ptr(py, *arguments.add(at));
            // Bound in place, since to copy what was just written makes the processor wait.
            let mut places = native.defaults.each_ref().map(|default| default.bind_borrowed(py));
            let result = match native.bind(&mut places, count, names.as_ref(), argument) {
                true => native.run::<OPERATION>(&places),
                false => native.refuse(py, count, names.as_ref(), argument),
            };
            result.map_or_else(raise, Bound::into_ptr)
        }
    }));
    let defect = |_| raise(PyRuntimeError::new_err("the native engine failed; this is a defect of chatpb"));
    done.unwrap_or_else(defect)
}

impl Native {
    /// Put the arguments of a call in their places. Returns false for a call that the function of Python does not take.
    #[inline(always)]
    fn bind<'a, 'py>(
        &self,
        places: &mut Arguments<'a, 'py>,
        count: usize,
        names: Option<&Bound<'py, PyTuple>>,
        argument: impl Fn(usize) -> Argument<'a, 'py>,
    ) -> bool {
        if count > self.positional {
            return false;
        }
        for (at, place) in places[..count].iter_mut().enumerate() {
            *place = argument(at);
        }
        let mut has_first = count > 0;
        for (at, name) in names.iter().flat_map(|names| names.iter_borrowed()).enumerate() {
            // A name that is written in a call is interned, as those of parameters are.
            let is_it = |known: &Py<PyString>| known.as_ptr() == name.as_ptr();
            let equals = |known: &Py<PyString>| name.eq(known).unwrap_or(false);
            let place = self.names.iter().position(is_it).or_else(|| self.names.iter().position(equals));
            let Some(place) = place.filter(|&place| place >= count) else { return false };
            has_first |= place == 0;
            places[place] = argument(count + at);
        }
        has_first
    }

    /// Have the function of Python refuse a call, in the words of the interpreter.
    #[cold]
    fn refuse<'a, 'py: 'a>(
        &self,
        py: Python<'py>,
        count: usize,
        names: Option<&Bound<'py, PyTuple>>,
        argument: impl Fn(usize) -> Argument<'a, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let named = PyDict::new(py);
        for (at, name) in names.iter().flat_map(|names| names.iter_borrowed()).enumerate() {
            named.set_item(name, argument(count + at))?;
        }
        self.python.bind(py).call(PyTuple::new(py, (0..count).map(argument))?, Some(&named))
    }
}
