//! Streams: chunks put together into a completion, and split from one.

use crate::exclusive::{Exclusive, Recover};
use crate::result::{Code, Failure};
use chatpb_core::{
    EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, StreamAccumulator, StreamRules, StreamSplitter,
};
use std::sync::Arc;

pub type Accumulator = Exclusive<Accumulating>;
pub type Splitter = Exclusive<Splitting>;

/// The stream is none after a panic: a part of a chunk would be a wrong completion.
pub struct Accumulating {
    plan: Arc<PrintPlan>,
    printer: Printer,
    stream: Option<StreamAccumulator>,
    out: Vec<u8>,
}

impl Accumulating {
    pub fn new(plan: Arc<PrintPlan>) -> Accumulating {
        let stream = StreamAccumulator::new(Arc::new(StreamRules::new(plan.schema())));
        Accumulating { plan, printer: Printer::default(), stream: Some(stream), out: Vec::new() }
    }

    /// Add the next chunk. Return nothing.
    pub fn add(&mut self, wire: &[u8], options: PrintOptions) -> Result<&[u8], Failure> {
        let stream = self.stream.as_mut().ok_or_else(Failure::defect)?;
        let text = self.printer.wire_to_json(&self.plan, wire, options).map_err(|error| Failure::from(*error))?;
        if stream.add(text) { Ok(&[]) } else { Err(Failure::defect()) }
    }

    /// Return the JSON text of the completion so far.
    pub fn json(&mut self) -> Result<&[u8], Failure> {
        self.out = self.stream.as_ref().ok_or_else(Failure::defect)?.json();
        Ok(&self.out)
    }
}

impl Recover for Accumulating {
    fn recover(&mut self) {
        (self.printer, self.stream, self.out) = Default::default();
    }
}

/// The chunks are none after a panic.
pub struct Splitting {
    plan: Arc<PrintPlan>,
    encoder: Encoder,
    options: EncodeOptions,
    chunks: Option<StreamSplitter>,
}

impl Splitting {
    /// Split a completion, whose type `completion` is, into chunks of the type that `plan` is.
    pub fn new(
        completion: &PrintPlan,
        plan: Arc<PrintPlan>,
        wire: &[u8],
        size: Option<usize>,
        with_last: bool,
        options: (PrintOptions, EncodeOptions),
    ) -> Result<Splitting, Failure> {
        let (print, options) = options;
        let mut printer = Printer::default();
        let text = printer.wire_to_json(completion, wire, print).map_err(|error| Failure::from(*error))?;
        let chunks = StreamSplitter::new(&StreamRules::new(plan.schema()), text, size, with_last);
        let chunks = Some(chunks.ok_or_else(Failure::defect)?);
        Ok(Splitting { plan, encoder: Encoder::default(), options, chunks })
    }

    /// Return the wire bytes of the next chunk.
    pub fn next(&mut self) -> Result<&[u8], Failure> {
        let chunks = self.chunks.as_mut().ok_or_else(Failure::defect)?;
        let text = chunks.next().ok_or_else(|| Failure::new(Code::End, ""))?;
        self.encoder.json_to_wire(self.plan.schema(), &text, self.options).map_err(|error| (*error).into())
    }
}

impl Recover for Splitting {
    fn recover(&mut self) {
        (self.encoder, self.chunks) = Default::default();
    }
}
