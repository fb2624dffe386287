//! Prints messages.

use crate::buffer::output::OutputPointer;
use crate::json::print_number::put_unsigned;
use crate::limits::MAX_DEPTH;
use crate::print::compiled::CompiledFor;
use crate::print::open_values::OpenMembers;
use crate::print::plan::{MessagePlan, Op, TagPlan};
use crate::print::printing::{Printed, Printing, READ_BEHIND};
use crate::print::value::put_integer;
use crate::schema::{Cardinality, home_fields};
use crate::wire::VARINT;
use crate::wire::read::{WireCursor, delimited, known_tag, skip};

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
        let plan = &self.plan.messages[index];
        let used = self.out.offset(end);
        let looks_ahead = self.looks_ahead[index].get() | self.options.fill_required;
        let mut bits = if looks_ahead && plan.has_homes { Bits::find(bytes)? } else { Bits::default() };
        // By the bits of the members: those to print as null, empty or filled unless a value comes, and those printed.
        let mut unset = plan.members_of(bits.null | bits.empty, self.options.refuse_unknown)?;
        if self.options.fill_required {
            unset = plan.member_bits;
        }
        let mut printed = 0;
        let mut open = OpenMembers::default();
        let mut wire = WireCursor { bytes, at: 0 };
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"{") };
        while !wire.is_at_end() {
            let start = wire.at;
            let tag = wire.known_tag()?;
            let tag_plan = plan.for_tag(tag);
            if tag_plan.bit <= printed {
                match tag_plan.op {
                    Op::NullFields | Op::EmptyFields => {
                        let found = wire.varint()?;
                        let bits = if tag_plan.op == Op::NullFields { &mut bits.null } else { &mut bits.empty };
                        if found != *bits {
                            if looks_ahead || *bits != 0 {
                                return self.message_in_order(index, bytes, depth, used);
                            }
                            *bits = found;
                            let named = plan.members_of(found, self.options.refuse_unknown)?;
                            if named & before(printed) & !printed != 0 {
                                return self.message_again(index, bytes, depth, used);
                            }
                            unset |= named;
                        }
                    }
                    Op::MemberOrder => open.order = wire.delimited()?,
                    Op::Additional if open.additional.is_empty() => open.additional = wire.delimited()?,
                    Op::Verbatim if open.verbatim.is_empty() => {
                        let mut next = wire;
                        loop {
                            next.skip(tag)?;
                            wire = next;
                            if next.known_tag() != Some(tag) {
                                break;
                            }
                        }
                        open.verbatim = &bytes[start..wire.at];
                    }
                    Op::Unknown if tag >= 8 && !self.options.refuse_unknown => wire.skip(tag)?,
                    Op::Additional | Op::Unknown => return None,
                    _ => return self.message_in_order(index, bytes, depth, used),
                }
                continue;
            }
            if unset & (tag_plan.bit - 1) != 0 {
                let earlier = unset & (tag_plan.bit - 1) & !printed;
                unset &= !(tag_plan.bit - 1);
                (end, printed) = self.unset_members(plan, earlier, bits, printed, end)?;
            }
            printed |= tag_plan.bit;
            end = self.out.reserve(end);
            // SAFETY: there is room for the block; its size is not more.
            let name = |end: OutputPointer| unsafe { end.put_block(&tag_plan.prefix, tag_plan.prefix_size) };
            match tag_plan.op {
                Op::String => {
                    let string = wire.delimited()?;
                    end = self.opened_string(self.set, string, b',', name(end))?;
                }
                Op::Integer => {
                    let value = wire.varint()?;
                    // Up to here, the text is the same for all kinds of integer.
                    if value > i32::MAX as u64 {
                        end = self.large_integer(index, tag_plan, value, name(end))?;
                    } else {
                        // SAFETY: there is room for `RESERVED` bytes behind the name.
                        end = unsafe { put_unsigned(value, name(end)).put_bytes(b",") };
                    }
                }
                Op::Message => {
                    let inner = wire.delimited()?;
                    end = self.message(tag_plan.type_index as usize, inner, depth + 1, name(end))?;
                }
                Op::Messages => {
                    end = name(end);
                    loop {
                        let inner = wire.delimited()?;
                        end = self.message(tag_plan.type_index as usize, inner, depth + 2, end)?;
                        let mut next = wire;
                        if next.known_tag() != Some(tag) {
                            break;
                        }
                        wire = next;
                    }
                    end = self.out.reserve(end);
                    // SAFETY: a message was written, and there is room for `RESERVED` bytes.
                    end = unsafe { end.close(b']') };
                }
                Op::Enum => {
                    let number = wire.varint()?;
                    if number as i32 == 0 {
                        // The zero value stands for absence.
                        printed ^= tag_plan.bit;
                        continue;
                    }
                    end = self.enumeration(tag_plan.type_index as usize, number as i32, name(end))?;
                }
                _ => {
                    let rest;
                    (end, rest) = self.other_member(index, tag_plan, &bytes[start..], depth, end)?;
                    wire.at = bytes.len() - rest.len();
                }
            }
        }
        unset &= !printed;
        if unset != 0 {
            (end, printed) = self.unset_members(plan, unset, bits, printed, end)?;
        }
        if !open.additional.is_empty() || !open.verbatim.is_empty() {
            end = self.open_members(index, open, printed, depth, end)?;
        }
        end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some(unsafe { end.close(b'}') })
    }

    /// Print a message again from its start, since members that print before what was printed turned out to be null or
    /// empty. From now on, that is looked for first in messages of its type.
    ///
    /// # Safety
    ///
    /// `used` bytes of `out` were written before the message.
    #[cold]
    #[inline(never)]
    unsafe fn message_again(&mut self, index: usize, bytes: &'a [u8], depth: usize, used: usize) -> Printed {
        self.looks_ahead[index].set(true);
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
        plan: &MessagePlan,
        mut mask: u64,
        bits: Bits,
        mut printed: u64,
        mut end: OutputPointer,
    ) -> Printed<(OutputPointer, u64)> {
        while mask != 0 {
            let bit = mask & mask.wrapping_neg();
            mask ^= bit;
            let Some(member) = plan.unset_plan(bit) else { continue };
            let text = match () {
                () if bits.null & member.bits != 0 => &member.null,
                () if bits.empty & member.bits != 0 && !member.empty.is_empty() => &member.empty,
                () if self.options.fill_required => &member.filling,
                () => continue,
            };
            if !text.is_empty() {
                end = self.short_text(text, end)?;
                printed |= bit;
            }
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
        let sorted = fields.iter().flat_map(|field| field.1);
        let padded: Vec<u8> = sorted.chain(&[0; READ_BEHIND]).copied().collect();
        let mut copy = self.over(&padded);
        let end = copy.out.pointer(used);
        let done = copy.message(index, &padded[..bytes.len()], depth, end);
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
    /// Find the bits among the fields of a message, which come before fields of higher numbers.
    #[inline(always)]
    fn find(bytes: &[u8]) -> Option<Bits> {
        let mut bits = Bits::default();
        let mut wire = WireCursor { bytes, at: 0 };
        while let Some(&tag @ 0..=NULL_FIELDS_TAG) = bytes.get(wire.at) {
            wire.at += 1;
            match tag {
                EMPTY_FIELDS_TAG => bits.empty = wire.varint()?,
                NULL_FIELDS_TAG => bits.null = wire.varint()?,
                _ if u32::from(tag) & 7 == VARINT => {
                    // One that is too long is noticed when it is printed.
                    while *bytes.get(wire.at)? >= 128 {
                        wire.at += 1;
                    }
                    wire.at += 1;
                }
                _ => wire.skip(tag.into())?,
            }
        }
        Some(bits)
    }
}
