//! Prints the members that no typed field holds: those of a google.protobuf.Struct, and those kept as JSON text.

use crate::buffer::output::OutputPointer;
use crate::limits::MAX_DEPTH;
use crate::print::arrays_and_maps::has_duplicate;
use crate::print::compiled::CompiledFor;
use crate::print::name_filter::{NameFilter, hash};
use crate::print::printing::{Printed, Printing};
use crate::print::value::put_bool;
use crate::wire::member_order::{arranged, is_in_order, is_less};
use crate::wire::read::{delimited, entry, expect, varint};
use crate::wire::struct_tags::{
    BOOL_VALUE, LIST_VALUE, LIST_VALUES, NULL_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS, STRUCT_VALUE,
};

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

impl<'a, S: CompiledFor> Printing<'a, S> {
    /// Print the members of a message that no typed field holds. `printed` has a bit for the index of each member that a
    /// typed field gave.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    pub unsafe fn open_members(
        &mut self,
        index: usize,
        open: OpenMembers<'a>,
        printed: u64,
        depth: usize,
        end: OutputPointer,
    ) -> Printed {
        let used = self.out.offset(end);
        let ordered = !open.order.is_empty();
        // Where the entries came in the order of the JSON, the order is that of the entries.
        if !ordered || is_in_order(open.additional, open.verbatim, open.order) {
            self.unsorted = ordered;
            let end = self.members_as_they_come(index, open, printed, depth, end)?;
            if ordered || !self.unsorted {
                return Some(end);
            }
        }
        self.members_arranged(index, open, printed, depth, used)
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
        let wire = [additional, verbatim].concat();
        let mut copy = self.over(&wire);
        let open = OpenMembers { additional: &wire[..split], verbatim: &wire[split..], order: &[] };
        let end = copy.out.pointer(used);
        let end = copy.out.reserve(end);
        let done = copy.members_as_they_come(index, open, printed, depth, end);
        let place = copy.out.place();
        self.out.follow(place);
        done
    }

    /// Print open members in the order in which they come, and note whether that is the sorted one.
    ///
    /// # Safety
    ///
    /// `end` keeps the rule of `print`.
    unsafe fn members_as_they_come(
        &mut self,
        index: usize,
        open: OpenMembers<'a>,
        printed: u64,
        depth: usize,
        mut end: OutputPointer,
    ) -> Printed {
        let OpenMembers { additional, verbatim, .. } = open;
        let plan = self.plan;
        let is_typed = |name: &[u8], hash| {
            plan.messages[index].names.may_have(hash)
                && plan.schema.messages[index].find(name).is_some_and(|member| printed >> member & 1 != 0)
        };
        let (mut names, mut maybe_duplicate) = (NameFilter::default(), false);
        let mut before: &[u8] = &[];
        let mut rest = additional;
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = entry(expect(STRUCT_FIELDS, rest)?)?;
            let hash = hash(key);
            // An entry that holds nothing is no member.
            if value.is_empty() || is_typed(key, hash) {
                return None;
            }
            maybe_duplicate |= names.add(hash);
            self.unsorted = self.unsorted || is_less(key, before);
            before = key;
            end = self.string(key, b':', end)?;
            end = self.open_value(value, depth, end)?;
        }
        (rest, before) = (verbatim, &[]);
        while !rest.is_empty() {
            let (key, value);
            // The tag takes two bytes.
            (key, value, rest) = entry(&rest[2..])?;
            let hash = hash(key);
            if value.is_empty() || is_typed(key, hash) {
                return None;
            }
            maybe_duplicate |= names.add(hash);
            self.unsorted = self.unsorted || is_less(key, before);
            before = key;
            end = self.string(key, b':', end)?;
            end = self.text(value, depth, end)?;
        }
        if maybe_duplicate && has_duplicate([additional, verbatim])? {
            return None;
        }
        Some(end)
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
                if rest.is_empty() { self.string(string, b',', end) } else { None }
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
        let mut end = self.out.reserve(end);
        // SAFETY: there is room for `RESERVED` bytes.
        end = unsafe { end.put_bytes(b"{") };
        let (mut names, mut maybe_duplicate) = (NameFilter::default(), false);
        let mut before: &[u8] = &[];
        let mut rest = bytes;
        while !rest.is_empty() {
            let (key, value);
            (key, value, rest) = entry(expect(STRUCT_FIELDS, rest)?)?;
            if value.is_empty() {
                return None;
            }
            maybe_duplicate |= names.add(hash(key));
            self.unsorted = self.unsorted || is_less(key, before);
            before = key;
            end = self.string(key, b':', end)?;
            end = self.open_value(value, depth, end)?;
        }
        if maybe_duplicate && has_duplicate([bytes])? {
            return None;
        }
        end = self.out.reserve(end);
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
