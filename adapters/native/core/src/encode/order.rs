//! The order of fields on the wire: by number, whatever order the members came in.
//!
//! Fields are written as they come. Those that came too early last time, if they are short, are held back until the
//! message ends. So most messages need nothing more; of others, the fields are found again in what was written, and
//! put in order.

use super::{Encoding, Order};
use crate::out::put_span;
use crate::schema::Message;
use crate::sheet::Pen;
use crate::wire::put_header;
use std::sync::atomic::Ordering;

const EMPTY_FIELDS: u64 = 13 << 3;
const NULL_FIELDS: u64 = 14 << 3;
const ADDITIONAL: u64 = 15 << 3 | 2;
/// Fields of these numbers come before those that every message has.
const LOW: u64 = (1 << 13) - 1;

/// The most bytes that a field takes which is held back: its tag and a varint.
const HELD_SIZE: usize = 5 + 10;

/// Where a field starts and stops in the output.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    stop: usize,
}

/// Those of fields by their numbers.
#[derive(Debug)]
pub struct Spans([Span; 64]);

impl Default for Spans {
    fn default() -> Spans {
        Spans([Span::default(); 64])
    }
}

/// A field that is held back: an integer, or the number of an enum.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub tag: (u64, usize),
    pub value: u64,
}

/// Lengths of what open members are added to, before the first of a message.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    pub names: crate::json::NamesMark,
    pub aside: usize,
    pub verbatim: usize,
    pub entries: usize,
    pub texts: usize,
}

/// The fields that a message has got, as bits by number.
#[derive(Debug)]
pub struct Fields {
    /// Where the message starts in the output.
    pub base: usize,
    pub level: usize,
    pub present: u64,
    /// Whether one came after one of a higher number.
    pub disorder: bool,
    /// Those that are held back, and all that were there before the first of them.
    pub held: u64,
    pub before_held: u64,
    pub empty: u64,
    pub null: u64,
    /// Bits of the names of unknown members, and whether two have the same.
    pub unknown: u64,
    pub twice: bool,
    /// There if there are open members.
    pub open: Option<Before>,
}

impl Fields {
    pub fn new(base: usize, level: usize) -> Fields {
        Fields {
            base,
            level,
            present: 0,
            disorder: false,
            held: 0,
            before_held: 0,
            unknown: 0,
            twice: false,
            empty: 0,
            null: 0,
            open: None,
        }
    }

    /// How many are held back.
    pub fn held_count(&self) -> usize {
        self.held.count_ones() as usize
    }

    #[inline(always)]
    pub fn note(&mut self, bit: u64) {
        self.disorder |= self.present >= bit;
        self.present |= bit;
    }
}

impl Encoding<'_> {
    /// Write what a message has besides the fields that are written, in order.
    #[inline(always)]
    pub fn finish(&mut self, message: &Message, fields: &mut Fields, pen: Pen) -> Pen {
        let Fields { present, held, empty, null, .. } = *fields;
        let bits = empty | null;
        // Held fields come last, and the bits if all else is low.
        let ordered = !fields.disorder && (held == 0 || held & held.wrapping_neg() > present);
        if ordered && fields.open.is_none() && (bits == 0 || (present | held) <= LOW) {
            let pen = self.put_held(message, fields, pen);
            return if bits == 0 { pen } else { put_bits(pen, empty, null) };
        }
        self.finish_unordered(message, fields, ordered, pen)
    }

    #[inline(never)]
    fn finish_unordered(&mut self, message: &Message, fields: &mut Fields, ordered: bool, pen: Pen) -> Pen {
        let mut pen = self.put_held(message, fields, pen);
        if self.canonical
            && let Some(before) = fields.open
        {
            let Order { entries, texts, verbatim, .. } = &mut *self.order;
            let aside_end = self.aside.pen(0);
            sort_entries(self.aside.before(aside_end), &entries[before.entries..], before.aside);
            sort_entries(verbatim, &texts[before.texts..], before.verbatim);
        }
        if ordered && fields.present <= LOW {
            pen = put_bits(self.out.room(pen), fields.empty, fields.null);
            if let Some((entries, texts)) = open_parts(self.aside.bytes(), &self.order.verbatim, fields) {
                if !entries.is_empty() {
                    pen = super::reader::put_header(self.out.room(pen), (ADDITIONAL, 1), entries.len() as u64);
                    pen = self.out.put(pen, entries);
                }
                pen = self.out.put(pen, texts);
            }
        } else {
            pen = self.reorder(message, fields, pen);
        }
        if let Some(before) = fields.open {
            self.forget(before);
        }
        self.out.room(pen)
    }

    /// Forget what open members have added.
    pub fn forget(&mut self, before: Before) {
        self.aside.truncate(before.aside);
        self.order.verbatim.truncate(before.verbatim);
        self.order.entries.truncate(before.entries);
        self.order.texts.truncate(before.texts);
    }

    /// Write the fields that were held.
    #[inline(always)]
    fn put_held(&mut self, message: &Message, fields: &mut Fields, pen: Pen) -> Pen {
        let Fields { held, before_held, present, .. } = *fields;
        if held == 0 {
            return pen;
        }
        // Needless if only higher fields came since.
        let since = present & !before_held;
        if since == 0 || since & since.wrapping_neg() > held {
            message.early.fetch_and(!held, Ordering::Relaxed);
        }
        fields.disorder |= held & held.wrapping_neg() <= present;
        fields.present |= held;
        let start = self.order.held.len() - fields.held_count();
        let mut pen = self.out.room_for(pen, fields.held_count() * HELD_SIZE);
        fields.held = 0;
        for &Held { tag, value } in &self.order.held[start..] {
            pen = super::reader::put_header(pen, tag, value);
        }
        self.order.held.truncate(start);
        pen
    }

    /// Put all fields in order.
    ///
    /// The longest is moved once at most, and never copied elsewhere: what goes before and after it is gathered apart
    /// and written around it.
    fn reorder(&mut self, message: &Message, fields: &Fields, pen: Pen) -> Pen {
        let Order { spans: Spans(spans), head, tail, verbatim, .. } = &mut *self.order;
        let early = find(self.out.before(pen), fields.base, spans) & message.short;
        if early != 0 {
            message.early.fetch_or(early, Ordering::Relaxed);
        }
        head.clear();
        tail.clear();
        let (mut longest, mut length) = (64, 0);
        each(fields.present, |number| {
            let Span { start, stop } = spans[number];
            if stop - start > length {
                (longest, length) = (number, stop - start);
            }
        });
        // So that the last spans too are copied in blocks.
        let pen = self.out.room(pen);
        pen.write(0, &[0; 64]);
        let out = self.out.before(pen.skip(64));
        let mut around = Around { out, spans, longest, head, tail, passed: false };
        each(fields.present & LOW, |number| around.put(number));
        put_bits_in(around.target(), fields.empty, fields.null);
        if let Some((entries, texts)) = open_parts(self.aside.bytes(), verbatim, fields) {
            let target = around.target();
            if !entries.is_empty() {
                put_header((ADDITIONAL, 1), entries.len() as u64, target);
                put_span(target, entries, 0, entries.len());
            }
            target.extend_from_slice(texts);
        }
        each(fields.present & !LOW, |number| around.put(number));
        self.out.room_for(pen, head.len() + tail.len());
        if longest < 64 {
            self.out.move_to(fields.base + head.len(), spans[longest].start, spans[longest].stop);
        }
        self.out.at(fields.base).put_slice(head).skip(length).put_slice(tail)
    }
}

/// What open members add to a message, if it has any: the entries of a field, and whole fields.
fn open_parts<'a>(aside: &'a [u8], verbatim: &'a [u8], fields: &Fields) -> Option<(&'a [u8], &'a [u8])> {
    let before = fields.open?;
    Some((&aside[before.aside..], &verbatim[before.verbatim..]))
}

/// What goes before and after the longest field of a message.
struct Around<'w> {
    out: &'w [u8],
    spans: &'w [Span; 64],
    longest: usize,
    head: &'w mut Vec<u8>,
    tail: &'w mut Vec<u8>,
    /// Whether the longest field was reached.
    passed: bool,
}

impl Around<'_> {
    fn target(&mut self) -> &mut Vec<u8> {
        if self.passed { self.tail } else { self.head }
    }

    #[inline(always)]
    fn put(&mut self, number: usize) {
        if number == self.longest {
            self.passed = true;
        } else {
            let (out, Span { start, stop }) = (self.out, self.spans[number]);
            put_span(self.target(), out, start, stop);
        }
    }
}

/// Find where each field of the message is that starts at a place, by its number. Returns the bits of those that come
/// before one of a lower number.
fn find(out: &[u8], base: usize, spans: &mut [Span; 64]) -> u64 {
    let (mut present, mut early) = (0u64, 0);
    let mut at = base;
    while at < out.len() {
        let start = at;
        let tag = varint(out, &mut at);
        match tag & 7 {
            0 => _ = varint(out, &mut at),
            1 => at += 8,
            _ => at = varint(out, &mut at).wrapping_add(at),
        }
        let number = tag >> 3 & 63;
        // All fields of a number are together.
        if present >> number & 1 == 0 {
            spans[number].start = start;
            early |= present & !((2 << number) - 1);
            present |= 1 << number;
        }
        spans[number].stop = at;
    }
    early
}

/// The varint at a place, which is stepped over.
#[inline(always)]
fn varint(out: &[u8], at: &mut usize) -> usize {
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

/// Visit the bits that are set, the lowest first.
#[inline(always)]
fn each(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

#[inline(always)]
fn put_bits(mut pen: Pen, empty: u64, null: u64) -> Pen {
    for (tag, bits) in [(EMPTY_FIELDS, empty), (NULL_FIELDS, null)] {
        if bits != 0 {
            pen = super::reader::put_header(pen, (tag, 1), bits);
        }
    }
    pen
}

fn put_bits_in(out: &mut Vec<u8>, empty: u64, null: u64) {
    for (tag, bits) in [(EMPTY_FIELDS, empty), (NULL_FIELDS, null)] {
        if bits != 0 {
            put_header((tag, 1), bits, out);
        }
    }
}

/// Put the map entries that start at some places of a buffer, the first at `base`, in canonical order.
pub fn sort_entries(out: &mut [u8], starts: &[usize], base: usize) {
    let end = out.len();
    let mut rest = &mut out[base..];
    let before = rest.to_vec();
    let mut entries: Vec<&[u8]> = starts
        .iter()
        .enumerate()
        .map(|(at, start)| &before[start - base..starts.get(at + 1).map_or(end, |&next| next) - base])
        .collect();
    entries.sort_by(|a, b| canonical_order(entry_key(a), entry_key(b)));
    for entry in entries {
        let (place, after) = rest.split_at_mut(entry.len());
        place.copy_from_slice(entry);
        rest = after;
    }
}

/// The key of a map entry that was written here: a field whose payload starts with the key.
fn entry_key(entry: &[u8]) -> &[u8] {
    let varint = |at: usize| {
        let size = entry[at..].iter().position(|&byte| byte < 128).unwrap_or(0) + 1;
        let value = entry[at..at + size].iter().rev().fold(0, |value, &byte| value << 7 | usize::from(byte & 127));
        (value, at + size)
    };
    let (_, length) = varint(0);
    let (_, key) = varint(length);
    let (size, start) = varint(key + 1);
    &entry[start..start + size]
}

/// The order of protobuf's own deterministic serialization: by bytes, a longer key before one that begins it.
fn canonical_order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let shared = a.len().min(b.len());
    a[..shared].cmp(&b[..shared]).then(b.len().cmp(&a.len()))
}
