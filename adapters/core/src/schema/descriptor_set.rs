//! Reads a `google.protobuf.FileDescriptorSet`, as far as the mapping needs it: messages, enums, and options.
//!
//! The numbers are those of `google/protobuf/descriptor.proto`. An option is an extension of the set's own: its number is
//! looked up by its name among the extensions that the set declares, so that the core knows no number of the contract.
//! A field that comes again replaces a value and is merged into a message, as in any parser of protobuf.

use crate::schema::SchemaError;
use crate::wire::read::{FieldError, WireReader};
use crate::wire::{LEN, VARINT};
use std::collections::HashMap;

/// Levels of messages declared inside messages; protobuf's own parser allows fewer than 100.
const MAX_NESTING: usize = 64;

const JSON_FORM: &str = "chatcompletion.v1.json_form";
const NULLABLE: &str = "chatcompletion.v1.nullable";
const JSON_VALUE: &str = "chatcompletion.v1.json_value";
const ACCUMULATION: &str = "chatcompletion.v1.accumulation";
const ACCUMULATED_NAME: &str = "chatcompletion.v1.accumulated_name";
const ACCUMULATED_VALUE: &str = "chatcompletion.v1.accumulated_value";
pub const WHOLE_TEXT: &str = "chatcompletion.v1.whole_text";
pub const RUNNING_TEXT: &str = "chatcompletion.v1.running_text";
const FIELD_BEHAVIOR: &str = "google.api.field_behavior";

/// `google.api.FieldBehavior.REQUIRED`.
const REQUIRED: u64 = 2;

#[derive(Debug, Default)]
pub struct DescriptorSet<'a> {
    pub messages: HashMap<String, MessageDescriptor<'a>>,
    pub enums: HashMap<String, EnumDescriptor<'a>>,
    /// Numbers by the full names of extensions.
    extensions: HashMap<String, u32>,
}

#[derive(Debug, Default)]
pub struct MessageDescriptor<'a> {
    pub full_name: String,
    pub fields: Vec<FieldDescriptor<'a>>,
    pub oneofs: Vec<&'a str>,
    pub is_map_entry: bool,
    options: Vec<&'a [u8]>,
}

#[derive(Debug, Default)]
pub struct FieldDescriptor<'a> {
    pub name: &'a str,
    pub number: i32,
    /// `FieldDescriptorProto.Type` and `Label`.
    pub field_type: u64,
    label: u64,
    /// The full name of its message or enum.
    pub type_name: &'a str,
    oneof_index: Option<usize>,
    is_proto3_optional: bool,
    /// Whether it has no presence if it is one scalar and no alternative of a oneof.
    zeros_unwritten: bool,
    options: Vec<&'a [u8]>,
}

#[derive(Debug, Default)]
pub struct EnumDescriptor<'a> {
    pub name: &'a str,
    pub values: Vec<EnumValueDescriptor<'a>>,
}

#[derive(Debug, Default)]
pub struct EnumValueDescriptor<'a> {
    pub name: &'a str,
    pub number: i32,
    options: Vec<&'a [u8]>,
}

/// The options of a field that the mapping reads.
#[derive(Debug, Default)]
pub struct FieldOptions<'a> {
    /// The number of a `JsonForm`.
    pub json_form: u64,
    pub nullable: bool,
    pub required: bool,
    /// The number of an `Accumulation`.
    pub accumulation: u64,
    pub accumulated_name: &'a str,
}

impl<'a> DescriptorSet<'a> {
    /// Read an encoded set. Fails with `SchemaError::Malformed` where the bytes are not one.
    pub fn read(bytes: &'a [u8]) -> Result<DescriptorSet<'a>, SchemaError> {
        let mut set = DescriptorSet::default();
        each_field(bytes, |number, value| match (number, value) {
            (1, Payload::Bytes(file)) => set.add_file(file),
            _ => Ok(()),
        })?;
        Ok(set)
    }

    fn add_file(&mut self, file: &'a [u8]) -> Result<(), SchemaError> {
        let (mut package, mut zeros_unwritten) = ("", false);
        each_field(file, |number, value| {
            match (number, value) {
                (2, value) => package = value.text()?,
                (8, Payload::Bytes(options)) => {
                    zeros_unwritten = presence(options, FILE_FEATURES)?.unwrap_or(zeros_unwritten);
                }
                (12, value) => zeros_unwritten |= value.text()? == "proto3",
                _ => {}
            }
            Ok(())
        })?;
        each_field(file, |number, value| match (number, value) {
            (4, Payload::Bytes(message)) => self.add_message(message, package, zeros_unwritten, 0),
            (5, Payload::Bytes(each)) => self.add_enum(each, package),
            (7, Payload::Bytes(extension)) => self.add_extension(extension, package),
            _ => Ok(()),
        })
    }

    fn add_message(
        &mut self,
        bytes: &'a [u8],
        scope: &str,
        zeros_unwritten: bool,
        nesting: usize,
    ) -> Result<(), SchemaError> {
        if nesting > MAX_NESTING {
            return Err(SchemaError::Malformed(format!("messages nested deeper than {MAX_NESTING} levels")));
        }
        let mut name = "";
        each_field(bytes, |number, value| {
            if number == 1 {
                name = value.text()?;
            }
            Ok(())
        })?;
        let mut message = MessageDescriptor { full_name: join(scope, name), ..MessageDescriptor::default() };
        let full_name = message.full_name.clone();
        each_field(bytes, |number, value| {
            match (number, value) {
                (2, Payload::Bytes(field)) => message.fields.push(read_field(field, zeros_unwritten)?),
                (3, Payload::Bytes(nested)) => self.add_message(nested, &full_name, zeros_unwritten, nesting + 1)?,
                (4, Payload::Bytes(each)) => self.add_enum(each, &full_name)?,
                (6, Payload::Bytes(extension)) => self.add_extension(extension, &full_name)?,
                (7, Payload::Bytes(options)) => {
                    message.options.push(options);
                    each_field(options, |number, value| {
                        if let (7, Payload::Varint(set)) = (number, value) {
                            message.is_map_entry = set != 0;
                        }
                        Ok(())
                    })?;
                }
                (8, Payload::Bytes(oneof)) => {
                    let mut name = "";
                    each_field(oneof, |number, value| {
                        if number == 1 {
                            name = value.text()?;
                        }
                        Ok(())
                    })?;
                    message.oneofs.push(name);
                }
                _ => {}
            }
            Ok(())
        })?;
        self.messages.insert(full_name, message);
        Ok(())
    }

    fn add_enum(&mut self, bytes: &'a [u8], scope: &str) -> Result<(), SchemaError> {
        let mut found = EnumDescriptor::default();
        each_field(bytes, |number, value| {
            match (number, value) {
                (1, value) => found.name = value.text()?,
                (2, Payload::Bytes(value)) => found.values.push(read_enum_value(value)?),
                _ => {}
            }
            Ok(())
        })?;
        self.enums.insert(join(scope, found.name), found);
        Ok(())
    }

    fn add_extension(&mut self, bytes: &'a [u8], scope: &str) -> Result<(), SchemaError> {
        let field = read_field(bytes, false)?;
        if let Ok(number) = u32::try_from(field.number) {
            self.extensions.insert(join(scope, field.name), number);
        }
        Ok(())
    }

    /// Return the options of a field.
    pub fn field_options(&self, field: &FieldDescriptor<'a>) -> Result<FieldOptions<'a>, SchemaError> {
        let mut found = FieldOptions::default();
        let extension = |name| self.extensions.get(name).copied();
        let (json_form, nullable, behavior) = (extension(JSON_FORM), extension(NULLABLE), extension(FIELD_BEHAVIOR));
        let (accumulation, accumulated_name) = (extension(ACCUMULATION), extension(ACCUMULATED_NAME));
        for options in &field.options {
            each_field(options, |number, value| {
                match value {
                    Payload::Varint(value) if Some(number) == accumulation => found.accumulation = value,
                    value if Some(number) == accumulated_name => found.accumulated_name = value.text()?,
                    Payload::Varint(value) if Some(number) == json_form => found.json_form = value,
                    Payload::Varint(value) if Some(number) == nullable => found.nullable = value != 0,
                    Payload::Varint(value) if Some(number) == behavior => found.required |= value == REQUIRED,
                    Payload::Bytes(packed) if Some(number) == behavior => {
                        let mut wire = WireReader { bytes: packed, at: 0 };
                        while wire.at < packed.len() {
                            found.required |= wire.varint(packed.len()).map_err(malformed)? == REQUIRED;
                        }
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Return the JSON string of an enum's value that its option names; "" where there is none.
    pub fn json_value(&self, value: &EnumValueDescriptor<'a>) -> Result<&'a str, SchemaError> {
        Ok(self.texts(JSON_VALUE, &value.options)?.last().copied().unwrap_or_default())
    }

    /// Return the JSON string that a completion has for an enum's value of a chunk; "" where it is the same.
    pub fn accumulated_value(&self, value: &EnumValueDescriptor<'a>) -> Result<&'a str, SchemaError> {
        Ok(self.texts(ACCUMULATED_VALUE, &value.options)?.last().copied().unwrap_or_default())
    }

    /// Return the texts that an option of a message has.
    pub fn message_texts(&self, option: &str, message: &MessageDescriptor<'a>) -> Result<Vec<String>, SchemaError> {
        Ok(self.texts(option, &message.options)?.into_iter().map(str::to_owned).collect())
    }

    fn texts(&self, option: &str, options: &[&'a [u8]]) -> Result<Vec<&'a str>, SchemaError> {
        let extension = self.extensions.get(option).copied();
        let mut found = Vec::new();
        for options in options {
            each_field(options, |number, value| {
                if Some(number) == extension {
                    found.push(value.text()?);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }
}

impl FieldDescriptor<'_> {
    pub fn is_repeated(&self) -> bool {
        self.label == 3
    }

    /// Return the index of its oneof; `None` also where `optional` made the oneof.
    pub fn oneof(&self) -> Option<usize> {
        self.oneof_index.filter(|_| !self.is_proto3_optional)
    }

    /// Return whether runtimes do not write the zero of the field, which is one scalar: zero and absent are one thing then.
    pub fn lacks_presence(&self) -> bool {
        self.zeros_unwritten && self.oneof_index.is_none() && !self.is_repeated()
    }
}

/// The numbers of the features in the options of a file and of a field.
const FILE_FEATURES: u32 = 50;
const FIELD_FEATURES: u32 = 21;
/// `FeatureSet.FieldPresence.IMPLICIT`.
const IMPLICIT: u64 = 2;

/// Return whether features among some options say that zeros are not written; `None` where they do not say.
fn presence(options: &[u8], features: u32) -> Result<Option<bool>, SchemaError> {
    let mut found = None;
    each_field(options, |number, value| match value {
        Payload::Bytes(features_of) if number == features => each_field(features_of, |number, value| {
            if let (1, Payload::Varint(presence)) = (number, value) {
                found = Some(presence == IMPLICIT);
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(found)
}

fn read_field(bytes: &[u8], zeros_unwritten: bool) -> Result<FieldDescriptor<'_>, SchemaError> {
    let mut field = FieldDescriptor { zeros_unwritten, ..FieldDescriptor::default() };
    each_field(bytes, |number, value| {
        match (number, value) {
            (1, value) => field.name = value.text()?,
            (3, Payload::Varint(number)) => field.number = number as i32,
            (4, Payload::Varint(label)) => field.label = label,
            (5, Payload::Varint(kind)) => field.field_type = kind,
            (6, value) => field.type_name = value.text()?.trim_start_matches('.'),
            (8, Payload::Bytes(options)) => {
                field.zeros_unwritten = presence(options, FIELD_FEATURES)?.unwrap_or(field.zeros_unwritten);
                field.options.push(options);
            }
            (9, Payload::Varint(index)) => field.oneof_index = usize::try_from(index as i32).ok(),
            (17, Payload::Varint(set)) => field.is_proto3_optional = set != 0,
            _ => {}
        }
        Ok(())
    })?;
    Ok(field)
}

fn read_enum_value(bytes: &[u8]) -> Result<EnumValueDescriptor<'_>, SchemaError> {
    let mut found = EnumValueDescriptor::default();
    each_field(bytes, |number, value| {
        match (number, value) {
            (1, value) => found.name = value.text()?,
            (2, Payload::Varint(number)) => found.number = number as i32,
            (3, Payload::Bytes(options)) => found.options.push(options),
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

/// The value of a field of a descriptor: no field of theirs has another wire type.
enum Payload<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Payload<'a> {
    fn text(&self) -> Result<&'a str, SchemaError> {
        match self {
            Payload::Bytes(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| SchemaError::Malformed("a name that is not valid UTF-8".to_owned())),
            _ => Err(SchemaError::Malformed("a name of another wire type".to_owned())),
        }
    }
}

/// Call a function with the number and the value of each field of a message.
fn each_field<'a>(
    bytes: &'a [u8],
    mut use_field: impl FnMut(u32, Payload<'a>) -> Result<(), SchemaError>,
) -> Result<(), SchemaError> {
    let mut wire = WireReader { bytes, at: 0 };
    let end = bytes.len();
    while wire.at < end {
        let tag = wire.tag(end).map_err(malformed)?;
        let value = match tag & 7 {
            VARINT => Payload::Varint(wire.varint(end).map_err(malformed)?),
            LEN => Payload::Bytes(wire.span(end).map_err(malformed)?),
            _ => {
                wire.skip(tag, end, 0).map_err(malformed)?;
                Payload::Other
            }
        };
        use_field(tag >> 3, value)?;
    }
    Ok(())
}

fn malformed(FieldError(reason): FieldError) -> SchemaError {
    SchemaError::Malformed(reason)
}

pub fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}
