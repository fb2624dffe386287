//! Dicts of Python as JSON text: the twin of `dict_to_json` in `chatpb/_json/dicts.py`, which says what counts as what.
//!
//! Python code may run while containers are read, and change them: an `items` method, an iterator, a `default`, a finalizer
//! that the garbage collector calls. So what is read is owned, except where reading it runs no Python code.

use crate::errors::refusal;
use chatpb_core::json_text::{print_integer, quote_and, quote_lone};
use chatpb_core::{MAX_DEPTH, MAX_SIZE};
use pyo3::exceptions::{PyRuntimeError, PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};
use pyo3::{Borrowed, ffi, intern};
use std::ptr::null_mut;
use std::sync::Mutex;

/// Write the JSON text of a dict. It ends early where it is deeper or larger than a document may be.
pub fn dict_to_json<'py>(
    obj: &Bound<'py, PyAny>,
    default: Option<&Bound<'py, PyAny>>,
    nonfinite: bool,
    buffers: &mut Buffers,
) -> PyResult<()> {
    static NAMES: Mutex<Names> = Mutex::new(Names(Vec::new()));
    // Another call has the names where this one is made by Python code that it runs, or while that runs.
    let mut others = Names(Vec::new());
    let mut kept = NAMES.try_lock();
    let names = kept.as_deref_mut().unwrap_or(&mut others);
    let Buffers { text, open } = buffers;
    text.clear();
    open.clear();
    let mut writer = Writer { py: obj.py(), default, nonfinite, text, open, names };
    match writer.value(obj.as_borrowed()) {
        Ok(()) => {
            text.pop();
            Ok(())
        }
        Err(Stop::Full) => Ok(()),
        Err(Stop::Error(error)) => Err(*error),
    }
}

/// Buffers that are used for one dict after the other.
#[derive(Default)]
pub struct Buffers {
    /// The text that was written last.
    pub text: Vec<u8>,
    open: Vec<(*mut ffi::PyObject, usize)>,
}

/// Why writing stops.
enum Stop {
    /// The text is deeper or larger than a document may be, which encoding it reports.
    Full,
    /// Boxed, so that the result of each step is returned in registers.
    Error(Box<PyErr>),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Stop {
        Stop::Error(Box::new(error))
    }
}

type Written = Result<(), Stop>;

struct Writer<'a, 'py> {
    py: Python<'py>,
    default: Option<&'a Bound<'py, PyAny>>,
    nonfinite: bool,
    text: &'a mut Vec<u8>,
    /// The arrays and objects that are open, and where the text of each starts.
    open: &'a mut Vec<(*mut ffi::PyObject, usize)>,
    names: &'a mut Names,
}

impl<'py> Writer<'_, 'py> {
    /// Write a value and the comma after it.
    #[inline(never)]
    fn value(&mut self, value: Borrowed<'_, 'py, PyAny>) -> Written {
        let object = value.as_ptr();
        // SAFETY: the object is alive, and each class is told by its address or by a flag of it. Of the three singletons the
        // interpreter has one each.
        unsafe {
            let class = ffi::Py_TYPE(object);
            if class == &raw mut ffi::PyUnicode_Type {
                self.string(value.cast_unchecked(), b',')?;
            } else if object == ffi::Py_None() {
                self.text.extend_from_slice(b"null,");
            } else if class == &raw mut ffi::PyLong_Type {
                self.integer(value)?;
            } else if class == &raw mut ffi::PyDict_Type {
                self.dict(&value.to_owned())?;
            } else if class == &raw mut ffi::PyList_Type {
                self.list(&value.to_owned().cast_into_unchecked())?;
            } else if class == &raw mut ffi::PyFloat_Type {
                self.float(value);
            } else if object == ffi::Py_True() {
                self.text.extend_from_slice(b"true,");
            } else if object == ffi::Py_False() {
                self.text.extend_from_slice(b"false,");
            } else {
                return self.other_value(value);
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn other_value(&mut self, value: Borrowed<'_, 'py, PyAny>) -> Written {
        // To ask for its class may run Python code, which may drop it from its container.
        let value = value.to_owned();
        if self.is_written(value.as_borrowed())? {
            return Ok(());
        }
        let Some(default) = self.default else { return self.refuse("value", &value) };
        let made = default.call1((&value,))?;
        if self.is_written(made.as_borrowed())? { Ok(()) } else { self.refuse("value", &made) }
    }

    /// Write a value if it is one of JSON, and return whether it is.
    fn is_written(&mut self, value: Borrowed<'_, 'py, PyAny>) -> Result<bool, Stop> {
        let object = value.as_ptr();
        // SAFETY: the object is alive, and each class is told by its address or by a flag of it.
        unsafe {
            if ffi::PyUnicode_Check(object) != 0 {
                self.string(value.cast_unchecked(), b',')?;
            } else if is_plain(object) {
                self.value(value)?;
            } else if ffi::PyLong_Check(object) != 0 {
                self.integer(value)?;
            } else if ffi::PyFloat_Check(object) != 0 {
                self.float(value);
            } else if ffi::PyTuple_CheckExact(object) == 0 && is_mapping(&value)? {
                self.mapping(&value.to_owned())?;
            } else if ffi::PyList_Check(object) != 0 || ffi::PyTuple_Check(object) != 0 {
                self.items(&value.to_owned())?;
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline(always)]
    fn string(&mut self, string: Borrowed<'_, 'py, PyString>, after: u8) -> Written {
        // To make the error may run the garbage collector, and so any Python code.
        let string = string.to_owned();
        match string.to_str() {
            Ok(string) => {
                quote_and(string.as_bytes(), after, self.text);
                Ok(())
            }
            Err(error) => self.odd_string(&string, after, error),
        }
    }

    /// Write a string that has lone surrogates, as which the error says.
    #[cold]
    fn odd_string(&mut self, string: &Bound<'py, PyString>, after: u8, error: PyErr) -> Written {
        if !error.is_instance_of::<PyUnicodeEncodeError>(self.py) {
            return Err(error.into());
        }
        // By the method of `str`, since a subclass may have another.
        let class = self.py.get_type::<PyString>();
        let encoded = class.call_method1(intern!(self.py, "encode"), (string, "utf-8", "surrogatepass"))?;
        quote_lone(encoded.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes(), self.text);
        self.text.push(after);
        Ok(())
    }

    fn integer(&mut self, integer: Borrowed<'_, 'py, PyAny>) -> Written {
        let mut overflow = 0;
        // SAFETY: the object is an `int`, for which the call runs no Python code and does not fail.
        let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(integer.as_ptr(), &mut overflow) };
        if overflow == 0 {
            print_integer(value, self.text);
            self.text.push(b',');
            return Ok(());
        }
        // By the method of `int`, since a subclass may have another.
        let (class, integer) = (self.py.get_type::<PyInt>(), integer.to_owned());
        match class.call_method1(intern!(self.py, "__repr__"), (&integer,)) {
            Ok(digits) => self.text.extend_from_slice(digits.extract::<&str>()?.as_bytes()),
            Err(error) if error.is_instance_of::<PyValueError>(self.py) => return self.refuse("integer", &integer),
            Err(error) => return Err(error.into()),
        }
        self.text.push(b',');
        Ok(())
    }

    fn float(&mut self, float: Borrowed<'_, 'py, PyAny>) {
        // SAFETY: the object is a `float`, for which the call runs no Python code and does not fail.
        push_float(unsafe { ffi::PyFloat_AsDouble(float.as_ptr()) }, self.text);
        self.text.push(b',');
    }

    /// Write a dict that is of no subclass, as its iterator reads it: with the same errors if it changes meanwhile.
    fn dict(&mut self, dict: &Bound<'py, PyAny>) -> Written {
        self.begin(dict, b'{')?;
        let (mut position, mut key, mut value) = (0, null_mut(), null_mut());
        // SAFETY: the object is a dict in every call.
        let size = unsafe { ffi::PyDict_Size(dict.as_ptr()) };
        let mut left = size;
        loop {
            // SAFETY: the position is the one that the call before left, which is right or past the end in a dict that changed
            // too. It sets a key and a value that are alive as long as the dict does not change.
            let (key, value) = unsafe {
                if ffi::PyDict_Size(dict.as_ptr()) != size {
                    return Err(PyRuntimeError::new_err("dictionary changed size during iteration").into());
                }
                if ffi::PyDict_Next(dict.as_ptr(), &mut position, &mut key, &mut value) == 0 {
                    break;
                }
                (Borrowed::from_ptr(self.py, key), Borrowed::from_ptr(self.py, value))
            };
            if left == 0 {
                return Err(PyRuntimeError::new_err("dictionary keys changed during iteration").into());
            }
            left -= 1;
            self.name(key)?;
            self.value(value)?;
        }
        self.end(b'}');
        Ok(())
    }

    /// Write a list that is of no subclass, as its iterator reads it. It may change meanwhile.
    fn list(&mut self, list: &Bound<'py, PyList>) -> Written {
        self.begin(list, b'[')?;
        let mut at = 0;
        while at < list.len() {
            // SAFETY: the list has an item there, which is alive as long as the list does not change.
            let item = unsafe { Borrowed::from_ptr(self.py, ffi::PyList_GetItem(list.as_ptr(), at as isize)) };
            self.value(item)?;
            at += 1;
        }
        self.end(b']');
        Ok(())
    }

    /// Write any mapping.
    fn mapping(&mut self, mapping: &Bound<'py, PyAny>) -> Written {
        self.begin(mapping, b'{')?;
        for entry in mapping.call_method0(intern!(self.py, "items"))?.try_iter()? {
            let (name, value) = pair(entry?)?;
            self.name(name.as_borrowed())?;
            self.value(value.as_borrowed())?;
        }
        self.end(b'}');
        Ok(())
    }

    /// Write a tuple, or a list or tuple of a subclass.
    fn items(&mut self, items: &Bound<'py, PyAny>) -> Written {
        self.begin(items, b'[')?;
        for item in items.try_iter()? {
            self.value(item?.as_borrowed())?;
        }
        self.end(b']');
        Ok(())
    }

    /// Write a name and the colon after it.
    #[inline(always)]
    fn name(&mut self, name: Borrowed<'_, 'py, PyAny>) -> Written {
        match self.names.text(name) {
            Some((text, size)) => {
                let end = self.text.len() + size;
                self.text.extend_from_slice(text);
                self.text.truncate(end);
                Ok(())
            }
            None => self.new_name(name),
        }
    }

    #[inline(never)]
    fn new_name(&mut self, name: Borrowed<'_, 'py, PyAny>) -> Written {
        let start = self.text.len();
        // SAFETY: the object is alive, and its class, or a flag of that, says that it is a `str`.
        unsafe {
            if ffi::PyUnicode_Check(name.as_ptr()) == 0 {
                return self.refuse("name", &name);
            }
            self.string(name.cast_unchecked(), b':')?;
        }
        self.names.keep(name, &self.text[start..]);
        Ok(())
    }

    #[inline]
    fn begin(&mut self, container: &Bound<'py, PyAny>, bracket: u8) -> Written {
        let start = self.text.len();
        self.open.push((container.as_ptr(), start));
        if self.open.len() > MAX_DEPTH || start > MAX_SIZE {
            self.refuse_cycle()?;
            self.text.push(bracket);
            return Err(Stop::Full);
        }
        self.text.push(bracket);
        Ok(())
    }

    /// Close an array or object: the comma after its last entry becomes the bracket.
    #[inline]
    fn end(&mut self, bracket: u8) {
        let Some((_, start)) = self.open.pop() else { return };
        let inside = self.text.len().max(start + 2) - 1;
        self.text.truncate(inside);
        self.text.extend_from_slice(&[bracket, b',']);
    }

    /// Refuse the first of the open arrays and objects that contains itself, if one does.
    #[cold]
    fn refuse_cycle(&mut self) -> Written {
        let is_open_before = |at: usize| self.open[..at].iter().any(|(object, _)| *object == self.open[at].0);
        let Some(at) = (0..self.open.len()).find(|&at| is_open_before(at)) else { return Ok(()) };
        let (object, start) = self.open[at];
        self.text.truncate(start);
        // SAFETY: an object that is open is owned.
        let culprit = unsafe { Borrowed::from_ptr(self.py, object) };
        self.refuse("cycle", &culprit)
    }

    /// Raise the error for something that cannot be written behind the text.
    #[cold]
    fn refuse(&self, what: &str, culprit: &Bound<'py, PyAny>) -> Written {
        Err(refusal(self.text, self.nonfinite, what, &culprit.clone()).into())
    }
}

/// Whether an object is None, a bool, or a number or container of no subclass.
///
/// # Safety
///
/// The object is alive.
unsafe fn is_plain(object: *mut ffi::PyObject) -> bool {
    // SAFETY: by the contract; the interpreter has one of each singleton and class.
    unsafe {
        let classes = [&raw mut ffi::PyDict_Type, &raw mut ffi::PyList_Type];
        let singletons = [ffi::Py_None(), ffi::Py_True(), ffi::Py_False()];
        classes.contains(&ffi::Py_TYPE(object)) || singletons.contains(&object)
    }
}

fn is_mapping(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static MAPPING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    value.is_instance(MAPPING.import(value.py(), "collections.abc", "Mapping")?)
}

/// The name and the value of an entry of a mapping's items.
fn pair(entry: Bound<'_, PyAny>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    static PAIR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Ok(entry) = entry.cast_exact::<PyTuple>()
        && entry.len() == 2
    {
        return Ok((entry.get_item(0)?, entry.get_item(1)?));
    }
    PAIR.import(entry.py(), "chatpb._json.dicts", "pair")?.call1((entry,))?.extract()
}

/// Append a double as Python's `repr` spells it: without an exponent from 1e-4 to below 1e16, else with one of at least two
/// digits.
fn push_float(value: f64, text: &mut Vec<u8>) {
    if !value.is_finite() {
        text.extend_from_slice(if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    if let Some((mantissa, exponent)) = shortest.split_once('e') {
        text.extend_from_slice(mantissa.as_bytes());
        let (sign, digits) = exponent.split_at(usize::from(exponent.starts_with(['-', '+'])));
        let sign = if sign == "-" { "e-" } else { "e+" };
        text.extend_from_slice(sign.as_bytes());
        text.extend_from_slice(if digits.len() < 2 { b"0" } else { b"" });
        text.extend_from_slice(digits.as_bytes());
    } else if let Some((sign, digits)) = shortest.split_once("0.0000")
        && matches!(sign, "" | "-")
        && !digits.is_empty()
    {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        text.extend_from_slice([sign, first, point, rest, "e-05"].concat().as_bytes());
    } else {
        text.extend_from_slice(shortest.as_bytes());
    }
}

/// Bytes of the longest text of a name that is kept.
const LONGEST_NAME: usize = 40;
/// How many names are kept, a power of two.
const KEPT_NAMES: usize = 512;

/// Names that were met twice, each with its JSON text and the colon after it, in a place that its address determines. Most
/// dicts share the objects that are their names with other dicts.
struct Names(Vec<Name>);

#[repr(align(64))]
struct Name {
    /// The address of the name that was met last, which is kept from the second time on.
    address: usize,
    kept: Option<Py<PyAny>>,
    text: [u8; LONGEST_NAME],
    size: usize,
}

impl Names {
    /// Return the text of a name, and how many bytes of it count.
    #[inline(always)]
    fn text(&self, name: Borrowed<'_, '_, PyAny>) -> Option<(&[u8; LONGEST_NAME], usize)> {
        let known = self.0.get(place_of(name))?;
        // An object that is kept has its address alone. A size of zero says that it is not kept.
        (known.address == name.as_ptr().addr() && known.size > 0).then_some((&known.text, known.size))
    }

    fn keep(&mut self, name: Borrowed<'_, '_, PyAny>, text: &[u8]) {
        if self.0.is_empty() {
            self.0.resize_with(KEPT_NAMES, || Name { address: 0, kept: None, text: [0; LONGEST_NAME], size: 0 });
        }
        let place = &mut self.0[place_of(name)];
        let address = name.as_ptr().addr();
        // A subclass may hold more than its text, and have code that runs when it is freed.
        if place.address != address || text.len() > LONGEST_NAME || !name.is_exact_instance_of::<PyString>() {
            (place.address, place.size, place.kept) = (address, 0, None);
            return;
        }
        place.text[..text.len()].copy_from_slice(text);
        (place.size, place.kept) = (text.len(), Some(name.to_owned().unbind()));
    }
}

#[inline(always)]
fn place_of(name: Borrowed<'_, '_, PyAny>) -> usize {
    let mixed = (name.as_ptr().addr() as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % KEPT_NAMES
}
