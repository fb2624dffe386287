//! Prints messages.

use crate::buffer::output::OutputPointer;
use crate::json::print_number::put_unsigned;
use crate::limits::MAX_DEPTH;
use crate::print::compiled::CompiledFor;
use crate::print::open_values::OpenMembers;
use crate::print::plan::{NO_TEXT, NULL_TEXT, Op, TagPlan};
use crate::print::printing::{Printed, Printing};
use crate::print::value::put_integer;
use crate::schema::{Cardinality, home_fields};
use crate::wire::read::{delimited, known_tag, skip, varint};

const EMPTY_FIELDS_TAG: u8 = home_fields::EMPTY_FIELDS_TAG as u8;
const NULL_FIELDS_TAG: u8 = home_fields::NULL_FIELDS_TAG as u8;

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print a message of the type of an index, at a nesting level.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn message(&mut self, index: usize, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        S::message(self, index, bytes, depth, end)
    }

    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn inlined_message(
        &mut self,
        index: usize,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
    ) -> Printed {
        if depth > MAX_DEPTH {
            return None;
        }
        let (plan, often_unset) = (&self.plan.messages[index], &self.often_unset[index]);
        let used = self.out.offset(end);
        let mut bits = Bits::default();
        // By index of the member: those to print as null, empty or filled unless a value comes, and those printed.
        // Until the bits are known, the first are guessed.
        let (mut unset, mut printed) = (often_unset.get(), 0);
        let mut known = self.options.fill_required;
        if known {
            bits = if plan.has_homes { Bits::find(bytes)? } else { bits };
            unset = u64::MAX;
        }
        let mut open = OpenMembers::default();
        let mut rest = bytes;
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"{") };
        while !rest.is_empty() {
            let field = rest;
            let tag;
            (tag, rest) = known_tag(rest)?;
            let tag_plan = plan.for_tag(tag);
            if tag_plan.bit <= printed {
                match tag_plan.op {
                    Op::NullFields | Op::EmptyFields => {
                        let found;
                        (found, rest) = varint(rest)?;
                        if self.options.refuse_unknown && found & !plan.known_bits != 0 {
                            return None;
                        }
                        let bits = if tag_plan.op == Op::NullFields { &mut bits.null } else { &mut bits.empty };
                        if *bits != found && (known || *bits != 0) {
                            return self.message_in_order(index, bytes, depth, used);
                        }
                        *bits = found;
                        if !known {
                            let named = plan.members_of(found);
                            unset |= named;
                            if named & before(printed) & !printed != 0 {
                                return self.message_again(index, named & !printed, bytes, depth, used);
                            }
                        }
                    }
                    Op::MemberOrder => (open.order, rest) = delimited(rest)?,
                    Op::Additional if open.additional.is_empty() => (open.additional, rest) = delimited(rest)?,
                    Op::Verbatim if open.verbatim.is_empty() => {
                        rest = skip(tag, rest)?;
                        while let Some((next, after)) = known_tag(rest)
                            && next == tag
                        {
                            rest = skip(tag, after)?;
                        }
                        open.verbatim = &field[..field.len() - rest.len()];
                    }
                    Op::Unknown if tag >= 8 && !self.options.refuse_unknown => rest = skip(tag, rest)?,
                    Op::Additional | Op::Unknown => return None,
                    _ => return self.message_in_order(index, bytes, depth, used),
                }
                continue;
            }
            if unset & (tag_plan.bit - 1) & !printed != 0 {
                if !known {
                    let more = Bits::find(field)?;
                    bits = Bits { null: bits.null | more.null, empty: bits.empty | more.empty };
                    known = true;
                    unset = plan.members_of(bits.null | bits.empty);
                    if unset & before(printed) & !printed != 0 {
                        return self.message_again(index, unset & !printed, bytes, depth, used);
                    }
                }
                let earlier = unset & (tag_plan.bit - 1) & !printed;
                unset &= !(tag_plan.bit - 1);
                (end, printed) = self.unset_members(index, earlier, bits, printed, end)?;
            }
            printed |= tag_plan.bit;
            end = self.out.reserve(end);
            // SAFETY: there is room for the block; its size is not more.
            let name = |end: OutputPointer| unsafe { end.put_block(&tag_plan.prefix, tag_plan.prefix_size) };
            match tag_plan.op {
                Op::String => {
                    let string;
                    (string, rest) = delimited(rest)?;
                    end = self.string(string, b',', name(end))?;
                }
                Op::Integer => {
                    let value;
                    (value, rest) = varint(rest)?;
                    // Up to here, the text is the same for all kinds of integer.
                    if value > i32::MAX as u64 {
                        end = self.large_integer(index, tag_plan, value, name(end))?;
                    } else {
                        // SAFETY: there is room for `RESERVED` bytes behind the name.
                        end = unsafe { put_unsigned(value, name(end)).put_bytes(b",") };
                    }
                }
                Op::Message => {
                    let inner;
                    (inner, rest) = delimited(rest)?;
                    end = self.message(tag_plan.type_index as usize, inner, depth + 1, name(end))?;
                }
                Op::Enum => {
                    let number;
                    (number, rest) = varint(rest)?;
                    if number as i32 == 0 {
                        // The zero value stands for absence.
                        printed ^= tag_plan.bit;
                        continue;
                    }
                    end = self.enumeration(tag_plan.type_index as usize, number as i32, name(end))?;
                }
                _ => (end, rest) = self.other_member(index, tag_plan, field, depth, end)?,
            }
        }
        if !known {
            unset = plan.members_of(bits.null | bits.empty);
        }
        unset &= !printed;
        if unset != 0 {
            (end, printed) = self.unset_members(index, unset, bits, printed, end)?;
        }
        if !open.additional.is_empty() || !open.verbatim.is_empty() {
            end = self.open_members(index, open, printed, depth, end)?;
        }
        end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some(unsafe { end.close(b'}') })
    }

    /// Print a message again from its start, after noting members that turned out to be null or empty, and that print
    /// before what was printed.
    ///
    /// # Safety
    ///
    /// `used` bytes of `out` were written before the message.
    #[cold]
    #[inline(never)]
    unsafe fn message_again(
        &mut self,
        index: usize,
        members: u64,
        bytes: &'a [u8],
        depth: usize,
        used: usize,
    ) -> Printed {
        let often_unset = &self.often_unset[index];
        often_unset.set(often_unset.get() | members);
        self.message(index, bytes, depth, self.out.pointer(used))
    }

    /// Print a member that has no `Op` of its own, whose fields the bytes begin with. Return the bytes after them too.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(never)]
    unsafe fn other_member(
        &mut self,
        index: usize,
        tag_plan: &TagPlan,
        bytes: &'a [u8],
        depth: usize,
        end: OutputPointer,
    ) -> Printed<(OutputPointer, &'a [u8])> {
        let message = &self.plan.schema.messages[index];
        let field = &message.fields[usize::from(tag_plan.field)];
        let end = self.slice(message.members[usize::from(field.member)].printed_name(), end)?;
        let (_, rest) = known_tag(bytes)?;
        match field.cardinality {
            Cardinality::Repeated => self.array(field, bytes, depth + 1, end, false),
            Cardinality::Map => self.map(field, bytes, depth + 1, end),
            Cardinality::Singular if field.is_packable() => self.scalar(field, rest, end),
            Cardinality::Singular => {
                let (value, rest) = delimited(rest)?;
                Some((self.delimited(field, value, depth, end)?, rest))
            }
        }
    }

    /// Print the unset members of a mask that are null, empty or filled. Return `printed` with those that were printed
    /// too.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(never)]
    unsafe fn unset_members(
        &mut self,
        index: usize,
        mut mask: u64,
        bits: Bits,
        mut printed: u64,
        mut end: OutputPointer,
    ) -> Printed<(OutputPointer, u64)> {
        let plan = &self.plan.messages[index];
        while mask != 0 {
            let at = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let Some(member) = plan.unset.get(at) else { break };
            let mut text = match () {
                () if bits.null & member.bits != 0 => NULL_TEXT,
                () if bits.empty & member.bits != 0 => member.empty,
                () => NO_TEXT,
            };
            if self.options.fill_required && text == NO_TEXT {
                text = member.filling;
            }
            if text == NO_TEXT {
                continue;
            }
            end = self.out.reserve(end);
            if member.prefix_size > 32 {
                end = self.slice(self.plan.schema.messages[index].members[at].printed_name(), end)?;
            } else {
                // SAFETY: there is room for the block.
                end = unsafe { end.put_block(&member.prefix, member.prefix_size) };
            }
            // SAFETY: there is room for `RESERVED` bytes.
            end = unsafe { end.put_word(text, if text == NULL_TEXT { 5 } else { 3 }) };
            printed |= 1 << at;
        }
        Some((end, printed))
    }

    /// Print an integer whose text depends on its kind.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[cold]
    #[inline(never)]
    unsafe fn large_integer(&mut self, index: usize, tag_plan: &TagPlan, value: u64, end: OutputPointer) -> Printed {
        let kind = self.plan.schema.messages[index].fields[usize::from(tag_plan.field)].kind;
        let end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        Some(unsafe { put_integer(kind, value, end) })
    }

    /// Print a message from a copy with its fields in order: they came in another order than their members print in, or
    /// the bits came where `Bits::find` does not look.
    ///
    /// # Safety
    ///
    /// `used` bytes of `out` were written before the message.
    #[cold]
    #[inline(never)]
    unsafe fn message_in_order(&mut self, index: usize, bytes: &[u8], depth: usize, used: usize) -> Printed {
        let plan = &self.plan.messages[index];
        let mut fields = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (tag, value) = known_tag(rest)?;
            let after = skip(tag, value)?;
            let tag_plan = plan.for_tag(tag);
            let rank = match tag_plan.op {
                Op::EmptyFields | Op::NullFields => 0,
                _ if tag_plan.bit == 0 => u64::MAX,
                _ => tag_plan.bit,
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
        let end = copy.out.pointer(used);
        let done = copy.message(index, &wire, depth, end);
        let place = copy.out.place();
        self.out.follow(place);
        done
    }
}

/// Return the bits below the highest bit of a mask.
#[inline(always)]
fn before(mask: u64) -> u64 {
    u64::MAX.checked_shr(mask.leading_zeros() + 1).unwrap_or(0)
}

/// The bits that name the null and the empty members of a message.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    null: u64,
    empty: u64,
}

impl Bits {
    /// Find the bits among the fields of a message, or some of its last fields. They come before fields of higher
    /// numbers.
    #[inline]
    fn find(bytes: &[u8]) -> Option<Bits> {
        let mut bits = Bits::default();
        let mut rest = bytes;
        while let Some((&tag, after)) = rest.split_first() {
            match tag {
                EMPTY_FIELDS_TAG => (bits.empty, rest) = varint(after)?,
                NULL_FIELDS_TAG => (bits.null, rest) = varint(after)?,
                0..EMPTY_FIELDS_TAG => rest = skip(usize::from(tag), after)?,
                _ => break,
            }
        }
        Some(bits)
    }
}
