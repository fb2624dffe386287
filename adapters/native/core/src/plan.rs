//! What printing needs of a schema, laid out for it: what there is to do for a tag is one look-up and one cache line away.

use crate::schema::{ADDITIONAL, EMPTY_FIELDS, Enum, Field, Kind, Member, Message, NULL_FIELDS, Shape, VERBATIM};
use std::sync::atomic::AtomicU64;

/// How a field is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    String,
    Message,
    Integer,
    Enum,
    /// Any other, or one of a long name.
    Other,
    /// Fields that are no members.
    EmptyFields,
    NullFields,
    Additional,
    Verbatim,
    Unknown,
}

/// What to do for a tag.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Step {
    /// `"name":`, its first 32 bytes, and how many there are. Only `Op::Other` has more.
    pub prefix: [u8; 32],
    pub prefix_size: usize,
    /// The bit of the member's place; 0 for fields that are no members.
    pub bit: u64,
    /// The message that it refers to, or where in `Plan::strings` those of its enum start.
    pub refers: u32,
    pub op: Op,
    /// The place of the field in its message.
    pub field: u8,
}

/// The texts that a member has without a value.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Blank {
    pub prefix: [u8; 32],
    pub prefix_size: usize,
    /// Bits of `null_fields` and `empty_fields`.
    pub bits: u64,
    /// What the member's empty bit stands for, and what `fill_required` writes for it, with a comma.
    pub empty: u64,
    pub filling: u64,
}

/// One message.
#[derive(Debug)]
pub struct MessagePlan {
    /// By tag below 512: a place in `steps`.
    by_tag: [u8; 512],
    steps: Box<[Step; STEPS]>,
    /// By place of the member.
    pub blanks: Box<[Blank]>,
    /// Bloom filter of the members' names.
    pub names: Bloom,
    /// All bits of members, and the place of the member of each.
    pub known: u64,
    by_bit: [u8; 64],
    /// By place, members without a value that came, with the bits, behind one that prints later. So where there is none of
    /// them, the bits are better looked for before what prints later.
    pub early: AtomicU64,
}

impl MessagePlan {
    /// What to do for a tag, which is below 512.
    #[inline(always)]
    pub fn step(&self, tag: usize) -> &Step {
        &self.steps[usize::from(self.by_tag[tag & 511]) % STEPS]
    }

    /// The places of members, by their bits.
    #[inline(always)]
    pub fn places(&self, bits: u64) -> u64 {
        let (mut bits, mut places) = (bits & self.known, 0);
        while bits != 0 {
            places |= 1 << (self.by_bit[bits.trailing_zeros() as usize] & 63);
            bits &= bits - 1;
        }
        places
    }
}

/// More than a message has fields.
const STEPS: usize = 128;

/// A string of an enum as it is printed with a comma; of no bytes if there is none or if it is too long.
#[derive(Debug, Clone, Copy)]
pub struct EnumString {
    pub text: [u8; 32],
    pub size: u8,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub messages: Vec<MessagePlan>,
    /// Those of each enum by number below `ENUM_SIZE`.
    pub strings: Vec<EnumString>,
}

pub const ENUM_SIZE: usize = 64;

impl Plan {
    pub fn new(messages: &[Message], enums: &[Enum]) -> Plan {
        let strings = enums.iter().flat_map(|values| (0..ENUM_SIZE as i32).map(|number| enum_string(values, number)));
        Plan { messages: messages.iter().map(message_plan).collect(), strings: strings.collect() }
    }
}

fn enum_string(values: &Enum, number: i32) -> EnumString {
    let mut text = values.printed(number).map_or(Vec::new(), |text| [text, b","].concat());
    if text.len() > 32 {
        text.clear();
    }
    EnumString { text: block(&text), size: text.len() as u8 }
}

fn message_plan(message: &Message) -> MessagePlan {
    let mut names = Bloom::default();
    for member in &message.members {
        names.add(hash(member.name.as_bytes()));
    }
    let others = [Op::EmptyFields, Op::NullFields, Op::Additional, Op::Verbatim, Op::Unknown];
    let place = |op: usize| (message.fields.len() + op) as u8;
    let by_tag = std::array::from_fn(|tag| match message.by_tag[tag] {
        EMPTY_FIELDS => place(0),
        NULL_FIELDS => place(1),
        ADDITIONAL => place(2),
        VERBATIM => place(3),
        field if usize::from(field) < message.fields.len() => field,
        _ => place(4),
    });
    let step = |at: usize| match message.fields.get(at) {
        Some(field) => field_step(message, at as u8, field),
        None => other_step(*others.get(at - message.fields.len()).unwrap_or(&Op::Unknown)),
    };
    MessagePlan {
        by_tag,
        steps: Box::new(std::array::from_fn(step)),
        blanks: message.members.iter().map(blank).collect(),
        names,
        known: message.known,
        by_bit: message.by_bit,
        early: AtomicU64::new(0),
    }
}

fn field_step(message: &Message, place: u8, field: &Field) -> Step {
    let name = name(&message.members[usize::from(field.member)]);
    let op = match (field.shape, field.kind) {
        (Shape::One, Kind::String) => Op::String,
        (Shape::One, Kind::Message) => Op::Message,
        (Shape::One, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64) => Op::Integer,
        (Shape::One, Kind::Enum) => Op::Enum,
        _ => Op::Other,
    };
    let op = if name.len() > 32 { Op::Other } else { op };
    Step {
        prefix: block(name),
        prefix_size: name.len(),
        bit: 1 << field.member,
        refers: (if op == Op::Enum { field.refers * ENUM_SIZE } else { field.refers }) as u32,
        op,
        field: place,
    }
}

/// What is written for members without a value.
pub const NOTHING: u64 = 0;
pub const NULL: u64 = u64::from_le_bytes(*b"null,\0\0\0");

fn other_step(op: Op) -> Step {
    Step { prefix: [0; 32], prefix_size: 0, bit: 0, refers: 0, op, field: 0 }
}

fn blank(member: &Member) -> Blank {
    let text = |text| match text {
        "[]" => u64::from_le_bytes(*b"[],\0\0\0\0\0"),
        "{}" => u64::from_le_bytes(*b"{},\0\0\0\0\0"),
        "null" => NULL,
        _ => NOTHING,
    };
    Blank {
        prefix: block(name(member)),
        prefix_size: name(member).len(),
        bits: member.bits,
        empty: text(member.empty_form),
        filling: text(member.filling),
    }
}

/// `"name":` of a member.
pub fn name(member: &Member) -> &[u8] {
    &member.prefix[1..]
}

fn block(text: &[u8]) -> [u8; 32] {
    std::array::from_fn(|at| text.get(at).copied().unwrap_or(0))
}

/// A Bloom filter of names: two bits for each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bloom([u64; 2]);

impl Bloom {
    #[inline(always)]
    pub fn may_have(&self, hash: u64) -> bool {
        (self.0[0] >> (hash >> 58)) & (self.0[1] >> (hash >> 52 & 63)) & 1 != 0
    }

    /// Add a name. Whether it may have been there.
    #[inline(always)]
    pub fn add(&mut self, hash: u64) -> bool {
        let twice = self.may_have(hash);
        self.0[0] |= 1 << (hash >> 58);
        self.0[1] |= 1 << (hash >> 52 & 63);
        twice
    }
}

/// A number in whose highest bits names differ mostly.
#[inline(always)]
pub fn hash(name: &[u8]) -> u64 {
    let word = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(23),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            _ => name.iter().fold(1, |word, &byte| word << 8 | u64::from(byte)),
        },
    };
    (word ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
