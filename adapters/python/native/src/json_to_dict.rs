//! JSON text that the core printed as dicts of Python: the twin of `json_to_dict` in `chatpb/_json/dicts.py`.
//!
//! The printer writes no space between tokens, no name twice, and nothing deeper than a document may be, so none of that is
//! looked for. Text that it would not print gives an error all the same.

use crate::errors::refusal;
use chatpb_core::json_text::{find_special, unescape};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};
use std::ffi::CString;
use std::ops::Range;
use std::ptr::null_mut;
use std::str::from_utf8;
use std::sync::Mutex;

/// Return the dict of a JSON object that the core printed.
pub fn json_to_dict<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static NAMES: Mutex<Names> = Mutex::new(Names(Vec::new()));
    // Another call has the names where Python code runs meanwhile, as the garbage collector may have it do.
    let mut others = Names(Vec::new());
    let mut kept = NAMES.try_lock();
    let names = kept.as_deref_mut().unwrap_or(&mut others);
    Reader { py, text, at: 0, names, decoded: Vec::new() }.value().map_err(|error| *error)
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    text: &'a [u8],
    at: usize,
    names: &'a mut Names,
    /// A string whose escapes are decoded.
    decoded: Vec<u8>,
}

/// An error is boxed, so that the result of each step is returned in registers.
type Read<T> = Result<T, Box<PyErr>>;

impl<'py> Reader<'_, 'py> {
    fn value(&mut self) -> Read<Bound<'py, PyAny>> {
        let py = self.py;
        match self.peek() {
            b'"' => self.string(),
            b'{' => self.object(),
            b'[' => self.array(),
            b'n' => self.word("null").map(|()| py.None().into_bound(py)),
            b't' => self.word("true").map(|()| PyBool::new(py, true).to_owned().into_any()),
            b'f' => self.word("false").map(|()| PyBool::new(py, false).to_owned().into_any()),
            b'N' => self.word("NaN").map(|()| PyFloat::new(py, f64::from_bits(0x7ff8 << 48)).into_any()),
            b'I' => self.word("Infinity").map(|()| PyFloat::new(py, f64::INFINITY).into_any()),
            b'-' if self.text.get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity").map(|()| PyFloat::new(py, f64::NEG_INFINITY).into_any())
            }
            _ => self.number(),
        }
    }

    /// Return the next byte, or 0 at the end.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.peek() != byte {
            return Err(defect());
        }
        self.at += 1;
        Ok(())
    }

    /// Step over what follows an entry: return whether that is a comma, rather than the closing bracket.
    #[inline(always)]
    fn more(&mut self, closing: u8) -> Read<bool> {
        let byte = self.peek();
        self.at += 1;
        if byte == b',' || byte == closing { Ok(byte == b',') } else { Err(defect()) }
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(defect());
        }
        self.at += word.len();
        Ok(())
    }

    fn object(&mut self) -> Read<Bound<'py, PyAny>> {
        let dict = PyDict::new(self.py).into_any();
        self.at += 1;
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(dict);
        }
        loop {
            let name = self.name()?;
            self.expect(b':')?;
            let value = self.value()?;
            // SAFETY: the three are objects, and the first is a dict.
            if unsafe { ffi::PyDict_SetItem(dict.as_ptr(), name.as_ptr(), value.as_ptr()) } != 0 {
                return Err(PyErr::fetch(self.py).into());
            }
            if !self.more(b'}')? {
                return Ok(dict);
            }
        }
    }

    fn array(&mut self) -> Read<Bound<'py, PyAny>> {
        let list = PyList::empty(self.py);
        self.at += 1;
        if self.peek() == b']' {
            self.at += 1;
            return Ok(list.into_any());
        }
        loop {
            list.append(self.value()?)?;
            if !self.more(b']')? {
                return Ok(list.into_any());
            }
        }
    }

    fn name(&mut self) -> Read<Bound<'py, PyAny>> {
        self.expect(b'"')?;
        let stop = find_special(self.text, self.at, &mut false);
        if stop - self.at > LONGEST_NAME || self.text.get(stop) != Some(&b'"') {
            return self.string_until(stop);
        }
        let name = self.names.get(self.py, self.text, self.at..stop)?;
        self.at = stop + 1;
        Ok(name)
    }

    fn string(&mut self) -> Read<Bound<'py, PyAny>> {
        self.at += 1;
        let stop = find_special(self.text, self.at, &mut false);
        self.string_until(stop)
    }

    /// Read a string from inside it, whose first special byte is found.
    #[inline(always)]
    fn string_until(&mut self, mut stop: usize) -> Read<Bound<'py, PyAny>> {
        let start = self.at;
        if self.text.get(stop) == Some(&b'"') {
            self.at = stop + 1;
            return string_of(self.py, &self.text[start..stop]);
        }
        while self.text.get(stop) == Some(&b'\\') {
            stop = find_special(self.text, stop + 2, &mut false);
        }
        if self.text.get(stop) != Some(&b'"') {
            return Err(defect());
        }
        self.at = stop + 1;
        self.decoded.clear();
        match unescape(&self.text[start..stop], &mut self.decoded) {
            Ok(false) => string_of(self.py, &self.decoded),
            // A lone surrogate.
            Ok(true) => Ok(self.py.get_type::<PyString>().call1((&self.decoded[..], "utf-8", "surrogatepass"))?),
            Err(_) => Err(defect()),
        }
    }

    fn number(&mut self) -> Read<Bound<'py, PyAny>> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut magnitude = 0u64;
        while let digit @ b'0'..=b'9' = self.peek() {
            // What overflows is not used.
            magnitude = magnitude.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        if digits == 0 {
            return Err(defect());
        }
        if !matches!(self.peek(), b'.' | b'e' | b'E') {
            if digits <= 18 {
                let value = if negative { -(magnitude as i64) } else { magnitude as i64 };
                return Ok(PyInt::new(self.py, value).into_any());
            }
            return self.long_integer(start);
        }
        while matches!(self.peek(), b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
            self.at += 1;
        }
        let text = from_utf8(&self.text[start..self.at]).map_err(|_| defect())?;
        Ok(PyFloat::new(self.py, text.parse().map_err(|_| defect())?).into_any())
    }

    /// Return the integer of many digits that stands before the place reached.
    #[cold]
    fn long_integer(&self, start: usize) -> Read<Bound<'py, PyAny>> {
        let text = CString::new(&self.text[start..self.at]).map_err(|_| defect())?;
        // SAFETY: the text ends with a zero. The call returns a new reference, or null with an error set.
        let integer = unsafe {
            let integer = ffi::PyLong_FromString(text.as_ptr(), null_mut(), 10);
            Bound::from_owned_ptr_or_err(self.py, integer)
        };
        match integer {
            Err(error) if error.is_instance_of::<PyValueError>(self.py) => {
                Err(refusal(&self.text[..start], true, "integer", &self.py.None().into_bound(self.py)).into())
            }
            integer => Ok(integer?),
        }
    }
}

/// Return the `str` of UTF-8.
#[inline(always)]
fn string_of<'py>(py: Python<'py>, text: &[u8]) -> Read<Bound<'py, PyAny>> {
    // SAFETY: there are as many bytes as said. The call returns a new reference, or null with an error set.
    unsafe {
        let string = ffi::PyUnicode_FromStringAndSize(text.as_ptr().cast(), text.len() as isize);
        Ok(Bound::from_owned_ptr_or_err(py, string)?)
    }
}

#[cold]
fn defect() -> Box<PyErr> {
    Box::new(PyRuntimeError::new_err("the native engine failed; this is a defect of chatpb"))
}

/// Bytes of the longest name that is kept.
const LONGEST_NAME: usize = 32;
/// How many names are kept.
const KEPT_NAMES: usize = 512;

/// Names that were met, each as an interned `str` in a place that its bytes determine.
struct Names(Vec<Option<Name>>);

#[repr(align(64))]
struct Name {
    words: Words,
    bytes: [u8; LONGEST_NAME],
    string: Py<PyAny>,
}

/// The size of a name, and its first and last eight bytes, which are all of one of at most sixteen.
#[derive(Clone, Copy, PartialEq)]
struct Words {
    size: usize,
    first: u64,
    last: u64,
}

impl Words {
    /// Return those of a name in a text.
    #[inline(always)]
    fn of(text: &[u8], name: &Range<usize>) -> Words {
        let size = name.len();
        let first = match text[name.start..].first_chunk() {
            Some(bytes) if size < 8 => u64::from_le_bytes(*bytes) & !(u64::MAX << (size * 8)),
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => text[name.clone()].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        let last = text[name.clone()].last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Words { size, first, last }
    }

    #[inline(always)]
    fn place(&self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ self.size as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize % KEPT_NAMES
    }
}

impl Names {
    /// Return the `str` of a name in a text, of at most LONGEST_NAME bytes.
    #[inline(always)]
    fn get<'py>(&mut self, py: Python<'py>, text: &[u8], name: Range<usize>) -> Read<Bound<'py, PyAny>> {
        let words = Words::of(text, &name);
        if let Some(Some(known)) = self.0.get(words.place())
            && known.words == words
            && (words.size <= 16 || known.bytes[..words.size] == text[name.clone()])
        {
            return Ok(known.string.bind(py).clone());
        }
        self.keep(py, words, &text[name])
    }

    #[cold]
    fn keep<'py>(&mut self, py: Python<'py>, words: Words, name: &[u8]) -> Read<Bound<'py, PyAny>> {
        let string = PyString::intern(py, from_utf8(name).map_err(|_| defect())?).into_any();
        if self.0.is_empty() {
            self.0.resize_with(KEPT_NAMES, || None);
        }
        let mut bytes = [0; LONGEST_NAME];
        bytes[..name.len()].copy_from_slice(name);
        self.0[words.place()] = Some(Name { words, bytes, string: string.clone().unbind() });
        Ok(string)
    }
}
