//! The conversions of one message type.

use crate::arrow_rows::{ArrayBuffers, convert_rows};
use crate::chunks::{ChunkAccumulator, ChunkSplitter};
use crate::dict_to_json::{Buffers, dict_to_json};
use crate::errors::{contract_error, json_error, lines_error, violation_list, wire_error};
use crate::input::Input;
use crate::json_to_dict::json_to_dict;
use crate::new_bytes::{MARGIN, NewBytes, growing_bytes, too_large};
use chatpb_core::{
    EncodeOptions, Encoder, JsonError, MAX_KEPT_BUFFER, PrintOptions, PrintPlan, Printer, Schema, SchemaError,
    StreamRules, WireError,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

/// Bytes of an input from which on the GIL is released. A shorter one takes less time than others would gain.
const RELEASE_FROM: usize = 16 << 10;

thread_local! {
    // Taken out while in use, since an error is made by Python code, which may call here again.
    static ENCODER: Cell<Option<Box<Encoder>>> = const { Cell::new(None) };
    static DICT: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
    static PRINTER: Cell<Option<Box<Printer>>> = const { Cell::new(None) };
}

/// A message type: its schema, and how it is printed. An error in a row has a path that starts with it.
#[pyclass(frozen, module = "chatpb._engine.native")]
pub struct Codec(PrintPlan, OnceLock<Arc<StreamRules>>);

impl Codec {
    pub fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn encode<'py>(
        &self,
        py: Python<'py>,
        input: &Input<'_>,
        canonical: bool,
        nonfinite: bool,
        strict: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let options = EncodeOptions { canonical, nonfinite, origin: input.origin() };
        ENCODER.with(|kept| {
            let mut encoder = kept.take().unwrap_or_default();
            let wire = match input.size() {
                ..RELEASE_FROM => match encoder.json_to_wire(self.schema(), input.get(py), options) {
                    Ok(wire) => Ok(PyBytes::new(py, wire)),
                    Err(error) => Err(json_error(py, *error)),
                },
                RELEASE_FROM.. => {
                    // SAFETY: the encoder writes as many bytes as it returns, from the start of the memory on.
                    unsafe {
                        growing_bytes(py, input, input.size() + MARGIN, None, |text, memory| {
                            encoder.write(self.schema(), text, options, memory, 0)
                        })
                    }?
                    .map_err(|error| json_error(py, *error))
                }
            };
            let wire = match wire {
                Ok(wire) if strict => self.kept_contract(py, &mut encoder, wire),
                wire => wire,
            };
            kept.set(Some(encoder));
            wire
        })
    }

    /// Return the wire bytes that were encoded last, if they keep the contract.
    fn kept_contract<'py>(
        &self,
        py: Python<'py>,
        encoder: &mut Encoder,
        wire: Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = wire.as_bytes();
        let violations = match bytes.len() {
            ..RELEASE_FROM => encoder.violations(self.schema(), bytes),
            RELEASE_FROM.. => py.detach(move || encoder.violations(self.schema(), bytes)),
        };
        match violations {
            Ok(violations) if violations.is_empty() => Ok(wire),
            Ok(violations) => Err(contract_error(py, violations)),
            Err(error) => Err(wire_error(py, error)),
        }
    }

    /// How the members of chunks of the type add up.
    pub fn rules(&self) -> &Arc<StreamRules> {
        self.1.get_or_init(|| Arc::new(StreamRules::new(self.schema())))
    }

    /// Use the JSON text of an encoded message.
    pub fn with_json<T>(
        &self,
        py: Python<'_>,
        wire: &Input,
        options: PrintOptions,
        work: impl FnOnce(&[u8]) -> T,
    ) -> PyResult<T> {
        PRINTER.with(|kept| {
            let mut printer = kept.take().unwrap_or_default();
            let done = match printer.wire_to_json(&self.0, wire.get(py), options) {
                Ok(text) => Ok(work(text)),
                Err(error) => Err(wire_error(py, *error)),
            };
            kept.set(Some(printer));
            done
        })
    }
}

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (descriptor_set, full_name, /))]
    fn new(descriptor_set: &[u8], full_name: &str) -> PyResult<Self> {
        Schema::new(descriptor_set, full_name).map(|schema| Codec(PrintPlan::new(schema), OnceLock::new())).map_err(
            |error| match error {
                SchemaError::Malformed(reason) => PyValueError::new_err(reason),
                SchemaError::Unmappable(reason) => PyTypeError::new_err(reason),
            },
        )
    }

    /// Describe the schema, a line for each message, field, enum and value: tests compare it with the reference's.
    fn describe(&self) -> String {
        self.schema().describe()
    }

    #[pyo3(signature = (data, canonical, nonfinite, strict = false, /))]
    pub fn json_to_wire<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        canonical: bool,
        nonfinite: bool,
        strict: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.encode(py, &Input::text(data)?, canonical, nonfinite, strict)
    }

    /// Convert a dict. `default` makes JSON values of objects that are none.
    #[pyo3(signature = (obj, default, canonical, nonfinite, strict = false, /))]
    pub fn dict_to_wire<'py>(
        &self,
        py: Python<'py>,
        obj: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
        canonical: bool,
        nonfinite: bool,
        strict: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut buffers = DICT.take().unwrap_or_default();
        let wire = dict_to_json(obj, default, nonfinite, &mut buffers)
            .and_then(|()| self.encode(py, &Input::utf8(&buffers.text), canonical, nonfinite, strict));
        if buffers.text.capacity() <= MAX_KEPT_BUFFER {
            DICT.set(Some(buffers));
        }
        wire
    }

    #[pyo3(signature = (wire, strict, /))]
    pub fn validate_wire<'py>(
        &self,
        py: Python<'py>,
        wire: &Bound<'py, PyAny>,
        strict: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let input = Input::bytes(wire)?;
        let violations = match input.size() {
            ..RELEASE_FROM => chatpb_core::validate(self.schema(), input.get(py), strict),
            RELEASE_FROM.. => input.released(py, |wire| chatpb_core::validate(self.schema(), wire, strict)),
        };
        violation_list(py, violations.map_err(|error| wire_error(py, error))?)
    }

    #[pyo3(signature = (wire, fill_required, refuse_unknown, nonfinite, limit = None, /))]
    pub fn wire_to_json<'py>(
        &self,
        py: Python<'py>,
        wire: &Bound<'py, PyAny>,
        fill_required: bool,
        refuse_unknown: bool,
        nonfinite: bool,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::bytes(wire)?;
        let options = PrintOptions { fill_required, refuse_unknown, nonfinite };
        PRINTER.with(|kept| {
            let mut printer = kept.take().unwrap_or_default();
            let text = match input.size() {
                ..RELEASE_FROM => match printer.wire_to_json(&self.0, input.get(py), options) {
                    Ok(text) => Ok(PyBytes::new(py, text)),
                    Err(error) => Err(wire_error(py, *error)),
                },
                RELEASE_FROM.. => {
                    // SAFETY: the printer writes as many bytes as it returns, from the start of the memory on.
                    unsafe {
                        growing_bytes(py, &input, input.size() * 5 / 2 + MARGIN, limit, |wire, memory| {
                            printer.write(&self.0, wire, options, memory, 0)
                        })
                    }?
                    .map_err(|error| wire_error(py, *error))
                }
            };
            kept.set(Some(printer));
            match (limit, text?) {
                (Some(limit), text) if text.as_bytes().len() > limit => Err(too_large(limit)),
                (_, text) => Ok(text),
            }
        })
    }

    /// Print a message as a dict.
    #[pyo3(signature = (wire, fill_required, refuse_unknown, nonfinite, /))]
    pub fn wire_to_dict<'py>(
        &self,
        py: Python<'py>,
        wire: &Bound<'py, PyAny>,
        fill_required: bool,
        refuse_unknown: bool,
        nonfinite: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let input = Input::bytes(wire)?;
        let options = PrintOptions { fill_required, refuse_unknown, nonfinite };
        PRINTER.with(|kept| {
            let mut printer = kept.take().unwrap_or_default();
            let text = match input.size() {
                ..RELEASE_FROM => printer.wire_to_json(&self.0, input.get(py), options),
                RELEASE_FROM.. => input.released(py, |wire| printer.wire_to_json(&self.0, wire, options)),
            };
            let (dict, size) = match text {
                Ok(text) => (json_to_dict(py, text), text.len()),
                Err(error) => (Err(wire_error(py, *error)), 0),
            };
            // The printer has the text, which may be large.
            if size <= MAX_KEPT_BUFFER {
                kept.set(Some(printer));
            }
            dict
        })
    }

    #[pyo3(signature = (data, canonical, nonfinite, threads, strict = false, /))]
    fn json_lines_to_wire<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        canonical: bool,
        nonfinite: bool,
        threads: usize,
        strict: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let input = Input::text(data)?;
        let options = EncodeOptions { canonical, nonfinite, origin: input.origin() };
        let mut batch = NewBytes::new(py, input.size() + MARGIN)?;
        let memory = batch.memory();
        let work = |text: &[u8]| chatpb_core::json_lines_to_wire(self.schema(), text, options, strict, threads, memory);
        let written = input.released(py, work).map_err(|error| lines_error(py, error))?;
        // SAFETY: the messages were written to the batch's memory.
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
        let mut batch = NewBytes::new(py, input.size() * 5 / 2 + MARGIN)?;
        let memory = batch.memory();
        let work = |wire: &[u8]| chatpb_core::wire_to_json_lines(&self.0, wire, options, threads, memory);
        let written = input.released(py, work).map_err(|error| wire_error(py, error))?;
        // SAFETY: the lines were written to the batch's memory.
        unsafe { batch.finish_batch(py, &written) }
    }

    #[pyo3(signature = (data, offsets, nonfinite, threads, /))]
    fn json_to_wire_rows<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<ArrayBuffers<'py>> {
        let options = EncodeOptions { nonfinite, ..EncodeOptions::default() };
        let convert = |rows: &[&[u8]], memory: &mut _| {
            chatpb_core::json_to_wire_rows(self.schema(), rows, options, threads, memory)
        };
        convert_rows(py, data, offsets, 1, convert, |row, error| {
            json_error(py, JsonError { path: format!("/{row}{}", error.path), ..error })
        })
    }

    #[pyo3(signature = (data, offsets, refuse_unknown, nonfinite, threads, /))]
    fn wire_to_json_rows<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        refuse_unknown: bool,
        nonfinite: bool,
        threads: usize,
    ) -> PyResult<ArrayBuffers<'py>> {
        let options = PrintOptions { refuse_unknown, nonfinite, ..PrintOptions::default() };
        let convert =
            |rows: &[&[u8]], memory: &mut _| chatpb_core::wire_to_json_rows(&self.0, rows, options, threads, memory);
        convert_rows(py, data, offsets, 3, convert, |row, error| wire_error_in_row(py, row, error))
    }

    #[pyo3(signature = (data, offsets, tag, threads, /))]
    fn compact_records<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        tag: u32,
        threads: usize,
    ) -> PyResult<ArrayBuffers<'py>> {
        let convert =
            |rows: &[&[u8]], memory: &mut _| chatpb_core::compact_records(self.schema(), rows, tag, threads, memory);
        convert_rows(py, data, offsets, 1, convert, |row, error| wire_error_in_row(py, row, error))
    }

    #[pyo3(signature = (data, offsets, tag, threads, /))]
    fn expand_records<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        offsets: &Bound<'py, PyAny>,
        tag: u32,
        threads: usize,
    ) -> PyResult<ArrayBuffers<'py>> {
        let convert =
            |rows: &[&[u8]], memory: &mut _| chatpb_core::expand_records(self.schema(), rows, tag, threads, memory);
        convert_rows(py, data, offsets, 4, convert, |row, error| wire_error_in_row(py, row, error))
    }

    #[pyo3(signature = (chunks, /))]
    fn compact_stream<'py>(&self, py: Python<'py>, chunks: Vec<Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyBytes>> {
        let chunks: Vec<&[u8]> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
        let stream = py.detach(|| chatpb_core::compact_stream(self.schema(), &chunks));
        stream.map(|stream| PyBytes::new(py, &stream)).map_err(|error| wire_error(py, error))
    }

    #[pyo3(signature = (stream, /))]
    fn expand_stream<'py>(&self, py: Python<'py>, stream: &Bound<'py, PyBytes>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let bytes = stream.as_bytes();
        let chunks =
            py.detach(|| chatpb_core::expand_stream(self.schema(), bytes)).map_err(|error| wire_error(py, error))?;
        Ok(chunks.iter().map(|chunk| PyBytes::new(py, chunk)).collect())
    }

    #[pyo3(signature = (refuse_unknown, nonfinite, /))]
    fn accumulator(slf: Bound<'_, Self>, refuse_unknown: bool, nonfinite: bool) -> ChunkAccumulator {
        ChunkAccumulator::new(slf, refuse_unknown, nonfinite)
    }

    #[pyo3(signature = (completion, size, with_last, /))]
    fn split(&self, completion: &[u8], size: Option<usize>, with_last: bool) -> PyResult<ChunkSplitter> {
        ChunkSplitter::new(self.rules(), completion, size, with_last)
    }
}

fn wire_error_in_row(py: Python<'_>, row: usize, error: WireError) -> PyErr {
    wire_error(py, WireError { path: format!("/{row}{}", error.path), ..error })
}
