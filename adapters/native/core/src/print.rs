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
use crate::plan::{ENUM_SIZE, EnumString, NOTHING, NULL, Op, Step, name};
use crate::print_string::BEHIND;
use crate::print_tree::print_tree;
use crate::schema::{Field, Kind, Schema, Shape};
use crate::split::{self, delimited, skip, varint};
use crate::tree::{print_text, wire_to_tree};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

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
            let (start, size) = unsafe { room.grow(used, wire.len() + wire.len() / 4 + 256) }.ok_or_else(no_memory)?;
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
                start,
                limit,
                is_full: false,
            };
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
    /// The address up to which there are `BEHIND` more of them.
    pub wire_limit: usize,
    pub options: PrintOptions,
    names: &'a mut Names,
    text: &'a mut Vec<u8>,
    room: &'a mut dyn Room,
    /// Where the memory starts, and the address where it stops.
    start: NonNull<u8>,
    limit: usize,
    is_full: bool,
}

/// The address up to which there are `BEHIND` more of some bytes.
fn wire_limit(wire: &[u8]) -> usize {
    (wire.as_ptr().addr() + wire.len()).saturating_sub(BEHIND)
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
        let plan = &self.schema.plan.messages[place];
        let used = self.used(&end);
        let mut bits = Bits::default();
        // By place, members that are to be printed without a value if none comes, and those that were printed.
        let (mut blanks, mut printed) = (0, 0);
        let bits_first = self.options.fill_required || plan.bits_first.load(Ordering::Relaxed);
        if bits_first {
            bits = Bits::find(bytes)?;
            blanks = if self.options.fill_required { u64::MAX } else { plan.places(bits.null | bits.empty) };
        }
        let (mut additional, mut verbatim): (&[u8], &[u8]) = (&[], &[]);
        let mut rest = bytes;
        let mut end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        end = unsafe { end.bytes(b"{") };
        while !rest.is_empty() {
            let field = rest;
            let tag;
            (tag, rest) = split::tag(rest)?;
            let step = plan.step(tag);
            if step.bit <= printed {
                match step.op {
                    Op::NullFields | Op::EmptyFields => {
                        let found;
                        (found, rest) = varint(rest)?;
                        if self.options.refuse_unknown && found & !plan.known != 0 {
                            return None;
                        }
                        let bits = if step.op == Op::NullFields { &mut bits.null } else { &mut bits.empty };
                        if *bits != found && (bits_first || *bits != 0) {
                            return self.reordered(place, bytes, depth, used);
                        }
                        if !bits_first {
                            *bits = found;
                            blanks |= plan.places(found) & !printed;
                            if blanks & blanks.wrapping_neg() < printed && blanks != 0 {
                                plan.bits_first.store(true, Ordering::Relaxed);
                                return self.message(place, bytes, depth, self.back(used));
                            }
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
            if blanks & (step.bit - 1) != 0 {
                let earlier = blanks & (step.bit - 1) & !printed;
                blanks &= !(step.bit - 1);
                (end, printed) = self.blanks(place, earlier, bits, printed, end)?;
            }
            end = self.room(end, 32 + STEP)?;
            // SAFETY: there is room for the block; its size is not more.
            let name = |end: End| unsafe { end.block(&step.prefix, step.prefix_size) };
            match step.op {
                Op::String => {
                    let string;
                    (string, rest) = delimited(rest)?;
                    end = self.string(string, b',', name(end))?;
                }
                Op::Integer => {
                    let value;
                    (value, rest) = varint(rest)?;
                    // Below this, all kinds have the same text.
                    if value > i32::MAX as u64 {
                        end = self.large(place, step, value, name(end))?;
                    } else {
                        // SAFETY: there is room for a step behind the name.
                        end = unsafe { unsigned(value, name(end)).bytes(b",") };
                    }
                }
                Op::Message => {
                    let inner;
                    (inner, rest) = delimited(rest)?;
                    end = self.message(step.refers as usize, inner, depth + 1, name(end))?;
                }
                Op::Enum => {
                    let number;
                    (number, rest) = varint(rest)?;
                    if number as i32 == 0 {
                        // That stands for absence.
                        continue;
                    }
                    end = self.enumeration(step.refers as usize, number as i32, name(end))?;
                }
                _ => (end, rest) = self.other(place, step, field, depth, end)?,
            }
            printed |= step.bit;
        }
        blanks &= !printed;
        if blanks != 0 {
            (end, printed) = self.blanks(place, blanks, bits, printed, end)?;
        }
        if !additional.is_empty() || !verbatim.is_empty() {
            end = self.open_members(place, additional, verbatim, printed, depth, end)?;
        }
        end = self.room(end, STEP)?;
        // SAFETY: a bracket was written, and there is room for a step.
        Some(unsafe { end.close(b'}') })
    }

    /// The end as it was when as many bytes were used.
    fn back(&self, used: usize) -> End {
        // SAFETY: no more bytes are used than there are.
        End::new(unsafe { self.start.add(used) })
    }

    /// A member that is not one of the most usual, by its field with those that follow it; and the rest of the bytes.
    #[inline(never)]
    fn other(&mut self, place: usize, step: &Step, bytes: &'a [u8], depth: usize, end: End) -> Option<(End, &'a [u8])> {
        let message = &self.schema.messages[place];
        let field = &message.fields[usize::from(step.field)];
        let end = self.slice(name(&message.members[usize::from(field.member)]), end)?;
        let (_, rest) = split::tag(bytes)?;
        match field.shape {
            Shape::Many => self.items(field, bytes, depth + 1, end, false),
            Shape::Map => self.entries(field, bytes, depth + 1, end),
            Shape::One if field.packable() => self.scalar(field, rest, end),
            Shape::One => {
                let (value, rest) = delimited(rest)?;
                Some((self.delimited(field, value, depth, end)?, rest))
            }
        }
    }

    /// Bytes as they are; room for a step behind them.
    pub fn slice(&mut self, bytes: &[u8], end: End) -> Done {
        let end = self.room(end, bytes.len() + STEP)?;
        // SAFETY: there is room for them.
        Some(unsafe { end.slice(bytes) })
    }

    /// Members without a value, in places of a mask. `printed` is given back with those that were printed.
    #[inline(never)]
    fn blanks(
        &mut self,
        place: usize,
        mut mask: u64,
        bits: Bits,
        mut printed: u64,
        mut end: End,
    ) -> Option<(End, u64)> {
        let plan = &self.schema.plan.messages[place];
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let Some(blank) = plan.blanks.get(at) else { break };
            let mut text = match () {
                () if bits.null & blank.bits != 0 => NULL,
                () if bits.empty & blank.bits != 0 => blank.empty,
                () => NOTHING,
            };
            if self.options.fill_required && text == NOTHING {
                text = blank.filling;
            }
            if text == NOTHING {
                continue;
            }
            end = self.room(end, 32 + STEP)?;
            if blank.prefix_size > 32 {
                end = self.slice(name(&self.schema.messages[place].members[at]), end)?;
            } else {
                // SAFETY: there is room for the block.
                end = unsafe { end.block(&blank.prefix, blank.prefix_size) };
            }
            // SAFETY: there is room for a step.
            end = unsafe { end.word(text, if text == NULL { 5 } else { 3 }) };
            printed |= 1 << at;
        }
        Some((end, printed))
    }

    /// An integer above those that all kinds have. There is room for a step.
    #[cold]
    #[inline(never)]
    fn large(&mut self, place: usize, step: &Step, value: u64, end: End) -> Done {
        let kind = self.schema.messages[place].fields[usize::from(step.field)].kind;
        // SAFETY: a number and a comma are less than a step.
        Some(unsafe { integer(kind, value, end) })
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
                Kind::Enum => self.enumeration(field.refers * ENUM_SIZE, value as i32, end)?,
                Kind::Bool => boolean(value, end),
                kind => integer(kind, value, end),
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
                _ if step.bit == 0 => u64::MAX,
                _ => step.bit,
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
        let mut printing = Printing {
            schema,
            wire: &wire,
            wire_limit: wire_limit(&wire),
            options,
            names,
            text,
            room,
            start,
            limit,
            is_full,
        };
        let end = printing.back(used);
        let done = printing.message(place, &wire, depth, end);
        let Printing { start, limit, is_full, .. } = printing;
        (self.start, self.limit, self.is_full) = (start, limit, is_full);
        done
    }
}

/// What a message says of its members without a value.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    null: u64,
    empty: u64,
}

impl Bits {
    /// Look for the bits of a message, which come after its first fields.
    #[inline]
    fn find(bytes: &[u8]) -> Option<Bits> {
        let mut bits = Bits::default();
        let mut rest = bytes;
        while let Some((&tag, after)) = rest.split_first() {
            match tag {
                EMPTY_TAG => (bits.empty, rest) = varint(after)?,
                NULL_TAG => (bits.null, rest) = varint(after)?,
                0..EMPTY_TAG => rest = skip(usize::from(tag), after)?,
                _ => break,
            }
        }
        Some(bits)
    }
}

/// A varint as an integer of a kind, and a comma.
///
/// # Safety
///
/// There is room for a step.
#[inline(always)]
unsafe fn integer(kind: Kind, value: u64, end: End) -> End {
    // SAFETY: by the contract.
    unsafe {
        let end = match kind {
            Kind::Int32 => signed(i64::from(value as i32), end),
            Kind::Int64 => signed(value as i64, end),
            Kind::Uint32 => unsigned(u64::from(value as u32), end),
            _ => unsigned(value, end),
        };
        end.bytes(b",")
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
