//! A codec: what one thread needs to convert documents.

use crate::exclusive::{Exclusive, Recover};
use chatpb_core::{Encoder, MAX_KEPT_BUFFER, PrintPlan, Printer};
use std::sync::Arc;

pub type Codec = Exclusive<State>;

/// A schema, and buffers that stay from one document to the next. The last result points to `out`, or to the printer's.
pub struct State {
    pub plan: Arc<PrintPlan>,
    pub buffers: Buffers,
}

#[derive(Default)]
pub struct Buffers {
    pub encoder: Encoder,
    pub printer: Printer,
    pub out: Vec<u8>,
}

impl State {
    pub fn new(plan: Arc<PrintPlan>) -> State {
        State { plan, buffers: Buffers::default() }
    }
}

impl Buffers {
    /// The buffers with an output to be written. A large one is not kept.
    pub fn emptied(&mut self) -> &mut Self {
        self.out.clear();
        self.out.shrink_to(MAX_KEPT_BUFFER);
        self
    }
}

impl Recover for State {
    fn recover(&mut self) {
        self.buffers = Buffers::default();
    }
}
