//! JSON values: pieces, as they are read in the text of a chunk, and values that are kept and grow.
//!
//! Strings and names are what stands between the quotes of the text that this engine prints, so that appending one to
//! the other appends the strings. Numbers keep their spelling.

use crate::json::strings::{quote, quote_lone, unescape};
use crate::streams::rules::{Pairs, Raw};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::{memchr, memchr2};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// A JSON value in a chunk's text.
#[derive(Debug)]
pub enum Piece<'a> {
    Null,
    Bool(bool),
    Number(&'a [u8]),
    Text(Cow<'a, [u8]>),
    Array(Vec<Piece<'a>>),
    Object(Members<'a>),
}

pub type Members<'a> = Vec<(Cow<'a, [u8]>, Piece<'a>)>;

/// Parse the members of an object's text, and find where the value of the member of a name is; `None` for other text.
///
/// `known` is where that value begins, if the text before it is known, and then left out: 0 if it is not. So is the text
/// behind the value if it is `behind`.
pub fn members_around<'a>(
    text: &'a [u8],
    name: &'a [u8],
    known: usize,
    behind: &[u8],
) -> Option<(Members<'a>, Option<Range<usize>>)> {
    let mut reader = Reader { text, at: known };
    let mut members = Members::with_capacity(16);
    let mut place = None;
    if known > 0 {
        members.push((Cow::Borrowed(name), Piece::Null));
        reader.value(&mut members[0].1)?;
        place = Some(known..reader.at);
        if text[reader.at..] == *behind {
            return Some((members, place));
        }
    } else if !reader.take(b'{') {
        return None;
    }
    let mut is_first = known == 0;
    while !reader.take(b'}') {
        if !is_first && !reader.take(b',') {
            return None;
        }
        is_first = false;
        reader.next()?;
        let member = reader.string()?;
        if !reader.take(b':') {
            return None;
        }
        let start = reader.at;
        let is_named = *member == *name;
        members.push((member, Piece::Null));
        reader.value(&mut members.last_mut()?.1)?;
        if is_named {
            place = Some(start..reader.at);
        }
    }
    reader.next().is_none().then_some((members, place))
}

impl<'a> Piece<'a> {
    /// Parse a JSON text that this engine printed; `None` for what is none.
    pub fn parse(text: &'a [u8]) -> Option<Piece<'a>> {
        let mut reader = Reader { text, at: 0 };
        let mut piece = Piece::Null;
        reader.value(&mut piece)?;
        reader.next().is_none().then_some(piece)
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Piece::Null)
    }

    /// Return whether it is null, or has nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Piece::Null => true,
            Piece::Bool(_) | Piece::Number(_) => false,
            Piece::Text(text) => text.is_empty(),
            Piece::Array(items) => items.is_empty(),
            Piece::Object(members) => members.is_empty(),
        }
    }

    /// Return whether it is neither a value nor true: empty, false or zero.
    pub fn is_vain(&self) -> bool {
        match self {
            Piece::Bool(value) => !value,
            Piece::Number(number) => is_zero(number),
            _ => self.is_empty(),
        }
    }

    /// Return the text that it is; `None` for empty text, and for any other value.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Piece::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Return the integer of 64 bits that it is.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Piece::Number(number) => integer(number),
            _ => None,
        }
    }

    pub fn to_value(&self) -> Value {
        match self {
            Piece::Null => Value::Null,
            Piece::Bool(value) => Value::Bool(*value),
            Piece::Number(number) => Value::Number((*number).into()),
            Piece::Text(text) => Value::text(text),
            Piece::Array(items) => Value::array(items.iter().map(Piece::to_value).collect()),
            Piece::Object(members) => Value::Object(Box::new(object(members))),
        }
    }

    pub fn print(&self, out: &mut Vec<u8>) {
        match self {
            Piece::Null => out.extend_from_slice(b"null"),
            Piece::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Piece::Number(number) => out.extend_from_slice(number),
            Piece::Text(text) => print_text(text, out),
            Piece::Array(items) => print_list(b"[]", items, out, Piece::print),
            Piece::Object(members) => print_members(members.iter().map(|(name, value)| (&**name, value)), out),
        }
    }
}

/// Return an object of members.
pub fn object(members: &Members) -> Object {
    let mut object = Object::default();
    for (name, value) in members {
        *object.slot(name) = value.to_value();
    }
    object
}

/// Return the member of a name.
pub fn member<'p, 'a>(members: &'p Members<'a>, name: &[u8]) -> Option<&'p Piece<'a>> {
    members.iter().find(|(each, _)| **each == *name).map(|(_, value)| value)
}

/// Return the text of the member of a name, if it is text and not empty.
pub fn text_of<'p>(members: &'p Members, name: &[u8]) -> Option<&'p [u8]> {
    member(members, name).and_then(Piece::text)
}

/// Return the `index` of a choice, a call or an item; `None` if it has none that is an integer of 64 bits.
pub fn index_of(members: &Members) -> Option<i64> {
    member(members, b"index").and_then(Piece::integer)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Return the next byte that is not whitespace.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|byte| *byte <= b' ') {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Step over the next byte, if it is this one.
    #[inline(always)]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Read a value into its place: to return it would copy it at each level.
    fn value(&mut self, into: &mut Piece<'a>) -> Option<()> {
        match self.next()? {
            b'"' => *into = Piece::Text(self.string()?),
            b'{' => {
                self.at += 1;
                *into = Piece::Object(Vec::new());
                let Piece::Object(members) = into else { return None };
                if self.take(b'}') {
                    return Some(());
                }
                members.reserve(8);
                loop {
                    self.next()?;
                    let name = self.string()?;
                    if !self.take(b':') {
                        return None;
                    }
                    members.push((name, Piece::Null));
                    self.value(&mut members.last_mut()?.1)?;
                    if !self.take(b',') {
                        return self.take(b'}').then_some(());
                    }
                }
            }
            b'[' => {
                self.at += 1;
                *into = Piece::Array(Vec::new());
                let Piece::Array(items) = into else { return None };
                if self.take(b']') {
                    return Some(());
                }
                loop {
                    items.push(Piece::Null);
                    self.value(items.last_mut()?)?;
                    if !self.take(b',') {
                        return self.take(b']').then_some(());
                    }
                }
            }
            b'n' if self.text[self.at..].starts_with(b"null") => {
                self.at += 4;
                *into = Piece::Null;
            }
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | 0..=b' '));
                let word = &rest[..end.unwrap_or(rest.len())];
                self.at += word.len();
                *into = match word {
                    b"true" => Piece::Bool(true),
                    b"false" => Piece::Bool(false),
                    _ => Piece::Number(word),
                };
            }
        }
        Some(())
    }

    /// Read a string, whose opening quote comes next.
    #[inline(always)]
    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        let start = self.at + 1;
        let rest = self.text.get(start..)?;
        let mut end = plain(rest)?;
        let is_plain = rest[end] == b'"';
        while rest[end] == b'\\' {
            end += 2;
            end += memchr2(b'"', b'\\', rest.get(end..)?)?;
        }
        self.at = start + end + 1;
        Some(if is_plain { Cow::Borrowed(&rest[..end]) } else { as_printed(&rest[..end]) })
    }
}

/// Return the index of the first quote or backslash. Most strings are short.
#[inline(always)]
fn plain(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut at = 0;
    while at < SHORT
        && let Some(eight) = text.get(at..at + 8)
    {
        let word = u64::from_le_bytes(eight.try_into().ok()?);
        // A byte that is zero here is one of the two; those above the first may be wrong.
        let (quotes, slashes) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let found = (zeros(quotes) | zeros(slashes)) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr2(b'"', b'\\', &text[at..]).map(|found| at + found)
}

/// Bytes of a string that are looked at eight by eight.
const SHORT: usize = 32;

/// Return the inside of a string with the escapes that this engine prints. JSON text inside a message may have others.
fn as_printed(raw: &[u8]) -> Cow<'_, [u8]> {
    let (mut string, mut quoted) = (Vec::new(), Vec::new());
    match unescape(raw, &mut string) {
        Ok(true) => quote_lone(&string, &mut quoted),
        Ok(false) => quote(&string, &mut quoted),
        Err(_) => return Cow::Borrowed(raw),
    }
    let inside = &quoted[1..quoted.len() - 1];
    if inside == raw { Cow::Borrowed(raw) } else { Cow::Owned(inside.to_vec()) }
}

fn is_zero(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    !mantissa.is_empty() && mantissa.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

fn integer(number: &[u8]) -> Option<i64> {
    str::from_utf8(number).ok()?.parse().ok()
}

/// A JSON value that is kept.
#[derive(Debug, Default, Clone)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Raw),
    Text(Text),
    Array(Box<Array>),
    Object(Box<Object>),
    Calls(Box<Calls>),
    /// The object that a member is in some chunks, and what it is in others; printed as an array of the two.
    Forms(Box<[Value; 2]>),
}

#[derive(Debug, Clone)]
pub struct Text {
    pub raw: Vec<u8>,
    pub growth: Growth,
}

/// Whether text has been appended to, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    None,
    Text,
    Base64,
}

/// An array, and where to find its items once it has grown.
#[derive(Debug, Default, Clone)]
pub struct Array {
    pub items: Vec<Value>,
    pub has_grown: bool,
    pub places: HashMap<ItemKey, usize>,
    /// The texts of the last item's latest piece that are never appended to, by name.
    pub ending: Pairs,
}

/// What an item or a call with an index is found by: its index, and its id, its type or neither.
pub type ItemKey = (i64, &'static str, Raw);

/// Calls, and where to find them: by index the latest, by id, and by both.
#[derive(Debug, Default, Clone)]
pub struct Calls {
    pub calls: Vec<(i64, Value)>,
    pub highest: i64,
    pub by_index: HashMap<i64, usize>,
    pub by_id: HashMap<Raw, usize>,
    pub by_both: HashMap<ItemKey, usize>,
}

/// The members of an object, in the order in which they came.
#[derive(Debug, Default, Clone)]
pub struct Object {
    members: Vec<(Raw, Value)>,
    /// By name, the index of each member, once there are many.
    indices: HashMap<Raw, usize>,
    /// A guess: the index of the member that is asked for next. Chunks have their members in one order.
    next: usize,
}

/// Members from which on an object has a table of their names.
const MANY: usize = 24;

impl Object {
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.find(name).map(|index| &self.members[index].1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.members.iter().map(|(name, value)| (&**name, value))
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Return the place of a member's value, which is null if the member was not there.
    pub fn slot(&mut self, name: &[u8]) -> &mut Value {
        let guess = self.members.get(self.next).filter(|(each, _)| **each == *name).map(|_| self.next);
        let index = guess.or_else(|| self.find(name)).unwrap_or_else(|| {
            let index = self.members.len();
            self.members.push((name.into(), Value::Null));
            if index == MANY {
                self.indices = self.members.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            } else if index > MANY {
                self.indices.insert(name.into(), index);
            }
            index
        });
        self.next = if index + 1 < self.members.len() { index + 1 } else { 0 };
        &mut self.members[index].1
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        if self.members.len() > MANY {
            return self.indices.get(name).copied();
        }
        self.members.iter().position(|(each, _)| **each == *name)
    }

    /// Return the text of the member of a name that has not been appended to, if it is not empty.
    pub fn text_of(&self, name: &[u8]) -> Option<&[u8]> {
        self.get(name).and_then(Value::whole_text)
    }

    /// As `index_of`.
    pub fn index(&self) -> Option<i64> {
        match self.get(b"index") {
            Some(Value::Number(number)) => integer(number),
            _ => None,
        }
    }
}

impl Value {
    pub fn text(raw: &[u8]) -> Value {
        Value::Text(Text { raw: raw.to_vec(), growth: Growth::None })
    }

    pub fn array(items: Vec<Value>) -> Value {
        Value::Array(Box::new(Array { items, ..Array::default() }))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// As `Piece::is_empty`.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(_) | Value::Number(_) | Value::Calls(_) | Value::Forms(_) => false,
            Value::Text(text) => text.raw.is_empty(),
            Value::Array(array) => array.items.is_empty(),
            Value::Object(object) => object.is_empty(),
        }
    }

    /// As `Piece::is_vain`.
    pub fn is_vain(&self) -> bool {
        match self {
            Value::Number(number) => is_zero(number),
            Value::Bool(value) => !value,
            _ => self.is_empty(),
        }
    }

    /// Return the text that it is, if that is not empty and has not been appended to.
    pub fn whole_text(&self) -> Option<&[u8]> {
        match self {
            Value::Text(Text { raw, growth: Growth::None }) if !raw.is_empty() => Some(raw),
            _ => None,
        }
    }

    pub fn print(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Value::Number(number) => out.extend_from_slice(number),
            Value::Text(text) => match text.growth {
                Growth::Base64 => print_text(&joined_base64(&text.raw), out),
                _ => print_text(&text.raw, out),
            },
            Value::Array(array) => print_list(b"[]", &array.items, out, Value::print),
            Value::Object(object) => print_members(object.iter(), out),
            Value::Forms(forms) => print_list(b"[]", &**forms, out, Value::print),
            Value::Calls(calls) => {
                let mut sorted: Vec<_> = calls.calls.iter().collect();
                sorted.sort_by_key(|(index, _)| *index);
                print_list(b"[]", sorted, out, |(_, call), out| call.print(out));
            }
        }
    }
}

/// A value that prints itself.
pub trait Print {
    fn print_to(&self, out: &mut Vec<u8>);
}

impl Print for &Value {
    fn print_to(&self, out: &mut Vec<u8>) {
        self.print(out);
    }
}

impl Print for &Piece<'_> {
    fn print_to(&self, out: &mut Vec<u8>) {
        self.print(out);
    }
}

/// Append an object of members.
pub fn print_members<'n>(members: impl IntoIterator<Item = (&'n [u8], impl Print)>, out: &mut Vec<u8>) {
    print_list(b"{}", members, out, |(name, value), out| {
        print_text(name, out);
        out.push(b':');
        value.print_to(out);
    });
}

/// Append items between brackets, with commas.
pub fn print_list<T>(
    brackets: &[u8; 2],
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    print: impl Fn(T, &mut Vec<u8>),
) {
    out.push(brackets[0]);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        print(item, out);
    }
    out.push(brackets[1]);
}

/// Append a string, given its inside.
pub fn print_text(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(raw);
    out.push(b'"');
}

/// Return base64 with padding inside as base64 without; text that is not base64 as it is.
fn joined_base64(text: &[u8]) -> Cow<'_, [u8]> {
    /// Bits behind the last byte may be set, as in Python.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let mut bytes = Vec::new();
    let mut rest = text;
    let mut pieces = 0;
    while !rest.is_empty() {
        let padding = memchr(b'=', rest).unwrap_or(rest.len());
        let end = padding + rest[padding..].iter().take_while(|byte| **byte == b'=').count();
        if LENIENT.decode_vec(&rest[..end], &mut bytes).is_err() {
            return Cow::Borrowed(text);
        }
        rest = &rest[end..];
        pieces += 1;
    }
    if pieces < 2 { Cow::Borrowed(text) } else { Cow::Owned(LENIENT.encode(bytes).into_bytes()) }
}
