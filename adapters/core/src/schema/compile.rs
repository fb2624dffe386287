//! Compiles a message type, and all that it contains, from its descriptors.
//!
//! The rules of what the mapping can hold are those of `chatpb/_contract/schema.py`, with the same words.

use crate::json::kind::JsonKind;
use crate::json::strings::quote;
use crate::scan::token::Token;
use crate::schema::descriptor_set::{
    DescriptorSet, EnumDescriptor, FieldDescriptor, MessageDescriptor, RUNNING_TEXT, WHOLE_TEXT, join,
};
use crate::schema::home_fields::{
    ADDITIONAL_PROPERTIES, ADDITIONAL_PROPERTIES_TAG, EMPTY_FIELDS, EMPTY_FIELDS_TAG, MEMBER_ORDER, MEMBER_ORDER_TAG,
    NULL_FIELDS, NULL_FIELDS_TAG, VERBATIM_PROPERTIES, VERBATIM_PROPERTIES_TAG,
};
use crate::schema::{
    ADDITIONAL_PROPERTIES_ENTRY, Accumulation, Cardinality, EMPTY_FIELDS_ENTRY, EnumSchema, EnumValue, ExpectedMember,
    FastPath, Field, FieldKind, MEMBER_ORDER_ENTRY, Member, MessageSchema, NO_INDEX, NULL_FIELDS_ENTRY, Schema,
    SchemaError, VERBATIM_PROPERTIES_ENTRY,
};
use crate::wire::LEN;
use crate::wire::write::short_varint;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Names and numbers of the fields that every message has which mirrors a JSON object.
const HOME_FIELDS: [(&str, u32); 5] = [
    ("member_order", MEMBER_ORDER),
    ("empty_fields", EMPTY_FIELDS),
    ("null_fields", NULL_FIELDS),
    ("additional_properties", ADDITIONAL_PROPERTIES),
    ("verbatim_properties", VERBATIM_PROPERTIES),
];

/// The highest number of a field: a null bit has 64 places.
const MAX_NUMBER: i32 = 63;
/// The most values of an enum, whose places have eight bits.
const MAX_VALUES: usize = 254;

impl Schema {
    /// Compile the message type of a full name from an encoded `google.protobuf.FileDescriptorSet`.
    ///
    /// Fails with `SchemaError::Malformed` where the bytes are no such set or lack a type, and with
    /// `SchemaError::Unmappable` for a type that the mapping cannot hold.
    pub fn new(descriptor_set: &[u8], full_name: &str) -> Result<Schema, SchemaError> {
        let set = DescriptorSet::read(descriptor_set)?;
        let mut types = Types { set: &set, messages: Vec::new(), indices: HashMap::new(), enums: Vec::new() };
        let root = types.message(full_name)?;
        if is_list(root) {
            return Err(unmappable(format!("{full_name} stands for a JSON array, and a document is an object")));
        }
        types.index_of(root);
        let mut messages = Vec::new();
        let mut place = 1;
        while let Some(&descriptor) = types.messages.get(messages.len()) {
            messages.push(types.compile(descriptor, place)?);
            place += messages.last().map_or(0, |message: &MessageSchema| message.fields.len() as u32);
        }
        let enums = types.enums.iter().map(|descriptor| enum_table(&set, descriptor)).collect::<Result<Vec<_>, _>>()?;
        Ok(Schema { messages, enums, id: NEXT_ID.fetch_add(1, Ordering::Relaxed) })
    }
}

/// The number of the schema that is compiled next.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// The types that are reached from the outermost message, in the order in which they are found.
struct Types<'s> {
    set: &'s DescriptorSet<'s>,
    messages: Vec<&'s MessageDescriptor<'s>>,
    indices: HashMap<*const (), usize>,
    enums: Vec<&'s EnumDescriptor<'s>>,
}

impl<'s> Types<'s> {
    fn message(&self, name: &str) -> Result<&'s MessageDescriptor<'s>, SchemaError> {
        self.set.messages.get(name).ok_or_else(|| SchemaError::Malformed(format!("no message is called {name}")))
    }

    fn index_of(&mut self, message: &'s MessageDescriptor<'s>) -> usize {
        *self.indices.entry(std::ptr::from_ref(message).cast()).or_insert_with(|| {
            self.messages.push(message);
            self.messages.len() - 1
        })
    }

    fn compile(&mut self, message: &'s MessageDescriptor<'s>, mut place: u32) -> Result<MessageSchema, SchemaError> {
        let full_name = &message.full_name;
        let is_list = is_list(message);
        let has_homes = !is_list && has_home_fields(message)?;
        if message.fields.iter().any(|field| field.number > MAX_NUMBER) {
            return Err(unmappable(format!("{full_name} has a field numbered above 63, which has no null bit")));
        }
        let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
        let second = message.fields.iter().find(|field| !names.insert(field.name) || !numbers.insert(field.number));
        if let Some(field) = second {
            let reason =
                format!("{full_name} has {} = {} beside a field of that name or number", field.name, field.number);
            return Err(SchemaError::Malformed(reason));
        }
        let is_home = |field: &&FieldDescriptor| HOME_FIELDS.iter().any(|&(name, _)| name == field.name);
        let mut fields: Vec<_> = message.fields.iter().filter(|field| !has_homes || !is_home(field)).collect();
        fields.sort_by_key(|field| field.number);
        let mut compiled = MessageSchema::new(full_name, is_list, has_homes);
        let mut rows = Vec::new();
        for field in fields {
            rows.push(self.row(message, field)?);
        }
        // The alternatives of a oneof stand together, where the first of them stands.
        let member_name =
            |row: &FieldRow| if row.oneof.is_empty() { row.field.name.clone() } else { row.oneof.clone() };
        let names: Vec<String> = rows.iter().map(member_name).collect();
        rows.sort_by_key(|row| names.iter().position(|name| *name == member_name(row)));
        for row in rows {
            compiled.add(row, place);
            place += 1;
        }
        compiled.whole_text = self.set.message_texts(WHOLE_TEXT, message)?;
        compiled.running_text = self.set.message_texts(RUNNING_TEXT, message)?;
        compiled.finish();
        Ok(compiled)
    }

    #[inline(never)] // Java compiles no method as large as this one and its caller
    fn row(&mut self, message: &MessageDescriptor, field: &'s FieldDescriptor<'s>) -> Result<FieldRow, SchemaError> {
        let number = u32::try_from(field.number).ok().filter(|&number| number > 0).ok_or_else(|| {
            SchemaError::Malformed(format!("{}.{} has no field number", message.full_name, field.name))
        })?;
        let options = self.set.field_options(field)?;
        let (mut kind, mut type_index) = self.kind_of(message, field, options.json_form)?;
        let mut cardinality = if field.is_repeated() { Cardinality::Repeated } else { Cardinality::Singular };
        if kind == FieldKind::Message {
            let held = self.message(field.type_name)?;
            if held.is_map_entry {
                cardinality = Cardinality::Map;
                let value = map_value(held)?;
                let form = self.set.field_options(value)?.json_form;
                (kind, type_index) = self.kind_of(held, value, form)?;
            }
        }
        // The zero of an enum stands for absence already, and no JSON text is empty.
        if field.lacks_presence()
            && !matches!(kind, FieldKind::Enum | FieldKind::Text | FieldKind::Message | FieldKind::List)
        {
            let name = join(&message.full_name, field.name);
            return Err(unmappable(format!("{name} needs `optional`: without it, zero and absent are one")));
        }
        let oneof = field.oneof().and_then(|index| message.oneofs.get(index));
        Ok(FieldRow {
            field: Field {
                name: field.name.to_owned(),
                number,
                tag: 0,
                tag_word: (0, 0),
                kind,
                cardinality,
                type_index,
                member: 0,
                place: 0,
                json_kinds: 0,
                accumulation: Accumulation::of_number(options.accumulation),
                accumulated_name: options.accumulated_name.to_owned(),
            },
            required: options.required,
            nullable: options.nullable,
            oneof: oneof.copied().unwrap_or_default().to_owned(),
        })
    }

    /// Return the kind of a field, and the index of its message or enum; 0 for a map, whose entries are no type here.
    fn kind_of(
        &mut self,
        message: &MessageDescriptor,
        field: &FieldDescriptor,
        json_form: u64,
    ) -> Result<(FieldKind, usize), SchemaError> {
        let kind = match (field.field_type, json_form) {
            (1, 0) => FieldKind::Double,
            (3, 0) => FieldKind::Int64,
            (4, 0) => FieldKind::Uint64,
            (5, 0) => FieldKind::Int32,
            (8, 0) => FieldKind::Bool,
            (9, 0) => FieldKind::String,
            (9, JSON_FORM_TEXT) => FieldKind::Text,
            (11, 0) => {
                let held = self.message(field.type_name)?;
                return Ok(match (held.is_map_entry, is_list(held)) {
                    (true, _) => (FieldKind::Message, 0),
                    (_, true) => (FieldKind::List, self.index_of(held)),
                    _ => (FieldKind::Message, self.index_of(held)),
                });
            }
            (12, 0) => FieldKind::Bytes,
            (12, JSON_FORM_BYTE_ARRAY) => FieldKind::ByteArray,
            (13, 0) => FieldKind::Uint32,
            (14, 0) => {
                let held = self
                    .set
                    .enums
                    .get(field.type_name)
                    .ok_or_else(|| SchemaError::Malformed(format!("no enum is called {}", field.type_name)))?;
                let found = self.enums.iter().position(|each| std::ptr::eq(*each, held));
                return Ok((
                    FieldKind::Enum,
                    found.unwrap_or_else(|| {
                        self.enums.push(held);
                        self.enums.len() - 1
                    }),
                ));
            }
            _ => {
                let name = join(&message.full_name, field.name);
                return Err(unmappable(format!("{name} has a type or a json_form that the mapping does not know")));
            }
        };
        Ok((kind, 0))
    }
}

/// `JsonForm.JSON_FORM_BYTE_ARRAY` and `JSON_FORM_TEXT` of the contract's options.
const JSON_FORM_BYTE_ARRAY: u64 = 1;
const JSON_FORM_TEXT: u64 = 2;

fn unmappable(reason: String) -> SchemaError {
    SchemaError::Unmappable(reason)
}

/// Return whether a message stands for a JSON array, by the one field that it has.
fn is_list(message: &MessageDescriptor) -> bool {
    matches!(&message.fields[..], [field] if field.name == "items" && field.is_repeated())
}

/// Return whether a message has the home fields. An envelope has none of their names and numbers.
fn has_home_fields(message: &MessageDescriptor) -> Result<bool, SchemaError> {
    let has = |&(name, number): &(&str, u32)| {
        message.fields.iter().any(|field| field.name == name && field.number == number as i32)
    };
    let has_part = |&(name, number): &(&str, u32)| {
        message.fields.iter().any(|field| field.name == name || field.number == number as i32)
    };
    // The types of google.protobuf have JSON forms of their own, which are not those of their fields.
    if HOME_FIELDS.iter().all(has) {
        return Ok(true);
    }
    if !HOME_FIELDS.iter().any(has_part) && !message.full_name.starts_with("google.protobuf.") {
        return Ok(false);
    }
    let needed: Vec<String> = HOME_FIELDS.iter().map(|(name, number)| format!("{name} = {number}")).collect();
    let reason = format!("cannot be mapped without loss: it needs the fields {}", needed.join(", "));
    Err(unmappable(format!("{} {reason}", message.full_name)))
}

/// Return the field of a map's values.
fn map_value<'s>(entry: &'s MessageDescriptor<'s>) -> Result<&'s FieldDescriptor<'s>, SchemaError> {
    let named = |name| entry.fields.iter().find(|field| field.name == name);
    let (Some(key), Some(value)) = (named("key"), named("value")) else {
        return Err(SchemaError::Malformed(format!("{} is no entry of a map", entry.full_name)));
    };
    if key.field_type != 9 {
        return Err(unmappable(format!(
            "{} has keys that are no strings, as the names of JSON members are",
            entry.full_name
        )));
    }
    Ok(value)
}

fn enum_table(set: &DescriptorSet, descriptor: &EnumDescriptor) -> Result<EnumSchema, SchemaError> {
    let Some(zero) = descriptor.values.iter().find(|value| value.number == 0) else {
        return Err(unmappable(format!("{} has no value numbered 0", descriptor.name)));
    };
    let prefix = zero.name.strip_suffix("UNSPECIFIED").unwrap_or(zero.name);
    // Of several names for a number the last counts, where the first stands.
    let mut strings: Vec<(i32, String, &str)> = Vec::new();
    for value in descriptor.values.iter().filter(|value| value.number != 0) {
        let given = set.json_value(value)?;
        let string = match given {
            "" => value.name.strip_prefix(prefix).unwrap_or(value.name).to_ascii_lowercase(),
            given => given.to_owned(),
        };
        match strings.iter_mut().find(|each| each.0 == value.number) {
            Some(each) => (each.1, each.2) = (string, set.accumulated_value(value)?),
            None => strings.push((value.number, string, set.accumulated_value(value)?)),
        }
    }
    if strings.len() > MAX_VALUES {
        return Err(unmappable(format!("{} has more than {MAX_VALUES} values", descriptor.name)));
    }
    let name = descriptor.name.to_owned();
    let mut table = EnumSchema { name, values: Vec::new(), tokens: Vec::new(), by_number: [NO_INDEX; 64] };
    for (number, string, accumulated) in strings {
        let mut printed = Vec::new();
        quote(string.as_bytes(), &mut printed);
        if (0..64).contains(&number) {
            table.by_number[number as usize] = table.values.len() as u8;
        }
        if table.number_of(string.as_bytes()).is_some() {
            return Err(unmappable(format!("{} has two values whose JSON string is {string:?}", descriptor.name)));
        }
        table.tokens.push((Token::new(&printed), i64::from(number) as u64));
        table.values.push(EnumValue { number, string: string.into_bytes(), printed, accumulated: accumulated.into() });
    }
    Ok(table)
}

/// A field before it is added to its message.
struct FieldRow {
    field: Field,
    required: bool,
    nullable: bool,
    oneof: String,
}

impl MessageSchema {
    fn new(full_name: &str, is_list: bool, has_homes: bool) -> MessageSchema {
        MessageSchema {
            full_name: full_name.to_owned(),
            is_list,
            has_homes,
            fields: Vec::new(),
            expected: Box::new(std::array::from_fn(|_| ExpectedMember::none())),
            deferrable: 0,
            members: Vec::new(),
            by_tag: Box::new([NO_INDEX; 512]),
            by_length: Vec::new(),
            lengths: Vec::new(),
            known_bits: 0,
            required: 0,
            nullable: 0,
            by_bit: [0; 64],
            whole_text: Vec::new(),
            running_text: Vec::new(),
        }
    }

    /// Add a field, the next in number order, and its member if it is the first of that.
    fn add(&mut self, row: FieldRow, place: u32) {
        let FieldRow { mut field, required, nullable, oneof } = row;
        let index = self.fields.len() as u8;
        let name = if oneof.is_empty() { &field.name } else { &oneof };
        let found = self.members.iter().position(|member| &member.name == name);
        let member = found.unwrap_or_else(|| {
            let empty_form = match field.cardinality {
                Cardinality::Singular => "",
                Cardinality::Repeated => "[]",
                Cardinality::Map => "{}",
            };
            let filling = match (required, nullable) {
                (false, _) => "",
                (true, true) => "null",
                (true, false) => empty_form,
            };
            self.required |= u64::from(required) << field.number;
            self.nullable |= u64::from(nullable) << field.number;
            self.members.push(Member::new(name, field.number, empty_form, filling, !oneof.is_empty()));
            self.members.len() - 1
        });
        field.member = member as u8;
        field.place = place;
        let wire_type = if field.cardinality == Cardinality::Singular { field.wire_type() } else { LEN };
        field.tag = u64::from(field.number << 3 | wire_type);
        field.tag_word = short_varint(field.tag);
        let kinds: &[JsonKind] = match (field.cardinality, field.kind) {
            (Cardinality::Map, _) => &[JsonKind::Object],
            (Cardinality::Repeated, _) => &[JsonKind::Array],
            (Cardinality::Singular, kind) => json_kinds(kind),
        };
        field.json_kinds = json_kinds(field.kind).iter().fold(0, |bits, &kind| bits | 1 << kind as u8);
        let member = &mut self.members[member];
        for &kind in kinds {
            member.by_kind[kind as usize] = index;
        }
        member.fields.push(index);
        member.bits |= 1 << field.number;
        self.known_bits |= 1 << field.number;
        self.by_bit[field.number as usize] = field.member;
        self.by_tag[field.tag as usize] = index;
        if field.cardinality == Cardinality::Repeated {
            // Scalars are read packed or not, however the encoder writes them.
            self.by_tag[(field.number << 3 | field.wire_type()) as usize] = index;
        }
        self.fields.push(field);
    }

    /// Compile what depends on all fields.
    fn finish(&mut self) {
        if self.has_homes {
            self.by_tag[MEMBER_ORDER_TAG as usize] = MEMBER_ORDER_ENTRY;
            self.by_tag[EMPTY_FIELDS_TAG as usize] = EMPTY_FIELDS_ENTRY;
            self.by_tag[NULL_FIELDS_TAG as usize] = NULL_FIELDS_ENTRY;
            self.by_tag[ADDITIONAL_PROPERTIES_TAG as usize] = ADDITIONAL_PROPERTIES_ENTRY;
            self.by_tag[VERBATIM_PROPERTIES_TAG as usize] = VERBATIM_PROPERTIES_ENTRY;
        }
        let longest = self.members.iter().map(|member| member.name.len()).max().unwrap_or(0);
        for length in 0..=longest {
            self.lengths.push(self.by_length.len() as u8);
            let of_length = |(index, member): (usize, &Member)| (member.name.len() == length).then_some(index as u8);
            self.by_length.extend(self.members.iter().enumerate().filter_map(of_length));
        }
        self.lengths.push(self.by_length.len() as u8);
        for at in 0..self.members.len() {
            self.expected[at] = self.expected_member(at, &self.members[at]);
        }
        let is_deferrable = |path| matches!(path, FastPath::Integer | FastPath::Enum | FastPath::String);
        let deferrable = self.expected.iter().filter(|each| is_deferrable(each.fast_path));
        self.deferrable = deferrable.fold(0, |bits, each| bits | each.bit);
    }

    /// Compile what the encoder mostly needs to know of the member at an index.
    fn expected_member(&self, at: usize, member: &Member) -> ExpectedMember {
        let expected = ExpectedMember {
            name: Token::new(member.printed_name()),
            bit: member.bit,
            member: at as u8,
            ..ExpectedMember::none()
        };
        let [index] = member.fields[..] else { return expected };
        let field = &self.fields[usize::from(index)];
        let fast_path = match (field.cardinality, field.kind) {
            (Cardinality::Singular, kind) if kind.is_integer() => FastPath::Integer,
            (Cardinality::Singular, FieldKind::Enum) => FastPath::Enum,
            (Cardinality::Singular, FieldKind::String) => FastPath::String,
            (Cardinality::Singular, FieldKind::Message) => FastPath::Message,
            (Cardinality::Repeated, FieldKind::Message) => FastPath::Messages,
            _ => FastPath::None,
        };
        let is_long = fast_path == FastPath::Integer && matches!(field.kind, FieldKind::Int64 | FieldKind::Uint64);
        ExpectedMember {
            fast_path,
            place: field.place,
            tag: field.tag_word,
            type_index: field.type_index as u32,
            is_long,
            ..expected
        }
    }
}

impl ExpectedMember {
    /// Return a member that matches no text.
    fn none() -> ExpectedMember {
        ExpectedMember {
            name: Token::NONE,
            bit: 0,
            tag: (0, 0),
            type_index: 0,
            fast_path: FastPath::None,
            is_long: false,
            member: 63,
            place: 0,
        }
    }
}

impl Member {
    fn new(name: &str, number: u32, empty_form: &'static str, filling: &'static str, is_oneof: bool) -> Member {
        let mut prefix = b",".to_vec();
        quote(name.as_bytes(), &mut prefix);
        prefix.push(b':');
        Member {
            name: name.to_owned(),
            prefix,
            bit: 1 << number,
            bits: 0,
            by_kind: [NO_INDEX; 6],
            empty_form,
            filling,
            fields: Vec::new(),
            is_oneof,
        }
    }
}

/// Return the kinds of JSON value that a field of a kind may hold.
fn json_kinds(kind: FieldKind) -> &'static [JsonKind] {
    match kind {
        FieldKind::Int32 | FieldKind::Int64 | FieldKind::Uint32 | FieldKind::Uint64 => &[JsonKind::Number],
        FieldKind::Double => &[JsonKind::Number, JsonKind::Nonfinite],
        FieldKind::Bool => &[JsonKind::Bool],
        FieldKind::Enum | FieldKind::String | FieldKind::Bytes => &[JsonKind::String],
        FieldKind::ByteArray | FieldKind::List => &[JsonKind::Array],
        FieldKind::Text => &[
            JsonKind::String,
            JsonKind::Number,
            JsonKind::Nonfinite,
            JsonKind::Bool,
            JsonKind::Object,
            JsonKind::Array,
        ],
        FieldKind::Message => &[JsonKind::Object],
    }
}
