//! Prints the members that no typed field holds: those of a google.protobuf.Struct, and those kept as JSON text.

use crate::buffer::output::OutputPointer;
use crate::limits::MAX_DEPTH;
use crate::print::arrays_and_maps::has_duplicate;
use crate::print::compiled::CompiledFor;
use crate::print::name_filter::hash;
use crate::print::printing::{Printed, Printing, READ_BEHIND};
use crate::print::value::put_bool;
use crate::scan::{InstructionSet, OWN};
use crate::wire::member_order::{
    Ascent, Entry, MAX_IN_WORD, ObjectOrder, OrderReader, VERBATIM_TAG, arranged, entries, name_start, order_of,
};
use crate::wire::read::{delimited, expect, struct_entry, varint};
use crate::wire::struct_tags::{
    BOOL_VALUE, LIST_VALUE, LIST_VALUES, NULL_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS, STRUCT_VALUE,
};
use std::mem::MaybeUninit;

/// The members of a message that no typed field holds.
#[derive(Clone, Copy, Default)]
pub struct OpenMembers<'a> {
    /// The payload of `additional_properties`.
    pub additional: &'a [u8],
    /// The fields of `verbatim_properties`.
    pub verbatim: &'a [u8],
    /// The payload of `member_order`.
    pub order: &'a [u8],
}

/// A name and the payload of its google.protobuf.Value.
type Member<'a> = (&'a [u8], &'a [u8]);

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print the members of a message that no typed field holds. `printed` has the bit of each member that a typed
    /// field gave.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(never)]
    pub unsafe fn open_members(
        &mut self,
        index: usize,
        open: OpenMembers<'a>,
        printed: u64,
        depth: usize,
        end: OutputPointer,
    ) -> Printed {
        let used = self.out.offset(end);
        (self.order, self.out_of_order) = (Some(OrderReader::new(open.order)), false);
        // Where the entries came in the order of the JSON, the order is that of the entries.
        match self.members_as_they_come(index, open, printed, depth, end) {
            Some(end) if self.order.as_ref().is_some_and(OrderReader::finish) => Some(end),
            None if !self.out_of_order => None,
            _ => self.members_arranged(index, open, printed, depth, used),
        }
    }

    /// Print open members in the order that the message gives them.
    ///
    /// # Safety
    ///
    /// `used` bytes of `out` were written before them.
    #[inline(never)]
    unsafe fn members_arranged(
        &mut self,
        index: usize,
        open: OpenMembers,
        printed: u64,
        depth: usize,
        used: usize,
    ) -> Printed {
        let (additional, verbatim) = arranged(open.additional, open.verbatim, open.order)?;
        let split = additional.len();
        let stop = split + verbatim.len();
        let padded = [additional, verbatim, vec![0; READ_BEHIND]].concat();
        let mut copy = self.over(&padded);
        let open = OpenMembers { additional: &padded[..split], verbatim: &padded[split..stop], order: &[] };
        let end = copy.out.pointer(used);
        let end = copy.out.reserve(end);
        let done = copy.members_as_they_come(index, open, printed, depth, end);
        let place = copy.out.place();
        self.out.follow(place);
        done
    }

    /// Print open members in the order in which they come. Return `None` where that is not the order that `self.order`
    /// reads, too.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn members_as_they_come(
        &mut self,
        index: usize,
        OpenMembers { additional, verbatim, .. }: OpenMembers<'a>,
        printed: u64,
        depth: usize,
        mut end: OutputPointer,
    ) -> Printed {
        let plan = self.plan;
        let is_printed = |member: usize| printed & plan.schema.messages[index].members[member].bit != 0;
        let is_typed = |name: &[u8]| {
            plan.messages[index].names.may_have(hash(name))
                && plan.schema.messages[index].find(name).is_some_and(|member| is_printed(usize::from(member)))
        };
        end = self.members(OWN, additional, is_typed, depth, end)?;
        if verbatim.is_empty() {
            return Some(end);
        }
        let others = entries(verbatim, VERBATIM_TAG)?;
        self.check_order(others.iter().map(|entry| entry.key))?;
        if has_duplicate([additional, verbatim])? {
            return None;
        }
        for Entry { key, value, .. } in others {
            // An entry that holds nothing is no member.
            if value.is_empty() || is_typed(key) {
                return None;
            }
            end = self.string(OWN, key, b':', end)?;
            end = self.text(value, depth, end)?;
        }
        Some(end)
    }

    /// Print the members of a google.protobuf.Struct.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    unsafe fn members(
        &mut self,
        set: impl InstructionSet,
        fields: &'a [u8],
        is_typed: impl Fn(&[u8]) -> bool,
        depth: usize,
        mut end: OutputPointer,
    ) -> Printed {
        let mut few: [MaybeUninit<Member>; MAX_IN_WORD] = [MaybeUninit::uninit(); MAX_IN_WORD];
        let (mut rest, mut count, mut ascent) = (fields, 0, Ascent::default());
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = struct_entry(rest)?;
            // An entry that holds nothing is no member.
            if value.is_empty() || is_typed(key) {
                return None;
            }
            let Some(place) = few.get_mut(count) else { return self.many_members(fields, is_typed, depth, end) };
            place.write((key, value));
            ascent.add(name_start(key));
            count += 1;
        }
        // SAFETY: these are written.
        let members = unsafe { std::slice::from_raw_parts(few.as_ptr().cast::<Member>(), count) };
        let fits = !ascent.unsure && self.order.as_mut().is_none_or(|order| order.take_sorted(count));
        if !fits {
            self.check_order(members.iter().map(|member| member.0))?;
        }
        for &(key, value) in members {
            end = self.string(set, key, b':', end)?;
            // The most common values without a call.
            end = match *value {
                [STRING_VALUE, size @ 0..128, ref string @ ..] if string.len() == usize::from(size) => {
                    self.string(set, string, b',', end)?
                }
                [BOOL_VALUE, value @ 0..=1] => put_bool(value != 0, self.out.reserve(end)),
                _ => self.open_value(value, depth, end)?,
            };
        }
        Some(end)
    }

    /// Print what `members` prints, of more than a few members.
    ///
    /// # Safety
    ///
    /// That of `members`.
    #[inline(never)]
    unsafe fn many_members(
        &mut self,
        fields: &'a [u8],
        is_typed: impl Fn(&[u8]) -> bool,
        depth: usize,
        mut end: OutputPointer,
    ) -> Printed {
        let members = entries(fields, &[STRUCT_FIELDS])?;
        self.check_order(members.iter().map(|member| member.key))?;
        for Entry { key, value, .. } in members {
            if value.is_empty() || is_typed(key) {
                return None;
            }
            end = self.string(OWN, key, b':', end)?;
            end = self.open_value(value, depth, end)?;
        }
        Some(end)
    }

    /// Return `None` where members do not come in the order that `self.order` reads, or two have the same name.
    #[inline(never)]
    fn check_order<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n [u8]>) -> Option<()> {
        let mut takes = |object| self.order.as_mut().is_none_or(|order| order.take_object(object));
        let fits = if names.len() <= MAX_IN_WORD {
            takes(ObjectOrder::of(names)?)
        } else {
            order_of(&names.collect::<Vec<_>>())?.into_iter().all(takes)
        };
        self.out_of_order = !fits;
        fits.then_some(())
    }

    /// Print a google.protobuf.Value.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    unsafe fn open_value(&mut self, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        S::open_value(self, bytes, depth, end)
    }

    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    #[inline(always)]
    pub unsafe fn inlined_open_value(&mut self, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        let Some((&tag, rest)) = bytes.split_first() else {
            let end = self.out.reserve(end);
            // SAFETY: there is room for `RESERVED` bytes.
            return Some(unsafe { end.put_bytes(b"null,") });
        };
        match tag {
            STRING_VALUE => {
                let (string, rest) = delimited(rest)?;
                if rest.is_empty() { self.string(self.set, string, b',', end) } else { None }
            }
            NUMBER_VALUE => self.double(rest.try_into().ok()?, end),
            NULL_VALUE | BOOL_VALUE => {
                let (value, rest) = varint(rest)?;
                let end = self.out.reserve(end);
                // SAFETY: there is room for `RESERVED` bytes.
                let end = unsafe {
                    match tag {
                        NULL_VALUE => end.put_bytes(b"null,"),
                        _ => put_bool(value != 0, end),
                    }
                };
                rest.is_empty().then_some(end)
            }
            STRUCT_VALUE | LIST_VALUE if depth < MAX_DEPTH => {
                let (inner, rest) = delimited(rest)?;
                let end = match tag {
                    STRUCT_VALUE => self.structure(inner, depth + 1, end),
                    _ => self.list_value(inner, depth + 1, end),
                };
                if rest.is_empty() { end } else { None }
            }
            _ => None,
        }
    }

    /// Print a google.protobuf.Struct.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn structure(&mut self, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        let end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        let end = unsafe { end.put_bytes(b"{") };
        let end = self.members(self.set, bytes, |_| false, depth, end)?;
        let end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some(unsafe { end.close(b'}') })
    }

    /// Print a google.protobuf.ListValue.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn list_value(&mut self, bytes: &'a [u8], depth: usize, end: OutputPointer) -> Printed {
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"[") };
        let mut rest = bytes;
        while !rest.is_empty() {
            let value;
            (value, rest) = delimited(expect(LIST_VALUES, rest)?)?;
            end = self.open_value(value, depth, end)?;
        }
        end = self.out.reserve(end);
        // SAFETY: a bracket was written, and there is room for `RESERVED` bytes.
        Some(unsafe { end.close(b']') })
    }
}
