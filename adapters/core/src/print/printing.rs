//! What all printers share: the options, the buffers, and the memory that the text is written to.

use crate::buffer::output::{Output, OutputPointer};
use crate::json::member_names::MemberNames;
use crate::print::plan::PrintPlan;
use crate::wire::member_order::OrderReader;
use std::cell::Cell;

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

/// One message being printed.
pub struct Printing<'a, S> {
    pub set: S,
    pub plan: &'a PrintPlan,
    /// A guess, by index of the message type: a bit for the index of each member that was null or empty in a message
    /// whose bits came behind a value that prints later. Where one of these members has no value, the bits are looked
    /// for before such a value is printed.
    pub often_unset: &'a [Cell<u64>],
    /// The wire bytes of the message and all around it, which may be read in whole blocks.
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
        often_unset: &'a [Cell<u64>],
        mut out: Output<'a>,
    ) -> (Printing<'a, S>, OutputPointer) {
        let end = out.resume(wire.len() + wire.len() / 4);
        let Buffers { names, text } = buffers;
        (
            Printing {
                set,
                plan,
                often_unset,
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

    /// Return a printer of other wire bytes into the same memory, which `out` must follow then.
    pub fn over<'b>(&'b mut self, wire: &'b [u8]) -> Printing<'b, S> {
        let Printing { set, plan, often_unset, options, .. } = *self;
        let (names, text, out) = (&mut *self.names, &mut *self.text, self.out.lend());
        Printing {
            set,
            plan,
            often_unset,
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
}
