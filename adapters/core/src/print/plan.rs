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
    /// A repeated field of a message type.
    Messages,
    Integer,
    Enum,
    /// Any other field, and one whose prefix has more than 32 bytes.
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
    /// The first 32 bytes of what is printed before the value, and how many bytes it has: `"name":`, and the quote or the
    /// bracket that opens a string or an array.
    pub prefix: [u8; 32],
    pub prefix_size: usize,
    /// The bit of the member; 0 for a field that belongs to none.
    pub bit: u64,
    /// The index of the field's message type, or where in `PrintPlan::strings` those of its enum start.
    pub type_index: u32,
    pub op: Op,
    /// The index of the field in its message type.
    pub field: u8,
}

/// A text that is mostly short, so that it is printed in one block.
#[derive(Debug, Clone, Default)]
pub struct ShortText {
    /// Its first bytes, with zeros behind a shorter one.
    pub block: [u8; 32],
    pub text: Box<[u8]>,
}

impl ShortText {
    fn new(text: Vec<u8>) -> ShortText {
        ShortText { block: block(&text), text: text.into() }
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// What to print for a member that has no value in a typed field: `"name":null,` and its like; nothing where it cannot be.
#[derive(Debug)]
pub struct UnsetPlan {
    /// The member's bits in `null_fields` and `empty_fields`.
    pub bits: u64,
    pub null: ShortText,
    pub empty: ShortText,
    /// What `fill_required` prints.
    pub filling: ShortText,
}

/// More than a message type has fields.
const TAG_PLANS: usize = 128;

/// How a message type is printed.
#[derive(Debug)]
pub struct MessagePlan {
    /// By tag below 512: an index of `tag_plans`.
    by_tag: [u8; 512],
    tag_plans: Box<[TagPlan; TAG_PLANS]>,
    /// By index of the member.
    unset: Box<[UnsetPlan]>,
    /// The members' names.
    pub names: NameFilter,
    /// All bits of members, those that are written, and by bit the index of its member. The bits that are written are in the
    /// order in which the members print.
    known_bits: u64,
    pub member_bits: u64,
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

    /// Return the members that bits of `null_fields` or `empty_fields` name, by the bits that are written. Return `None` if
    /// there is a bit of no member, unless that is allowed.
    #[inline(always)]
    pub fn members_of(&self, bits: u64, refuse_unknown: bool) -> Option<u64> {
        if bits & !self.member_bits == 0 { Some(bits) } else { self.members_of_any(bits, refuse_unknown) }
    }

    #[cold]
    #[inline(never)]
    fn members_of_any(&self, bits: u64, refuse_unknown: bool) -> Option<u64> {
        if refuse_unknown && bits & !self.known_bits != 0 {
            return None;
        }
        let named = self.unset.iter().filter(|member| member.bits & bits != 0);
        Some(named.fold(0, |members, member| members | member.bits & self.member_bits))
    }

    /// Return what to print for the member of a bit that is written, if it has no value.
    #[inline(always)]
    pub fn unset_plan(&self, bit: u64) -> Option<&UnsetPlan> {
        self.unset.get(usize::from(self.by_bit[bit.trailing_zeros() as usize & 63]))
    }
}

/// The numbers of an enum, from 0 on, whose strings are in `PrintPlan::strings`.
pub const ENUM_SIZE: usize = 64;

/// A schema, and how its messages are printed. It never changes, so that threads share it.
#[derive(Debug)]
pub struct PrintPlan {
    pub(super) schema: Arc<Schema>,
    pub(super) messages: Vec<MessagePlan>,
    /// `ENUM_SIZE` strings for each enum, by number, each as it is printed with a comma; nothing where there is none.
    pub(super) strings: Vec<ShortText>,
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

fn enum_string(table: &EnumSchema, number: i32) -> ShortText {
    ShortText::new(table.printed(number).map_or(Vec::new(), |text| [text, b","].concat()))
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
        member_bits: message.members.iter().fold(0, |bits, member| bits | member.bit),
        has_homes: message.has_homes,
        by_bit: message.by_bit,
    }
}

fn field_plan(message: &MessageSchema, index: u8, field: &Field) -> TagPlan {
    let member = &message.members[usize::from(field.member)];
    let (op, opening) = match (field.cardinality, field.kind) {
        (Cardinality::Singular, FieldKind::String) => (Op::String, "\""),
        (Cardinality::Singular, FieldKind::Message) => (Op::Message, ""),
        (Cardinality::Repeated, FieldKind::Message) => (Op::Messages, "["),
        (Cardinality::Singular, FieldKind::Enum) => (Op::Enum, ""),
        (Cardinality::Singular, kind) if kind.is_integer() => (Op::Integer, ""),
        _ => (Op::Other, ""),
    };
    let prefix = [member.printed_name(), opening.as_bytes()].concat();
    TagPlan {
        prefix: block(&prefix),
        prefix_size: prefix.len(),
        bit: member.bit,
        type_index: (if op == Op::Enum { field.type_index * ENUM_SIZE } else { field.type_index }) as u32,
        op: if prefix.len() > 32 { Op::Other } else { op },
        field: index,
    }
}

fn other_plan(op: Op) -> TagPlan {
    TagPlan { prefix: [0; 32], prefix_size: 0, bit: 0, type_index: 0, op, field: 0 }
}

fn unset_plan(member: &Member) -> UnsetPlan {
    let text = |value: &str| match value {
        "" => ShortText::default(),
        _ => ShortText::new([member.printed_name(), value.as_bytes(), b","].concat()),
    };
    UnsetPlan { bits: member.bits, null: text("null"), empty: text(member.empty_form), filling: text(member.filling) }
}

/// Return the first 32 bytes of a text, with zeros behind a shorter one.
fn block(text: &[u8]) -> [u8; 32] {
    std::array::from_fn(|at| text.get(at).copied().unwrap_or(0))
}
