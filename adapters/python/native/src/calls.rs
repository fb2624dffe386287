//! What the native functions do: the calls that are made most, with no Python code between their caller and the engine.
//!
//! `chatpb/_convert.py` has their twins in Python, with the parameters in this order. Unusual arguments are left to
//! functions of Python that the other entry points use too, so that each error is worded in one place.

use crate::codec::Codec;
use crate::native_function::{Argument, Arguments, Native};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};
use pyo3::{Borrowed, ffi, intern};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

pub const JSON_TO_WIRE: usize = 0;
pub const WIRE_TO_JSON: usize = 1;
pub const FROM_JSON: usize = 2;
pub const TO_JSON: usize = 3;
pub const VALIDATE: usize = 4;
pub const FROM_DICT: usize = 5;
pub const TO_DICT: usize = 6;

impl Native {
    #[inline(always)]
    pub fn run<'py, const OPERATION: usize>(&self, arguments: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        if OPERATION == VALIDATE {
            return self.validate(arguments);
        }
        let class = match OPERATION {
            // SAFETY: every object has a type, which lives as long as the object.
            TO_JSON | TO_DICT => unsafe {
                Borrowed::from_ptr(arguments[0].py(), ffi::Py_TYPE(arguments[0].as_ptr()).cast())
            },
            _ => arguments[1],
        };
        let class = self.message_class(class)?;
        match (OPERATION, arguments) {
            (JSON_TO_WIRE, _) => Ok(class.encode(arguments)?.into_any()),
            (FROM_DICT, _) => call_with(&class.parse, class.encode_dict(arguments)?.as_any()),
            (FROM_JSON, _) => call_with(&class.parse, class.encode(arguments)?.as_any()),
            (WIRE_TO_JSON, [wire, _, options @ ..]) => class.print(wire, options),
            (TO_DICT, [message, options @ .., _]) => class.print_dict(&call_with(&class.serialize, message)?, options),
            (_, [message, options @ .., _]) => class.print(&call_with(&class.serialize, message)?, options),
        }
    }

    /// Validate a message, or wire bytes of the usual classes. Anything else goes to the function of Python.
    fn validate<'py>(&self, [given, class, ..]: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = given.py();
        let is_wire = given.is_exact_instance_of::<PyBytes>()
            || given.is_exact_instance_of::<PyByteArray>()
            || given.is_exact_instance_of::<PyMemoryView>();
        if is_wire {
            return Ok(self.message_class(*class)?.codec.get().validate_wire(py, given, false)?.into_any());
        }
        // SAFETY: every object has a type, which lives as long as the object.
        let own = unsafe { Borrowed::from_ptr(py, ffi::Py_TYPE(given.as_ptr()).cast()) };
        match self.message_class(own) {
            Ok(own) => {
                let wire = call_with(&own.serialize, given)?;
                Ok(own.codec.get().validate_wire(py, &wire, false)?.into_any())
            }
            Err(_) => self.python.bind(py).call1((given, class)),
        }
    }

    #[inline(always)]
    fn message_class(&self, class: Argument) -> PyResult<&'static MessageClass> {
        let mut met = MET.load(Ordering::Acquire).cast_const();
        // SAFETY: the pointer is null or to a class that was met, which is kept forever.
        while let Some(known) = unsafe { met.as_ref() } {
            if known.class.as_ptr() == class.as_ptr() {
                return Ok(known);
            }
            met = known.before;
        }
        self.meet(class)
    }

    #[cold]
    #[inline(never)]
    fn meet(&self, class: Argument) -> PyResult<&'static MessageClass> {
        let times = FORGOTTEN.load(Ordering::Acquire);
        let (codec, parse, serialize) = self.resolve.bind(class.py()).call1((class,))?.extract()?;
        let class = class.to_owned().unbind();
        let before = MET.load(Ordering::Acquire);
        let met = Box::into_raw(Box::new(MessageClass { class, codec, parse, serialize, before }));
        // What was found before a runtime was registered serves this call alone. No thread comes in between, with the GIL.
        if FORGOTTEN.load(Ordering::Acquire) == times {
            MET.store(met, Ordering::Release);
        }
        // SAFETY: it was made here and is never freed.
        Ok(unsafe { &*met })
    }
}

/// The class that was met last, or null.
static MET: AtomicPtr<MessageClass> = AtomicPtr::new(null_mut());

/// How many times classes were forgotten.
static FORGOTTEN: AtomicUsize = AtomicUsize::new(0);

/// Have what converts the messages of each class found anew.
#[pyfunction]
pub fn forget_classes() {
    FORGOTTEN.fetch_add(1, Ordering::AcqRel);
    MET.store(null_mut(), Ordering::Release);
}

/// A class that was met and what converts its messages, as `chatpb._runtimes.MessageClass` says. There are few, and each is
/// kept forever, so that calls can refer to it without counting.
struct MessageClass {
    class: Py<PyAny>,
    codec: Py<Codec>,
    parse: Py<PyAny>,
    serialize: Py<PyAny>,
    before: *const MessageClass,
}

impl MessageClass {
    #[inline(always)]
    fn encode<'py>(&self, arguments: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.encoded(arguments, |codec, data, canonical, nonfinite, strict| {
            codec.json_to_wire(data.py(), data, canonical, nonfinite, strict)
        })
    }

    #[inline(always)]
    fn encode_dict<'py>(&self, arguments: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.encoded(arguments, |codec, obj, canonical, nonfinite, strict| {
            codec.dict_to_wire(obj.py(), obj, None, canonical, nonfinite, strict)
        })
    }

    #[inline(always)]
    fn encoded<'py>(
        &self,
        [given, _, strict, canonical, nonfinite]: &Arguments<'_, 'py>,
        encode: impl FnOnce(&Codec, &Bound<'py, PyAny>, bool, bool, bool) -> PyResult<Bound<'py, PyBytes>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let nonfinite = choice("nonfinite", nonfinite, intern!(given.py(), "error"), "allow")?;
        encode(self.codec.get(), given, canonical.is_truthy()?, nonfinite, strict.is_truthy()?)
    }

    #[inline(always)]
    fn print<'py>(&self, wire: &Bound<'py, PyAny>, options: &Options<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let [fill_required, refuse_unknown, nonfinite] = flags(options)?;
        let text = self.codec.get().wire_to_json(wire.py(), wire, fill_required, refuse_unknown, nonfinite, None)?;
        Ok(text.into_any())
    }

    #[inline(always)]
    fn print_dict<'py>(&self, wire: &Bound<'py, PyAny>, options: &Options<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let [fill_required, refuse_unknown, nonfinite] = flags(options)?;
        self.codec.get().wire_to_dict(wire.py(), wire, fill_required, refuse_unknown, nonfinite)
    }
}

/// The options of printing.
type Options<'a, 'py> = [Argument<'a, 'py>; 3];

#[inline(always)]
fn flags([fill_required, unknown_fields, nonfinite]: &Options<'_, '_>) -> PyResult<[bool; 3]> {
    let py = fill_required.py();
    let refuse_unknown = !choice("unknown_fields", unknown_fields, intern!(py, "error"), "skip")?;
    let nonfinite = choice("nonfinite", nonfinite, intern!(py, "error"), "allow")?;
    Ok([fill_required.is_truthy()?, refuse_unknown, nonfinite])
}

/// Whether an option has the value `yes`. Mostly it is the very object that is the default, `no`.
#[inline(always)]
fn choice(name: &str, value: &Argument, no: &Bound<PyString>, yes: &str) -> PyResult<bool> {
    static CHECKER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if value.is(no) {
        return Ok(false);
    }
    if value.cast::<PyString>().is_ok_and(|value| value == yes) {
        return Ok(true);
    }
    CHECKER.import(value.py(), "chatpb._options", "choice")?.call1((name, value, no, yes))?.extract()
}

/// Call a function of Python with one argument.
#[inline(always)]
fn call_with<'py>(function: &Py<PyAny>, argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // A call by PyO3 makes a tuple, which takes as long as to convert a short message.
    // SAFETY: the arguments are objects, ended by null. The call returns a new reference, or null with an error set.
    unsafe {
        let result = ffi::PyObject_CallFunctionObjArgs(function.as_ptr(), argument.as_ptr(), null::<ffi::PyObject>());
        Bound::from_owned_ptr_or_err(argument.py(), result)
    }
}
