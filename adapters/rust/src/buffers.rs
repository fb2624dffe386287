//! The buffers of a thread, which stay from one document to the next.

use chatpb_core::{Encoder, MAX_KEPT_BUFFER, Printer};
use std::cell::Cell;

#[derive(Default)]
pub struct Buffers {
    pub encoder: Encoder,
    pub printer: Printer,
    pub wire: Vec<u8>,
    pub json: Vec<u8>,
}

/// What a printer promises of all that it prints.
pub const UTF_8: &str = "printed text is UTF-8";

thread_local! {
    static KEPT: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// Do some work with the buffers of this thread. The outputs `wire` and `json` are empty.
pub fn with_buffers<T>(work: impl FnOnce(&mut Buffers) -> T) -> T {
    // A thread that ends may have given its buffers back already.
    let mut buffers = KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let done = work(&mut buffers);
    for out in [&mut buffers.wire, &mut buffers.json] {
        out.clear();
        out.shrink_to(MAX_KEPT_BUFFER);
    }
    // Work that panics keeps none, since it may leave them in any condition.
    _ = KEPT.try_with(|kept| kept.set(Some(buffers)));
    done
}

/// Return what an output holds: a copy of its size, or a large one itself.
pub fn owned(out: &mut Vec<u8>) -> Vec<u8> {
    if out.capacity() > MAX_KEPT_BUFFER { std::mem::take(out) } else { out.clone() }
}

/// Return printed text: a copy of its size, or the output itself if that is large.
pub fn text(out: &mut Vec<u8>) -> String {
    if out.capacity() > MAX_KEPT_BUFFER {
        String::from_utf8(std::mem::take(out)).expect(UTF_8)
    } else {
        simdutf8::basic::from_utf8(out).expect(UTF_8).to_owned()
    }
}
