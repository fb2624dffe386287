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
use crate::end::Room;
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
    apart: Vec<u8>,
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
    out: Vec<u8>,
    aside: Vec<u8>,
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
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if out.capacity() > KEPT {
            out = Vec::new();
        }
        let done = self.append(schema, text, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// The same, written at the end of a buffer, which stays as it is where that fails.
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

    /// The same, written behind the bytes that are used of a room. Returns how many are used then. Unwinds where
    /// the room has no more memory.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the room are written.
    pub unsafe fn write(
        &mut self,
        schema: &Schema,
        text: &[u8],
        options: EncodeOptions,
        room: &mut dyn Room,
        used: usize,
    ) -> Result<usize, Box<JsonError>> {
        if self.kept() > KEPT {
            *self = Encoder::default();
        }
        let Work { tail, names, decoded, apart, order, widths } = &mut self.work;
        let valid = options.origin == Origin::String;
        names.clear();
        order.clear();
        let mut encoding = Encoding {
            schema,
            reader: Reader { source: Source::new(text, tail), nonfinite: options.nonfinite, valid, names, decoded },
            canonical: options.canonical,
            // SAFETY: by the contract.
            out: unsafe { Sheet::new(room, used) },
            // SAFETY: nothing is used.
            aside: unsafe { Sheet::new(&mut self.aside, 0) },
            apart,
            order,
            widths,
        };
        let done = if text.len() <= MAX_SIZE { encoding.document() } else { Err(Fail::Malformed) };
        if done.is_ok() {
            return Ok(encoding.out.used());
        }
        check_document(text, options.nonfinite, options.origin == Origin::Surrogates)?;
        unreachable!("the encoder refused text that the checker accepts")
    }

    /// Bytes of the largest buffer but that of the result.
    fn kept(&self) -> usize {
        let Work { decoded, apart, order, .. } = &self.work;
        let Order { verbatim, head, tail, .. } = order;
        [&self.aside, decoded, apart, verbatim, head, tail].into_iter().map(Vec::capacity).max().unwrap_or(0)
    }
}

/// One document being encoded.
struct Encoding<'a> {
    schema: &'a Schema,
    reader: Reader<'a>,
    canonical: bool,
    /// The wire bytes.
    out: Sheet<'a>,
    /// Additional properties, written there when their message ends.
    aside: Sheet<'a>,
    /// A payload that is made elsewhere and copied.
    apart: &'a mut Vec<u8>,
    order: &'a mut Order,
    /// Bytes that the length of an open container took last time, by its level.
    widths: &'a mut [u8; MAX_STRUCT_DEPTH],
}

impl Order {
    fn clear(&mut self) {
        let Order { held, verbatim, entries, texts, .. } = self;
        held.clear();
        verbatim.clear();
        entries.clear();
        texts.clear();
    }
}

impl Encoding<'_> {
    fn document(&mut self) -> Result<(), Fail> {
        let text = self.reader.source.text;
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let at = self.reader.source.at(start);
        let at = self.reader.space(at);
        if at.byte() != b'{' {
            return Err(Fail::Malformed);
        }
        let pen = self.out.pen(text.len());
        let (at, pen) = self.message(&self.schema.messages[0], at, pen, 1)?;
        self.out.put_down(pen);
        if self.reader.source.index(at) == text.len() {
            return Ok(());
        }
        let at = self.reader.space(at);
        if self.reader.source.index(at) == text.len() { Ok(()) } else { Err(Fail::Malformed) }
    }
}
