//! The tables that both directions are driven by. `table` compiles them from those that Python hands over.

mod table;

use crate::plan::Plan;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64};

/// A place in a table of at most 64 that is empty.
pub const NONE: u8 = 0xff;
/// In `Message::by_tag`: the fields that every message has.
pub const EMPTY_FIELDS: u8 = 0xf0;
pub const NULL_FIELDS: u8 = 0xf1;
pub const ADDITIONAL: u8 = 0xf2;
pub const VERBATIM: u8 = 0xf3;

/// The protobuf form of a field's values, or one that an option makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Double,
    Bool,
    Enum,
    String,
    Bytes,
    /// Bytes written as an array of integers.
    ByteArray,
    /// A string that carries JSON text.
    Text,
    Message,
    /// A message that stands for a JSON array.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    One,
    Many,
    Map,
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub number: u32,
    /// The tag that opens the field as the encoder writes it; its bytes as a word and their count.
    pub tag: u64,
    pub tag_word: (u64, usize),
    pub kind: Kind,
    pub shape: Shape,
    /// The message or the enum that it refers to.
    pub refers: usize,
    /// The member it belongs to.
    pub member: u8,
    /// Bytes that the length of the payload took last time, or the place of the enum's value that was seen last.
    pub last: AtomicU8,
    /// A bit for each kind of JSON value that one value may have.
    kinds: u8,
}

impl Field {
    /// Whether one value may be of a kind of JSON value.
    #[inline(always)]
    pub fn takes(&self, kind: Json) -> bool {
        self.kinds >> kind as u8 & 1 != 0
    }

    /// Whether an array of the values is packed.
    pub fn packable(&self) -> bool {
        (self.kind as u8) <= Kind::Enum as u8
    }

    /// The wire type of one value that is not packed.
    pub fn wire_type(&self) -> u32 {
        match self.kind {
            Kind::Double => 1,
            _ if self.packable() => 0,
            _ => 2,
        }
    }
}

/// The kinds of JSON value, `null` aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    String,
    Number,
    Nonfinite,
    Bool,
    Object,
    Array,
}

/// One member of a JSON object: a field, or a oneof.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// `,"name":` as it is printed.
    pub prefix: Vec<u8>,
    /// The bit that is written, and all those that are read.
    pub bit: u64,
    pub bits: u64,
    /// By kind of JSON value: the field that holds it, as a place in `Message::fields`.
    pub by_kind: [u8; 6],
    /// "[]", "{}", or "" where the member has no empty bit.
    pub empty_form: &'static str,
    /// What `fill_required` writes for the member where it is absent.
    pub filling: &'static str,
    pub fields: Vec<u8>,
    pub is_oneof: bool,
}

/// Values that are read where they stand, by the field of a member that has only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quick {
    No,
    Integer,
    Enum,
    String,
    Message,
    Messages,
}

/// A token of at most 32 bytes that is expected in the text.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Token {
    pub bytes: [u8; 32],
    /// A bit for each byte behind it.
    pub behind: u32,
    pub size: u8,
}

impl Token {
    /// What matches no text, in which no token begins with a zero.
    const NONE: Token = Token { bytes: [0; 32], behind: 0xffff_fffe, size: 0 };

    /// Of a longer token, what matches no text.
    fn new(token: &[u8]) -> Token {
        let mut found = Token::NONE;
        if token.len() <= 32 {
            found.bytes[..token.len()].copy_from_slice(token);
            found.behind = (u64::MAX << token.len()) as u32;
            found.size = token.len() as u8;
        }
        found
    }
}

/// What the encoder needs to know of a member most of the time.
#[derive(Debug)]
#[repr(align(128))]
pub struct Expected {
    /// `"name":`
    pub name: Token,
    /// The bit that stands for null, which is that of the number of the first field.
    pub bit: u64,
    /// The tag of the first field as it is written, and its size.
    pub tag: (u64, usize),
    /// The message or the enum that it refers to.
    pub refers: u32,
    /// The place of the member that came after it last time.
    pub next: AtomicU8,
    pub quick: Quick,
    /// Whether it is an integer of 64 bits.
    pub is_long: bool,
    /// Bytes that the length of the payload took last time, or the place of the enum's value that was seen last.
    pub last: AtomicU8,
    /// Places in `Message::members` and `Message::fields`.
    pub member: u8,
    pub field: u8,
}

#[derive(Debug)]
pub struct Message {
    pub full_name: String,
    pub is_list: bool,
    pub fields: Vec<Field>,
    /// As `members`; behind them what matches no text.
    expected: Box<[Expected; 64]>,
    /// Places of the members that came last time at first, and after an unknown one.
    pub first: AtomicU8,
    pub after_unknown: AtomicU8,
    /// Bits of the fields that are integers or enums; of those among them that came before one of a lower number.
    pub short: u64,
    pub early: AtomicU64,
    /// In number order of their first fields.
    pub members: Vec<Member>,
    /// By tag below 512 in the forms that are read: a place in `fields`, or one of the fields that every message has.
    pub by_tag: Box<[u8; 512]>,
    /// Places in `members`, by length of name; where those of each length start.
    by_length: Vec<u8>,
    lengths: Vec<u8>,
    /// All bits of members; the place of the member of each.
    pub known: u64,
    pub by_bit: [u8; 64],
}

impl Message {
    /// The place of the member of a name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u8> {
        let same = |place: &u8| self.members[usize::from(*place)].name.as_bytes() == name;
        self.of_length(name.len()).iter().copied().find(same)
    }

    /// The places of the members whose names have as many bytes.
    #[inline]
    pub fn of_length(&self, length: usize) -> &[u8] {
        match self.lengths.get(length..length + 2) {
            Some(&[from, to]) => &self.by_length[usize::from(from)..usize::from(to)],
            _ => &[],
        }
    }

    /// The member at a place, or what matches no text.
    #[inline(always)]
    pub fn expected(&self, place: u8) -> &Expected {
        &self.expected[usize::from(place & 63)]
    }
}

#[derive(Debug)]
pub struct Enum {
    /// Number, string and `"string"` as printed.
    pub values: Vec<(i32, Vec<u8>, Vec<u8>)>,
    /// Each `"string"`, and its number as a varint has it.
    pub expected: Vec<(Token, u64)>,
    /// The place of each number from 0 to 63.
    small: [u8; 64],
}

impl Enum {
    /// The number of a string.
    pub fn number_of(&self, string: &[u8]) -> Option<i32> {
        self.values.iter().find(|value| value.1 == string).map(|value| value.0)
    }

    #[inline]
    pub fn printed(&self, number: i32) -> Option<&[u8]> {
        if (0..64).contains(&number) {
            return self.values.get(usize::from(self.small[number as usize])).map(|value| value.2.as_slice());
        }
        self.values.iter().rev().find(|value| value.0 == number).map(|value| value.2.as_slice())
    }
}

/// A message type and all that it contains.
#[derive(Debug)]
pub struct Schema {
    /// The outermost comes first.
    pub messages: Vec<Message>,
    pub enums: Vec<Enum>,
    pub plan: Plan,
    /// The guess for the length of an open string.
    pub open_width: AtomicU8,
    pub(crate) table: Box<str>,
    /// Copies for threads that work at the same time.
    pub(crate) copies: Mutex<Vec<Schema>>,
}
