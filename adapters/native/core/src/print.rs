//! Wire bytes to JSON text, in the encodings that protobuf's own writers make.
//!
//! A message is printed in one pass over its fields, which come in the order in which their members print. Only the bits
//! of null and empty members come late, so they are looked for before. Whatever is printed ends with a comma; the one
//! after the last of several becomes a closing bracket.
//!
//! What is wrong, and what is valid but unusual (a singular field that comes twice, two entries of the same key), is only
//! noticed here; `tree` then reads the message exactly. Fields in another order are put in order, and printed again.
//!
//! This file has messages and the members that are one value; `print_items` has the others, `print_open` those that no
//! field holds, and `print_string` strings.

use crate::base64;
use crate::digits::{self, signed, unsigned};
use crate::end::{End, Room, STEP};
use crate::error::WireError;
use crate::json::Names;
use crate::limits::{KEPT, MAX_DEPTH, MAX_SIZE};
use crate::plan::{ENUM_SIZE, EnumString, NOTHING, Op, Step, name};
use crate::print_tree::print_tree;
use crate::schema::{Field, Kind, Member, Message, Schema};
use crate::split::{self, delimited, skip, varint};
use crate::tree::{print_text, wire_to_tree};
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
    pub fn wire_to_json(&mut self, schema: &Schema, wire: &[u8], options: PrintOptions) -> Result<&[u8], WireError> {
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
    ) -> Result<(), WireError> {
        let used = out.len();
        // SAFETY: a vector's bytes up to its length are written.
        let done = unsafe { self.write(schema, wire, options, out, used) };
        // SAFETY: as many are written in the vector's memory.
        unsafe { out.set_len(*done.as_ref().unwrap_or(&used)) };
        done.map(drop)
    }

    /// The same, written behind the bytes that are used of a room. Returns how many are used then.
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
    ) -> Result<usize, WireError> {
        let no_memory = || WireError { path: String::new(), offset: 0, reason: "no memory for its text".to_owned() };
        if wire.len() <= MAX_SIZE {
            // SAFETY: by the contract.
            let (start, size) =
                unsafe { room.grow(used, wire.len() + wire.len() / 4 + 256) }.ok_or_else(no_memory)?;
            let Work { names, text } = &mut self.work;
            let limit = start.addr().get() + size;
            let mut printing = Printing { schema, wire, options, names, text, room, start, limit, is_full: false };
            // SAFETY: the bytes that are used are inside the room.
            let end = End::new(unsafe { start.add(used) });
            if let Some(end) = printing.message(0, wire, 1, end) {
                // But for the comma.
                return Ok(printing.used(&end) - 1);
            }
            if printing.is_full {
                return Err(no_memory());
            }
        }
        let tree = wire_to_tree(schema, wire, options.refuse_unknown, options.nonfinite)?;
        let mut text = Vec::new();
        print_tree(schema, &tree, options.fill_required, &mut text);
        // SAFETY: the first bytes are as they were; there is room for the text behind them.
        unsafe {
            let (start, _) = room.grow(used, text.len()).ok_or_else(no_memory)?;
            End::new(start.add(used)).slice(&text);
        }
        Ok(used + text.len())
    }
}

pub struct Printing<'a> {
    pub schema: &'a Schema,
    /// All wire bytes around those that are printed: they may be read in whole blocks.
    pub wire: &'a [u8],
    pub options: PrintOptions,
    names: &'a mut Names,
    text: &'a mut Vec<u8>,
    room: &'a mut dyn Room,
    /// Where the memory starts, and the address where it stops.
    start: NonNull<u8>,
    limit: usize,
    is_full: bool,
}

/// The tags of `empty_fields` and `null_fields`.
const EMPTY_TAG: u8 = 13 << 3;
const NULL_TAG: u8 = 14 << 3;

/// `None` where the message is wrong or unusual.
pub type Done<T = End> = Option<T>;

impl<'a> Printing<'a> {
    /// Have room for as many bytes behind the end.
    #[inline(always)]
    pub fn room(&mut self, end: End, more: usize) -> Done {
        if self.limit - end.address() >= more { Some(end) } else { self.grow(end, more) }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: End, more: usize) -> Done {
        let used = self.used(&end);
        // SAFETY: as many bytes are written.
        let Some((start, size)) = (unsafe { self.room.grow(used, more) }) else {
            self.is_full = true;
            return None;
        };
        (self.start, self.limit) = (start, start.addr().get() + size);
        // SAFETY: the memory that was returned has the bytes that were written.
        Some(End::new(unsafe { start.add(used) }))
    }

    #[inline(always)]
    fn used(&self, end: &End) -> usize {
        end.address() - self.start.addr().get()
    }

    /// A message at a level of nesting.
    pub fn message(&mut self, place: usize, bytes: &'a [u8], depth: usize, end: End) -> Done {
        if depth > MAX_DEPTH {
            return None;
        }
        let schema = self.schema;
        let (plan, message) = (&schema.plan.messages[place], &schema.messages[place]);
        let used = self.used(&end);
        let mut blanks = Blanks::find(bytes, message, self.options.fill_required)?;
        let (mut additional, mut verbatim): (&[u8], &[u8]) = (&[], &[]);
        let mut last = 0;
        let mut rest = bytes;
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"{") };
        while !rest.is_empty() {
            let field = rest;
            let tag;
            (tag, rest) = split::tag(rest)?;
            let step = plan.step(tag);
            if step.order <= last {
                match step.op {
                    Op::NullFields | Op::EmptyFields => {
                        let bits;
                        (bits, rest) = varint(rest)?;
                        if bits != if step.op == Op::NullFields { blanks.null } else { blanks.empty } {
                            return self.reordered(place, bytes, depth, used);
                        }
                        if self.options.refuse_unknown && bits & !message.known != 0 {
                            return None;
                        }
                    }
                    Op::Additional if additional.is_empty() => (additional, rest) = delimited(rest)?,
                    Op::Verbatim if verbatim.is_empty() => {
                        rest = skip(tag, rest)?;
                        while let Some((next, after)) = split::tag(rest)
                            && next == tag
                        {
                            rest = skip(tag, after)?;
                        }
                        verbatim = &field[..field.len() - rest.len()];
                    }
                    Op::Unknown if tag >= 8 && !self.options.refuse_unknown => rest = skip(tag, rest)?,
                    Op::Additional | Op::Unknown => return None,
                    _ => return self.reordered(place, bytes, depth, used),
                }
                continue;
            }
            last = step.order;
            let earlier = blanks.left & step.earlier;
            if earlier != 0 {
                end = self.blanks(place, earlier, &mut blanks, end)?;
            }
            if step.op == Op::Enum {
                let number;
                (number, rest) = varint(rest)?;
                // Zero stands for absence.
                if number as i32 != 0 {
                    blanks.take(step);
                    end = self.prefix(step, message, end)?;
                    end = self.enumeration(step.refers as usize, number as i32, end)?;
                }
                continue;
            }
            blanks.take(step);
            end = self.prefix(step, message, end)?;
            match step.op {
                Op::String => {
                    let string;
                    (string, rest) = delimited(rest)?;
                    end = self.string(string, b',', end)?;
                }
                Op::Message => {
                    let inner;
                    (inner, rest) = delimited(rest)?;
                    end = self.message(step.refers as usize, inner, depth + 1, end)?;
                }
                Op::Int32 | Op::Int64 | Op::Uint32 | Op::Uint64 | Op::Bool => {
                    let value;
                    (value, rest) = varint(rest)?;
                    // SAFETY: there is room for a step behind the prefix.
                    end = unsafe {
                        match step.op {
                            Op::Int32 => signed(i64::from(value as i32), end).bytes(b","),
                            Op::Int64 => signed(value as i64, end).bytes(b","),
                            Op::Uint32 => unsigned(u64::from(value as u32), end).bytes(b","),
                            Op::Uint64 => unsigned(value, end).bytes(b","),
                            _ => boolean(value, end),
                        }
                    };
                }
                Op::Double => {
                    let value;
                    (value, rest) = rest.split_first_chunk()?;
                    end = self.double(*value, end)?;
                }
                Op::Many => {
                    let found = &message.fields[usize::from(step.field)];
                    (end, rest) = self.items(found, field, depth + 1, end, false)?;
                }
                Op::Map => {
                    let found = &message.fields[usize::from(step.field)];
                    (end, rest) = self.entries(found, field, depth + 1, end)?;
                }
                _ => {
                    let value;
                    (value, rest) = delimited(rest)?;
                    end = self.delimited(&message.fields[usize::from(step.field)], value, depth, end)?;
                }
            }
        }
        if blanks.left != 0 {
            end = self.blanks(place, blanks.left, &mut blanks, end)?;
        }
        if !additional.is_empty() || !verbatim.is_empty() {
            if blanks.is_filled {
                return None;
            }
            end = self.open_members(place, additional, verbatim, blanks.printed, depth, end)?;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some(unsafe { end.close(b'}') })
    }

    /// The name of a member and its colon; room for a step behind it.
    #[inline(always)]
    fn prefix(&mut self, step: &Step, message: &Message, end: End) -> Done {
        let end = self.room(end, 32 + STEP)?;
        if step.prefix_size > 32 {
            let field = &message.fields[usize::from(step.field)];
            return self.long_prefix(&message.members[usize::from(field.member)], end);
        }
        // SAFETY: there is room for the block.
        Some(unsafe { end.block(&step.prefix, step.prefix_size) })
    }

    #[cold]
    #[inline(never)]
    fn long_prefix(&mut self, member: &Member, end: End) -> Done {
        self.slice(name(member), end)
    }

    /// Bytes as they are; room for a step behind them.
    pub fn slice(&mut self, bytes: &[u8], end: End) -> Done {
        let end = self.room(end, bytes.len() + STEP)?;
        // SAFETY: there is room for them.
        Some(unsafe { end.slice(bytes) })
    }

    /// Members without a value, in places of a mask.
    #[inline(never)]
    fn blanks(&mut self, place: usize, mut mask: u64, blanks: &mut Blanks, mut end: End) -> Done {
        let schema = self.schema;
        let (plan, message) = (&schema.plan.messages[place], &schema.messages[place]);
        blanks.left &= !mask;
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let Some(blank) = plan.blanks.get(at) else { break };
            let mut text: &[u8; 8] = match () {
                () if blanks.null & blank.bits != 0 => b"null,\0\0\0",
                () if blanks.empty & blank.bits != 0 => blank.empty,
                () => &NOTHING,
            };
            if self.options.fill_required && text[0] == 0 {
                text = blank.filling;
                blanks.is_filled |= text[0] != 0;
            }
            if text[0] == 0 {
                continue;
            }
            end = self.room(end, 32 + STEP)?;
            if blank.prefix_size > 32 {
                end = self.long_prefix(&message.members[at], end)?;
            } else {
                // SAFETY: there is room for the block.
                end = unsafe { end.block(&blank.prefix, blank.prefix_size) };
            }
            // SAFETY: there is room for a step.
            end = unsafe { end.block(text, if text[0] == b'n' { 5 } else { 3 }) };
            blanks.printed |= 1 << at;
        }
        Some(end)
    }

    /// The string or the number of an enum that starts in `Plan::strings` at a place. There is room for a step.
    #[inline(always)]
    fn enumeration(&mut self, from: usize, number: i32, end: End) -> Done {
        if let 0..64 = number
            && let Some(EnumString { text, size: size @ 1.. }) = self.schema.plan.strings.get(from + number as usize)
        {
            // SAFETY: there is room for the block.
            return Some(unsafe { end.block(text, usize::from(*size)) });
        }
        self.rare_enumeration(from / ENUM_SIZE, number, end)
    }

    #[cold]
    #[inline(never)]
    fn rare_enumeration(&mut self, place: usize, number: i32, end: End) -> Done {
        let end = match self.schema.enums[place].printed(number) {
            Some(text) => self.slice(text, end)?,
            // SAFETY: there is room for a step.
            None => unsafe { signed(i64::from(number), end) },
        };
        // SAFETY: room is left of the step.
        Some(unsafe { end.bytes(b",") })
    }

    /// A value of varint or fixed form at the start of some bytes, and the rest of them. There is room for a step.
    #[inline]
    pub fn scalar(&mut self, field: &Field, bytes: &'a [u8], end: End) -> Option<(End, &'a [u8])> {
        if field.kind == Kind::Double {
            let (value, rest) = bytes.split_first_chunk()?;
            return Some((self.double(*value, end)?, rest));
        }
        let (value, rest) = varint(bytes)?;
        // SAFETY: there is room for a step.
        let end = unsafe {
            match field.kind {
                Kind::Int32 => signed(i64::from(value as i32), end).bytes(b","),
                Kind::Int64 => signed(value as i64, end).bytes(b","),
                Kind::Uint32 => unsigned(u64::from(value as u32), end).bytes(b","),
                Kind::Uint64 => unsigned(value, end).bytes(b","),
                Kind::Enum => self.enumeration(field.refers * ENUM_SIZE, value as i32, end)?,
                _ => boolean(value, end),
            }
        };
        Some((end, rest))
    }

    /// A value of delimited form.
    #[inline]
    pub fn delimited(&mut self, field: &Field, bytes: &'a [u8], depth: usize, end: End) -> Done {
        match field.kind {
            Kind::String => self.string(bytes, b',', end),
            Kind::Message => self.message(field.refers, bytes, depth + 1, end),
            Kind::List if depth < MAX_DEPTH => {
                let item = &self.schema.messages[field.refers].fields[0];
                let (end, rest) = self.items(item, bytes, depth + 1, end, true)?;
                rest.is_empty().then_some(end)
            }
            Kind::Text => self.text(bytes, depth, end),
            Kind::Bytes => {
                let mut text = b"\"".to_vec();
                base64::encode(bytes, &mut text);
                text.extend_from_slice(b"\",");
                self.slice(&text, end)
            }
            Kind::ByteArray => self.octets(bytes, end),
            _ => None,
        }
    }

    /// A double. There is room for a step.
    #[inline(always)]
    pub fn double(&mut self, bytes: [u8; 8], end: End) -> Done {
        let value = f64::from_le_bytes(bytes);
        if !value.is_finite() && !self.options.nonfinite {
            return None;
        }
        // SAFETY: a number and a comma are less than a step.
        Some(unsafe { digits::double(value, end).bytes(b",") })
    }

    /// The text of a JSON value inside a container of a nesting level.
    pub fn text(&mut self, text: &[u8], depth: usize, end: End) -> Done {
        simdutf8::basic::from_utf8(text).ok()?;
        self.text.clear();
        let nesting = print_text(text, self.options.nonfinite, self.names, self.text)?;
        if depth + nesting > MAX_DEPTH {
            return None;
        }
        self.text.push(b',');
        let end = self.room(end, self.text.len() + STEP)?;
        // SAFETY: there is room for it.
        Some(unsafe { end.slice(self.text) })
    }

    /// A message whose fields came in another order than their members print in, or whose bits came late: printed from a
    /// copy with its fields in order.
    #[cold]
    #[inline(never)]
    fn reordered(&mut self, place: usize, bytes: &[u8], depth: usize, used: usize) -> Done {
        let plan = &self.schema.plan.messages[place];
        let mut fields = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (tag, value) = split::tag(rest)?;
            let after = skip(tag, value)?;
            let step = plan.step(tag);
            let rank = match step.op {
                Op::EmptyFields | Op::NullFields => 0,
                _ if step.order == 0 => u8::MAX,
                _ => step.order,
            };
            fields.push((rank, &rest[..rest.len() - after.len()]));
            rest = after;
        }
        if fields.is_sorted_by_key(|field| field.0) {
            return None;
        }
        fields.sort_by_key(|field| field.0);
        let wire: Vec<u8> = fields.iter().flat_map(|field| field.1).copied().collect();
        let Printing { schema, options, start, limit, is_full, .. } = *self;
        let (names, text, room) = (&mut *self.names, &mut *self.text, &mut *self.room);
        let mut printing = Printing { schema, wire: &wire, options, names, text, room, start, limit, is_full };
        // SAFETY: as many bytes were written before the message.
        let end = End::new(unsafe { start.add(used) });
        let done = printing.message(place, &wire, depth, end);
        let Printing { start, limit, is_full, .. } = printing;
        (self.start, self.limit, self.is_full) = (start, limit, is_full);
        done
    }
}

/// Members of a message that have no value.
struct Blanks {
    /// What the message says of them.
    null: u64,
    empty: u64,
    /// By place of the member: those that are to be printed without a value if none comes, and those of all members that
    /// are printed.
    left: u64,
    printed: u64,
    /// Whether a member was printed that the message says nothing of.
    is_filled: bool,
}

impl Blanks {
    /// Look for the bits of a message, which come after its first fields.
    #[inline(always)]
    fn find(bytes: &[u8], message: &Message, fill: bool) -> Option<Blanks> {
        let (mut null, mut empty) = (0, 0);
        let mut rest = bytes;
        while let Some((&tag, after)) = rest.split_first() {
            rest = match tag {
                NULL_TAG => varint(after).map(|(bits, rest)| {
                    null = bits;
                    rest
                }),
                EMPTY_TAG => varint(after).map(|(bits, rest)| {
                    empty = bits;
                    rest
                }),
                0..EMPTY_TAG => skip(usize::from(tag), after),
                _ => break,
            }?;
        }
        let mut left = if fill { u64::MAX } else { 0 };
        let mut bits = (null | empty) & message.known;
        while bits != 0 {
            left |= 1 << (message.by_bit[bits.trailing_zeros() as usize] & 63);
            bits &= bits - 1;
        }
        Some(Blanks { null, empty, left, printed: 0, is_filled: false })
    }

    /// A member comes with a value.
    #[inline(always)]
    fn take(&mut self, step: &Step) {
        let bit = step.earlier + 1;
        self.left &= !bit;
        self.printed |= bit;
    }
}

/// # Safety
///
/// There is room for a step.
#[inline(always)]
unsafe fn boolean(value: u64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe { if value != 0 { end.bytes(b"true,") } else { end.bytes(b"false,") } }
}
