//! JSON text to wire bytes: each member of an object goes to the first home that holds it exactly.
//!
//! - One pass over the text writes fields straight to the output. A value that does not fit where it was tried is
//!   written over by its next home.
//! - Fields are written in the order of the members, and put in number order where that is another one (`field_order`).
//! - The place in the text and the end of the output are passed to each step and returned by it, so that they stay in
//!   registers.
//! - That the text is wrong is only noticed here; `json::check` then says what is wrong, and where.
//!
//! # The rules of the pointers
//!
//! The text is read and the output is written without a check at each step, so the functions that are given a place are
//! `unsafe`. Unless they say otherwise, they all ask for the same, which is checked in builds with debug assertions:
//!
//! - `at` is a pointer of the reader's text, which it did not move from since. It has `AHEAD` bytes ahead, in the words of
//!   `json::padded_text`. What a function returns has `AHEAD_AFTER` bytes ahead: enough for the comma or the bracket that
//!   follows. So each loop over entries calls `with_lookahead` at its start.
//! - `end` is the end of the output that is written to, which reserved no more since, and all before it is written:
//!   `Encoding::additional` in `open_values`, else `Encoding::out`. It has room for `ROOM` bytes, and what a function
//!   returns has room for `ROOM_AFTER`. So each loop over entries calls `reserve` at its start.
//!
//! `message` encodes objects, `field` the values of typed fields, and `open_values` members that no typed field holds:
//! the twins of the files of these names in `chatpb/_engine/reference/encode`.

// Nearly every line of these functions relies on the rules above: a block around each body would say nothing more.
#![allow(unsafe_op_in_unsafe_fn)]

mod compiled;
mod encoding;
mod entry_order;
mod field;
mod field_order;
mod guesses;
mod headers;
mod message;
mod open_values;
mod seen_fields;
mod token_reader;

use crate::buffer::output::{GrowableMemory, Output, RESERVED};
use crate::error::{JsonError, Violation, WireError};
use crate::json::check::{check_document, no_home};
use crate::json::padded_text::{LOOKAHEAD, PaddedText};
use crate::limits::{MAX_KEPT_BUFFER, MAX_SIZE};
use crate::scan::OWN;
#[cfg(target_arch = "x86_64")]
use crate::scan::avx2;
use crate::schema::Schema;
use crate::schema::per_schema::PerSchema;
use crate::validate::validate;
use crate::wire::member_order::ObjectOrder;
use compiled::CompiledFor;
use encoding::{Buffers, Encoding, Homeless, MessageBuffers};
use guesses::Guesses;
use token_reader::TokenReader;

/// Bytes ahead of a value, and behind it. A string takes at most 160 before `with_lookahead` is called, and a name 35.
const AHEAD: usize = 192;
const AHEAD_AFTER: usize = 32;
const _: () = assert!(AHEAD + 35 <= LOOKAHEAD && AHEAD_AFTER + 160 <= AHEAD);

/// Room for a value, and behind it. A string takes at most 192 bytes before `reserve` is called.
const ROOM: usize = 256;
const ROOM_AFTER: usize = 64;
const _: () = assert!(ROOM + 64 <= RESERVED && ROOM_AFTER + 192 <= ROOM);

#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions {
    /// Sort the entries of maps, and write kept JSON text in canonical form, so that the order of members does not
    /// show.
    pub canonical: bool,
    /// Accept NaN and the infinities, which are not JSON.
    pub nonfinite: bool,
    pub origin: Origin,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Bytes,
    /// A string of code points, so that the text is UTF-8.
    String,
    /// A string of code points with surrogates among them.
    Surrogates,
}

/// Turns documents into wire bytes, one after the other, with the same buffers.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    additional: Vec<u8>,
    buffers: Buffers,
    guesses: PerSchema<Guesses>,
    breaks_contract: bool,
}

impl Encoder {
    /// Return the wire bytes of the message that a JSON object stands for.
    ///
    /// The error is boxed so that the result is two words, which are returned in registers.
    pub fn json_to_wire(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
    ) -> Result<&[u8], Box<JsonError>> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if out.capacity() > MAX_KEPT_BUFFER {
            out = Vec::new();
        }
        let done = self.append(schema, text, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// Append the wire bytes of a JSON object to a vector, which stays as it is if that fails.
    pub fn append(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<JsonError>> {
        let used = out.len();
        // SAFETY: a vector's bytes up to its length are written.
        let done = unsafe { self.write(schema, text, options, out, used) };
        // SAFETY: as many are written in the vector's memory.
        unsafe { out.set_len(*done.as_ref().unwrap_or(&used)) };
        done.map(drop)
    }

    /// Write the wire bytes of a JSON object behind the `used` bytes of some memory. Return the number of bytes used
    /// then. Unwind where the memory cannot grow.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the memory are written.
    pub unsafe fn write(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
        memory: &mut dyn GrowableMemory,
        used: usize,
    ) -> Result<usize, Box<JsonError>> {
        if self.largest_buffer() > MAX_KEPT_BUFFER {
            (self.additional, self.buffers) = Default::default();
        }
        self.breaks_contract = false;
        let homeless = if text.len() > MAX_SIZE {
            None
        } else {
            let document = Document { encoder: self, schema, text, options, memory, used };
            match document.encode() {
                Ok(used) => return Ok(used),
                Err(homeless) => homeless,
            }
        };
        check_document(text, options.nonfinite, options.origin == Origin::Surrogates)?;
        if let Some(Homeless { text: at, envelope }) = homeless {
            return Err(Box::new(no_home(text, at, envelope)));
        }
        unreachable!("the encoder refused text that the checker accepts")
    }

    /// Return what `strict` refuses in the document that was encoded last, given its wire bytes. To know that there is
    /// nothing takes no time: the encoder notices it on its way.
    pub fn violations(&self, schema: &Schema, wire: &[u8]) -> Result<Vec<Violation>, WireError> {
        if self.breaks_contract { validate(schema, wire, true) } else { Ok(Vec::new()) }
    }

    /// Return the size of the largest buffer but that of the result.
    fn largest_buffer(&self) -> usize {
        let Buffers { decoded, scratch, messages, .. } = &self.buffers;
        let MessageBuffers { verbatim, orders, member_order, before_longest, after_longest, .. } = messages;
        let all = [&self.additional, decoded, scratch, verbatim, member_order, before_longest, after_longest];
        all.into_iter().map(Vec::capacity).fold(orders.capacity() * size_of::<ObjectOrder>(), usize::max)
    }
}

/// One document to encode, with the arguments of `Encoder::write`, whose contract is kept.
struct Document<'a> {
    encoder: &'a mut Encoder,
    schema: &'a Schema,
    text: &'a [u8],
    options: EncodeOptions,
    memory: &'a mut dyn GrowableMemory,
    used: usize,
}

impl<'a> Document<'a> {
    /// Return the number of bytes used then, or the member that has no home if the text is right but for that.
    fn encode(self) -> Result<usize, Option<Homeless<'a>>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(set) = avx2() {
            return self.encode_with(set);
        }
        self.encode_with(OWN)
    }

    fn encode_with(self, set: impl CompiledFor) -> Result<usize, Option<Homeless<'a>>> {
        let Document { encoder, schema, text, options, memory, used } = self;
        let Buffers { text_end, names, decoded, scratch, messages } = &mut encoder.buffers;
        let guesses = encoder.guesses.of(schema, Guesses::new);
        let valid = options.origin == Origin::String;
        names.clear();
        messages.clear();
        let source = PaddedText::new(text, text_end);
        let mut encoding = Encoding {
            schema,
            guesses,
            reader: TokenReader { set, source, nonfinite: options.nonfinite, valid, guesses, names, decoded },
            canonical: options.canonical,
            // SAFETY: by the contract.
            out: unsafe { Output::new(memory, used) },
            // SAFETY: nothing is used.
            additional: unsafe { Output::new(&mut encoder.additional, 0) },
            scratch,
            buffers: messages,
            breaks_contract: false,
            homeless: None,
        };
        if encoding.document().is_err() {
            return Err(encoding.homeless);
        }
        encoder.breaks_contract = encoding.breaks_contract;
        Ok(encoding.out.used())
    }
}
