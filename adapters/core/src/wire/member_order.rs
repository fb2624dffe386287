//! The order of the members of open values, which a protobuf map does not keep: the field `member_order`.
//!
//! The field is a row of bits, the lowest of a byte first. Its objects are `additional_properties`, each object before
//! those inside it, in the order in which they print; then `verbatim_properties`. An object of two or more members has
//! the bit 0 if they are sorted by the bytes of their names, else the bit 1 and for each member but the last its place
//! among the sorted names, in as many bits as the highest place takes. Behind the end, all bits are 0: so a field that
//! is empty, or absent, says that all objects are sorted.
//!
//! Bits that do not fit the objects, as those of a message that was edited may, count as none.
//!
//! The rules are those of `chatpb/_json/member_order.py`.

use crate::limits::MAX_DEPTH;
use crate::wire::read::{delimited, entry, expect};
use crate::wire::struct_tags::{LIST_VALUE, LIST_VALUES, STRUCT_FIELDS, STRUCT_VALUE};

/// Takes the bits of objects one after the other: writes them, or compares them.
trait Bits {
    /// Take this number of bits of a value; `None` ends the walk.
    fn put(&mut self, value: usize, width: u32) -> Option<()>;
}

/// Appends bits to bytes.
#[derive(Debug)]
struct OrderWriter<'v> {
    bytes: &'v mut Vec<u8>,
    /// Bits that fill no byte yet, and their number.
    word: u64,
    filled: u32,
}

impl Bits for OrderWriter<'_> {
    fn put(&mut self, value: usize, width: u32) -> Option<()> {
        self.word |= (value as u64) << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.bytes.push(self.word as u8);
            self.word >>= 8;
            self.filled -= 8;
        }
        Some(())
    }
}

/// Up to this number of members, an object is walked without allocating.
const FEW: usize = 8;

/// A name, and its first bytes as a number, which orders most names by itself.
#[derive(Debug, Clone, Copy)]
struct Name<'a> {
    start: u64,
    bytes: &'a [u8],
}

impl<'a> Name<'a> {
    const EMPTY: Name<'static> = Name { start: 0, bytes: &[] };

    #[inline(always)]
    fn new(bytes: &'a [u8]) -> Name<'a> {
        let start = match bytes.first_chunk() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => {
                bytes.iter().zip((0..8).rev()).fold(0, |word, (&byte, place)| word | u64::from(byte) << (8 * place))
            }
        };
        Name { start, bytes }
    }

    #[inline(always)]
    fn is_less(self, other: Name) -> bool {
        self.start < other.start || self.start == other.start && is_less(self.bytes, other.bytes)
    }
}

/// An entry's name and value.
type Member<'a> = (Name<'a>, &'a [u8]);

/// Give the bits of an object alone, given the fields of a map and the bytes of their tag, and its members to a function.
fn put_object<'a, B: Bits>(
    bits: &mut B,
    fields: &'a [u8],
    tag: &[u8],
    each: impl Fn(&mut B, &'a [u8]) -> Option<()>,
) -> Option<()> {
    let (mut few, mut many): ([Member; FEW], Vec<Member>) = ([(Name::EMPTY, &[]); FEW], Vec::new());
    let (mut rest, mut count, mut ascend) = (fields, 0, true);
    let mut before = Name::EMPTY;
    while !rest.is_empty() {
        let (bytes, value);
        (bytes, value, rest) = entry(rest.strip_prefix(tag)?)?;
        let name = Name::new(bytes);
        ascend = ascend && !name.is_less(before);
        before = name;
        if count < FEW {
            few[count] = (name, value);
        } else {
            if count == FEW {
                many.extend_from_slice(&few);
            }
            many.push((name, value));
        }
        count += 1;
    }
    let members = if count <= FEW { &few[..count] } else { &many };
    if let Some(width) = place_width(count) {
        bits.put(usize::from(!ascend), 1)?;
        if !ascend {
            put_places(bits, members, width)?;
        }
    }
    members.iter().try_for_each(|&(_, value)| each(bits, value))
}

/// Give the place among the sorted names of each member but the last.
fn put_places(bits: &mut impl Bits, members: &[Member], width: u32) -> Option<()> {
    let (mut few, mut many) = ([0; FEW], Vec::new());
    let places = if members.len() <= FEW {
        for (index, &(name, _)) in members.iter().enumerate() {
            for other in 0..index {
                let is_before = usize::from(name.is_less(members[other].0));
                few[other] += is_before;
                few[index] += 1 - is_before;
            }
        }
        &few[..members.len()]
    } else {
        many.resize(members.len(), 0);
        let names: Vec<&[u8]> = members.iter().map(|&(name, _)| name.bytes).collect();
        for (place, index) in sorted(&names).into_iter().enumerate() {
            many[index] = place;
        }
        &many
    };
    places[..members.len() - 1].iter().try_for_each(|&place| bits.put(place, width))
}

/// Return whether a name comes before another by its bytes. The C library's comparison takes many times as long for texts
/// as short as names.
#[inline(never)]
pub fn is_less(mut name: &[u8], mut other: &[u8]) -> bool {
    while let (Some((first, rest)), Some((second, others))) = (name.split_first_chunk(), other.split_first_chunk()) {
        if first != second {
            return u64::from_be_bytes(*first) < u64::from_be_bytes(*second);
        }
        (name, other) = (rest, others);
    }
    name.iter().lt(other)
}

/// Give the bits of a google.protobuf.Struct and of the objects inside it.
fn put_struct_bits<B: Bits>(bits: &mut B, fields: &[u8], depth: usize) -> Option<()> {
    put_object(bits, fields, &[STRUCT_FIELDS], |bits, value| put_value_bits(bits, value, depth))
}

fn put_value_bits<B: Bits>(bits: &mut B, value: &[u8], depth: usize) -> Option<()> {
    match value.split_first() {
        Some((&tag @ (STRUCT_VALUE | LIST_VALUE), inner)) => put_inner_bits(bits, tag, inner, depth),
        _ => Some(()),
    }
}

fn put_inner_bits<B: Bits>(bits: &mut B, tag: u8, inner: &[u8], depth: usize) -> Option<()> {
    let (mut inner, after) = delimited(inner)?;
    if depth == MAX_DEPTH || !after.is_empty() {
        return None;
    }
    if tag == STRUCT_VALUE {
        return put_struct_bits(bits, inner, depth + 1);
    }
    while !inner.is_empty() {
        let value;
        (value, inner) = delimited(expect(LIST_VALUES, inner)?)?;
        put_value_bits(bits, value, depth + 1)?;
    }
    Some(())
}

/// Give the bits of the payload of `additional_properties` and of the fields of `verbatim_properties`.
fn put_bits(bits: &mut impl Bits, additional: &[u8], verbatim: &[u8]) -> Option<()> {
    put_struct_bits(bits, additional, 1)?;
    put_object(bits, verbatim, VERBATIM_TAG, |_, _| Some(()))
}

/// Reads the bits of objects whose members may be in any order.
#[derive(Debug)]
pub struct OrderReader<'o> {
    bits: &'o [u8],
    /// The number of bits read.
    at: usize,
    fits: bool,
}

impl<'o> OrderReader<'o> {
    pub fn new(member_order: &'o [u8]) -> OrderReader<'o> {
        OrderReader { bits: member_order, at: 0, fits: true }
    }

    fn take(&mut self, width: u32) -> usize {
        let bytes = self.bits.get(self.at / 8..).unwrap_or_default();
        let mut word = [0; 8];
        let count = bytes.len().min(8);
        word[..count].copy_from_slice(&bytes[..count]);
        let value = u64::from_le_bytes(word) >> (self.at % 8) & ((1 << width) - 1);
        self.at += width as usize;
        value as usize
    }

    /// Read the place of each member of an object but the last; `None` if two are equal or one is too high.
    fn places(&mut self, count: usize, width: u32) -> Option<Vec<usize>> {
        let mut is_free = vec![true; count];
        let mut places = Vec::with_capacity(count);
        for _ in 1..count {
            let place = self.take(width);
            if !std::mem::take(is_free.get_mut(place)?) {
                return None;
            }
            places.push(place);
        }
        places.push(is_free.iter().position(|&free| free)?);
        Some(places)
    }

    /// Return whether the bits fit the objects that were asked for.
    pub fn finish(mut self) -> bool {
        let in_byte = (8 - self.at % 8) as u32 % 8;
        let rest_of_byte = self.take(in_byte);
        let rest = self.bits.get(self.at / 8..).unwrap_or_default();
        self.fits && rest_of_byte == 0 && rest.iter().all(|&byte| byte == 0)
    }

    /// Return the indices of the members of an object in their order, given their names, of which no two are equal.
    pub fn of_object(&mut self, names: &[&[u8]]) -> Vec<usize> {
        let sorted = sorted(names);
        let Some(width) = place_width(names.len()).filter(|_| self.fits && self.take(1) == 1) else { return sorted };
        match self.places(names.len(), width) {
            Some(places) => places.into_iter().map(|place| sorted[place]).collect(),
            None => {
                self.fits = false;
                sorted
            }
        }
    }
}

/// The bits are compared with those of the field.
impl Bits for OrderReader<'_> {
    fn put(&mut self, value: usize, width: u32) -> Option<()> {
        (self.take(width) == value).then_some(())
    }
}

/// Return the bits that a place among this number of names takes; `None` if they have only one order.
fn place_width(count: usize) -> Option<u32> {
    (count > 1).then(|| (count - 1).ilog2() + 1)
}

/// Return the indices of names in the order of the names' bytes.
fn sorted(names: &[&[u8]]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&index| names[index]);
    order
}

/// Append the payload of `member_order`, nothing if all objects are sorted, for the payload of `additional_properties`
/// and the fields of `verbatim_properties`, given in their order and in the usual encoding. `out` is empty.
pub fn put_member_order(additional: &[u8], verbatim: &[u8], out: &mut Vec<u8>) {
    let mut order = OrderWriter { bytes: out, word: 0, filled: 0 };
    let done = put_bits(&mut order, additional, verbatim);
    debug_assert!(done.is_some(), "the encoder writes entries in the usual encoding");
    order.bytes.push(order.word as u8);
    let used = out.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    out.truncate(if done.is_some() { used } else { 0 });
}

/// Return whether `member_order` says that the members, given as to `put_member_order`, come in their order.
pub fn is_in_order(additional: &[u8], verbatim: &[u8], member_order: &[u8]) -> bool {
    let mut order = OrderReader::new(member_order);
    put_bits(&mut order, additional, verbatim).is_some() && order.finish()
}

/// Return the payload of `additional_properties` and the fields of `verbatim_properties` with all members in the order
/// in which they print; `None` where their encoding is not the usual one.
pub fn arranged(additional: &[u8], verbatim: &[u8], member_order: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    for bits in [member_order, &[]] {
        let mut order = OrderReader::new(bits);
        let (mut members, mut texts) = (Vec::with_capacity(additional.len()), Vec::with_capacity(verbatim.len()));
        put_arranged(additional, verbatim, &mut order, &mut members, &mut texts)?;
        if order.finish() {
            return Some((members, texts));
        }
    }
    None
}

/// Return whether the names of the outermost members ascend, given as to `member_order`.
pub fn outer_names_ascend(additional: &[u8], verbatim: &[u8]) -> bool {
    keys_ascend(additional, &[STRUCT_FIELDS]) == Some(true) && keys_ascend(verbatim, VERBATIM_TAG) == Some(true)
}

/// Return whether the keys of the fields of a map ascend, given the bytes of their tag; `None` where their encoding is
/// not the usual one.
fn keys_ascend(mut entries: &[u8], tag: &[u8]) -> Option<bool> {
    let mut before: &[u8] = &[];
    while !entries.is_empty() {
        let key;
        (key, _, entries) = entry(entries.strip_prefix(tag)?)?;
        if is_less(key, before) {
            return Some(false);
        }
        before = key;
    }
    Some(true)
}

fn put_arranged(
    additional: &[u8],
    verbatim: &[u8],
    order: &mut OrderReader,
    members: &mut Vec<u8>,
    texts: &mut Vec<u8>,
) -> Option<()> {
    put_struct(additional, 1, order, members)?;
    let entries = entries(verbatim, VERBATIM_TAG)?;
    for index in order.of_object(&names(&entries)) {
        texts.extend_from_slice(entries[index].field);
    }
    Some(())
}

/// The tag of the entries of `verbatim_properties`.
const VERBATIM_TAG: &[u8] = &[0x82, 0x01];

fn put_struct(bytes: &[u8], depth: usize, order: &mut OrderReader, out: &mut Vec<u8>) -> Option<()> {
    let entries = entries(bytes, &[STRUCT_FIELDS])?;
    for index in order.of_object(&names(&entries)) {
        let Entry { field, value, .. } = entries[index];
        out.extend_from_slice(&field[..field.len() - value.len()]);
        put_value(value, depth, order, out)?;
    }
    Some(())
}

fn put_value(bytes: &[u8], depth: usize, order: &mut OrderReader, out: &mut Vec<u8>) -> Option<()> {
    let Some((&tag @ (STRUCT_VALUE | LIST_VALUE), inner)) = bytes.split_first() else {
        out.extend_from_slice(bytes);
        return Some(());
    };
    let (mut inner, rest) = delimited(inner)?;
    if depth == MAX_DEPTH || !rest.is_empty() {
        return None;
    }
    out.extend_from_slice(&bytes[..bytes.len() - inner.len()]);
    if tag == STRUCT_VALUE {
        return put_struct(inner, depth + 1, order, out);
    }
    while !inner.is_empty() {
        let (value, after) = delimited(expect(LIST_VALUES, inner)?)?;
        out.extend_from_slice(&inner[..inner.len() - after.len() - value.len()]);
        put_value(value, depth + 1, order, out)?;
        inner = after;
    }
    Some(())
}

/// An entry of a map: the bytes of its field, its key, and its length-delimited value, which comes last.
#[derive(Clone, Copy)]
struct Entry<'a> {
    field: &'a [u8],
    key: &'a [u8],
    value: &'a [u8],
}

/// Split the fields of a map, given the bytes of their tag.
fn entries<'a>(mut bytes: &'a [u8], tag: &[u8]) -> Option<Vec<Entry<'a>>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (key, value, after) = entry(bytes.strip_prefix(tag)?)?;
        entries.push(Entry { field: &bytes[..bytes.len() - after.len()], key, value });
        bytes = after;
    }
    Some(entries)
}

fn names<'a>(entries: &[Entry<'a>]) -> Vec<&'a [u8]> {
    entries.iter().map(|entry| entry.key).collect()
}
