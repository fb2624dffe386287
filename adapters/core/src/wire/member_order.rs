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
use std::cmp::Ordering;

/// The bits of an object that has at most `MAX_IN_WORD` members or is sorted, or some of those of any other. A bit that is set
/// is above them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectOrder(u64);

/// Whether names ascend, as far as their first bytes show.
#[derive(Debug, Default)]
pub struct Ascent {
    last: u64,
    /// Whether they may not ascend, or two may be equal.
    pub unsure: bool,
}

impl Ascent {
    /// Note the next name, by its `name_start`.
    #[inline(always)]
    pub fn add(&mut self, start: u64) {
        self.unsure |= start <= self.last;
        self.last = start;
    }
}

/// Members whose places fit a word with the bit before them.
pub const MAX_IN_WORD: usize = 16;

impl ObjectOrder {
    #[inline(always)]
    fn new(bits: u64, width: u32) -> ObjectOrder {
        ObjectOrder(1 << width | bits)
    }

    /// Return the bits of an object of a number of members that are sorted.
    #[inline(always)]
    pub fn sorted(count: usize) -> ObjectOrder {
        ObjectOrder::new(0, u32::from(count > 1))
    }

    /// Return the number of bits.
    #[inline(always)]
    pub fn width(self) -> u32 {
        self.0.ilog2()
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        self.0 & !(1 << self.width())
    }

    /// Return whether all bits are 0, as those of a sorted object.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        self.0.is_power_of_two()
    }

    /// Return the bits of an object of at most `MAX_IN_WORD` members, given their names in their order; `None` if two are
    /// equal.
    pub fn of<'a>(names: impl ExactSizeIterator<Item = &'a [u8]>) -> Option<ObjectOrder> {
        let count = names.len();
        let Some(width) = place_width(count) else { return Some(ObjectOrder::sorted(count)) };
        let mut before = [Name::EMPTY; MAX_IN_WORD];
        // The place of each member, that of the first lowest.
        let (mut places, mut is_sorted) = (0u64, true);
        for (index, bytes) in names.enumerate() {
            let name = Name::new(bytes);
            for (other, known) in before[..index].iter().enumerate() {
                let is_less = match name.cmp(known) {
                    Ordering::Equal => return None,
                    order => order == Ordering::Less,
                };
                is_sorted &= !is_less;
                let behind = if is_less { other } else { index };
                places += 1 << (behind as u32 * width);
            }
            before[index] = name;
        }
        if is_sorted {
            return Some(ObjectOrder::sorted(count));
        }
        let used = (count as u32 - 1) * width;
        Some(ObjectOrder::new((places & ((1 << used) - 1)) << 1 | 1, 1 + used))
    }
}

/// Return the bits of an object of any number of members, given their names in their order; `None` if two are equal.
pub fn order_of(names: &[&[u8]]) -> Option<Vec<ObjectOrder>> {
    if names.len() <= MAX_IN_WORD {
        return Some(vec![ObjectOrder::of(names.iter().copied())?]);
    }
    let sorted = sorted(names);
    if sorted.windows(2).any(|pair| names[pair[0]] == names[pair[1]]) {
        return None;
    }
    let Some(width) = place_width(names.len()).filter(|_| !sorted.is_sorted()) else {
        return Some(vec![ObjectOrder::sorted(names.len())]);
    };
    let mut order = vec![ObjectOrder::new(0, width); names.len()];
    for (place, index) in sorted.into_iter().enumerate() {
        order[index] = ObjectOrder::new(place as u64, width);
    }
    order.pop();
    order.insert(0, ObjectOrder::new(1, 1));
    Some(order)
}

/// Return the payload of `member_order`, nothing if all objects are sorted, given the bits of the objects.
pub fn member_order(objects: &[ObjectOrder], out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0u128, 0);
    for order in objects {
        word |= u128::from(order.bits()) << filled;
        filled += order.width();
        while filled >= 8 {
            out.push(word as u8);
            word >>= 8;
            filled -= 8;
        }
    }
    out.push(word as u8);
    let used = out.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    out.truncate(used);
}

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
        Name { start: name_start(bytes), bytes }
    }

    #[inline(always)]
    fn cmp(&self, other: &Name) -> Ordering {
        if self.start == other.start { self.bytes.cmp(other.bytes) } else { self.start.cmp(&other.start) }
    }
}

/// Return the first eight bytes of a name as a number, the first of them highest, with zeros behind a shorter name. It orders
/// names that differ there.
#[inline(always)]
pub fn name_start(name: &[u8]) -> u64 {
    if let Some(chunk) = name.first_chunk() {
        return u64::from_be_bytes(*chunk);
    }
    // Pieces that overlap where they are equal.
    let size = name.len();
    let piece = |piece: u64, width: usize, at: usize| piece << (64 - 8 * (width + at));
    match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|chunk| u64::from(u32::from_be_bytes(*chunk)));
            piece(first, 4, 0) | piece(last, 4, size - 4)
        }
        _ => [0, size / 2, size.saturating_sub(1)]
            .into_iter()
            .filter_map(|at| Some(piece(u64::from(*name.get(at)?), 1, at)))
            .fold(0, |word, byte| word | byte),
    }
}

/// Reads the bits of objects whose members may be in any order.
#[derive(Debug)]
pub struct OrderReader<'o> {
    /// Bits that are read but not taken, and their number.
    word: u128,
    left: u32,
    rest: &'o [u8],
    fits: bool,
}

impl<'o> OrderReader<'o> {
    #[inline(always)]
    pub fn new(member_order: &'o [u8]) -> OrderReader<'o> {
        OrderReader { word: 0, left: 0, rest: member_order, fits: true }
    }

    #[inline(always)]
    fn take(&mut self, width: u32) -> u64 {
        if self.left < width && !self.rest.is_empty() {
            self.read_on();
        }
        let value = self.word as u64 & ((1 << width) - 1);
        self.word >>= width;
        self.left = self.left.saturating_sub(width);
        value
    }

    #[inline(never)]
    fn read_on(&mut self) {
        let (bytes, rest) = self.rest.split_at(self.rest.len().min(8));
        for &byte in bytes {
            self.word |= u128::from(byte) << self.left;
            self.left += 8;
        }
        self.rest = rest;
    }

    /// Take the bits of an object if they say that its members are sorted. Return whether they do.
    #[inline(always)]
    pub fn take_sorted(&mut self, count: usize) -> bool {
        if count > 1 {
            if self.left == 0 {
                self.read_on();
            }
            if self.word & 1 != 0 {
                return false;
            }
            self.take(1);
        }
        true
    }

    /// Take as many bits as an object has. Return whether they are its bits.
    #[inline(always)]
    pub fn take_object(&mut self, order: ObjectOrder) -> bool {
        self.take(order.width()) == order.bits()
    }

    /// Read the place of each member of an object but the last; `None` if two are equal or one is too high.
    fn places(&mut self, count: usize, width: u32) -> Option<Vec<usize>> {
        let mut is_free = vec![true; count];
        let mut places = Vec::with_capacity(count);
        for _ in 1..count {
            let place = self.take(width) as usize;
            if !std::mem::take(is_free.get_mut(place)?) {
                return None;
            }
            places.push(place);
        }
        places.push(is_free.iter().position(|&free| free)?);
        Some(places)
    }

    /// Return whether the bits fit the objects that were asked for.
    #[inline(always)]
    pub fn finish(&self) -> bool {
        self.fits && self.word == 0 && self.rest.iter().all(|&byte| byte == 0)
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

/// Return the names of the members of `additional_properties`, given its payload, and those of the fields of
/// `verbatim_properties`; `None` where their encoding is not the usual one.
pub fn outer_names<'a>(additional: &'a [u8], verbatim: &'a [u8]) -> Option<[Vec<&'a [u8]>; 2]> {
    Some([names(&entries(additional, &[STRUCT_FIELDS])?), names(&entries(verbatim, VERBATIM_TAG)?)])
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
pub const VERBATIM_TAG: &[u8] = &[0x82, 0x01];

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
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    field: &'a [u8],
    pub key: &'a [u8],
    pub value: &'a [u8],
}

/// Split the fields of a map, given the bytes of their tag; `None` where their encoding is not the usual one.
pub fn entries<'a>(mut bytes: &'a [u8], tag: &[u8]) -> Option<Vec<Entry<'a>>> {
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
