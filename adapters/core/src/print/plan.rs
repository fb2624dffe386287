//! What printing needs of a schema, laid out so that what to do for a tag takes one look-up and one cache line.

use crate::print::name_filter::{NameFilter, hash};
use crate::schema::{
    ADDITIONAL_PROPERTIES_ENTRY, Cardinality, EMPTY_FIELDS_ENTRY, EnumSchema, Field, FieldKind, MEMBER_ORDER_ENTRY,
    Member, MessageSchema, NULL_FIELDS_ENTRY, Schema, VERBATIM_PROPERTIES_ENTRY,
};
use std::sync::Arc;

/// How a field is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    String,
    Message,
    Integer,
    Enum,
    /// Any other field, and one whose printed name has more than 32 bytes.
    Other,
    /// The fields that every message has.
    EmptyFields,
    NullFields,
    Additional,
    Verbatim,
    MemberOrder,
    /// A field that the schema does not have.
    Unknown,
}

/// What to do for a tag.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct TagPlan {
    /// The first 32 bytes of `"name":`, and how many bytes it has.
    pub prefix: [u8; 32],
    pub prefix_size: usize,
    /// A bit for the index of the member; 0 for a field that belongs to none.
    pub bit: u64,
    /// The index of the field's message type, or where in `PrintPlan::strings` those of its enum start.
    pub type_index: u32,
    pub op: Op,
    /// The index of the field in its message type.
    pub field: u8,
}

/// What to print for a member that has no value in a typed field.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct UnsetPlan {
    pub prefix: [u8; 32],
    pub prefix_size: usize,
    /// The member's bits in `null_fields` and `empty_fields`.
    pub bits: u64,
    /// What the empty bit stands for, and what `fill_required` prints, each with a comma.
    pub empty: u64,
    pub filling: u64,
}

/// What a member without a value prints as, a word of text with a comma.
pub const NO_TEXT: u64 = 0;
pub const NULL_TEXT: u64 = u64::from_le_bytes(*b"null,\0\0\0");

/// More than a message type has fields.
const TAG_PLANS: usize = 128;

/// How a message type is printed.
#[derive(Debug)]
pub struct MessagePlan {
    /// By tag below 512: an index of `tag_plans`.
    by_tag: [u8; 512],
    tag_plans: Box<[TagPlan; TAG_PLANS]>,
    /// By index of the member.
    pub unset: Box<[UnsetPlan]>,
    /// The members' names.
    pub names: NameFilter,
    /// All bits of members, and by bit the index of its member.
    pub known_bits: u64,
    /// Whether the message has the home fields, which bits are among.
    pub has_homes: bool,
    by_bit: [u8; 64],
}

impl MessagePlan {
    /// Return what to do for a tag, which is below 512.
    #[inline(always)]
    pub fn for_tag(&self, tag: usize) -> &TagPlan {
        &self.tag_plans[usize::from(self.by_tag[tag & 511]) % TAG_PLANS]
    }

    /// Return the members that bits of `null_fields` or `empty_fields` name, as bits by their indices.
    #[inline(always)]
    pub fn members_of(&self, bits: u64) -> u64 {
        let (mut bits, mut members) = (bits & self.known_bits, 0);
        while bits != 0 {
            members |= 1 << (self.by_bit[bits.trailing_zeros() as usize] & 63);
            bits &= bits - 1;
        }
        members
    }
}

/// A string of an enum as it is printed with a comma; of no bytes if there is none or if it has more than 32.
#[derive(Debug, Clone, Copy)]
pub struct EnumString {
    pub text: [u8; 32],
    pub size: u8,
}

/// The numbers of an enum, from 0 on, whose strings are in `PrintPlan::strings`.
pub const ENUM_SIZE: usize = 64;

/// A schema, and how its messages are printed. It never changes, so that threads share it.
#[derive(Debug)]
pub struct PrintPlan {
    pub(super) schema: Arc<Schema>,
    pub(super) messages: Vec<MessagePlan>,
    /// `ENUM_SIZE` strings for each enum, by number.
    pub(super) strings: Vec<EnumString>,
}

impl PrintPlan {
    pub fn new(schema: impl Into<Arc<Schema>>) -> PrintPlan {
        let schema = schema.into();
        let strings = |table| (0..ENUM_SIZE as i32).map(move |number| enum_string(table, number));
        PrintPlan {
            messages: schema.messages.iter().map(message_plan).collect(),
            strings: schema.enums.iter().flat_map(strings).collect(),
            schema,
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

fn enum_string(table: &EnumSchema, number: i32) -> EnumString {
    let mut text = table.printed(number).map_or(Vec::new(), |text| [text, b","].concat());
    if text.len() > 32 {
        text.clear();
    }
    EnumString { text: block(&text), size: text.len() as u8 }
}

fn message_plan(message: &MessageSchema) -> MessagePlan {
    let mut names = NameFilter::default();
    for member in &message.members {
        names.add(hash(member.name.as_bytes()));
    }
    let others = [Op::EmptyFields, Op::NullFields, Op::Additional, Op::Verbatim, Op::MemberOrder, Op::Unknown];
    let index = |op: usize| (message.fields.len() + op) as u8;
    let by_tag = std::array::from_fn(|tag| match message.by_tag[tag] {
        EMPTY_FIELDS_ENTRY => index(0),
        NULL_FIELDS_ENTRY => index(1),
        ADDITIONAL_PROPERTIES_ENTRY => index(2),
        VERBATIM_PROPERTIES_ENTRY => index(3),
        MEMBER_ORDER_ENTRY => index(4),
        field if usize::from(field) < message.fields.len() => field,
        _ => index(5),
    });
    let tag_plan = |at: usize| match message.fields.get(at) {
        Some(field) => field_plan(message, at as u8, field),
        None => other_plan(*others.get(at - message.fields.len()).unwrap_or(&Op::Unknown)),
    };
    MessagePlan {
        by_tag,
        tag_plans: Box::new(std::array::from_fn(tag_plan)),
        unset: message.members.iter().map(unset_plan).collect(),
        names,
        known_bits: message.known_bits,
        has_homes: message.has_homes,
        by_bit: message.by_bit,
    }
}

fn field_plan(message: &MessageSchema, index: u8, field: &Field) -> TagPlan {
    let name = message.members[usize::from(field.member)].printed_name();
    let op = match (field.cardinality, field.kind) {
        _ if name.len() > 32 => Op::Other,
        (Cardinality::Singular, FieldKind::String) => Op::String,
        (Cardinality::Singular, FieldKind::Message) => Op::Message,
        (Cardinality::Singular, FieldKind::Enum) => Op::Enum,
        (Cardinality::Singular, kind) if kind.is_integer() => Op::Integer,
        _ => Op::Other,
    };
    TagPlan {
        prefix: block(name),
        prefix_size: name.len(),
        bit: 1 << field.member,
        type_index: (if op == Op::Enum { field.type_index * ENUM_SIZE } else { field.type_index }) as u32,
        op,
        field: index,
    }
}

fn other_plan(op: Op) -> TagPlan {
    TagPlan { prefix: [0; 32], prefix_size: 0, bit: 0, type_index: 0, op, field: 0 }
}

fn unset_plan(member: &Member) -> UnsetPlan {
    let text = |text| match text {
        "[]" => u64::from_le_bytes(*b"[],\0\0\0\0\0"),
        "{}" => u64::from_le_bytes(*b"{},\0\0\0\0\0"),
        "null" => NULL_TEXT,
        _ => NO_TEXT,
    };
    UnsetPlan {
        prefix: block(member.printed_name()),
        prefix_size: member.printed_name().len(),
        bits: member.bits,
        empty: text(member.empty_form),
        filling: text(member.filling),
    }
}

/// Return the first 32 bytes of a text, with zeros behind a shorter one.
fn block(text: &[u8]) -> [u8; 32] {
    std::array::from_fn(|at| text.get(at).copied().unwrap_or(0))
}
