//! The order of fields on the wire: by number, whatever order the members came in.
//!
//! - Fields are written as their members come, and most messages come in number order.
//! - Integers, enums and short strings that came too early last time are held back until a field of a higher number comes or
//!   the message ends.
//! - If the fields are not in order even so, they are found again in what was written, and put in order.

use crate::buffer::output::OutputPointer;
use crate::encode::compiled::CompiledFor;
use crate::encode::encoding::{Encoding, MessageBuffers};
use crate::encode::entry_order::sort_entries;
use crate::encode::guesses::MessageGuesses;
use crate::encode::headers::put_header;
use crate::encode::seen_fields::{DeferredField, FieldSpan, FieldSpans, OpenMark, SeenFields};
use crate::schema::home_fields::{
    ADDITIONAL_PROPERTIES_TAG, EMPTY_FIELDS_TAG, MEMBER_ORDER, MEMBER_ORDER_TAG, NULL_FIELDS_TAG,
};
use crate::wire::member_order::{member_order, order_of, outer_names};
use crate::wire::write::{put_delimited, put_varint};
use crate::wire::{FIXED64, VARINT};

/// The bits of the fields that come before those that every message has.
const LOW: u64 = (1 << MEMBER_ORDER) - 1;

impl<S: CompiledFor> Encoding<'_, S> {
    /// Write what a message has besides the fields in the output, and put all in order.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    pub unsafe fn finish(&mut self, index: usize, fields: &mut SeenFields, end: OutputPointer) -> OutputPointer {
        let SeenFields { present, deferred, empty, null, .. } = *fields;
        let bits = empty | null;
        // Deferred fields come last, and the bits if all else is low.
        let ordered = !fields.out_of_order && (deferred == 0 || deferred & deferred.wrapping_neg() > present);
        if ordered && fields.open.is_none() && (bits == 0 || (present | deferred) <= LOW) {
            let end = self.put_all_deferred(index, fields, end);
            return if bits == 0 { end } else { self.out.reserve(put_bits(end, empty, null)) };
        }
        self.finish_any(index, fields, ordered, end)
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    unsafe fn finish_any(
        &mut self,
        index: usize,
        fields: &mut SeenFields,
        ordered: bool,
        end: OutputPointer,
    ) -> OutputPointer {
        let mut end = self.put_all_deferred(index, fields, end);
        if self.canonical
            && let Some(mark) = fields.open
        {
            let MessageBuffers { entry_starts, verbatim_starts, verbatim, .. } = &mut *self.buffers;
            let additional_end = self.additional.resume(0);
            let entry_starts = &entry_starts[mark.entry_starts..];
            sort_entries(self.additional.before(additional_end), entry_starts, mark.additional);
            sort_entries(verbatim, &verbatim_starts[mark.verbatim_starts..], mark.verbatim);
        }
        self.find_member_order(fields);
        if ordered && fields.present <= LOW {
            end = self.out.put(end, &self.buffers.member_order);
            end = put_bits(end, fields.empty, fields.null);
            if let Some((entries, texts)) = open_members(self.additional.bytes(), &self.buffers.verbatim, fields) {
                if !entries.is_empty() {
                    let tag = (ADDITIONAL_PROPERTIES_TAG.into(), 1);
                    end = put_header(end, tag, entries.len() as u64);
                    end = self.out.put(end, entries);
                }
                end = self.out.put(end, texts);
            }
        } else {
            end = self.reorder(index, fields, end);
        }
        if let Some(mark) = fields.open {
            self.forget_open_members(mark);
        }
        self.out.reserve(end)
    }

    /// Make the field `member_order` of a message; leave it empty where all its open members are sorted, or are in
    /// canonical form, which has no order.
    fn find_member_order(&mut self, fields: &SeenFields) {
        let MessageBuffers { verbatim, orders, member_order: field, .. } = &mut *self.buffers;
        field.clear();
        let Some(mark) = fields.open.filter(|_| !self.canonical) else { return };
        let texts = &verbatim[mark.verbatim..];
        if !texts.is_empty() {
            let names = outer_names(&self.additional.bytes()[mark.additional..], texts);
            let [outer, last] = names.unwrap_or_default().map(|names| order_of(&names).unwrap_or_default());
            orders.splice(mark.orders..=mark.orders, outer);
            orders.extend(last);
        }
        let objects = &orders[mark.orders..];
        if !objects.iter().all(|order| order.is_zero()) {
            member_order(objects, field);
            let size = field.len();
            put_varint(MEMBER_ORDER_TAG.into(), field);
            put_varint(size as u64, field);
            field.rotate_left(size);
        }
    }

    /// Truncate the buffers of open members to what they were before a message.
    pub fn forget_open_members(&mut self, mark: OpenMark) {
        self.additional.truncate(mark.additional);
        self.buffers.verbatim.truncate(mark.verbatim);
        self.buffers.entry_starts.truncate(mark.entry_starts);
        self.buffers.verbatim_starts.truncate(mark.verbatim_starts);
        self.buffers.orders.truncate(mark.orders);
    }

    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(always)]
    unsafe fn put_all_deferred(&mut self, index: usize, fields: &mut SeenFields, end: OutputPointer) -> OutputPointer {
        if fields.deferred == 0 {
            return end;
        }
        self.put_deferred(&self.guesses.messages[index], fields, u64::MAX, end)
    }

    /// Write those of some fields that were held back, which have lower numbers than all others that were.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    #[inline(never)]
    pub unsafe fn put_deferred(
        &mut self,
        guesses: &MessageGuesses,
        fields: &mut SeenFields,
        some: u64,
        mut end: OutputPointer,
    ) -> OutputPointer {
        let seen = fields.present | fields.deferred;
        let mut needless = 0;
        while fields.deferred & some != 0
            && let Some(field) = self.buffers.deferred.pop()
        {
            let DeferredField { bit, before, tag, value, text } = field;
            fields.deferred &= !bit;
            fields.add(bit);
            // A field was held back for nothing if none of a lower number came since.
            if seen & !before & (bit - 1) == 0 {
                needless |= bit;
            }
            end = put_header(self.out.reserve(end), tag, value);
            if let Some(text) = text {
                end = end.put_span(self.reader.source.text, text, text + value as usize);
            }
        }
        guesses.to_defer.set(guesses.to_defer.get() & !needless);
        end
    }

    /// Put all fields of a message in order.
    ///
    /// The longest field is moved once at most: those before and after it are gathered elsewhere and written around it.
    ///
    /// # Safety
    ///
    /// `at` and `end` keep the rules of `encode`.
    unsafe fn reorder(&mut self, index: usize, fields: &SeenFields, end: OutputPointer) -> OutputPointer {
        let MessageBuffers { spans: FieldSpans(spans), before_longest, after_longest, verbatim, member_order, .. } =
            &mut *self.buffers;
        let early = find_fields(self.out.before(end), fields.base, spans) & self.schema.messages[index].deferrable;
        let to_defer = &self.guesses.messages[index].to_defer;
        to_defer.set(to_defer.get() | early);
        before_longest.clear();
        after_longest.clear();
        let (mut longest, mut length) = (64, 0);
        for_each_bit(fields.present, |number| {
            let FieldSpan { start, stop } = spans[number];
            if stop - start > length {
                (longest, length) = (number, stop - start);
            }
        });
        let out = self.out.before(end);
        let mut around = AroundLongest { out, spans, longest, before_longest, after_longest, passed: false };
        for_each_bit(fields.present & LOW, |number| around.put(number));
        around.target().extend_from_slice(member_order);
        put_bits_in_vec(around.target(), fields.empty, fields.null);
        if let Some((entries, texts)) = open_members(self.additional.bytes(), verbatim, fields) {
            let target = around.target();
            if !entries.is_empty() {
                put_delimited(ADDITIONAL_PROPERTIES_TAG.into(), entries, target);
            }
            target.extend_from_slice(texts);
        }
        for_each_bit(fields.present & !LOW, |number| around.put(number));
        _ = self.out.reserve_for(end, before_longest.len() + after_longest.len());
        if longest < 64 {
            let FieldSpan { start, stop } = spans[longest];
            self.out.copy_within(fields.base + before_longest.len(), start, stop);
        }
        self.out.pointer(fields.base).put_slice(before_longest).advance(length).put_slice(after_longest)
    }
}

/// Return what a message adds to the buffers of open members, if it has any: the entries of `additional_properties`,
/// and whole fields of `verbatim_properties`.
fn open_members<'a>(additional: &'a [u8], verbatim: &'a [u8], fields: &SeenFields) -> Option<(&'a [u8], &'a [u8])> {
    let mark = fields.open?;
    Some((&additional[mark.additional..], &verbatim[mark.verbatim..]))
}

/// Gathers the fields before and after the longest field of a message.
struct AroundLongest<'w> {
    out: &'w [u8],
    spans: &'w [FieldSpan; 64],
    longest: usize,
    before_longest: &'w mut Vec<u8>,
    after_longest: &'w mut Vec<u8>,
    /// Whether the longest field was reached.
    passed: bool,
}

impl AroundLongest<'_> {
    fn target(&mut self) -> &mut Vec<u8> {
        if self.passed { self.after_longest } else { self.before_longest }
    }

    #[inline(always)]
    fn put(&mut self, number: usize) {
        if number == self.longest {
            self.passed = true;
        } else {
            let (out, FieldSpan { start, stop }) = (self.out, self.spans[number]);
            self.target().extend_from_slice(&out[start..stop]);
        }
    }
}

/// Find where each field is of the message that starts at `base` of the output. Return the bits of the fields that come
/// before one of a lower number.
fn find_fields(out: &[u8], base: usize, spans: &mut [FieldSpan; 64]) -> u64 {
    let (mut present, mut early) = (0u64, 0);
    let mut at = base;
    while at < out.len() {
        let start = at;
        let tag = read_varint(out, &mut at);
        match tag as u32 & 7 {
            VARINT => _ = read_varint(out, &mut at),
            FIXED64 => at += 8,
            _ => at = read_varint(out, &mut at).wrapping_add(at),
        }
        let number = tag >> 3 & 63;
        // All fields of a number are together.
        if present >> number & 1 == 0 {
            spans[number].start = start;
            early |= present & (u64::MAX << number << 1);
            present |= 1 << number;
        }
        spans[number].stop = at;
    }
    early
}

/// Read the varint at an index, which is moved behind it.
#[inline(always)]
fn read_varint(out: &[u8], at: &mut usize) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = out[*at];
        *at += 1;
        value |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

/// Call a function with each bit that is set, the lowest first.
#[inline(always)]
fn for_each_bit(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// Write the fields of empty and of null members.
///
/// # Safety
///
/// `at` and `end` keep the rules of `encode`.
#[inline(always)]
unsafe fn put_bits(mut end: OutputPointer, empty: u64, null: u64) -> OutputPointer {
    for (tag, bits) in [(EMPTY_FIELDS_TAG, empty), (NULL_FIELDS_TAG, null)] {
        if bits != 0 {
            end = put_header(end, (tag.into(), 1), bits);
        }
    }
    end
}

fn put_bits_in_vec(out: &mut Vec<u8>, empty: u64, null: u64) {
    for (tag, bits) in [(EMPTY_FIELDS_TAG, empty), (NULL_FIELDS_TAG, null)] {
        if bits != 0 {
            put_varint(tag.into(), out);
            put_varint(bits, out);
        }
    }
}
