//! Wire bytes to JSON text, in the encodings that protobuf's own writers make.
//!
//! A message is printed in one pass over its fields, which come in the order in which their members print. Only the bits
//! of null and empty members come late, so they are looked for before. Whatever is printed ends with a comma; the one
//! after the last of several becomes a closing bracket.
//!
//! What is wrong, and what is valid but unusual (a singular field that comes twice, two entries of the same key), is only
//! noticed here; `tree` then reads the message exactly. Fields in another order are put in order, and printed again.
//!
//! This file has what a caller uses and what is common to all printers; `print_message` has messages, `print_value` single
//! values, `print_items` arrays and maps, `print_open` members that no field holds, and `print_string` strings.

use crate::end::{End, Room, STEP};
use crate::error::WireError;
use crate::json::Names;
use crate::limits::{KEPT, MAX_SIZE};
use crate::print_string::BEHIND;
use crate::print_tree::print_tree;
use crate::schema::Schema;
use crate::tree::wire_to_tree;
use std::ptr::NonNull;

#[derive(Debug, Clone, Copy, Default)]
pub struct PrintOptions {
    pub fill_required: bool,
    pub refuse_unknown: bool,
    pub nonfinite: bool,
}

/// Turns messages into JSON text, one after the other, in the same buffers.
#[derive(Debug, Default)]
pub struct Printer {
    out: Vec<u8>,
    work: Work,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Work {
    /// Names in texts that are printed anew, and such a text.
    names: Names,
    text: Vec<u8>,
}

impl Printer {
    /// The JSON text of an encoded message.
    ///
    /// The error is boxed so that the result is two words, which are returned in registers.
    pub fn wire_to_json(
        &mut self,
        schema: &Schema,
        wire: &[u8],
        options: PrintOptions,
    ) -> Result<&[u8], Box<WireError>> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if out.capacity() > KEPT {
            *self = Printer::default();
            out = Vec::new();
        }
        let done = self.append(schema, wire, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// The same, written at the end of a buffer, which stays as it is where that fails.
    pub fn append(
        &mut self,
        schema: &Schema,
        wire: &[u8],
        options: PrintOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<WireError>> {
        let used = out.len();
        // SAFETY: a vector's bytes up to its length are written.
        let done = unsafe { self.write(schema, wire, options, out, used) };
        // SAFETY: as many are written in the vector's memory.
        unsafe { out.set_len(*done.as_ref().unwrap_or(&used)) };
        done.map(drop)
    }

    /// The same, written behind the bytes that are used of a room. Returns how many are used then. Unwinds where the room
    /// has no more memory.
    ///
    /// # Safety
    ///
    /// The first `used` bytes of the room are written.
    pub unsafe fn write(
        &mut self,
        schema: &Schema,
        wire: &[u8],
        options: PrintOptions,
        room: &mut dyn Room,
        used: usize,
    ) -> Result<usize, Box<WireError>> {
        if wire.len() <= MAX_SIZE {
            // SAFETY: by the contract.
            let (start, size) = unsafe { room.grow(used, wire.len() + wire.len() / 4 + 256) };
            let Work { names, text } = &mut self.work;
            let limit = start.addr().get() + size;
            let mut printing = Printing {
                schema,
                wire,
                wire_limit: wire_limit(wire),
                options,
                names,
                text,
                room,
                memory: Memory { start, limit },
            };
            // SAFETY: the bytes that are used are inside the room.
            let end = End::new(unsafe { start.add(used) });
            if let Some(end) = printing.message(0, wire, 1, end) {
                // But for the comma.
                return Ok(printing.used(&end) - 1);
            }
        }
        let tree = wire_to_tree(schema, wire, options.refuse_unknown, options.nonfinite)?;
        let mut text = Vec::new();
        print_tree(schema, &tree, options.fill_required, &mut text);
        // SAFETY: the first bytes are as they were; there is room for the text behind them.
        unsafe {
            let (start, _) = room.grow(used, text.len());
            End::new(start.add(used)).slice(&text);
        }
        Ok(used + text.len())
    }
}

pub struct Printing<'a> {
    pub schema: &'a Schema,
    /// All wire bytes around those that are printed: they may be read in whole blocks.
    pub wire: &'a [u8],
    /// The address up to which there are `BEHIND` more of them.
    pub wire_limit: usize,
    pub options: PrintOptions,
    pub names: &'a mut Names,
    pub text: &'a mut Vec<u8>,
    room: &'a mut dyn Room,
    pub memory: Memory,
}

/// What is written into: where it starts, and the address where it stops.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    start: NonNull<u8>,
    limit: usize,
}

/// The address up to which there are `BEHIND` more of some bytes.
fn wire_limit(wire: &[u8]) -> usize {
    (wire.as_ptr().addr() + wire.len()).saturating_sub(BEHIND)
}

/// `None` where the message is wrong or unusual.
pub type Done<T = End> = Option<T>;

impl Printing<'_> {
    /// Have room for as many bytes behind the end.
    #[inline(always)]
    pub fn room(&mut self, end: End, more: usize) -> Done {
        if self.memory.limit - end.address() >= more { Some(end) } else { self.grow(end, more) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: End, more: usize) -> Done {
        let used = self.used(&end);
        // SAFETY: as many bytes are written.
        let (start, size) = unsafe { self.room.grow(used, more) };
        self.memory = Memory { start, limit: start.addr().get() + size };
        // SAFETY: the memory that was returned has the bytes that were written.
        Some(End::new(unsafe { start.add(used) }))
    }

    #[inline(always)]
    pub fn used(&self, end: &End) -> usize {
        end.address() - self.memory.start.addr().get()
    }

    /// The end as it was when as many bytes were used.
    ///
    /// # Safety
    ///
    /// As many are used.
    pub unsafe fn back(&self, used: usize) -> End {
        // SAFETY: by the contract.
        End::new(unsafe { self.memory.start.add(used) })
    }

    /// Bytes as they are; room for a step behind them.
    pub fn slice(&mut self, bytes: &[u8], end: End) -> Done {
        let end = self.room(end, bytes.len() + STEP)?;
        // SAFETY: there is room for them.
        Some(unsafe { end.slice(bytes) })
    }

    /// Prints into the same room from other wire bytes. What it makes of the memory is to be taken back from it.
    pub fn over<'b>(&'b mut self, wire: &'b [u8]) -> Printing<'b> {
        let Printing { schema, options, memory, .. } = *self;
        let (names, text, room) = (&mut *self.names, &mut *self.text, &mut *self.room);
        Printing { schema, wire, wire_limit: wire_limit(wire), options, names, text, room, memory }
    }
}
