//! Columns of values from the wire bytes of many messages. `chatpb/_python/project.py` gives the rules.
//!
//! The table is a text of lines: `columns` and the type of each; then a line for each leaf: its column, rank and kind,
//! the tags that lead to it with spaces between, its tag, its JSON name, and of an enum each number and string.

use crate::error::WireError;
use crate::limits::MAX_EXACT_INTEGER;
use crate::spread::spread;
use crate::wire::{Bad, Wire};

const OPEN: u32 = 15 << 3 | 2;
/// Tags of Struct.fields, of an entry's key and value, and of Value's number_value and string_value.
const ENTRY: u32 = 1 << 3 | 2;
const KEY: u32 = 1 << 3 | 2;
const VALUE: u32 = 2 << 3 | 2;
const NUMBER: u32 = 2 << 3 | 1;
const STRING: u32 = 3 << 3 | 2;

/// Messages that a thread takes at a time.
const SHARE: usize = 1 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Integer,
    String,
    Strings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int32,
    Int64,
    String,
    Enum,
    Present,
}

/// A source of a column.
#[derive(Debug)]
struct Leaf {
    column: usize,
    rank: usize,
    kind: Kind,
    name: String,
    strings: Vec<(i32, String)>,
}

/// What is looked for in a message: messages to enter and leaves, as places in `Projection::leaves`.
#[derive(Debug, Default)]
struct Node {
    inside: Vec<(u32, Node)>,
    leaves: Vec<(u32, usize)>,
}

/// Reads columns from messages.
#[derive(Debug)]
pub struct Projection {
    types: Vec<Type>,
    leaves: Vec<Leaf>,
    root: Node,
}

/// A column as Arrow lays it out: see `Buffers` of the Python engine.
#[derive(Debug, Default)]
pub struct Column {
    count: usize,
    validity: Vec<u8>,
    lists: Vec<i32>,
    integers: Vec<i64>,
    offsets: Vec<i32>,
    data: Vec<u8>,
}

#[derive(Debug)]
pub enum ProjectError {
    Wire(WireError),
    /// More bytes of strings than offsets of 32 bits can tell.
    TooLarge,
}

/// A value found, borrowed from the message or from the table.
#[derive(Debug, Clone, Copy)]
enum Found<'a> {
    Integer(i64),
    String(&'a [u8]),
}

/// What one message has for each column.
struct Row<'a> {
    one: Vec<Option<(usize, Found<'a>)>>,
    many: Vec<Vec<&'a [u8]>>,
}

struct BadAt {
    at: usize,
    reason: String,
}

impl Projection {
    /// An error says what is wrong with the table.
    pub fn parse(table: &str) -> Result<Projection, String> {
        let mut lines = table.lines();
        let types = lines
            .next()
            .and_then(|line| line.strip_prefix("columns\t"))
            .ok_or("no line of columns")?
            .split('\t')
            .map(|cell| match cell {
                "integer" | "present" => Ok(Type::Integer),
                "string" => Ok(Type::String),
                "strings" => Ok(Type::Strings),
                _ => Err(format!("a column of type {cell}")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut projection = Projection { types, leaves: Vec::new(), root: Node::default() };
        for line in lines {
            projection.add(line).ok_or_else(|| format!("not a leaf: {line}"))?;
        }
        Ok(projection)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut cells = line.split('\t');
        let column = cells.next()?.parse().ok().filter(|&column| column < self.types.len())?;
        let rank = cells.next()?.parse().ok()?;
        let kind = match cells.next()? {
            "int32" => Kind::Int32,
            "int64" => Kind::Int64,
            "string" => Kind::String,
            "enum" => Kind::Enum,
            "present" => Kind::Present,
            _ => return None,
        };
        let above = cells.next()?;
        let tag = cells.next()?.parse().ok()?;
        let name = cells.next()?.to_owned();
        let mut strings = Vec::new();
        while let Some(number) = cells.next() {
            strings.push((number.parse().ok()?, cells.next()?.to_owned()));
        }
        let place = self.leaves.len();
        let mut node = &mut self.root;
        for step in above.split_whitespace() {
            node = node.enter(step.parse().ok()?);
        }
        // `walk` has a bit for each.
        if node.leaves.len() == 64 {
            return None;
        }
        node.leaves.push((tag, place));
        self.leaves.push(Leaf { column, rank, kind, name, strings });
        Some(())
    }

    /// The columns of messages; an error's path is the place of the message at fault.
    pub fn project(&self, messages: &[&[u8]], threads: usize) -> Result<Vec<Column>, ProjectError> {
        let parts = spread(messages.chunks(SHARE), threads.min(messages.len() / SHARE + 1), || {
            |at, share: &[&[u8]]| {
                let mut columns: Vec<Column> = self.types.iter().map(|&kind| Column::new(kind)).collect();
                let mut row = Row { one: vec![None; self.types.len()], many: vec![Vec::new(); self.types.len()] };
                for (index, message) in share.iter().enumerate() {
                    row.one.fill(None);
                    row.many.iter_mut().for_each(Vec::clear);
                    self.walk(&self.root, message, 0, message.len(), &mut row).map_err(|bad| {
                        let path = format!("/{}", at * SHARE + index);
                        ProjectError::Wire(WireError { path, offset: bad.at, reason: bad.reason })
                    })?;
                    for (column, &kind) in self.types.iter().enumerate() {
                        let one = row.one[column].map(|(_, found)| found);
                        columns[column].push(kind, one, &row.many[column]).ok_or(ProjectError::TooLarge)?;
                    }
                }
                Ok(columns)
            }
        });
        let mut columns: Vec<Column> = self.types.iter().map(|&kind| Column::new(kind)).collect();
        for part in parts {
            for (column, more) in columns.iter_mut().zip(part?) {
                column.append(&more).ok_or(ProjectError::TooLarge)?;
            }
        }
        Ok(columns)
    }

    /// Take what a node looks for from the message between two places.
    fn walk<'a>(
        &'a self,
        node: &Node,
        bytes: &'a [u8],
        from: usize,
        end: usize,
        row: &mut Row<'a>,
    ) -> Result<(), BadAt> {
        let mut wire = Wire { bytes, at: from };
        // A bit for each leaf of the node that had a value.
        let mut typed = 0u64;
        let mut open = Vec::new();
        while wire.at < end {
            let at = wire.at;
            let wrong = |Bad(reason): Bad| BadAt { at, reason };
            let tag = wire.tag(end).map_err(wrong)?;
            if let Some((_, inside)) = node.inside.iter().find(|&&(inside, _)| inside == tag) {
                let mut inner = wire;
                let stop = inner.stop(end).map_err(wrong)?;
                self.walk(inside, bytes, inner.at, stop, row)?;
            }
            for (index, &(_, place)) in node.leaves.iter().enumerate().filter(|(_, leaf)| leaf.0 == tag) {
                let leaf = &self.leaves[place];
                if let Some(found) = leaf.read(wire, end).map_err(wrong)? {
                    typed |= 1 << index;
                    self.take(leaf, found, row);
                }
            }
            if tag == OPEN && !node.leaves.is_empty() {
                let mut inner = wire;
                let stop = inner.stop(end).map_err(wrong)?;
                open_members(Wire { bytes, at: inner.at }, stop, &mut open).map_err(wrong)?;
            }
            wire.skip(tag, end, 0).map_err(wrong)?;
        }
        for (name, found) in open {
            for (index, &(_, place)) in node.leaves.iter().enumerate() {
                let leaf = &self.leaves[place];
                if leaf.name.as_bytes() == name && leaf.takes(found) && typed >> index & 1 == 0 {
                    self.take(leaf, found, row);
                }
            }
        }
        Ok(())
    }

    fn take<'a>(&self, leaf: &Leaf, found: Found<'a>, row: &mut Row<'a>) {
        match (self.types[leaf.column], found) {
            (Type::Strings, Found::String(string)) => row.many[leaf.column].push(string),
            (Type::Strings, Found::Integer(_)) => {}
            _ => {
                let one = &mut row.one[leaf.column];
                if one.is_none_or(|(rank, _)| leaf.rank <= rank) {
                    *one = Some((leaf.rank, found));
                }
            }
        }
    }
}

impl Leaf {
    /// The field's value.
    fn read<'a>(&'a self, mut wire: Wire<'a>, end: usize) -> Result<Option<Found<'a>>, Bad> {
        Ok(match self.kind {
            Kind::Present => Some(Found::Integer(1)),
            Kind::String => Some(Found::String(wire.string(end)?)),
            Kind::Int64 => Some(Found::Integer(wire.varint(end)? as i64)),
            Kind::Int32 => Some(Found::Integer((wire.varint(end)? as i32).into())),
            Kind::Enum => {
                let number = wire.varint(end)? as i32;
                let known = self.strings.iter().find(|&&(known, _)| known == number);
                known.map(|(_, string)| Found::String(string.as_bytes()))
            }
        })
    }

    /// Whether the field's place may be taken by an open member of the kind.
    fn takes(&self, found: Found) -> bool {
        match self.kind {
            Kind::Present => false,
            Kind::Int32 | Kind::Int64 => matches!(found, Found::Integer(_)),
            Kind::String | Kind::Enum => matches!(found, Found::String(_)),
        }
    }
}

/// The strings and integers of a Struct.
fn open_members<'a>(mut wire: Wire<'a>, end: usize, found: &mut Vec<(&'a [u8], Found<'a>)>) -> Result<(), Bad> {
    while wire.at < end {
        let tag = wire.tag(end)?;
        if tag == ENTRY {
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

fn entry<'a>(mut wire: Wire<'a>, end: usize) -> Result<(&'a [u8], Option<Found<'a>>), Bad> {
    let mut name: &[u8] = b"";
    let mut value = None;
    while wire.at < end {
        let tag = wire.tag(end)?;
        let mut inner = wire;
        match tag {
            KEY => name = inner.string(end)?,
            VALUE => {
                let stop = inner.stop(end)?;
                value = scalar(inner, stop)?;
            }
            _ => {}
        }
        wire.skip(tag, end, 0)?;
    }
    Ok((name, value))
}

/// The string or the integer that a Value is.
fn scalar<'a>(mut wire: Wire<'a>, end: usize) -> Result<Option<Found<'a>>, Bad> {
    let mut value = None;
    while wire.at < end {
        let tag = wire.tag(end)?;
        let mut inner = wire;
        wire.skip(tag, end, 0)?;
        value = match tag {
            STRING => Some(Found::String(inner.string(end)?)),
            NUMBER => {
                let number = inner.double(end)?;
                let exact = number.fract() == 0.0 && number.abs() <= MAX_EXACT_INTEGER as f64;
                exact.then_some(Found::Integer(number as i64))
            }
            _ => None,
        };
    }
    Ok(value)
}

impl Node {
    fn enter(&mut self, tag: u32) -> &mut Node {
        let place = self.inside.iter().position(|&(inside, _)| inside == tag).unwrap_or_else(|| {
            self.inside.push((tag, Node::default()));
            self.inside.len() - 1
        });
        &mut self.inside[place].1
    }
}

impl Column {
    fn new(kind: Type) -> Column {
        let mut column = Column::default();
        match kind {
            Type::Integer => {}
            Type::String => column.offsets.push(0),
            Type::Strings => {
                column.offsets.push(0);
                column.lists.push(0);
            }
        }
        column
    }

    /// Add a row; None if there are too many bytes of strings.
    fn push(&mut self, kind: Type, one: Option<Found>, many: &[&[u8]]) -> Option<()> {
        if kind == Type::Strings {
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
                (Type::Integer, Some(Found::Integer(integer))) => self.integers.push(integer),
                (Type::Integer, _) => self.integers.push(0),
                (_, Some(Found::String(string))) => self.string(string)?,
                _ => self.string(b"")?,
            }
        }
        self.count += 1;
        Some(())
    }

    /// The four buffers, in the machine's order of bytes.
    pub fn buffers(self) -> [Vec<u8>; 4] {
        let words = |words: Vec<i32>| words.into_iter().flat_map(i32::to_ne_bytes).collect::<Vec<u8>>();
        let integers: Vec<u8> = self.integers.into_iter().flat_map(i64::to_ne_bytes).collect();
        let values = if integers.is_empty() { words(self.offsets) } else { integers };
        [self.validity, words(self.lists), values, self.data]
    }

    fn string(&mut self, string: &[u8]) -> Option<()> {
        self.data.extend_from_slice(string);
        self.offsets.push(i32::try_from(self.data.len()).ok()?);
        Some(())
    }

    /// Add the rows of another; None if there are too many bytes of strings. This one's rows are a multiple of eight.
    fn append(&mut self, more: &Column) -> Option<()> {
        self.validity.extend_from_slice(&more.validity);
        self.integers.extend_from_slice(&more.integers);
        let base = i32::try_from(self.data.len()).ok()?;
        i32::try_from(self.data.len() + more.data.len()).ok()?;
        let strings = i32::try_from(self.offsets.len().saturating_sub(1)).ok()?;
        i32::try_from(self.offsets.len() + more.offsets.len()).ok()?;
        self.offsets.extend(more.offsets.iter().skip(1).map(|offset| offset + base));
        self.lists.extend(more.lists.iter().skip(1).map(|place| place + strings));
        self.data.extend_from_slice(&more.data);
        self.count += more.count;
        Some(())
    }
}
