//! Chunks of a stream: put together into a completion, and split from one.

use crate::codec::Codec;
use crate::input::Input;
use chatpb_core::{PrintOptions, StreamAccumulator, StreamRules, StreamSplitter};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Mutex, PoisonError};

/// Puts the chunks of a stream together. Each call holds the GIL, so that no call waits for another.
#[pyclass(frozen, module = "chatpb._engine.native")]
pub struct ChunkAccumulator {
    codec: Py<Codec>,
    options: PrintOptions,
    stream: Mutex<StreamAccumulator>,
}

impl ChunkAccumulator {
    pub fn new(codec: Bound<'_, Codec>, refuse_unknown: bool, nonfinite: bool) -> Self {
        let stream = Mutex::new(StreamAccumulator::new(codec.get().rules().clone()));
        let options = PrintOptions { refuse_unknown, nonfinite, ..PrintOptions::default() };
        ChunkAccumulator { codec: codec.unbind(), options, stream }
    }
}

#[pymethods]
impl ChunkAccumulator {
    #[pyo3(signature = (wire, /))]
    fn add(&self, py: Python<'_>, wire: &Bound<'_, PyAny>) -> PyResult<()> {
        let input = Input::bytes(wire)?;
        let add = |text: &[u8]| self.stream.lock().unwrap_or_else(PoisonError::into_inner).add(text);
        match self.codec.get().with_json(py, &input, self.options, add)? {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err("the engine printed a chunk that is no JSON object")),
        }
    }

    fn copy(&self, py: Python<'_>) -> Self {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ChunkAccumulator { codec: self.codec.clone_ref(py), options: self.options, stream: Mutex::new(stream) }
    }

    fn json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.stream.lock().unwrap_or_else(PoisonError::into_inner).json())
    }
}

/// Yields the JSON texts of a completion's chunks.
#[pyclass(module = "chatpb._engine.native")]
pub struct ChunkSplitter(StreamSplitter);

impl ChunkSplitter {
    pub fn new(rules: &StreamRules, completion: &[u8], size: Option<usize>, with_last: bool) -> PyResult<Self> {
        StreamSplitter::new(rules, completion, size, with_last)
            .map(ChunkSplitter)
            .ok_or_else(|| PyValueError::new_err("a completion is the text of a JSON object"))
    }
}

#[pymethods]
impl ChunkSplitter {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.next().map(|chunk| PyBytes::new(py, &chunk))
    }
}
