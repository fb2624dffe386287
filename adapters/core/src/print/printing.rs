//! What all printers share: the options, the buffers, and the memory that the text is written to.

use crate::buffer::output::{Output, OutputPointer};
use crate::json::member_names::MemberNames;
use crate::print::plan::{PrintPlan, ShortText};
use crate::wire::member_order::OrderReader;
use std::cell::Cell;
use std::mem::MaybeUninit;

#[derive(Debug, Clone, Copy)]
pub struct PrintOptions {
    /// Print each required member that is absent, as null if it is nullable, else as an empty array or object.
    pub fill_required: bool,
    /// Fail for a field that the schema does not have.
    pub refuse_unknown: bool,
    /// Print NaN and the infinities, which are not JSON.
    pub nonfinite: bool,
}

/// Nothing is lost unless that is asked for.
impl Default for PrintOptions {
    fn default() -> Self {
        PrintOptions { fill_required: false, refuse_unknown: true, nonfinite: false }
    }
}

/// Buffers that are used for one message after the other.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The names of a JSON text that is normalized, and its normal form.
    names: MemberNames,
    text: Vec<u8>,
}

/// The end of the text after something was printed, or `None` where the message is wrong or unusual.
pub type Printed<T = OutputPointer> = Option<T>;

/// Bytes that may be read behind a string that is printed where it stands.
pub const READ_BEHIND: usize = 32;

/// Bytes of a message that is copied, so that all its strings have `READ_BEHIND` more bytes behind them.
const COPIED: usize = 1024;

/// Memory for the copy of a message.
pub struct PaddedWire([MaybeUninit<u8>; COPIED + READ_BEHIND]);

impl PaddedWire {
    #[inline(always)]
    pub fn new() -> PaddedWire {
        PaddedWire([MaybeUninit::uninit(); COPIED + READ_BEHIND])
    }

    /// Return the bytes of a message, and these with bytes behind them if the message is short.
    #[inline(always)]
    pub fn of<'a>(&'a mut self, wire: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let size = wire.len();
        if size > COPIED {
            return (wire, wire);
        }
        let start = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: there is room for as many bytes, which are written before they are read.
        let padded = unsafe {
            start.copy_from_nonoverlapping(wire.as_ptr(), size);
            start.add(size).write_bytes(0, READ_BEHIND);
            std::slice::from_raw_parts(start, size + READ_BEHIND)
        };
        (&padded[..size], padded)
    }
}

/// One message being printed.
pub struct Printing<'a, S> {
    pub set: S,
    pub plan: &'a PrintPlan,
    /// By index of the message type: whether the bits of null and empty members are looked for before a message is printed,
    /// as they are since a message came in which they were needed early.
    pub looks_ahead: &'a [Cell<bool>],
    /// The wire bytes of the message and all around and behind it, which may be read in whole blocks.
    pub wire: &'a [u8],
    /// The address up to which there are `READ_BEHIND` more of them.
    pub wire_limit: usize,
    pub options: PrintOptions,
    pub names: &'a mut MemberNames,
    pub text: &'a mut Vec<u8>,
    /// The order of the open members of the message being printed; none where they were put in their order before.
    pub order: Option<OrderReader<'a>>,
    /// Whether they were found to come in another one.
    pub out_of_order: bool,
    /// The text.
    pub out: Output<'a>,
}

/// Return the address up to which there are `READ_BEHIND` more of some bytes.
fn wire_limit(wire: &[u8]) -> usize {
    (wire.as_ptr().addr() + wire.len()).saturating_sub(READ_BEHIND)
}

impl<'a, S: Copy> Printing<'a, S> {
    /// Start to print a message to an output. Return its first end too.
    #[inline(always)]
    pub fn new(
        set: S,
        plan: &'a PrintPlan,
        wire: &'a [u8],
        options: PrintOptions,
        buffers: &'a mut Buffers,
        looks_ahead: &'a [Cell<bool>],
        mut out: Output<'a>,
    ) -> (Printing<'a, S>, OutputPointer) {
        let end = out.resume(wire.len() + wire.len() / 4);
        let Buffers { names, text } = buffers;
        (
            Printing {
                set,
                plan,
                looks_ahead,
                wire,
                wire_limit: wire_limit(wire),
                options,
                names,
                text,
                order: None,
                out_of_order: false,
                out,
            },
            end,
        )
    }

    /// Return a printer of other wire bytes into the same memory, which `out` must follow then. The bytes end with
    /// `READ_BEHIND` that are no part of a message.
    pub fn over<'b>(&'b mut self, wire: &'b [u8]) -> Printing<'b, S> {
        let Printing { set, plan, looks_ahead, options, .. } = *self;
        let (names, text, out) = (&mut *self.names, &mut *self.text, self.out.lend());
        Printing {
            set,
            plan,
            looks_ahead,
            wire,
            wire_limit: wire_limit(wire),
            options,
            names,
            text,
            order: None,
            out_of_order: false,
            out,
        }
    }

    /// Print bytes as they are, and leave `RESERVED` bytes of room behind them.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn slice(&mut self, bytes: &[u8], end: OutputPointer) -> Printed {
        let end = self.out.reserve_for(end, bytes.len());
        // SAFETY: there is room for them.
        Some(unsafe { end.put_slice(bytes) })
    }

    /// Print a text that is mostly short.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn short_text(&mut self, text: &ShortText, end: OutputPointer) -> Printed {
        if text.text.len() > text.block.len() {
            return self.slice(&text.text, end);
        }
        let end = self.out.reserve(end);
        // SAFETY: there is room for the block.
        Some(unsafe { end.put_block(&text.block, text.text.len()) })
    }
}
