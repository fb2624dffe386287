//! The tables that drive both directions: a message type and all that it contains, compiled.
//!
//! `compile` makes them from descriptors. They list JSON *members*: a member is one field, or one oneof, where the kind
//! of the JSON value chooses among the alternatives.
//!
//! A schema never changes, so that threads share it. What encoders and printers guess from earlier documents is theirs:
//! `per_schema` holds it for each schema that they are given.

mod compile;
mod descriptor_set;
pub mod home_fields;
pub mod per_schema;

use crate::json::kind::JsonKind;
use crate::scan::token::Token;
use crate::wire::write::TagWord;
use crate::wire::{FIXED64, LEN, VARINT};

/// An entry of a table of indices that is empty.
pub const NO_INDEX: u8 = 0xff;
/// Entries of `MessageSchema::by_tag` for the fields that every message has.
pub const EMPTY_FIELDS_ENTRY: u8 = 0xf0;
pub const NULL_FIELDS_ENTRY: u8 = 0xf1;
pub const ADDITIONAL_PROPERTIES_ENTRY: u8 = 0xf2;
pub const VERBATIM_PROPERTIES_ENTRY: u8 = 0xf3;
pub const MEMBER_ORDER_ENTRY: u8 = 0xf4;

/// The protobuf type of a field's values, or a form of it that an option chooses. The kinds up to `Enum` are packed in
/// arrays. `chatpb/_contract/schema.py` has them in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Double,
    Bool,
    Enum,
    String,
    Bytes,
    /// Bytes that are an array of integers in JSON.
    ByteArray,
    /// A string that carries JSON text.
    Text,
    Message,
    /// A message that stands for a JSON array.
    List,
}

impl FieldKind {
    pub fn is_integer(self) -> bool {
        matches!(self, FieldKind::Int32 | FieldKind::Int64 | FieldKind::Uint32 | FieldKind::Uint64)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    Singular,
    Repeated,
    Map,
}

/// `Accumulation` of the contract's options, which say what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accumulation {
    Unspecified,
    First,
    Latest,
    Pieces,
    Name,
    Base64,
    None,
    Choices,
    Calls,
}

impl Accumulation {
    /// Return that of a number; `Unspecified` for one that has no name.
    fn of_number(number: u64) -> Accumulation {
        use Accumulation::{Base64, Calls, Choices, First, Latest, Name, None, Pieces, Unspecified};
        let all = [Unspecified, First, Latest, Pieces, Name, Base64, None, Choices, Calls];
        usize::try_from(number).ok().and_then(|number| all.get(number).copied()).unwrap_or(Unspecified)
    }
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub number: u32,
    /// The tag that opens the field as the encoder writes it.
    pub tag: u64,
    pub tag_word: TagWord,
    /// The kind of one value; for a map, of its entries' values.
    pub kind: FieldKind,
    pub cardinality: Cardinality,
    /// The index of its message type or enum.
    pub type_index: usize,
    /// The index of its member.
    pub member: u8,
    /// Its index among the fields of all messages of the schema, from 1 on.
    pub place: u32,
    /// A bit for each kind of JSON value that one value may have.
    json_kinds: u8,
    /// How the chunks of a stream give the member of a completion, and the name that it has there if it is a delta.
    pub accumulation: Accumulation,
    pub accumulated_name: String,
}

impl Field {
    /// Return whether one value may be of a kind of JSON value.
    #[inline(always)]
    pub fn takes(&self, kind: JsonKind) -> bool {
        self.json_kinds >> kind as u8 & 1 != 0
    }

    /// Return whether an array of the values is packed.
    pub fn is_packable(&self) -> bool {
        (self.kind as u8) <= FieldKind::Enum as u8
    }

    /// Return the wire type of one value that is not packed.
    pub fn wire_type(&self) -> u32 {
        match self.kind {
            FieldKind::Double => FIXED64,
            _ if self.is_packable() => VARINT,
            _ => LEN,
        }
    }
}

/// One member of a JSON object: a field, or a oneof.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// `,"name":` as it is printed.
    pub prefix: Vec<u8>,
    /// The bit of the member that is written to `null_fields` and `empty_fields`, and all its bits that are read.
    pub bit: u64,
    pub bits: u64,
    /// By kind of JSON value: the index of the field that holds it.
    pub by_kind: [u8; 6],
    /// What the empty bit stands for: "[]", "{}", or "" where the member has no empty bit.
    pub empty_form: &'static str,
    /// What `fill_required` prints for the member where it is absent.
    pub filling: &'static str,
    /// The indices of its fields.
    pub fields: Vec<u8>,
    pub is_oneof: bool,
}

impl Member {
    /// Return `"name":` as it is printed.
    pub fn printed_name(&self) -> &[u8] {
        &self.prefix[1..]
    }
}

/// The kinds of a member with one field whose values the encoder reads without a look at their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastPath {
    None,
    Integer,
    Enum,
    String,
    Message,
    Messages,
}

/// What the encoder mostly needs to know of a member, in two cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub struct ExpectedMember {
    /// `"name":`
    pub name: Token,
    /// The bit that stands for null, which is that of the number of the first field.
    pub bit: u64,
    /// The tag of the first field as it is written.
    pub tag: TagWord,
    /// The index of its message type or enum.
    pub type_index: u32,
    pub fast_path: FastPath,
    /// Whether it is an integer of 64 bits.
    pub is_long: bool,
    /// The index of the member.
    pub member: u8,
    /// The place of its first field.
    pub place: u32,
}

#[derive(Debug)]
pub struct MessageSchema {
    pub full_name: String,
    /// Whether the message stands for a JSON array.
    pub is_list: bool,
    /// Whether the message has the home fields. An envelope lacks them: it holds what its typed fields hold, and no more.
    pub has_homes: bool,
    /// In number order.
    pub fields: Vec<Field>,
    /// One for each of `members`, and behind them some that match no text.
    expected: Box<[ExpectedMember; 64]>,
    /// A bit for the number of each field that can be held back: integers, enums and strings.
    pub deferrable: u64,
    /// In number order of their first fields.
    pub members: Vec<Member>,
    /// By tag below 512 in the forms that are read: an index of `fields`, or one of the entries named above.
    pub by_tag: Box<[u8; 512]>,
    /// Indices of the members, by length of name; where those of each length start.
    by_length: Vec<u8>,
    lengths: Vec<u8>,
    /// All bits of members.
    pub known_bits: u64,
    /// The bits of the members that the contract requires, and of those that it lets be null.
    pub required: u64,
    pub nullable: u64,
    /// By bit: the index of its member.
    pub by_bit: [u8; 64],
    /// The names of vendor members that a delta's options list.
    pub whole_text: Vec<String>,
    pub running_text: Vec<String>,
}

impl MessageSchema {
    /// Return the index of the member of a name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u8> {
        let same = |index: &u8| self.members[usize::from(*index)].name.as_bytes() == name;
        self.of_length(name.len()).iter().copied().find(same)
    }

    /// Return the indices of the members whose names have `length` bytes.
    #[inline]
    pub fn of_length(&self, length: usize) -> &[u8] {
        match self.lengths.get(length..length + 2) {
            Some(&[from, to]) => &self.by_length[usize::from(from)..usize::from(to)],
            _ => &[],
        }
    }

    /// Return the member at an index, or one that matches no text.
    #[inline(always)]
    pub fn expected(&self, index: u8) -> &ExpectedMember {
        &self.expected[usize::from(index & 63)]
    }
}

#[derive(Debug)]
pub struct EnumValue {
    pub number: i32,
    pub string: Vec<u8>,
    /// `"string"` as it is printed.
    pub printed: Vec<u8>,
    /// The string that a completion has for it; empty where it is the same.
    pub accumulated: Vec<u8>,
}

#[derive(Debug)]
pub struct EnumSchema {
    pub name: String,
    pub values: Vec<EnumValue>,
    /// For each value, `"string"` and its number as a varint has it.
    pub tokens: Vec<(Token, u64)>,
    /// By number from 0 to 63: the index of the value.
    by_number: [u8; 64],
}

impl EnumSchema {
    /// Return the number of a string.
    pub fn number_of(&self, string: &[u8]) -> Option<i32> {
        self.values.iter().find(|value| value.string == string).map(|value| value.number)
    }

    /// Return the string of a number as it is printed.
    #[inline]
    pub fn printed(&self, number: i32) -> Option<&[u8]> {
        if (0..64).contains(&number) {
            return self.values.get(usize::from(self.by_number[number as usize])).map(|value| value.printed.as_slice());
        }
        self.values.iter().rev().find(|value| value.number == number).map(|value| value.printed.as_slice())
    }
}

/// A message type and all that it contains.
#[derive(Debug)]
pub struct Schema {
    /// The outermost comes first.
    pub messages: Vec<MessageSchema>,
    pub enums: Vec<EnumSchema>,
    /// A number that no other schema of the process has.
    id: u64,
}

impl Schema {
    /// Describe the schema, for tests that compare it with the reference's: a line for each message, with its full name;
    /// for each field, with number, kind, cardinality, required, nullable, filling, name, oneof and the index of its type;
    /// and for each enum and each of its values.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        for message in &self.messages {
            lines.push(format!("message {} {}", message.full_name, if message.is_list { "list" } else { "object" }));
            for field in &message.fields {
                let member = &message.members[usize::from(field.member)];
                let oneof = if member.is_oneof { member.name.as_str() } else { "-" };
                let (required, nullable) = (message.required & member.bit != 0, message.nullable & member.bit != 0);
                lines.push(format!(
                    "field {} {:?} {:?} {required} {nullable} {:?} {} {} {}",
                    field.number, field.kind, field.cardinality, member.filling, field.name, oneof, field.type_index
                ));
            }
        }
        for each in &self.enums {
            lines.push(format!("enum {}", each.name));
            let describe =
                |value: &EnumValue| format!("value {} {}", value.number, String::from_utf8_lossy(&value.string));
            lines.extend(each.values.iter().map(describe));
        }
        lines.join("\n")
    }
}

/// Why there is no schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// The bytes are no `google.protobuf.FileDescriptorSet`, or one that names what it does not have.
    Malformed(String),
    /// The mapping cannot hold the type.
    Unmappable(String),
}

/// Return the contract `chatcompletion.v1`, and all that it imports, as an encoded `google.protobuf.FileDescriptorSet`.
pub fn contract() -> &'static [u8] {
    include_bytes!("contract.binpb")
}
