//! Wire bytes to JSON text, in the encodings that protobuf's own writers make.
//!
//! Each message is gone over twice: once over its tags and lengths, to find each member, and once to print the members
//! in the contract's order, straight to the output. What is wrong, and what is valid but unusual (a singular field that
//! comes twice, entries of the same key, fields between those of a repeated one), is only noticed here; `tree` then
//! reads the message exactly.

use crate::error::WireError;
use crate::json::{Name, Names};
use crate::limits::{KEPT, MAX_DEPTH, MAX_SIZE};
use crate::number::{print_double, print_integer, print_unsigned};
use crate::out::{put_block, put_word};
use crate::print_tree::{print_byte_array, print_enum, print_tree};
use crate::schema::{
    ADDITIONAL, EMPTY_FIELDS, Field, Kind, Member, Message, NONE, NULL_FIELDS, Schema, Shape, VERBATIM,
};
use crate::strings::quote_span;
use crate::tree::{print_text, wire_to_tree};

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
    /// Names of open members, as spans of the wire bytes.
    names: Names,
    texts: Names,
    slots: Vec<Slot>,
}

impl Printer {
    /// The JSON text of an encoded message.
    pub fn wire_to_json(&mut self, schema: &Schema, wire: &[u8], options: PrintOptions) -> Result<&[u8], WireError> {
        self.out.clear();
        if self.out.capacity() > KEPT {
            *self = Printer::default();
        }
        let mut out = std::mem::take(&mut self.out);
        out.reserve(wire.len() + wire.len() / 4 + 256);
        let done = self.append(schema, wire, options, &mut out);
        self.out = out;
        done?;
        Ok(&self.out)
    }

    /// The same, written at the end of a buffer.
    pub(crate) fn append(
        &mut self,
        schema: &Schema,
        wire: &[u8],
        options: PrintOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let base = out.len();
        self.work.names.clear();
        self.work.slots.clear();
        let mut printing = Printing { schema, wire, options, work: &mut self.work };
        if wire.len() <= MAX_SIZE && printing.message(&schema.messages[0], 0, wire.len(), 1, out).is_some() {
            return Ok(());
        }
        out.truncate(base);
        let tree = wire_to_tree(schema, wire, options.refuse_unknown, options.nonfinite)?;
        print_tree(schema, &tree, options.fill_required, out);
        Ok(())
    }
}

/// Where a field was found. That of a single value spans what follows the tag and the length; others span whole fields.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    start: usize,
    stop: usize,
    field: u8,
}

struct Printing<'a> {
    schema: &'a Schema,
    wire: &'a [u8],
    options: PrintOptions,
    work: &'a mut Work,
}

/// `None` where the message is wrong or unusual.
type Done<T = ()> = Option<T>;

impl<'a> Printing<'a> {
    #[inline(always)]
    fn varint(&self, at: &mut usize, end: usize) -> Done<u64> {
        if *at >= end {
            return None;
        }
        let byte = self.wire[*at];
        *at += 1;
        if byte < 128 {
            return Some(u64::from(byte));
        }
        self.long_varint(u64::from(byte & 127), at, end)
    }

    #[inline]
    fn long_varint(&self, mut value: u64, at: &mut usize, end: usize) -> Done<u64> {
        for shift in (7..70).step_by(7) {
            if *at >= end {
                return None;
            }
            let byte = self.wire[*at];
            *at += 1;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    /// A tag of at most two bytes, which those of all known fields are.
    #[inline(always)]
    fn tag(&self, at: &mut usize, end: usize) -> Done<usize> {
        let start = *at;
        let tag = self.varint(at, end)?;
        // A longer spelling of a tag is valid up to five bytes; the exact half counts them.
        ((8..512).contains(&tag) && *at - start <= 2).then_some(tag as usize)
    }

    /// A length: where what it measures stops.
    #[inline(always)]
    fn stop(&self, at: &mut usize, end: usize) -> Done<usize> {
        let size = self.varint(at, end)?;
        (size <= (end - *at) as u64).then(|| *at + size as usize)
    }

    #[inline(always)]
    fn expect(&self, tag: usize, at: &mut usize, end: usize) -> Done {
        let start = *at;
        *at += 1;
        (start < end && usize::from(self.wire[start]) == tag).then_some(())
    }

    fn message(&mut self, message: &'a Message, at: usize, end: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        if depth > MAX_DEPTH {
            return None;
        }
        let base = self.work.slots.len();
        self.work.slots.resize(base + message.members.len(), Slot::default());
        let found = self.find(message, base, at, end)?;
        let start = out.len();
        let mut printed = 0u64;
        let bits = found.null | found.empty;
        let mut members = found.members;
        let mut named = bits & message.known;
        while named != 0 {
            members |= 1 << message.by_bit[named.trailing_zeros() as usize & 63];
            named &= named - 1;
        }
        if self.options.fill_required {
            members = u64::MAX;
        }
        while members != 0 {
            let place = members.trailing_zeros() as usize;
            members &= members - 1;
            let Some(member) = message.members.get(place) else { break };
            let before = out.len();
            if found.members >> place & 1 != 0 {
                let slot = self.work.slots[base + place];
                let field = &message.fields[usize::from(slot.field)];
                put_prefix(member, out);
                let value = out.len();
                self.field(field, slot, depth, out)?;
                if out.len() > value {
                    printed |= 1 << place;
                    continue;
                }
                out.truncate(before);
            }
            let text = if bits & member.bits != 0 {
                if found.null & member.bits != 0 { "null" } else { member.empty_form }
            } else {
                ""
            };
            let text = if self.options.fill_required && text.is_empty() {
                if found.open && !member.filling.is_empty() {
                    return None;
                }
                member.filling
            } else {
                text
            };
            if !text.is_empty() {
                put_prefix(member, out);
                out.extend_from_slice(text.as_bytes());
                printed |= 1 << place;
            }
        }
        self.work.slots.truncate(base);
        if found.open {
            self.open_members(message, &found, printed, depth, out)?;
        }
        // Every member was written after a comma.
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
        Some(())
    }

    /// Find the members of a message, each in a slot of its own.
    #[inline]
    fn find(&mut self, message: &Message, base: usize, mut at: usize, end: usize) -> Done<Found> {
        let mut found = Found::default();
        while at < end {
            let start = at;
            let tag = self.tag(&mut at, end)?;
            let place = message.by_tag[tag];
            if place < EMPTY_FIELDS {
                let field = &message.fields[usize::from(place)];
                let slot = &mut self.work.slots[base + usize::from(field.member)];
                let new = found.members >> field.member & 1 == 0;
                found.members |= 1 << field.member;
                let value = match tag & 7 {
                    0 => {
                        let value = at;
                        if self.wire.get(at).is_some_and(|&byte| byte < 128) && at < end {
                            at += 1;
                        } else {
                            let mut after = at;
                            Printing::skip_varint(self.wire, &mut after, end)?;
                            at = after;
                        }
                        value
                    }
                    1 => {
                        at += 8;
                        at - 8
                    }
                    _ => {
                        let stop = Printing::length(self.wire, &mut at, end)?;
                        std::mem::replace(&mut at, stop)
                    }
                };
                if at > end {
                    return None;
                }
                if field.shape == Shape::One {
                    if !new {
                        return None;
                    }
                    *slot = Slot { start: value, stop: at, field: place };
                } else if new {
                    *slot = Slot { start, stop: at, field: place };
                } else if slot.stop == start {
                    slot.stop = at;
                } else {
                    return None;
                }
                continue;
            }
            match place {
                EMPTY_FIELDS | NULL_FIELDS => {
                    let bits = self.varint(&mut at, end)?;
                    if self.options.refuse_unknown && bits & !message.known != 0 {
                        return None;
                    }
                    *(if place == EMPTY_FIELDS { &mut found.empty } else { &mut found.null }) = bits;
                }
                ADDITIONAL if found.additional.is_none() => {
                    let stop = self.stop(&mut at, end)?;
                    found.additional = Some((at, stop));
                    found.open = true;
                    at = stop;
                }
                VERBATIM if found.verbatim.is_none_or(|verbatim| verbatim.1 == start) => {
                    at = self.stop(&mut at, end)?;
                    found.verbatim = Some((found.verbatim.map_or(start, |verbatim| verbatim.0), at));
                    found.open = true;
                }
                NONE if !self.options.refuse_unknown => match tag & 7 {
                    0 => drop(self.varint(&mut at, end)?),
                    2 => at = self.stop(&mut at, end)?,
                    _ => return None,
                },
                _ => return None,
            }
        }
        Some(found)
    }

    fn skip_varint(wire: &[u8], at: &mut usize, end: usize) -> Done {
        for _ in 0..10 {
            if *at >= end {
                return None;
            }
            let byte = wire[*at];
            *at += 1;
            if byte < 128 {
                return Some(());
            }
        }
        None
    }

    #[inline(always)]
    fn length(wire: &[u8], at: &mut usize, end: usize) -> Done<usize> {
        let mut size = 0u64;
        for shift in (0..35).step_by(7) {
            if *at >= end {
                return None;
            }
            let byte = wire[*at];
            *at += 1;
            size |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return (size <= (end - *at) as u64).then(|| *at + size as usize);
            }
        }
        None
    }

    /// The members that no typed field holds.
    fn open_members(
        &mut self,
        message: &Message,
        found: &Found,
        printed: u64,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Done {
        let names = self.work.names.mark();
        if let Some((mut at, end)) = found.additional {
            while at < end {
                let (key, value, stop) = self.open_entry(&mut at, end)?;
                self.open_name(message, key, printed, out)?;
                self.open_value(value, stop, depth, out)?;
            }
        }
        if let Some((mut at, end)) = found.verbatim {
            while at < end {
                // Two bytes of tag.
                at += 2;
                let (key, value, stop) = self.entry(&mut at, end)?;
                self.open_name(message, key, printed, out)?;
                self.text(value, stop, depth, out)?;
            }
        }
        self.work.names.close(self.wire, names).ok()
    }

    fn open_name(&mut self, message: &Message, key: (usize, usize), printed: u64, out: &mut Vec<u8>) -> Done {
        let name = &self.wire[key.0..key.1];
        if message.find(name).is_some_and(|place| printed >> place & 1 != 0) {
            return None;
        }
        out.push(b',');
        self.name(key, out)
    }

    /// A name and its colon, noted.
    fn name(&mut self, key: (usize, usize), out: &mut Vec<u8>) -> Done {
        self.work.names.list.push(Name { start: key.0, stop: key.1, decoded: false, lone: false });
        self.string(key.0, key.1, out)?;
        out.push(b':');
        Some(())
    }

    /// An entry of Struct.fields at its tag.
    #[inline]
    fn open_entry(&self, at: &mut usize, end: usize) -> Done<((usize, usize), usize, usize)> {
        self.expect(1 << 3 | 2, at, end)?;
        self.entry(at, end)
    }

    /// An entry with a key and a length-delimited value, in this order, after its tag.
    #[inline]
    fn entry(&self, at: &mut usize, end: usize) -> Done<((usize, usize), usize, usize)> {
        let stop = self.stop(at, end)?;
        self.expect(1 << 3 | 2, at, stop)?;
        let key_stop = self.stop(at, stop)?;
        let key = (*at, key_stop);
        *at = key_stop;
        self.expect(2 << 3 | 2, at, stop)?;
        let value_stop = self.stop(at, stop)?;
        let value = *at;
        *at = stop;
        (value_stop == stop).then_some((key, value, stop))
    }

    /// A google.protobuf.Value.
    fn open_value(&mut self, mut at: usize, end: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        if at == end {
            out.extend_from_slice(b"null");
            return Some(());
        }
        let tag = self.wire[at];
        at += 1;
        match tag {
            0x1a => {
                let stop = self.stop(&mut at, end)?;
                self.string(at, stop, out)?;
                at = stop;
            }
            0x11 => {
                self.double(at, end, out)?;
                at += 8;
            }
            0x20 => {
                let value = self.varint(&mut at, end)?;
                out.extend_from_slice(if value != 0 { b"true" } else { b"false" });
            }
            0x08 => {
                self.varint(&mut at, end)?;
                out.extend_from_slice(b"null");
            }
            0x2a | 0x32 if depth < MAX_DEPTH => {
                let stop = self.stop(&mut at, end)?;
                if tag == 0x2a {
                    self.open_object(at, stop, depth + 1, out)?;
                } else {
                    self.open_array(at, stop, depth + 1, out)?;
                }
                at = stop;
            }
            _ => return None,
        }
        (at == end).then_some(())
    }

    fn open_object(&mut self, mut at: usize, end: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        let names = self.work.names.mark();
        let start = out.len();
        while at < end {
            let (key, value, stop) = self.open_entry(&mut at, end)?;
            out.push(b',');
            self.name(key, out)?;
            self.open_value(value, stop, depth, out)?;
        }
        close(b'{', b'}', start, out);
        self.work.names.close(self.wire, names).ok()
    }

    fn open_array(&mut self, mut at: usize, end: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        let start = out.len();
        while at < end {
            self.expect(1 << 3 | 2, &mut at, end)?;
            let stop = self.stop(&mut at, end)?;
            out.push(b',');
            self.open_value(at, stop, depth, out)?;
            at = stop;
        }
        close(b'[', b']', start, out);
        Some(())
    }

    #[inline]
    fn field(&mut self, field: &'a Field, slot: Slot, depth: usize, out: &mut Vec<u8>) -> Done {
        match field.shape {
            Shape::One if field.kind == Kind::Enum => {
                let number = self.varint(&mut { slot.start }, slot.stop)? as i32;
                if number != 0 {
                    print_enum(self.schema, field, number, out);
                }
                Some(())
            }
            Shape::One => self.value(field, slot.start, slot.stop, depth, out),
            Shape::Many => self.items(field, slot.start, slot.stop, depth + 1, out, false),
            Shape::Map => self.map(field, slot, depth + 1, out),
        }
    }

    /// The fields of an array, one after the other. `depth` is that of the array.
    fn items(
        &mut self,
        field: &'a Field,
        mut at: usize,
        end: usize,
        depth: usize,
        out: &mut Vec<u8>,
        whole: bool,
    ) -> Done {
        let start = out.len();
        while at < end {
            let tag = self.tag(&mut at, end)?;
            let value = at;
            if tag == field.tag as usize && tag & 7 == 2 {
                let stop = self.stop(&mut at, end)?;
                if field.packable() {
                    while at < stop {
                        out.push(b',');
                        let value = at;
                        self.over(field, &mut at, stop)?;
                        self.value(field, value, at, depth, out)?;
                    }
                } else {
                    out.push(b',');
                    self.value(field, at, stop, depth, out)?;
                }
                at = stop;
            } else if tag == (field.number << 3 | field.wire_type()) as usize {
                self.over(field, &mut at, end)?;
                out.push(b',');
                self.value(field, value, at, depth, out)?;
            } else {
                return None;
            }
        }
        if whole || out.len() > start {
            close(b'[', b']', start, out);
        }
        Some(())
    }

    /// Step over one value of fixed or varint form.
    #[inline]
    fn over(&self, field: &Field, at: &mut usize, end: usize) -> Done {
        if field.kind == Kind::Double {
            *at += 8;
            return (*at <= end).then_some(());
        }
        self.varint(at, end).map(drop)
    }

    fn map(&mut self, field: &'a Field, slot: Slot, depth: usize, out: &mut Vec<u8>) -> Done {
        let names = self.work.names.mark();
        let start = out.len();
        let mut at = slot.start;
        while at < slot.stop {
            self.tag(&mut at, slot.stop)?;
            let stop = self.stop(&mut at, slot.stop)?;
            self.expect(1 << 3 | 2, &mut at, stop)?;
            let key_stop = self.stop(&mut at, stop)?;
            out.push(b',');
            self.name((at, key_stop), out)?;
            at = key_stop;
            self.expect(2 << 3 | field.wire_type() as usize, &mut at, stop)?;
            if field.packable() {
                let value = at;
                self.over(field, &mut at, stop)?;
                self.value(field, value, at, depth, out)?;
            } else {
                let value_stop = self.stop(&mut at, stop)?;
                self.value(field, at, value_stop, depth, out)?;
                at = value_stop;
            }
            if at != stop {
                return None;
            }
        }
        close(b'{', b'}', start, out);
        self.work.names.close(self.wire, names).ok()
    }

    /// One value of a field, after its tag and length.
    #[inline]
    fn value(&mut self, field: &'a Field, mut at: usize, stop: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        match field.kind {
            Kind::String => self.string(at, stop, out),
            Kind::Message => self.message(&self.schema.messages[field.refers], at, stop, depth + 1, out),
            Kind::Int32 => {
                let value = self.varint(&mut at, stop)?;
                print_integer(i64::from(value as i32), out);
                Some(())
            }
            Kind::Int64 => {
                let value = self.varint(&mut at, stop)?;
                print_integer(value as i64, out);
                Some(())
            }
            Kind::Uint32 => {
                let value = self.varint(&mut at, stop)?;
                print_unsigned(u64::from(value as u32), out);
                Some(())
            }
            Kind::Uint64 => {
                let value = self.varint(&mut at, stop)?;
                print_unsigned(value, out);
                Some(())
            }
            Kind::Enum => {
                let value = self.varint(&mut at, stop)?;
                print_enum(self.schema, field, value as i32, out);
                Some(())
            }
            Kind::Bool => {
                let value = self.varint(&mut at, stop)?;
                out.extend_from_slice(if value != 0 { b"true" } else { b"false" });
                Some(())
            }
            Kind::Double => self.double(at, stop, out),
            Kind::Text => self.text(at, stop, depth, out),
            Kind::Bytes => {
                out.push(b'"');
                crate::base64::encode(&self.wire[at..stop], out);
                out.push(b'"');
                Some(())
            }
            Kind::ByteArray => {
                print_byte_array(&self.wire[at..stop], out);
                Some(())
            }
            Kind::List => {
                if depth + 1 > MAX_DEPTH {
                    return None;
                }
                self.items(&self.schema.messages[field.refers].fields[0], at, stop, depth + 1, out, true)
            }
        }
    }

    #[inline(always)]
    fn string(&self, at: usize, stop: usize, out: &mut Vec<u8>) -> Done {
        let mut high = false;
        put_word(out, u64::from(b'"'), 1);
        quote_span(self.wire, at, stop, out, &mut high);
        put_word(out, u64::from(b'"'), 1);
        (!high || simdutf8::basic::from_utf8(&self.wire[at..stop]).is_ok()).then_some(())
    }

    #[inline]
    fn double(&self, at: usize, end: usize, out: &mut Vec<u8>) -> Done {
        let bytes = self.wire[at..end].first_chunk()?;
        let value = f64::from_le_bytes(*bytes);
        if !value.is_finite() && !self.options.nonfinite {
            return None;
        }
        print_double(value, out);
        Some(())
    }

    /// The text of a JSON value inside a container of a nesting level.
    fn text(&mut self, at: usize, stop: usize, depth: usize, out: &mut Vec<u8>) -> Done {
        let text = &self.wire[at..stop];
        simdutf8::basic::from_utf8(text).ok()?;
        let nesting = print_text(text, self.options.nonfinite, &mut self.work.texts, out)?;
        (depth + nesting <= MAX_DEPTH).then_some(())
    }
}

/// What a message has.
#[derive(Debug, Default)]
struct Found {
    /// A bit for each place of a member.
    members: u64,
    empty: u64,
    null: u64,
    open: bool,
    additional: Option<(usize, usize)>,
    verbatim: Option<(usize, usize)>,
}

/// The comma, the name and the colon of a member.
#[inline(always)]
fn put_prefix(member: &Member, out: &mut Vec<u8>) {
    if member.prefix.len() <= 32 {
        put_block(out, &member.prefix_block, member.prefix.len());
    } else {
        out.extend_from_slice(&member.prefix);
    }
}

/// Put brackets around entries that each follow a comma.
#[inline]
fn close(opening: u8, closing: u8, start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = opening,
        None => out.push(opening),
    }
    out.push(closing);
}
