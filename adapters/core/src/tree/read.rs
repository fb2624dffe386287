//! Wire bytes to a tree of messages: the exact half of printing, which reads any valid encoding and says what is wrong.
//!
//! The rules are those of `chatpb/_tree/read.py`.

use crate::error::WireError;
use crate::json::check::check_value;
use crate::json::member_names::MemberNames;
use crate::json::normalize::normalize;
use crate::json::pointer::push_pointer;
use crate::limits::{MAX_DEPTH, MAX_SIZE};
use crate::schema::{
    ADDITIONAL_PROPERTIES_ENTRY, Cardinality, EMPTY_FIELDS_ENTRY, Field, FieldKind, MEMBER_ORDER_ENTRY, MessageSchema,
    NO_INDEX, NULL_FIELDS_ENTRY, Schema, VERBATIM_PROPERTIES_ENTRY,
};
use crate::tree::message::{FieldValue, MessageTree, OrderedMap};
use crate::tree::read_struct::{SKIPPED, StructReader, json_double, too_deep};
use crate::wire::LEN;
use crate::wire::read::{FieldError, WireReader};
use crate::wire::struct_tags::ENTRY_KEY;

/// What went wrong.
enum Failure {
    /// In the field being read, whose place is not known yet.
    Here(FieldError),
    /// In the JSON text that the field being read carries, for the member of the name, if it is known.
    Text { name: Option<String>, reason: String },
    /// In a field of a message inside, with its place. The path starts with the innermost name.
    Inside { path: Vec<String>, offset: usize, reason: String },
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        Failure::Here(error)
    }
}

impl Failure {
    /// Return the failure as it is seen from the message around the one where it happened.
    fn within(self, key: impl FnOnce() -> String) -> Failure {
        match self {
            Failure::Inside { mut path, offset, reason } => {
                path.push(key());
                Failure::Inside { path, offset, reason }
            }
            here => here,
        }
    }

    /// Return the failure of a text with the name of its member; any other one as it is.
    fn of_text(self, name: impl FnOnce() -> String) -> Failure {
        match self {
            Failure::Text { reason, .. } => Failure::Text { name: Some(name()), reason },
            other => other,
        }
    }
}

type Read<T> = Result<T, Failure>;

/// Read a message of the outermost type of a schema. `texts` says whether fields that carry JSON text must be valid; they
/// are then in normal form.
pub fn wire_to_tree<'a>(
    schema: &'a Schema,
    wire: &'a [u8],
    refuse_unknown: bool,
    nonfinite: bool,
    texts: bool,
) -> Result<MessageTree<'a>, WireError> {
    if wire.len() > MAX_SIZE {
        let reason = format!("a message of more than {MAX_SIZE} bytes");
        return Err(WireError { path: String::new(), offset: 0, reason });
    }
    let reader = WireReader { bytes: wire, at: 0 };
    let mut reader =
        TreeReader { schema, wire: reader, refuse_unknown, nonfinite, texts, names: MemberNames::default() };
    let mut message = MessageTree::new(&schema.messages[0]);
    reader.message(&mut message, wire.len(), 1).map(|()| message).map_err(|failure| match failure {
        Failure::Here(FieldError(reason)) | Failure::Text { reason, .. } => {
            WireError { path: String::new(), offset: 0, reason }
        }
        Failure::Inside { path: names, offset, reason } => {
            let mut path = String::new();
            for name in names.iter().rev() {
                push_pointer(&mut path, name.as_bytes());
            }
            WireError { path, offset, reason }
        }
    })
}

struct TreeReader<'a> {
    schema: &'a Schema,
    wire: WireReader<'a>,
    refuse_unknown: bool,
    nonfinite: bool,
    texts: bool,
    names: MemberNames,
}

impl<'a> TreeReader<'a> {
    /// Read the fields up to an end into a message of a nesting level.
    fn message(&mut self, into: &mut MessageTree<'a>, end: usize, depth: usize) -> Read<()> {
        let mut start = self.wire.at;
        let read = if depth > MAX_DEPTH { Err(too_deep().into()) } else { self.fields(into, end, depth, &mut start) };
        read.map_err(|failure| match failure {
            Failure::Here(FieldError(reason)) => Failure::Inside { path: Vec::new(), offset: start, reason },
            Failure::Text { name, reason } => {
                Failure::Inside { path: name.into_iter().collect(), offset: start, reason }
            }
            inside => inside,
        })
    }

    fn fields(&mut self, into: &mut MessageTree<'a>, end: usize, depth: usize, start: &mut usize) -> Read<()> {
        while self.wire.at < end {
            *start = self.wire.at;
            let tag = self.wire.tag(end)?;
            match into.message_schema.by_tag.get(tag as usize).copied().unwrap_or(NO_INDEX) {
                NO_INDEX => self.skip(into.message_schema, tag, end)?,
                MEMBER_ORDER_ENTRY => into.member_order = self.wire.span(end)?,
                EMPTY_FIELDS_ENTRY => into.empty_fields = self.bits("empty_fields", into.message_schema, end)?,
                NULL_FIELDS_ENTRY => into.null_fields = self.bits("null_fields", into.message_schema, end)?,
                ADDITIONAL_PROPERTIES_ENTRY => {
                    let stop = self.wire.stop(end)?;
                    let TreeReader { ref mut wire, refuse_unknown, nonfinite, .. } = *self;
                    StructReader { wire, refuse_unknown, nonfinite }.structure(&mut into.additional, stop, depth)?;
                }
                VERBATIM_PROPERTIES_ENTRY => {
                    let (key, value) = self.entry(into.message_schema, None, end, depth)?;
                    let text = match value {
                        Some(FieldValue::Bytes(text)) if !text.is_empty() => self
                            .text(text, depth)
                            .map_err(|failure| failure.of_text(|| String::from_utf8_lossy(key).into_owned()))?,
                        _ => Vec::new(),
                    };
                    into.verbatim.put(key, text);
                }
                index => self.field(into, index, tag & 7, end, depth)?,
            }
        }
        Ok(())
    }

    fn skip(&mut self, message_schema: &MessageSchema, tag: u32, end: usize) -> Read<()> {
        self.wire.skip(tag, end, 0)?;
        if self.refuse_unknown {
            let reason =
                format!("field {}, which {} does not have in this form{SKIPPED}", tag >> 3, message_schema.full_name);
            return Err(FieldError(reason).into());
        }
        Ok(())
    }

    fn bits(&mut self, name: &str, message_schema: &MessageSchema, end: usize) -> Read<u64> {
        let bits = self.wire.varint(end)?;
        if bits & !message_schema.known_bits != 0 && self.refuse_unknown {
            let reason = format!("{name} names a field that {} does not have{SKIPPED}", message_schema.full_name);
            return Err(FieldError(reason).into());
        }
        Ok(bits)
    }

    fn field(&mut self, into: &mut MessageTree<'a>, index: u8, wire_type: u32, end: usize, depth: usize) -> Read<()> {
        let message_schema = into.message_schema;
        let field = &message_schema.fields[usize::from(index)];
        let member = &message_schema.members[usize::from(field.member)];
        match field.cardinality {
            Cardinality::Singular => {
                let earlier = into.take(index);
                let value = self
                    .value(field, earlier, end, depth)
                    .map_err(|failure| failure.within(|| member.name.clone()).of_text(|| member.name.clone()))?;
                for &rival in &member.fields {
                    into.take(rival);
                }
                into.values.push((index, value));
            }
            Cardinality::Repeated => {
                let mut items = match into.take(index) {
                    Some(FieldValue::Repeated(items)) => items,
                    _ => Vec::new(),
                };
                if field.is_packable() && wire_type == LEN {
                    let stop = self.wire.stop(end)?;
                    while self.wire.at < stop {
                        items.push(self.value(field, None, stop, depth)?);
                    }
                } else {
                    // A message that stands for an array is itself the array's level, and has no name in a path.
                    let level = if message_schema.is_list { 0 } else { 1 };
                    let item = self.value(field, None, end, depth + level).map_err(|failure| {
                        let failure = failure.within(|| items.len().to_string());
                        if message_schema.is_list { failure } else { failure.within(|| member.name.clone()) }
                    })?;
                    items.push(item);
                }
                into.values.push((index, FieldValue::Repeated(items)));
            }
            Cardinality::Map => {
                let (key, value) = self
                    .entry(message_schema, Some(field), end, depth + 1)
                    .map_err(|failure| failure.within(|| member.name.clone()))?;
                let value = match value {
                    Some(value) => value,
                    None => self.default(field)?,
                };
                let mut map = match into.take(index) {
                    Some(FieldValue::Map(map)) => map,
                    _ => OrderedMap::default(),
                };
                map.set(key, value);
                into.values.push((index, FieldValue::Map(map)));
            }
        }
        Ok(())
    }

    /// Read the key and the value of a map entry: of a map field, or of the verbatim properties where there is no
    /// field.
    fn entry(
        &mut self,
        message_schema: &MessageSchema,
        field: Option<&'a Field>,
        end: usize,
        depth: usize,
    ) -> Read<(&'a [u8], Option<FieldValue<'a>>)> {
        let stop = self.wire.stop(end)?;
        let value_tag = 2 << 3 | field.map_or(LEN, Field::wire_type);
        let (mut key, mut value): (&[u8], _) = (b"", None);
        while self.wire.at < stop {
            let tag = self.wire.tag(stop)?;
            if tag == ENTRY_KEY.into() {
                key = self.wire.string(stop)?;
            } else if tag == value_tag {
                value = Some(match field {
                    Some(field) => self.value(field, value, stop, depth)?,
                    None => FieldValue::Bytes(self.wire.string(stop)?),
                });
            } else {
                self.skip(message_schema, tag, stop)?;
            }
        }
        Ok((key, value))
    }

    /// Return what a map entry without a value holds.
    fn default(&mut self, field: &'a Field) -> Read<FieldValue<'a>> {
        Ok(match field.kind {
            FieldKind::Message => {
                FieldValue::Message(Box::new(MessageTree::new(&self.schema.messages[field.type_index])))
            }
            FieldKind::Text => FieldValue::Text(self.text(b"", 0)?),
            FieldKind::List => FieldValue::Repeated(Vec::new()),
            FieldKind::String | FieldKind::Bytes | FieldKind::ByteArray => FieldValue::Bytes(b""),
            FieldKind::Bool => FieldValue::Bool(false),
            FieldKind::Double => FieldValue::Double(0.0),
            FieldKind::Int32 | FieldKind::Int64 | FieldKind::Enum => FieldValue::Int(0),
            FieldKind::Uint32 | FieldKind::Uint64 => FieldValue::Uint(0),
        })
    }

    /// Read one value of a field, after its tag.
    fn value(
        &mut self,
        field: &'a Field,
        earlier: Option<FieldValue<'a>>,
        end: usize,
        depth: usize,
    ) -> Read<FieldValue<'a>> {
        let wire = &mut self.wire;
        Ok(match field.kind {
            FieldKind::Int32 | FieldKind::Enum => FieldValue::Int(i64::from(wire.varint(end)? as i32)),
            FieldKind::Int64 => FieldValue::Int(wire.varint(end)? as i64),
            FieldKind::Uint32 => FieldValue::Uint(u64::from(wire.varint(end)? as u32)),
            FieldKind::Uint64 => FieldValue::Uint(wire.varint(end)?),
            FieldKind::Bool => FieldValue::Bool(wire.varint(end)? != 0),
            FieldKind::Double => FieldValue::Double(json_double(wire.double(end)?, self.nonfinite)?),
            FieldKind::String => FieldValue::Bytes(wire.string(end)?),
            FieldKind::Bytes | FieldKind::ByteArray => FieldValue::Bytes(wire.span(end)?),
            FieldKind::Text => {
                let text = wire.string(end)?;
                FieldValue::Text(self.text(text, depth)?)
            }
            FieldKind::Message => {
                let mut message = match earlier {
                    Some(FieldValue::Message(message)) => message,
                    _ => Box::new(MessageTree::new(&self.schema.messages[field.type_index])),
                };
                let stop = wire.stop(end)?;
                self.message(&mut message, stop, depth + 1)?;
                FieldValue::Message(message)
            }
            FieldKind::List => {
                let mut message = MessageTree::new(&self.schema.messages[field.type_index]);
                if let Some(items @ FieldValue::Repeated(_)) = earlier {
                    message.values.push((0, items));
                }
                let stop = wire.stop(end)?;
                self.message(&mut message, stop, depth + 1)?;
                message.take(0).unwrap_or(FieldValue::Repeated(Vec::new()))
            }
        })
    }

    /// Return the normal form of the text of a JSON value inside an object of a nesting level.
    fn text(&mut self, text: &[u8], depth: usize) -> Read<Vec<u8>> {
        if !self.texts {
            return Ok(text.to_vec());
        }
        let mut out = Vec::with_capacity(text.len());
        match normalize(text, self.nonfinite, &mut self.names, &mut out) {
            Some(nesting) if depth + nesting > MAX_DEPTH => Err(Failure::Text { name: None, reason: too_deep().0 }),
            Some(_) => Ok(out),
            None => match check_value(text, self.nonfinite) {
                Err(error) => {
                    let reason = format!("text that is not a JSON value ({})", error.reason);
                    Err(Failure::Text { name: None, reason })
                }
                Ok(()) => unreachable!("the normalizer refused text that the checker accepts"),
            },
        }
    }
}
