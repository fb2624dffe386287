//! Reads columns of values from the wire bytes of many messages.
//!
//! The rules are those of `chatpb/_engine/reference/batch/columns.py`.

use crate::batch::parallel::map_shares;
use crate::error::WireError;
use crate::limits::MAX_EXACT_INTEGER;
use crate::schema::home_fields::ADDITIONAL_PROPERTIES_TAG;
use crate::schema::{Cardinality, Field, FieldKind, MessageSchema, Schema};
use crate::wire::LEN;
use crate::wire::read::{FieldError, WireReader};
use crate::wire::struct_tags::{ENTRY_KEY, ENTRY_VALUE, NUMBER_VALUE, STRING_VALUE, STRUCT_FIELDS};

/// Messages that a thread takes at a time.
const SHARE: usize = 1 << 10;

/// The type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Integer,
    /// A double, which a member that the contract does not have may give too.
    Number,
    String,
    /// A list of strings.
    Strings,
    /// 1 where a message is there.
    Present,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceKind {
    Int32,
    Int64,
    Double,
    /// A member that the contract does not have.
    Open,
    String,
    Enum,
    Present,
}

/// A place in a message from which a column takes its values.
#[derive(Debug)]
struct ColumnSource {
    column: usize,
    /// Its place among the column's sources; the lowest that has a value, if possible one that is not empty, counts.
    rank: usize,
    kind: SourceKind,
    name: String,
    /// Of an enum, each number and its string.
    strings: Vec<(i32, String)>,
}

/// What to look for in a message, by tag: messages to enter, and sources, as indices of `ColumnReader::sources`.
#[derive(Debug, Default)]
struct Node {
    inside: Vec<(u32, Node)>,
    sources: Vec<(u32, usize)>,
}

/// Reads columns from messages.
#[derive(Debug)]
pub struct ColumnReader {
    types: Vec<ColumnType>,
    sources: Vec<ColumnSource>,
    root: Node,
}

/// A column as Arrow lays it out: see `ColumnBuffers` in `chatpb/_engine/codec.py`.
#[derive(Debug, Default)]
pub struct Column {
    count: usize,
    validity: Vec<u8>,
    lists: Vec<i32>,
    /// The values of integers, and the bits of numbers.
    integers: Vec<i64>,
    offsets: Vec<i32>,
    data: Vec<u8>,
}

#[derive(Debug)]
pub enum ColumnError {
    Wire(WireError),
    /// A column has more bytes of strings than offsets of 32 bits can count.
    TooLarge,
}

/// A value, borrowed from the message or from a source's strings.
#[derive(Debug, Clone, Copy)]
enum ColumnValue<'a> {
    Integer(i64),
    /// A number with a fraction, or one beyond the integers that a double holds exactly.
    Number(f64),
    String(&'a [u8]),
}

impl ColumnValue<'_> {
    /// Return whether it is a zero or an empty string, as providers send where a chunk has nothing to say.
    fn is_empty(self) -> bool {
        match self {
            ColumnValue::Integer(integer) => integer == 0,
            ColumnValue::Number(number) => number == 0.0,
            ColumnValue::String(string) => string.is_empty(),
        }
    }
}

/// The values of one message: of each column the rank of its source and the value, or a list.
struct Row<'a> {
    one: Vec<Option<(usize, ColumnValue<'a>)>>,
    many: Vec<Vec<&'a [u8]>>,
}

impl ColumnReader {
    /// Compile columns of a message type. Each has a type and its sources, the preferred one first: a source is a path of
    /// JSON names with dots between. An error names the path that leads to no value of that type.
    pub fn new(schema: &Schema, columns: &[(ColumnType, Vec<String>)]) -> Result<ColumnReader, String> {
        let types = columns.iter().map(|(column_type, _)| *column_type).collect();
        let mut reader = ColumnReader { types, sources: Vec::new(), root: Node::default() };
        for (column, (column_type, paths)) in columns.iter().enumerate() {
            for (rank, path) in paths.iter().enumerate() {
                reader.add(schema, column, *column_type, rank, path).ok_or_else(|| format!("not a source: {path}"))?;
            }
        }
        Ok(reader)
    }

    fn add(&mut self, schema: &Schema, column: usize, column_type: ColumnType, rank: usize, path: &str) -> Option<()> {
        let steps: Vec<&str> = path.split('.').collect();
        let (name, above) = steps.split_last()?;
        let mut message = schema.messages.first()?;
        let mut node = &mut self.root;
        for step in above {
            let field = first_field(message, step).filter(|field| field.kind == FieldKind::Message)?;
            node = node.enter(field.number << 3 | LEN);
            message = &schema.messages[field.type_index];
        }
        if column_type == ColumnType::Number && message.find(name.as_bytes()).is_none() {
            node.sources.push((0, self.sources.len())); // no field has this tag
            let (name, strings) = ((*name).to_owned(), Vec::new());
            self.sources.push(ColumnSource { column, rank, kind: SourceKind::Open, name, strings });
            return Some(());
        }
        let field = first_field(message, name).filter(|field| field.cardinality != Cardinality::Map)?;
        let kind = match (column_type, field.kind) {
            (ColumnType::Present, FieldKind::Message) => SourceKind::Present,
            (ColumnType::Integer, FieldKind::Int32) => SourceKind::Int32,
            (ColumnType::Integer, FieldKind::Int64) => SourceKind::Int64,
            (ColumnType::Number, FieldKind::Double) => SourceKind::Double,
            (ColumnType::String | ColumnType::Strings, FieldKind::String) => SourceKind::String,
            (ColumnType::String | ColumnType::Strings, FieldKind::Enum) => SourceKind::Enum,
            _ => return None,
        };
        let strings = match kind {
            SourceKind::Enum => schema.enums[field.type_index]
                .values
                .iter()
                .map(|value| (value.number, String::from_utf8_lossy(&value.string).into_owned()))
                .collect(),
            _ => Vec::new(),
        };
        // `walk` has a bit for each.
        if node.sources.len() == 64 {
            return None;
        }
        node.sources.push((field.number << 3 | field.wire_type(), self.sources.len()));
        self.sources.push(ColumnSource { column, rank, kind, name: (*name).to_owned(), strings });
        Some(())
    }

    /// Return the columns of messages. An error's path is the index of the message at fault.
    pub fn read(&self, messages: &[&[u8]], threads: usize) -> Result<Vec<Column>, ColumnError> {
        let parts = map_shares(messages.chunks(SHARE), threads.min(messages.len() / SHARE + 1), || {
            |at, share: &[&[u8]]| {
                let mut columns: Vec<Column> = self.types.iter().map(|&kind| Column::new(kind)).collect();
                let mut row = Row { one: vec![None; self.types.len()], many: vec![Vec::new(); self.types.len()] };
                for (index, message) in share.iter().enumerate() {
                    row.one.fill(None);
                    row.many.iter_mut().for_each(Vec::clear);
                    self.walk(&self.root, message, 0, message.len(), &mut row).map_err(|error| {
                        let path = format!("/{}", at * SHARE + index);
                        ColumnError::Wire(WireError { path, ..error })
                    })?;
                    for (column, &kind) in self.types.iter().enumerate() {
                        let one = row.one[column].map(|(_, found)| found);
                        columns[column].push(kind, one, &row.many[column]).ok_or(ColumnError::TooLarge)?;
                    }
                }
                Ok(columns)
            }
        });
        let mut columns: Vec<Column> = self.types.iter().map(|&kind| Column::new(kind)).collect();
        for part in parts {
            for (column, more) in columns.iter_mut().zip(part?) {
                column.append(&more).ok_or(ColumnError::TooLarge)?;
            }
        }
        Ok(columns)
    }

    /// Take what a node looks for from the message between two indices.
    fn walk<'a>(
        &'a self,
        node: &Node,
        bytes: &'a [u8],
        from: usize,
        end: usize,
        row: &mut Row<'a>,
    ) -> Result<(), WireError> {
        let mut wire = WireReader { bytes, at: from };
        // A bit for each source of the node whose field has a value.
        let mut typed = 0u64;
        let mut additional = Vec::new();
        while wire.at < end {
            let at = wire.at;
            let wrong = |FieldError(reason)| WireError { path: String::new(), offset: at, reason };
            let tag = wire.tag(end).map_err(wrong)?;
            if let Some((_, inside)) = node.inside.iter().find(|&&(inside, _)| inside == tag) {
                let mut inner = wire;
                let stop = inner.stop(end).map_err(wrong)?;
                self.walk(inside, bytes, inner.at, stop, row)?;
            }
            for (bit, &(_, index)) in node.sources.iter().enumerate().filter(|(_, source)| source.0 == tag) {
                let source = &self.sources[index];
                if let Some(found) = source.read(wire, end).map_err(wrong)? {
                    typed |= 1 << bit;
                    self.take(source, found, row);
                }
            }
            if tag == ADDITIONAL_PROPERTIES_TAG && !node.sources.is_empty() {
                let mut inner = wire;
                let stop = inner.stop(end).map_err(wrong)?;
                additional_members(WireReader { bytes, at: inner.at }, stop, &mut additional).map_err(wrong)?;
            }
            wire.skip(tag, end, 0).map_err(wrong)?;
        }
        for (name, found) in additional {
            for (bit, &(_, index)) in node.sources.iter().enumerate() {
                let source = &self.sources[index];
                if source.name.as_bytes() == name && source.takes(found) && typed >> bit & 1 == 0 {
                    self.take(source, found, row);
                }
            }
        }
        Ok(())
    }

    fn take<'a>(&self, source: &ColumnSource, found: ColumnValue<'a>, row: &mut Row<'a>) {
        match (self.types[source.column], found) {
            (ColumnType::Strings, ColumnValue::String(string)) if !string.is_empty() => {
                row.many[source.column].push(string)
            }
            (ColumnType::Strings, _) => {}
            _ => {
                let one = &mut row.one[source.column];
                let order = (found.is_empty(), source.rank);
                if one.is_none_or(|(rank, held)| order <= (held.is_empty(), rank)) {
                    *one = Some((source.rank, found));
                }
            }
        }
    }
}

/// Return the field of a member, or of its first alternative.
fn first_field<'a>(message: &'a MessageSchema, name: &str) -> Option<&'a Field> {
    let member = &message.members[usize::from(message.find(name.as_bytes())?)];
    message.fields.get(usize::from(*member.fields.first()?))
}

impl ColumnSource {
    /// Read the field's value; `None` for a number that the enum does not have.
    fn read<'a>(&'a self, mut wire: WireReader<'a>, end: usize) -> Result<Option<ColumnValue<'a>>, FieldError> {
        Ok(match self.kind {
            SourceKind::Present => Some(ColumnValue::Integer(1)),
            SourceKind::String => Some(ColumnValue::String(wire.string(end)?)),
            SourceKind::Int64 => Some(ColumnValue::Integer(wire.varint(end)? as i64)),
            SourceKind::Int32 => Some(ColumnValue::Integer((wire.varint(end)? as i32).into())),
            SourceKind::Double => Some(ColumnValue::Number(wire.double(end)?)),
            SourceKind::Open => None,
            SourceKind::Enum => {
                let number = wire.varint(end)? as i32;
                let known = self.strings.iter().find(|&&(known, _)| known == number);
                known.map(|(_, string)| ColumnValue::String(string.as_bytes()))
            }
        })
    }

    /// Return whether an open member of this value may stand in for the field.
    fn takes(&self, found: ColumnValue) -> bool {
        match self.kind {
            SourceKind::Present => false,
            SourceKind::Int32 | SourceKind::Int64 => matches!(found, ColumnValue::Integer(_)),
            SourceKind::Double | SourceKind::Open => matches!(found, ColumnValue::Integer(_) | ColumnValue::Number(_)),
            SourceKind::String | SourceKind::Enum => matches!(found, ColumnValue::String(_)),
        }
    }
}

/// Find the members of a Struct that are strings or numbers.
fn additional_members<'a>(
    mut wire: WireReader<'a>,
    end: usize,
    found: &mut Vec<(&'a [u8], ColumnValue<'a>)>,
) -> Result<(), FieldError> {
    while wire.at < end {
        let tag = wire.tag(end)?;
        if tag == STRUCT_FIELDS.into() {
            let mut inner = wire;
            let stop = inner.stop(end)?;
            if let (name, Some(value)) = entry(inner, stop)? {
                found.push((name, value));
            }
        }
        wire.skip(tag, end, 0)?;
    }
    Ok(())
}

/// Read the name and the value of a Struct's entry.
fn entry<'a>(mut wire: WireReader<'a>, end: usize) -> Result<(&'a [u8], Option<ColumnValue<'a>>), FieldError> {
    let mut name: &[u8] = b"";
    let mut value = None;
    while wire.at < end {
        let tag = wire.tag(end)?;
        let mut inner = wire;
        match u8::try_from(tag) {
            Ok(ENTRY_KEY) => name = inner.string(end)?,
            Ok(ENTRY_VALUE) => {
                let stop = inner.stop(end)?;
                value = scalar(inner, stop)?;
            }
            _ => {}
        }
        wire.skip(tag, end, 0)?;
    }
    Ok((name, value))
}

/// Read a Value; `None` unless it is a string or a number.
fn scalar<'a>(mut wire: WireReader<'a>, end: usize) -> Result<Option<ColumnValue<'a>>, FieldError> {
    let mut value = None;
    while wire.at < end {
        let tag = wire.tag(end)?;
        let mut inner = wire;
        wire.skip(tag, end, 0)?;
        value = match u8::try_from(tag) {
            Ok(STRING_VALUE) => Some(ColumnValue::String(inner.string(end)?)),
            Ok(NUMBER_VALUE) => {
                let number = inner.double(end)?;
                let exact = number.fract() == 0.0 && number.abs() <= MAX_EXACT_INTEGER as f64;
                Some(if exact { ColumnValue::Integer(number as i64) } else { ColumnValue::Number(number) })
            }
            _ => None,
        };
    }
    Ok(value)
}

impl Node {
    /// Return the node of a message inside.
    fn enter(&mut self, tag: u32) -> &mut Node {
        let index = self.inside.iter().position(|&(inside, _)| inside == tag).unwrap_or_else(|| {
            self.inside.push((tag, Node::default()));
            self.inside.len() - 1
        });
        &mut self.inside[index].1
    }
}

impl Column {
    fn new(kind: ColumnType) -> Column {
        let mut column = Column::default();
        match kind {
            ColumnType::Integer | ColumnType::Number | ColumnType::Present => {}
            ColumnType::String => column.offsets.push(0),
            ColumnType::Strings => {
                column.offsets.push(0);
                column.lists.push(0);
            }
        }
        column
    }

    /// Add a row. Return `None` if there are too many bytes of strings.
    fn push(&mut self, kind: ColumnType, one: Option<ColumnValue>, many: &[&[u8]]) -> Option<()> {
        if kind == ColumnType::Strings {
            for string in many {
                self.string(string)?;
            }
            self.lists.push(i32::try_from(self.offsets.len() - 1).ok()?);
        } else {
            if self.count.is_multiple_of(8) {
                self.validity.push(0);
            }
            self.validity[self.count / 8] |= u8::from(one.is_some()) << (self.count % 8);
            match (kind, one) {
                (ColumnType::Integer | ColumnType::Present, Some(ColumnValue::Integer(integer))) => {
                    self.integers.push(integer)
                }
                (ColumnType::Number, Some(ColumnValue::Integer(integer))) => self.number(integer as f64),
                (ColumnType::Number, Some(ColumnValue::Number(number))) => self.number(number),
                (ColumnType::Integer | ColumnType::Number | ColumnType::Present, _) => self.integers.push(0),
                (_, Some(ColumnValue::String(string))) => self.string(string)?,
                _ => self.string(b"")?,
            }
        }
        self.count += 1;
        Some(())
    }

    /// Return the four buffers, in the machine's byte order.
    pub fn buffers(self) -> [Vec<u8>; 4] {
        let words = |words: Vec<i32>| words.into_iter().flat_map(i32::to_ne_bytes).collect::<Vec<u8>>();
        let integers: Vec<u8> = self.integers.into_iter().flat_map(i64::to_ne_bytes).collect();
        let values = if integers.is_empty() { words(self.offsets) } else { integers };
        [self.validity, words(self.lists), values, self.data]
    }

    fn number(&mut self, number: f64) {
        self.integers.push(number.to_bits() as i64);
    }

    fn string(&mut self, string: &[u8]) -> Option<()> {
        self.data.extend_from_slice(string);
        self.offsets.push(i32::try_from(self.data.len()).ok()?);
        Some(())
    }

    /// Add the rows of another column to this one, whose rows are a multiple of eight. Return `None` if there are too
    /// many bytes of strings.
    fn append(&mut self, more: &Column) -> Option<()> {
        self.validity.extend_from_slice(&more.validity);
        self.integers.extend_from_slice(&more.integers);
        let base = i32::try_from(self.data.len()).ok()?;
        i32::try_from(self.data.len() + more.data.len()).ok()?;
        let strings = i32::try_from(self.offsets.len().saturating_sub(1)).ok()?;
        i32::try_from(self.offsets.len() + more.offsets.len()).ok()?;
        self.offsets.extend(more.offsets.iter().skip(1).map(|offset| offset + base));
        self.lists.extend(more.lists.iter().skip(1).map(|index| index + strings));
        self.data.extend_from_slice(&more.data);
        self.count += more.count;
        Some(())
    }
}
