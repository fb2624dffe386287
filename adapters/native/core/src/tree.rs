//! Wire bytes to a tree of messages: the exact half of printing, which reads any valid encoding and says what is wrong.
//!
//! The rules are those of `chatpb/_python/wire_to_tree.py` and `read_struct.py`.

use crate::check::check_value;
use crate::error::{WireError, push_pointer};
use crate::json::{Cursor, Names};
use crate::limits::{MAX_DEPTH, MAX_SIZE};
use crate::schema::{ADDITIONAL, EMPTY_FIELDS, Field, Kind, Message, NONE, NULL_FIELDS, Schema, Shape, VERBATIM};
use crate::text::TextPrinter;
use crate::wire::{Bad, Wire};
use std::collections::HashMap;

/// Entries by key, in the order in which the keys came first.
#[derive(Debug)]
pub struct Entries<'a, T> {
    pub items: Vec<(&'a [u8], T)>,
    /// Where each key is, kept once there are many.
    places: HashMap<&'a [u8], usize>,
}

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Entries { items: Vec::new(), places: HashMap::new() }
    }
}

impl<'a, T> Entries<'a, T> {
    const FEW: usize = 12;

    fn place(&self, key: &[u8]) -> Option<usize> {
        if self.items.len() <= Self::FEW {
            return self.items.iter().position(|item| item.0 == key);
        }
        self.places.get(key).copied()
    }

    pub fn has(&self, key: &[u8]) -> bool {
        self.place(key).is_some()
    }

    fn set(&mut self, key: &'a [u8], value: T) {
        if let Some(place) = self.place(key) {
            self.items[place].1 = value;
            return;
        }
        self.items.push((key, value));
        if self.items.len() == Self::FEW + 1 {
            self.places.extend(self.items.iter().enumerate().map(|(place, item)| (item.0, place)));
        } else if self.items.len() > Self::FEW {
            self.places.insert(key, self.items.len() - 1);
        }
    }
}

#[derive(Debug)]
pub enum Open<'a> {
    Null,
    Bool(bool),
    Number(f64),
    String(&'a [u8]),
    Object(Entries<'a, Open<'a>>),
    Array(Vec<Open<'a>>),
}

#[derive(Debug)]
pub enum Value<'a> {
    Int(i64),
    Uint(u64),
    Bool(bool),
    Double(f64),
    /// A string or bytes.
    Bytes(&'a [u8]),
    /// JSON text, printed anew.
    Text(Vec<u8>),
    Message(Box<Tree<'a>>),
    /// The values of a repeated field, or of a message that stands for an array.
    Many(Vec<Value<'a>>),
    Map(Entries<'a, Value<'a>>),
}

/// One message as it was read.
#[derive(Debug)]
pub struct Tree<'a> {
    pub message: &'a Message,
    /// By place of the field.
    pub values: Vec<(u8, Value<'a>)>,
    pub empty_fields: u64,
    pub null_fields: u64,
    pub additional: Entries<'a, Open<'a>>,
    pub verbatim: Entries<'a, Vec<u8>>,
}

impl<'a> Tree<'a> {
    fn new(message: &'a Message) -> Self {
        Tree {
            message,
            values: Vec::new(),
            empty_fields: 0,
            null_fields: 0,
            additional: Entries::default(),
            verbatim: Entries::default(),
        }
    }

    pub fn value(&self, place: u8) -> Option<&Value<'a>> {
        self.values.iter().find(|value| value.0 == place).map(|value| &value.1)
    }

    fn take(&mut self, place: u8) -> Option<Value<'a>> {
        let at = self.values.iter().position(|value| value.0 == place)?;
        Some(self.values.swap_remove(at).1)
    }
}

/// What went wrong: in the field being read, or deeper and with its place.
enum Failure {
    Bad(Bad),
    /// The path is innermost name first.
    Deep {
        path: Vec<String>,
        offset: usize,
        reason: String,
    },
}

impl From<Bad> for Failure {
    fn from(bad: Bad) -> Self {
        Failure::Bad(bad)
    }
}

impl Failure {
    fn inside(self, key: impl FnOnce() -> String) -> Failure {
        match self {
            Failure::Deep { mut path, offset, reason } => {
                path.push(key());
                Failure::Deep { path, offset, reason }
            }
            bad => bad,
        }
    }
}

type Read<T> = Result<T, Failure>;

fn too_deep() -> Bad {
    Bad(format!("nesting deeper than {MAX_DEPTH} levels"))
}

/// Parse a message.
pub fn wire_to_tree<'a>(
    schema: &'a Schema,
    wire: &'a [u8],
    refuse_unknown: bool,
    nonfinite: bool,
) -> Result<Tree<'a>, WireError> {
    if wire.len() > MAX_SIZE {
        let reason = format!("a message of more than {MAX_SIZE} bytes");
        return Err(WireError { path: String::new(), offset: 0, reason });
    }
    let mut reader =
        Reader { schema, wire: Wire { bytes: wire, at: 0 }, refuse_unknown, nonfinite, names: Names::default() };
    let mut tree = Tree::new(&schema.messages[0]);
    reader.parse(&mut tree, wire.len(), 1).map(|()| tree).map_err(|failure| match failure {
        Failure::Bad(Bad(reason)) => WireError { path: String::new(), offset: 0, reason },
        Failure::Deep { path: names, offset, reason } => {
            let mut path = String::new();
            for name in names.iter().rev() {
                push_pointer(&mut path, name.as_bytes());
            }
            WireError { path, offset, reason }
        }
    })
}

struct Reader<'a> {
    schema: &'a Schema,
    wire: Wire<'a>,
    refuse_unknown: bool,
    nonfinite: bool,
    names: Names,
}

impl<'a> Reader<'a> {
    /// Read the fields up to an end into a message of a nesting level.
    fn parse(&mut self, tree: &mut Tree<'a>, end: usize, depth: usize) -> Read<()> {
        let mut start = self.wire.at;
        let read = if depth > MAX_DEPTH { Err(too_deep().into()) } else { self.fields(tree, end, depth, &mut start) };
        read.map_err(|failure| match failure {
            Failure::Bad(Bad(reason)) => Failure::Deep { path: Vec::new(), offset: start, reason },
            deep => deep,
        })
    }

    fn fields(&mut self, tree: &mut Tree<'a>, end: usize, depth: usize, start: &mut usize) -> Read<()> {
        while self.wire.at < end {
            *start = self.wire.at;
            let tag = self.wire.tag(end)?;
            match tree.message.by_tag.get(tag as usize).copied().unwrap_or(NONE) {
                NONE => self.skip(tree.message, tag, end)?,
                EMPTY_FIELDS => tree.empty_fields = self.bits("empty_fields", tree.message, end)?,
                NULL_FIELDS => tree.null_fields = self.bits("null_fields", tree.message, end)?,
                ADDITIONAL => {
                    let stop = self.wire.stop(end)?;
                    self.structure(&mut tree.additional, stop, depth)?;
                }
                VERBATIM => {
                    let (key, value) = self.entry(tree.message, None, end, depth)?;
                    let text = match value {
                        Some(Value::Text(text)) => text,
                        _ => self.text(b"", 0)?,
                    };
                    tree.verbatim.set(key, text);
                }
                place => self.field(tree, place, tag & 7, end, depth)?,
            }
        }
        Ok(())
    }

    fn skip(&mut self, message: &Message, tag: u32, end: usize) -> Read<()> {
        self.wire.skip(tag, end, 0)?;
        if self.refuse_unknown {
            let reason = format!("field {}, which {} does not have in this form", tag >> 3, message.full_name);
            return Err(Bad(reason).into());
        }
        Ok(())
    }

    fn bits(&mut self, name: &str, message: &Message, end: usize) -> Read<u64> {
        let bits = self.wire.varint(end)?;
        if bits & !message.known != 0 && self.refuse_unknown {
            let reason = format!("{name} names a field that {} does not have", message.full_name);
            return Err(Bad(reason).into());
        }
        Ok(bits)
    }

    fn field(&mut self, tree: &mut Tree<'a>, place: u8, wire_type: u32, end: usize, depth: usize) -> Read<()> {
        let message = tree.message;
        let field = &message.fields[usize::from(place)];
        let member = &message.members[usize::from(field.member)];
        match field.shape {
            Shape::One => {
                let earlier = tree.take(place);
                let value =
                    self.value(field, earlier, end, depth).map_err(|failure| failure.inside(|| member.name.clone()))?;
                for &rival in &member.fields {
                    tree.take(rival);
                }
                tree.values.push((place, value));
            }
            Shape::Many => {
                let mut items = match tree.take(place) {
                    Some(Value::Many(items)) => items,
                    _ => Vec::new(),
                };
                if field.packable() && wire_type == 2 {
                    let stop = self.wire.stop(end)?;
                    while self.wire.at < stop {
                        items.push(self.value(field, None, stop, depth)?);
                    }
                } else {
                    // A message that stands for an array is itself the array's level, and has no name in a path.
                    let level = if message.is_list { 0 } else { 1 };
                    let item = self.value(field, None, end, depth + level).map_err(|failure| {
                        let failure = failure.inside(|| items.len().to_string());
                        if message.is_list { failure } else { failure.inside(|| member.name.clone()) }
                    })?;
                    items.push(item);
                }
                tree.values.push((place, Value::Many(items)));
            }
            Shape::Map => {
                let (key, value) = self
                    .entry(message, Some(field), end, depth + 1)
                    .map_err(|failure| failure.inside(|| member.name.clone()))?;
                let value = match value {
                    Some(value) => value,
                    None => self.default(field)?,
                };
                let mut entries = match tree.take(place) {
                    Some(Value::Map(entries)) => entries,
                    _ => Entries::default(),
                };
                entries.set(key, value);
                tree.values.push((place, Value::Map(entries)));
            }
        }
        Ok(())
    }

    /// The key and the value of a map entry: of a field, or of texts.
    fn entry(
        &mut self,
        message: &Message,
        field: Option<&'a Field>,
        end: usize,
        depth: usize,
    ) -> Read<(&'a [u8], Option<Value<'a>>)> {
        let stop = self.wire.stop(end)?;
        let value_tag = 2 << 3 | field.map_or(2, Field::wire_type);
        let (mut key, mut value): (&[u8], _) = (b"", None);
        while self.wire.at < stop {
            let tag = self.wire.tag(stop)?;
            if tag == 1 << 3 | 2 {
                key = self.wire.string(stop)?;
            } else if tag == value_tag {
                value = Some(match field {
                    Some(field) => self.value(field, value, stop, depth)?,
                    None => {
                        let text = self.wire.string(stop)?;
                        Value::Text(self.text(text, depth)?)
                    }
                });
            } else {
                self.skip(message, tag, stop)?;
            }
        }
        Ok((key, value))
    }

    /// What a map entry without a value holds.
    fn default(&mut self, field: &'a Field) -> Read<Value<'a>> {
        Ok(match field.kind {
            Kind::Message => Value::Message(Box::new(Tree::new(&self.schema.messages[field.refers]))),
            Kind::Text => Value::Text(self.text(b"", 0)?),
            Kind::List => Value::Many(Vec::new()),
            Kind::String | Kind::Bytes | Kind::ByteArray => Value::Bytes(b""),
            Kind::Bool => Value::Bool(false),
            Kind::Double => Value::Double(0.0),
            _ => Value::Int(0),
        })
    }

    /// One value of a field, after its tag.
    fn value(&mut self, field: &'a Field, earlier: Option<Value<'a>>, end: usize, depth: usize) -> Read<Value<'a>> {
        let wire = &mut self.wire;
        Ok(match field.kind {
            Kind::Int32 | Kind::Enum => Value::Int(i64::from(wire.varint(end)? as i32)),
            Kind::Int64 => Value::Int(wire.varint(end)? as i64),
            Kind::Uint32 => Value::Uint(u64::from(wire.varint(end)? as u32)),
            Kind::Uint64 => Value::Uint(wire.varint(end)?),
            Kind::Bool => Value::Bool(wire.varint(end)? != 0),
            Kind::Double => Value::Double(finite(wire.double(end)?, self.nonfinite)?),
            Kind::String => Value::Bytes(wire.string(end)?),
            Kind::Bytes | Kind::ByteArray => Value::Bytes(wire.span(end)?),
            Kind::Text => {
                let text = wire.string(end)?;
                Value::Text(self.text(text, depth)?)
            }
            Kind::Message => {
                let mut tree = match earlier {
                    Some(Value::Message(tree)) => tree,
                    _ => Box::new(Tree::new(&self.schema.messages[field.refers])),
                };
                let stop = wire.stop(end)?;
                self.parse(&mut tree, stop, depth + 1)?;
                Value::Message(tree)
            }
            Kind::List => {
                let mut tree = Tree::new(&self.schema.messages[field.refers]);
                if let Some(items @ Value::Many(_)) = earlier {
                    tree.values.push((0, items));
                }
                let stop = wire.stop(end)?;
                self.parse(&mut tree, stop, depth + 1)?;
                tree.take(0).unwrap_or(Value::Many(Vec::new()))
            }
        })
    }

    /// The text of a JSON value inside an object of a nesting level, printed anew.
    fn text(&mut self, text: &[u8], depth: usize) -> Read<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len());
        match print_text(text, self.nonfinite, &mut self.names, &mut out) {
            Some(nesting) if depth + nesting > MAX_DEPTH => Err(too_deep().into()),
            Some(_) => Ok(out),
            None => match check_value(text, self.nonfinite) {
                Err(error) => Err(Bad(format!("text that is not a JSON value ({})", error.reason)).into()),
                Ok(()) => unreachable!("the printer refused text that the checker accepts"),
            },
        }
    }

    /// Read a google.protobuf.Struct.
    fn structure(&mut self, into: &mut Entries<'a, Open<'a>>, end: usize, depth: usize) -> Result<(), Bad> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            if tag != 1 << 3 | 2 {
                self.skip_open(tag, end)?;
                continue;
            }
            let stop = self.wire.stop(end)?;
            let (mut key, mut value): (&[u8], _) = (b"", Open::Null);
            while self.wire.at < stop {
                let tag = self.wire.tag(stop)?;
                if tag == 1 << 3 | 2 {
                    key = self.wire.string(stop)?;
                } else if tag == 2 << 3 | 2 {
                    let inner = self.wire.stop(stop)?;
                    value = self.open(value, inner, depth)?;
                } else {
                    self.skip_open(tag, stop)?;
                }
            }
            into.set(key, value);
        }
        Ok(())
    }

    /// Read a google.protobuf.Value over an earlier one of the same field.
    fn open(&mut self, mut value: Open<'a>, end: usize, depth: usize) -> Result<Open<'a>, Bad> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            value = match (tag >> 3, tag & 7) {
                (1, 0) => {
                    self.wire.varint(end)?;
                    Open::Null
                }
                (2, 1) => Open::Number(finite(self.wire.double(end)?, self.nonfinite)?),
                (3, 2) => Open::String(self.wire.string(end)?),
                (4, 0) => Open::Bool(self.wire.varint(end)? != 0),
                (5 | 6, 2) if depth == MAX_DEPTH => return Err(too_deep()),
                (5, 2) => {
                    let stop = self.wire.stop(end)?;
                    let mut entries = if let Open::Object(entries) = value { entries } else { Entries::default() };
                    self.structure(&mut entries, stop, depth + 1)?;
                    Open::Object(entries)
                }
                (6, 2) => {
                    let stop = self.wire.stop(end)?;
                    let mut items = if let Open::Array(items) = value { items } else { Vec::new() };
                    self.list(&mut items, stop, depth + 1)?;
                    Open::Array(items)
                }
                _ => {
                    self.skip_open(tag, end)?;
                    value
                }
            };
        }
        Ok(value)
    }

    fn list(&mut self, into: &mut Vec<Open<'a>>, end: usize, depth: usize) -> Result<(), Bad> {
        while self.wire.at < end {
            let tag = self.wire.tag(end)?;
            if tag == 1 << 3 | 2 {
                let stop = self.wire.stop(end)?;
                into.push(self.open(Open::Null, stop, depth)?);
            } else {
                self.skip_open(tag, end)?;
            }
        }
        Ok(())
    }

    fn skip_open(&mut self, tag: u32, end: usize) -> Result<(), Bad> {
        if self.refuse_unknown {
            return Err(Bad(format!("field {}, which google.protobuf.Struct does not have", tag >> 3)));
        }
        self.wire.skip(tag, end, 0)
    }
}

fn finite(value: f64, nonfinite: bool) -> Result<f64, Bad> {
    if value.is_finite() || nonfinite {
        return Ok(value);
    }
    Err("a number that is NaN or infinite, which is not JSON; nonfinite='allow' writes it".into())
}

/// Print the text of one JSON value anew. Returns its levels of nesting, or `None` if it is no JSON value.
pub fn print_text(text: &[u8], nonfinite: bool, names: &mut Names, out: &mut Vec<u8>) -> Option<usize> {
    let mut cursor = Cursor { text, at: 0, nonfinite, valid: true };
    names.clear();
    cursor.space();
    let mut printer = TextPrinter { cursor: &mut cursor, names, canonical: false, deepest: 0 };
    printer.value(out, 0).ok()?;
    let deepest = printer.deepest;
    cursor.space();
    (cursor.at == text.len()).then_some(deepest)
}
