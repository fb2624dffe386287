//! Lists every way in which a message breaks the contract, from its wire bytes. The rules, their order and their words
//! are those of `chatpb/_engine/reference/validate.py`.
//!
//! - A message is read once, and no tree is made of it. Values that may break the contract by themselves are noted, and
//!   looked at in the contract's order once the whole message is read.
//! - A message that comes in pieces is a run of notes, which are read one after the other as protobuf merges them.
//! - That bytes cannot be read is only noticed here; `crate::tree` then says what is wrong.

mod open_values;
mod report;

use crate::error::{Violation, WireError};
use crate::json::check::check_value;
use crate::json::member_names::MemberNames;
use crate::json::normalize::normalize;
use crate::limits::{MAX_DEPTH, MAX_SIZE};
use crate::schema::{
    ADDITIONAL_PROPERTIES_ENTRY, Cardinality, EMPTY_FIELDS_ENTRY, Field, FieldKind, MEMBER_ORDER_ENTRY, Member,
    MessageSchema, NO_INDEX, NULL_FIELDS_ENTRY, Schema, VERBATIM_PROPERTIES_ENTRY,
};
use crate::tree::message::OrderedMap;
use crate::tree::read::wire_to_tree;
use crate::tree::read_struct::too_deep;
use crate::wire::LEN;
use crate::wire::read::{FieldError, WireReader};
use crate::wire::struct_tags::{ENTRY_KEY, ENTRY_VALUE};
use open_values::{Kind, skip_struct};
use report::{Report, Segment, expected, strings};
use std::collections::HashSet;
use std::ops::Range;

/// Return every violation of the contract in an encoded message, in the contract's order, up to the limits; empty if it
/// keeps the contract. With `strict` only what breaks a typed reader, which a required member is not that is missing but
/// may be null.
pub fn validate(schema: &Schema, wire: &[u8], strict: bool) -> Result<Vec<Violation>, WireError> {
    if wire.len() <= MAX_SIZE {
        let mut notes = Vec::with_capacity(32);
        notes.push(Note { field: NO_INDEX, member: NO_INDEX, packed: false, start: 0, stop: wire.len() as u32 });
        let mut validation = Validation {
            schema,
            wire,
            notes,
            report: Report::new(strict),
            names: MemberNames::default(),
            text: Vec::new(),
        };
        if validation.message(&schema.messages[0], 0..1, 1).is_ok() {
            return Ok(validation.report.violations);
        }
    }
    match wire_to_tree(schema, wire, false, true, false) {
        Err(error) => Err(error),
        Ok(_) => unreachable!("the validator refused bytes that the reader accepts"),
    }
}

type Read<T> = Result<T, FieldError>;

/// A value that is looked at once its message is read: where it stands, and the indices of its member and field. Open
/// members have no index of a member, and the entries of `MessageSchema::by_tag` as those of their fields.
#[derive(Debug, Clone, Copy)]
struct Note {
    member: u8,
    field: u8,
    /// Whether it is a packed array.
    packed: bool,
    start: u32,
    stop: u32,
}

/// What is found in a message while it is read. Members are bits, by the numbers of their first fields.
#[derive(Default)]
struct Found {
    /// The members whose typed fields have values, and those of them that are noted.
    typed: u64,
    noted: u64,
    /// The bits of `null_fields` and `empty_fields` as they came.
    null: u64,
    empty: u64,
    /// The members that are additional or verbatim, and those whose additional value is a string.
    open: u64,
    strings: u64,
    unknown_fields: usize,
    has_verbatim: bool,
}

struct Validation<'a> {
    schema: &'a Schema,
    wire: &'a [u8],
    /// Those of the messages that are open; those of the innermost come last.
    notes: Vec<Note>,
    report: Report<'a>,
    names: MemberNames,
    text: Vec<u8>,
}

impl<'a> Validation<'a> {
    /// Validate a message of a nesting level, which comes in the pieces that notes name.
    fn message(&mut self, schema: &'a MessageSchema, pieces: Range<usize>, depth: usize) -> Read<()> {
        let from = self.notes.len();
        let mut found = Found::default();
        for piece in pieces {
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
            let (mut wire, end) = self.open(piece);
            while wire.at < end {
                self.field(schema, &mut wire, end, depth, &mut found)?;
            }
        }
        if !self.notes[from..].is_sorted_by_key(|note| note.member) {
            self.notes[from..].sort_by_key(|note| note.member);
        }
        let verbatim = if found.has_verbatim { self.verbatim(schema, from, &mut found)? } else { Vec::new() };
        self.members(schema, from, &mut found, depth)?;
        if (found.null | found.empty) & !schema.known_bits != 0 {
            self.report.add("unknown_bit", || "null_fields or empty_fields names a field that does not exist".into());
        }
        if found.unknown_fields > 0 {
            let count = found.unknown_fields;
            self.report.add("unknown_field", || format!("{count} fields that the contract does not have"));
        }
        if !verbatim.is_empty() {
            self.verbatim_texts(from, depth, verbatim)?;
        }
        self.notes.truncate(from);
        Ok(())
    }

    /// Look at the texts of the verbatim members of a message.
    #[cold]
    fn verbatim_texts(&mut self, from: usize, depth: usize, verbatim: Vec<(&'a [u8], &'a [u8])>) -> Read<()> {
        let mut additional = HashSet::new();
        for note in self.open_members(from, ADDITIONAL_PROPERTIES_ENTRY) {
            let (mut wire, end) = self.open(note);
            skip_struct(&mut wire, end, depth, &mut |name, kind| {
                _ = if kind == Kind::Nothing { additional.remove(name) } else { additional.insert(name) };
            })?;
        }
        for (name, text) in verbatim {
            self.report.path.push(Segment::Name(name));
            if additional.contains(name) {
                self.report.add("conflict", || "both an additional and a verbatim property".into());
            }
            self.check_text(text);
            self.report.path.pop();
        }
        Ok(())
    }

    /// Return the notes of open members in a field, of a message whose notes start at an index.
    fn open_members(&self, from: usize, field: u8) -> Vec<usize> {
        (from..self.notes.len()).filter(|&at| self.notes[at].field == field).collect()
    }

    /// Return the names and texts of the verbatim members of a message.
    #[cold]
    fn verbatim(&mut self, schema: &MessageSchema, from: usize, found: &mut Found) -> Read<Vec<(&'a [u8], &'a [u8])>> {
        let mut texts = OrderedMap::default();
        for note in self.open_members(from, VERBATIM_PROPERTIES_ENTRY) {
            let (mut wire, end) = self.open(note);
            let (mut key, mut text): (&[u8], &[u8]) = (b"", b"");
            while wire.at < end {
                match wire.tag(end)? {
                    tag if tag == ENTRY_KEY.into() => key = wire.string(end)?,
                    tag if tag == ENTRY_VALUE.into() => text = wire.string(end)?,
                    tag => {
                        wire.skip(tag, end, 0)?;
                        found.unknown_fields += 1;
                    }
                }
            }
            texts.set(key, text);
        }
        // An empty text holds nothing.
        texts.entries.retain(|entry| !entry.1.is_empty());
        for (key, _) in &texts.entries {
            found.open |= schema.find(key).map_or(0, |index| bit(schema, index));
        }
        Ok(texts.entries)
    }

    /// Return a reader of what a note names, and the end of that.
    fn open(&self, note: usize) -> (WireReader<'a>, usize) {
        let Note { start, stop, .. } = self.notes[note];
        (WireReader { bytes: self.wire, at: start as usize }, stop as usize)
    }

    fn note(&mut self, member: u8, field: u8, packed: bool, start: usize, stop: usize) {
        self.notes.push(Note { member, field, packed, start: start as u32, stop: stop as u32 });
    }

    /// Read one field of a message.
    #[inline(always)]
    fn field(
        &mut self,
        schema: &'a MessageSchema,
        wire: &mut WireReader<'a>,
        end: usize,
        depth: usize,
        found: &mut Found,
    ) -> Read<()> {
        let tag = wire.tag(end)?;
        match schema.by_tag.get(tag as usize).copied().unwrap_or(NO_INDEX) {
            NO_INDEX => {
                wire.skip(tag, end, 0)?;
                found.unknown_fields += 1;
            }
            MEMBER_ORDER_ENTRY => wire.at = wire.stop(end)?,
            EMPTY_FIELDS_ENTRY => found.empty = wire.varint(end)?,
            NULL_FIELDS_ENTRY => found.null = wire.varint(end)?,
            ADDITIONAL_PROPERTIES_ENTRY => {
                let stop = wire.stop(end)?;
                self.note(NO_INDEX, ADDITIONAL_PROPERTIES_ENTRY, false, wire.at, stop);
                skip_struct(wire, stop, depth, &mut |name, kind| {
                    if let Some(index) = schema.find(name) {
                        let bit = bit(schema, index);
                        let with = |bits: u64, set: bool| if set { bits | bit } else { bits & !bit };
                        found.open = with(found.open, kind != Kind::Nothing);
                        found.strings = with(found.strings, kind == Kind::String);
                    }
                })?;
            }
            VERBATIM_PROPERTIES_ENTRY => {
                let stop = wire.stop(end)?;
                self.note(NO_INDEX, VERBATIM_PROPERTIES_ENTRY, false, wire.at, stop);
                wire.at = stop;
                found.has_verbatim = true;
            }
            index => {
                let field = &schema.fields[usize::from(index)];
                let bit = schema.members[usize::from(field.member)].bit;
                let notes = self.notes.len();
                let has_value = match field.cardinality {
                    Cardinality::Singular => {
                        let again = found.typed & bit != 0;
                        self.singular(schema, index, wire, end, again)?;
                        true
                    }
                    Cardinality::Repeated => self.repeated(schema, index, tag, wire, end)?,
                    Cardinality::Map => {
                        let stop = wire.stop(end)?;
                        self.note(field.member, index, false, wire.at, stop);
                        wire.at = stop;
                        true
                    }
                };
                found.typed |= if has_value { bit } else { 0 };
                found.noted |= if self.notes.len() > notes { bit } else { 0 };
            }
        }
        Ok(())
    }

    /// Read the value of a singular field. A value that replaces another, `again`, is always noted, so that the last one
    /// is known.
    #[inline(always)]
    fn singular(
        &mut self,
        schema: &'a MessageSchema,
        index: u8,
        wire: &mut WireReader<'a>,
        end: usize,
        again: bool,
    ) -> Read<()> {
        let field = &schema.fields[usize::from(index)];
        let (start, stop) = self.scalar(field, wire, end)?;
        let is_suspect = match field.kind {
            FieldKind::Message | FieldKind::List | FieldKind::Text => true,
            FieldKind::Enum => !self.has_string(field, self.number(start, stop)),
            _ => false,
        };
        if is_suspect || again {
            self.note(field.member, index, false, start, stop);
        }
        Ok(())
    }

    /// Read an item or a packed array of a repeated field. Return whether there is a value.
    fn repeated(
        &mut self,
        schema: &'a MessageSchema,
        index: u8,
        tag: u32,
        wire: &mut WireReader<'a>,
        end: usize,
    ) -> Read<bool> {
        let field = &schema.fields[usize::from(index)];
        let packed = field.is_packable() && tag & 7 == LEN;
        let (start, stop) = if packed {
            let stop = wire.stop(end)?;
            let start = wire.at;
            while wire.at < stop {
                self.scalar(field, wire, stop)?;
            }
            (start, stop)
        } else {
            self.scalar(field, wire, end)?
        };
        if matches!(field.kind, FieldKind::Message | FieldKind::List | FieldKind::Text | FieldKind::Enum) {
            self.note(field.member, index, packed, start, stop);
        }
        Ok(!packed || start < stop)
    }

    /// Step over one value of a field. Return where it starts and stops, its length not included.
    #[inline(always)]
    fn scalar(&self, field: &Field, wire: &mut WireReader<'a>, end: usize) -> Read<(usize, usize)> {
        let start = wire.at;
        let size = match field.kind {
            FieldKind::String | FieldKind::Text => wire.string(end)?.len(),
            FieldKind::Message | FieldKind::List | FieldKind::Bytes | FieldKind::ByteArray => wire.span(end)?.len(),
            FieldKind::Double => wire.double(end).map(|_| 8)?,
            _ => wire.varint(end).map(|_| wire.at - start)?,
        };
        Ok((wire.at - size, wire.at))
    }

    /// Look at the members that are noted or that break the contract, in the contract's order.
    fn members(&mut self, schema: &'a MessageSchema, from: usize, found: &mut Found, depth: usize) -> Read<()> {
        let (null, empty) = (member_bits(schema, found.null), member_bits(schema, found.empty));
        let open = found.open;
        let missing = schema.required & !(found.typed | null | empty | open);
        let mut to_see = found.noted | missing | open | empty | null & (found.typed | !schema.nullable);
        let mut at = from;
        while to_see != 0 {
            let index = schema.by_bit[to_see.trailing_zeros() as usize];
            let member = &schema.members[usize::from(index)];
            to_see &= to_see - 1;
            self.report.path.push(Segment::Name(member.name.as_bytes()));
            let start = at;
            while self.notes.get(at).is_some_and(|note| note.member == index) {
                at += 1;
            }
            self.noted(schema, start..at, found, depth)?;
            let is = |bits: u64| bits & member.bit != 0;
            let homes = [found.typed, null, empty, open].into_iter().filter(|&bits| is(bits)).count();
            if homes > 1 {
                let words = || format!("{} is in {homes} homes that disagree; the first of them prints", member.name);
                self.report.add("conflict", words);
            }
            if is(null) && schema.nullable & member.bit == 0 {
                let words = || format!("{} is null, which the contract does not allow", member.name);
                self.report.add("not_nullable", words);
            }
            if is(empty) && member.empty_form.is_empty() {
                let words = || format!("empty_fields names {}, which is neither an array nor a map", member.name);
                self.report.add("unknown_bit", words);
            }
            if is(open) {
                self.misfit(schema, member, is(found.strings));
            }
            if is(missing) && schema.nullable & member.bit == 0 {
                self.report.add("required", || format!("{} is missing", member.name));
            } else if is(missing) && !self.report.strict {
                let words = || format!("{} is missing but may be null", member.name);
                self.report.add("required_nullable", words);
            }
            self.report.path.pop();
        }
        Ok(())
    }

    /// Report why a member of the contract is not in its typed field.
    fn misfit(&mut self, schema: &MessageSchema, member: &Member, is_string: bool) {
        let fields = || member.fields.iter().map(|&index| &schema.fields[usize::from(index)]);
        let is_enum = |field: &Field| field.kind == FieldKind::Enum && field.cardinality == Cardinality::Singular;
        if is_string && fields().any(is_enum) {
            let known = || strings(self.schema, fields());
            self.report.add("enum", || format!("{} is a string that is not one of {}", member.name, known()));
        } else {
            self.report.add("type", || format!("{} is not {}", member.name, expected(fields())));
        }
    }

    /// Validate the values of one member, a run of notes.
    fn noted(&mut self, schema: &'a MessageSchema, notes: Range<usize>, found: &mut Found, depth: usize) -> Read<()> {
        let Some(last) = notes.clone().next_back().map(|last| self.notes[last]) else { return Ok(()) };
        let field = &schema.fields[usize::from(last.field)];
        match field.cardinality {
            Cardinality::Singular => {
                // Those before another field are replaced, and so is all before the last one of what is not merged.
                let is_merged = matches!(field.kind, FieldKind::Message | FieldKind::List);
                let replaced = |&at: &usize| self.notes[at].field != last.field || !is_merged;
                let start = (notes.start..notes.end - 1).rev().find(replaced).map_or(notes.start, |at| at + 1);
                for at in notes.start..start {
                    self.unseen(&schema.fields[usize::from(self.notes[at].field)], at..at + 1, depth)?;
                }
                self.value(field, start..notes.end, depth)
            }
            Cardinality::Repeated => {
                let mut index = 0;
                notes.into_iter().try_for_each(|note| self.items(field, note, &mut index, depth + 1))
            }
            Cardinality::Map => {
                let (mut entries, end) = (OrderedMap::default(), self.notes.len());
                for note in notes {
                    let start = self.notes.len();
                    let key = self.entry(schema, last.field, note, found)?;
                    if let Some(replaced) = entries.set(key, start..self.notes.len()) {
                        self.unseen(field, replaced, depth + 1)?;
                    }
                }
                for (key, pieces) in entries.entries {
                    self.report.path.push(Segment::Name(key));
                    self.value(field, pieces, depth + 1)?;
                    self.report.path.pop();
                }
                self.notes.truncate(end);
                Ok(())
            }
        }
    }

    /// Read the entry of a map that a note names. Note its values, and return its key.
    fn entry(&mut self, schema: &'a MessageSchema, index: u8, note: usize, found: &mut Found) -> Read<&'a [u8]> {
        let field = &schema.fields[usize::from(index)];
        let value_tag = 2 << 3 | field.wire_type();
        let (mut wire, end) = self.open(note);
        let mut key: &[u8] = b"";
        while wire.at < end {
            let tag = wire.tag(end)?;
            if tag == ENTRY_KEY.into() {
                key = wire.string(end)?;
            } else if tag == value_tag {
                let (start, stop) = self.scalar(field, &mut wire, end)?;
                self.note(field.member, index, false, start, stop);
            } else {
                wire.skip(tag, end, 0)?;
                found.unknown_fields += 1;
            }
        }
        Ok(key)
    }

    /// Validate the items of one note of an array, from an index on.
    fn items(&mut self, field: &'a Field, note: usize, index: &mut usize, depth: usize) -> Read<()> {
        if !self.notes[note].packed {
            self.report.path.push(Segment::Index(*index));
            self.value(field, note..note + 1, depth)?;
            self.report.path.pop();
            *index += 1;
            return Ok(());
        }
        let (mut wire, end) = self.open(note);
        while wire.at < end {
            let number = wire.varint(end)? as i32;
            self.report.path.push(Segment::Index(*index));
            self.check_number(field, number);
            self.report.path.pop();
            *index += 1;
        }
        Ok(())
    }

    /// Read a value that another one replaces, which breaks no contract.
    fn unseen(&mut self, field: &'a Field, pieces: Range<usize>, depth: usize) -> Read<()> {
        let muted = std::mem::replace(&mut self.report.muted, true);
        self.value(field, pieces, depth)?;
        self.report.muted = muted;
        Ok(())
    }

    /// Validate one value of a field, which comes in the pieces that notes name. The last one counts, unless they merge.
    fn value(&mut self, field: &'a Field, pieces: Range<usize>, depth: usize) -> Read<()> {
        let last = pieces.clone().next_back().map(|last| self.notes[last]);
        let (start, stop) = last.map_or((0, 0), |note| (note.start as usize, note.stop as usize));
        match field.kind {
            FieldKind::Message => {
                return self.message(&self.schema.messages[field.type_index], pieces, depth + 1);
            }
            FieldKind::List => return self.list(&self.schema.messages[field.type_index], pieces, depth + 1),
            FieldKind::Text => self.check_text(&self.wire[start..stop]),
            FieldKind::Enum => self.check_number(field, self.number(start, stop)),
            _ => {}
        }
        Ok(())
    }

    /// Validate a message that stands for an array.
    fn list(&mut self, schema: &'a MessageSchema, pieces: Range<usize>, depth: usize) -> Read<()> {
        let mut index = 0;
        for piece in pieces {
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
            let (mut wire, end) = self.open(piece);
            while wire.at < end {
                let tag = wire.tag(end)?;
                let note = self.notes.len();
                match schema.by_tag.get(tag as usize) {
                    Some(&field) if field != NO_INDEX => {
                        self.repeated(schema, field, tag, &mut wire, end)?;
                        if self.notes.len() > note {
                            self.items(&schema.fields[usize::from(field)], note, &mut index, depth)?;
                            self.notes.truncate(note);
                        }
                    }
                    _ => wire.skip(tag, end, 0)?,
                }
            }
        }
        Ok(())
    }

    /// Return the number of an enum that was read before; 0 where there are no bytes.
    #[inline(always)]
    fn number(&self, start: usize, stop: usize) -> i32 {
        WireReader { bytes: self.wire, at: start }.varint(stop).unwrap_or(0) as i32
    }

    #[inline(always)]
    fn has_string(&self, field: &Field, number: i32) -> bool {
        self.schema.enums[field.type_index].printed(number).is_some()
    }

    fn check_number(&mut self, field: &Field, number: i32) {
        let name = &self.schema.enums[field.type_index].name;
        if self.has_string(field, number) {
            return;
        }
        if number == 0 {
            self.report.add("unspecified", || format!("the zero value of {name} has no JSON string"));
        } else {
            self.report.add("enum", || format!("{number} is not a number of {name}"));
        }
    }

    fn check_text(&mut self, text: &[u8]) {
        self.text.clear();
        if normalize(text, true, &mut self.names, &mut self.text).is_none()
            && let Err(error) = check_value(text, true)
        {
            self.report.add("json_text", || format!("text that is not a JSON value: {}", error.reason));
        }
    }
}

/// Return the members that bits of `null_fields` or `empty_fields` name, each by the number of its first field.
#[inline(always)]
fn member_bits(schema: &MessageSchema, bits: u64) -> u64 {
    let (mut rest, mut members) = (bits & schema.known_bits, 0);
    while rest != 0 {
        members |= bit(schema, schema.by_bit[rest.trailing_zeros() as usize]);
        rest &= rest - 1;
    }
    members
}

fn bit(schema: &MessageSchema, member: u8) -> u64 {
    schema.members[usize::from(member)].bit
}
