//! One document being encoded: its text, its output, and the buffers between them.

use crate::buffer::output::Output;
use crate::encode::guesses::Guesses;
use crate::encode::seen_fields::{DeferredField, FieldSpans};
use crate::encode::token_reader::TokenReader;
use crate::json::member_names::MemberNames;
use crate::json::padded_text::PaddedEnd;
use crate::schema::Schema;
use crate::wire::member_order::ObjectOrder;

/// Buffers that are used for one document after the other.
#[derive(Debug, Default)]
pub struct Buffers {
    pub text_end: PaddedEnd,
    pub names: MemberNames,
    pub decoded: Vec<u8>,
    pub scratch: Vec<u8>,
    pub messages: MessageBuffers,
}

/// Parts of the messages that are open, kept until each message ends. Those of the innermost come last.
#[derive(Debug, Default)]
pub struct MessageBuffers {
    /// The fields of the message that is put in order.
    pub spans: FieldSpans,
    /// The fields that are held back, those of the lowest numbers of a message last.
    pub deferred: Vec<DeferredField>,
    /// Fields of `verbatim_properties`.
    pub verbatim: Vec<u8>,
    /// For canonical order, where each entry starts in the output that it is in.
    pub entry_starts: Vec<usize>,
    /// For canonical order, where each field starts in `verbatim`.
    pub verbatim_starts: Vec<usize>,
    /// The orders of the objects in open values, each object before those inside it. That of an object that is open is none
    /// yet.
    pub orders: Vec<ObjectOrder>,
    /// The field `member_order` of the message that is put in order.
    pub member_order: Vec<u8>,
    /// The fields before and after the longest one of the message that is put in order.
    pub before_longest: Vec<u8>,
    pub after_longest: Vec<u8>,
}

impl MessageBuffers {
    pub fn clear(&mut self) {
        let MessageBuffers { deferred, verbatim, entry_starts, verbatim_starts, orders, .. } = self;
        deferred.clear();
        verbatim.clear();
        entry_starts.clear();
        verbatim_starts.clear();
        orders.clear();
    }
}

/// One document being encoded.
pub struct Encoding<'a, S> {
    pub schema: &'a Schema,
    pub guesses: &'a Guesses,
    pub reader: TokenReader<'a, S>,
    pub canonical: bool,
    /// The wire bytes.
    pub out: Output<'a>,
    /// The entries of `additional_properties` of the messages that are open.
    pub additional: Output<'a>,
    /// A payload that is made elsewhere and then copied to the output.
    pub scratch: &'a mut Vec<u8>,
    pub buffers: &'a mut MessageBuffers,
    /// Whether something was found that `strict` refuses.
    pub breaks_contract: bool,
    /// The innermost value without a home, until a message around it gives it one.
    pub homeless: Option<Homeless<'a>>,
}

/// A value that no field of an envelope holds.
#[derive(Debug, Clone, Copy)]
pub struct Homeless<'a> {
    /// The index of the value in the text.
    pub text: usize,
    /// The full name of the envelope.
    pub envelope: &'a str,
}
