//! Printing messages.

use crate::digits::unsigned;
use crate::end::{End, STEP};
use crate::limits::MAX_DEPTH;
use crate::plan::{NOTHING, NULL, Op, Step, name};
use crate::print::{Done, Printing};
use crate::print_value::integer;
use crate::schema::Shape;
use crate::split::{self, delimited, skip, varint};
use std::sync::atomic::Ordering;

/// The tags of `empty_fields` and `null_fields`.
const EMPTY_TAG: u8 = 13 << 3;
const NULL_TAG: u8 = 14 << 3;

impl<'a> Printing<'a> {
    /// A message at a level of nesting.
    pub fn message(&mut self, place: usize, bytes: &'a [u8], depth: usize, end: End) -> Done {
        if depth > MAX_DEPTH {
            return None;
        }
        let plan = &self.schema.plan.messages[place];
        let used = self.used(&end);
        let mut bits = Bits::default();
        // By place, members that are to be printed without a value if none comes, and those that were printed. Until the
        // bits are known, the first are those that were in a message before.
        let (mut blanks, mut printed) = (plan.early.load(Ordering::Relaxed), 0);
        let mut known = self.options.fill_required;
        if known {
            bits = Bits::find(bytes)?;
            blanks = u64::MAX;
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
                        if *bits != found && (known || *bits != 0) {
                            return self.reordered(place, bytes, depth, used);
                        }
                        *bits = found;
                        if !known {
                            let places = plan.places(found);
                            blanks |= places;
                            if places & before(printed) & !printed != 0 {
                                return self.earlier(place, places & !printed, bytes, depth, used);
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
            if blanks & (step.bit - 1) & !printed != 0 {
                if !known {
                    let more = Bits::find(field)?;
                    bits = Bits { null: bits.null | more.null, empty: bits.empty | more.empty };
                    known = true;
                    blanks = plan.places(bits.null | bits.empty);
                    if blanks & before(printed) & !printed != 0 {
                        return self.earlier(place, blanks & !printed, bytes, depth, used);
                    }
                }
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
        if !known {
            blanks = plan.places(bits.null | bits.empty);
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

    /// The message printed again, now that members without a value are known to come early.
    #[cold]
    #[inline(never)]
    fn earlier(&mut self, place: usize, members: u64, bytes: &'a [u8], depth: usize, used: usize) -> Done {
        self.schema.plan.messages[place].early.fetch_or(members, Ordering::Relaxed);
        // SAFETY: as many bytes were used before the message, and are.
        self.message(place, bytes, depth, unsafe { self.back(used) })
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

    /// An integer above those that all kinds have.
    #[cold]
    #[inline(never)]
    fn large(&mut self, place: usize, step: &Step, value: u64, end: End) -> Done {
        let kind = self.schema.messages[place].fields[usize::from(step.field)].kind;
        let end = self.room(end, STEP)?;
        // SAFETY: there is room for a step.
        Some(unsafe { integer(kind, value, end) })
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
        let mut copy = self.over(&wire);
        // SAFETY: as many bytes were used before the message, and are.
        let end = unsafe { copy.back(used) };
        let done = copy.message(place, &wire, depth, end);
        let memory = copy.memory;
        self.memory = memory;
        done
    }
}

/// The bits below the highest of a mask.
#[inline(always)]
fn before(mask: u64) -> u64 {
    u64::MAX.checked_shr(mask.leading_zeros() + 1).unwrap_or(0)
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
