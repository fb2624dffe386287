//! JSON text to wire bytes: each member of an object goes to the first home that holds it exactly.
//!
//! One pass over the text writes fields straight to the output. A value that does not fit where it was tried is
//! written over by its next home. The text is only noticed to be wrong here; `check` then says what and where.
//!
//! A place in the text and the pen are given to each step and come back from it, so that they stay in registers.

mod field;
mod message;
mod open;
mod order;
mod reader;

use crate::check::check_document;
use crate::error::JsonError;
use crate::json::{Fail, Names};
use crate::limits::{KEPT, MAX_SIZE, MAX_STRUCT_DEPTH};
use crate::schema::Schema;
use crate::sheet::{Pen, Sheet};
use crate::source::{At, Source, Tail};
use order::{Held, Spans};
use reader::Reader;

/// Where a step ended in the text and in the output.
type Step = Result<(At, Pen), Fail>;

#[derive(Debug, Clone, Copy, Default)]
pub struct EncodeOptions {
    pub canonical: bool,
    pub nonfinite: bool,
    pub origin: Origin,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Bytes,
    /// A string of code points, so that it is UTF-8.
    String,
    /// A string of code points with surrogates among them.
    Surrogates,
}

/// Buffers that are used again.
#[derive(Debug, Default)]
struct Work {
    tail: Tail,
    names: Names,
    decoded: Vec<u8>,
    order: Order,
    widths: [u8; MAX_STRUCT_DEPTH],
}

/// What is kept of the messages that are open, the innermost last.
#[derive(Debug, Default)]
struct Order {
    /// Where the fields are of a message that is put in order, by their numbers.
    spans: Spans,
    /// Fields that are held back.
    held: Vec<Held>,
    /// Verbatim properties.
    verbatim: Vec<u8>,
    /// Where entries start that are to be sorted, and verbatim ones.
    entries: Vec<usize>,
    texts: Vec<usize>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// Turns documents into wire bytes, one after the other, in the same buffers.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Sheet,
    aside: Sheet,
    work: Work,
}

impl Encoder {
    /// The wire bytes of the message that a JSON object stands for.
    ///
    /// The error is boxed so that the result is two words, which are returned in registers.
    pub fn json_to_wire(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
    ) -> Result<&[u8], Box<JsonError>> {
        if self.out.capacity() > KEPT || self.aside.capacity() > KEPT {
            *self = Encoder::default();
        }
        let Work { tail, names, decoded, order, widths } = &mut self.work;
        let valid = options.origin == Origin::String;
        let mut encoding = Encoding {
            schema,
            reader: Reader { source: Source::new(text, tail), nonfinite: options.nonfinite, valid, names, decoded },
            canonical: options.canonical,
            out: &mut self.out,
            aside: &mut self.aside,
            order,
            widths,
        };
        encoding.clear();
        let done = if text.len() <= MAX_SIZE { encoding.document() } else { Err(Fail::Malformed) };
        if done.is_ok() {
            return Ok(self.out.bytes());
        }
        check_document(text, options.nonfinite, options.origin == Origin::Surrogates)?;
        unreachable!("the encoder refused text that the checker accepts")
    }
}

impl Encoder {
    /// The wire bytes of the last document, without a copy of them.
    pub fn take(&mut self) -> Vec<u8> {
        self.out.take()
    }
}

/// One document being encoded.
struct Encoding<'a> {
    schema: &'a Schema,
    reader: Reader<'a>,
    canonical: bool,
    /// The wire bytes.
    out: &'a mut Sheet,
    /// Additional properties, written there when their message ends.
    aside: &'a mut Sheet,
    order: &'a mut Order,
    /// Bytes that the length of an open container took last time, by its level.
    widths: &'a mut [u8; MAX_STRUCT_DEPTH],
}

impl Encoding<'_> {
    fn clear(&mut self) {
        self.out.clear();
        self.out.reserve(self.reader.source.text.len());
        self.aside.clear();
        self.reader.names.clear();
        let Order { held, verbatim, entries, texts, .. } = &mut *self.order;
        held.clear();
        verbatim.clear();
        entries.clear();
        texts.clear();
    }

    fn document(&mut self) -> Result<(), Fail> {
        let text = self.reader.source.text;
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let at = self.reader.source.at(start);
        let at = self.reader.space(at);
        if at.byte() != b'{' {
            return Err(Fail::Malformed);
        }
        let pen = self.out.pen();
        let (at, pen) = self.message(&self.schema.messages[0], at, pen, 1)?;
        self.out.vector(pen);
        if self.reader.source.index(at) == text.len() {
            return Ok(());
        }
        let at = self.reader.space(at);
        if self.reader.source.index(at) == text.len() { Ok(()) } else { Err(Fail::Malformed) }
    }
}
