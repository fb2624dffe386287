//! The tables as Python hands them over.
//!
//! Python alone reads descriptors; it writes the tables of a message type and of all that it contains as lines of
//! fields separated by tabs, the outermost message first:
//!
//! ```text
//! message  full name  object|list
//! field    number  kind  one|many|map  required 0|1  nullable 0|1  name  oneof  message or enum it refers to
//! enum
//! value    number  string
//! ```
//!
//! A backslash, a tab and a line feed are written as `\\`, `\t` and `\n`. Fields come in number order. For a map, kind
//! and reference are those of its values. Messages and enums are counted from 0, each on their own.

use super::*;

impl Schema {
    /// Compile the tables.
    pub fn parse(table: &str) -> Result<Schema, String> {
        let mut schema = Schema {
            messages: Vec::new(),
            enums: Vec::new(),
            plan: Plan::default(),
            open_width: AtomicU8::new(1),
            table: table.into(),
            copies: Mutex::default(),
        };
        let mut rows: Vec<Vec<Row>> = Vec::new();
        for line in table.split('\n').filter(|line| !line.is_empty()) {
            let cells: Vec<String> = line.split('\t').map(unescape).collect();
            let cell = |at: usize| cells.get(at).map(String::as_str).ok_or(format!("a line too short: {line}"));
            let number = |at: usize| cell(at)?.parse::<i64>().map_err(|error| format!("{error} in {line}"));
            match cell(0)? {
                "message" => {
                    rows.push(Vec::new());
                    schema.messages.push(Message::new(cell(1)?, cell(2)? == "list"));
                }
                "field" => {
                    let refers = if cell(8)?.is_empty() { 0 } else { number(8)? as usize };
                    let row = Row {
                        field: Field {
                            name: cell(6)?.to_owned(),
                            number: number(1)? as u32,
                            tag: 0,
                            tag_word: (0, 0),
                            kind: kind(cell(2)?)?,
                            shape: shape(cell(3)?)?,
                            refers,
                            member: 0,
                            last: AtomicU8::new(1),
                            kinds: 0,
                        },
                        required: cell(4)? == "1",
                        nullable: cell(5)? == "1",
                        oneof: cell(7)?.to_owned(),
                    };
                    rows.last_mut().ok_or("a field before any message")?.push(row);
                }
                "enum" => schema.enums.push(Enum { values: Vec::new(), expected: Vec::new(), small: [NONE; 64] }),
                "value" => {
                    let values = schema.enums.last_mut().ok_or("a value before any enum")?;
                    let (value, string) = (number(1)? as i32, cell(2)?);
                    let mut printed = Vec::new();
                    crate::strings::quote(string.as_bytes(), &mut printed);
                    if (0..64).contains(&value) && values.values.len() < 255 {
                        values.small[value as usize] = values.values.len() as u8;
                    }
                    if values.values.iter().any(|value| value.1 == string.as_bytes()) {
                        return Err(format!("two values of the same string: {line}"));
                    }
                    values.expected.push((Token::new(&printed), i64::from(value) as u64));
                    values.values.push((value, string.as_bytes().to_vec(), printed));
                }
                other => return Err(format!("a line of no known kind: {other}")),
            }
        }
        let count = schema.messages.len();
        for (message, rows) in schema.messages.iter_mut().zip(rows) {
            for row in rows {
                let limit = match row.field.kind {
                    Kind::Enum => schema.enums.len(),
                    Kind::Message | Kind::List => count,
                    _ => 1,
                };
                if row.field.refers >= limit {
                    return Err(format!("{} refers to what is not there", row.field.name));
                }
                message.add(row)?;
            }
            message.finish()?;
        }
        let lists: Vec<bool> = schema.messages.iter().map(|message| message.is_list).collect();
        let misused = schema.messages.iter().flat_map(|message| &message.fields).any(|field| match field.kind {
            Kind::List => !lists[field.refers],
            Kind::Message => lists[field.refers],
            _ => false,
        });
        if misused || count == 0 || schema.enums.iter().any(|each| each.values.len() > 254) {
            return Err("tables that are not those of a message".to_owned());
        }
        schema.plan = Plan::new(&schema.messages, &schema.enums);
        Ok(schema)
    }
}

struct Row {
    field: Field,
    required: bool,
    nullable: bool,
    oneof: String,
}

impl Message {
    fn new(full_name: &str, is_list: bool) -> Message {
        Message {
            full_name: full_name.to_owned(),
            is_list,
            fields: Vec::new(),
            expected: Box::new(std::array::from_fn(|_| Expected::nothing())),
            first: AtomicU8::new(0),
            after_unknown: AtomicU8::new(0),
            short: 0,
            early: AtomicU64::new(0),
            members: Vec::new(),
            by_tag: Box::new([NONE; 512]),
            by_length: Vec::new(),
            lengths: Vec::new(),
            known: 0,
            by_bit: [0; 64],
        }
    }

    fn add(&mut self, row: Row) -> Result<(), String> {
        let Row { mut field, required, nullable, oneof } = row;
        if field.number > 63 || self.fields.len() == 63 {
            return Err(format!("{} has a number above 63", field.name));
        }
        let place = self.fields.len() as u8;
        let name = if oneof.is_empty() { &field.name } else { &oneof };
        let found = self.members.iter().position(|member| &member.name == name);
        let member = found.unwrap_or_else(|| {
            let empty_form = match field.shape {
                Shape::One => "",
                Shape::Many => "[]",
                Shape::Map => "{}",
            };
            let filling = match (required, nullable) {
                (false, _) => "",
                (true, true) => "null",
                (true, false) => empty_form,
            };
            self.members.push(Member::new(name, field.number, empty_form, filling, !oneof.is_empty()));
            self.members.len() - 1
        });
        field.member = member as u8;
        let wire_type = if field.shape == Shape::One { field.wire_type() } else { 2 };
        field.tag = u64::from(field.number << 3 | wire_type);
        // Numbers are below 64.
        field.tag_word =
            if field.tag < 128 { (field.tag, 1) } else { (field.tag & 127 | 128 | field.tag >> 7 << 8, 2) };
        let kinds: &[Json] = match (field.shape, field.kind) {
            (Shape::Map, _) => &[Json::Object],
            (Shape::Many, _) => &[Json::Array],
            (Shape::One, kind) => json_kinds(kind),
        };
        field.kinds = json_kinds(field.kind).iter().fold(0, |bits, &kind| bits | 1 << kind as u8);
        let member = &mut self.members[member];
        for &kind in kinds {
            member.by_kind[kind as usize] = place;
        }
        member.fields.push(place);
        if field.number < 64 {
            member.bits |= 1 << field.number;
            self.known |= 1 << field.number;
            self.by_bit[field.number as usize] = field.member;
        }
        let mut types = vec![if field.shape == Shape::Map { 2 } else { field.wire_type() }];
        if field.shape == Shape::Many {
            types.push(2);
        }
        for wire_type in types {
            if let Some(entry) = self.by_tag.get_mut((field.number << 3 | wire_type) as usize) {
                *entry = place;
            }
        }
        self.fields.push(field);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        if self.is_list {
            if self.fields.len() != 1 || self.fields[0].shape != Shape::Many || self.fields[0].number > 63 {
                return Err(format!("{} is no list", self.full_name));
            }
        } else {
            self.by_tag[13 << 3] = EMPTY_FIELDS;
            self.by_tag[14 << 3] = NULL_FIELDS;
            self.by_tag[15 << 3 | 2] = ADDITIONAL;
            self.by_tag[16 << 3 | 2] = VERBATIM;
        }
        let longest = self.members.iter().map(|member| member.name.len()).max().unwrap_or(0);
        for length in 0..=longest {
            self.lengths.push(self.by_length.len() as u8);
            let of_length = |(place, member): (usize, &Member)| (member.name.len() == length).then_some(place as u8);
            self.by_length.extend(self.members.iter().enumerate().filter_map(of_length));
        }
        self.lengths.push(self.by_length.len() as u8);
        for at in 0..self.members.len() {
            self.expected[at] = self.expect(at, &self.members[at]);
        }
        let short = self.expected.iter().filter(|each| matches!(each.quick, Quick::Integer | Quick::Enum));
        self.short = short.fold(0, |bits, each| bits | each.bit);
        Ok(())
    }

    fn expect(&self, at: usize, member: &Member) -> Expected {
        let expected = Expected {
            name: Token::new(&member.prefix[1..]),
            bit: member.bit,
            member: at as u8,
            // At first, members are expected in number order.
            next: AtomicU8::new(at as u8 + 1),
            ..Expected::nothing()
        };
        let [place] = member.fields[..] else { return expected };
        let field = &self.fields[usize::from(place)];
        let quick = match (field.shape, field.kind) {
            (Shape::One, Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64) => Quick::Integer,
            (Shape::One, Kind::Enum) => Quick::Enum,
            (Shape::One, Kind::String) => Quick::String,
            (Shape::One, Kind::Message) => Quick::Message,
            (Shape::Many, Kind::Message) => Quick::Messages,
            _ => Quick::No,
        };
        let last = AtomicU8::new(u8::from(quick != Quick::Enum));
        let is_long = matches!(field.kind, Kind::Int64 | Kind::Uint64);
        Expected { quick, field: place, tag: field.tag_word, refers: field.refers as u32, is_long, last, ..expected }
    }
}

impl Expected {
    /// What matches no text.
    fn nothing() -> Expected {
        Expected {
            name: Token::NONE,
            bit: 0,
            tag: (0, 0),
            refers: 0,
            next: AtomicU8::new(63),
            quick: Quick::No,
            is_long: false,
            last: AtomicU8::new(0),
            member: 63,
            field: 0,
        }
    }
}

impl Member {
    fn new(name: &str, number: u32, empty_form: &'static str, filling: &'static str, is_oneof: bool) -> Member {
        let mut prefix = b",".to_vec();
        crate::strings::quote(name.as_bytes(), &mut prefix);
        prefix.push(b':');
        Member {
            name: name.to_owned(),
            prefix,
            bit: if number < 64 { 1 << number } else { 0 },
            bits: 0,
            by_kind: [NONE; 6],
            empty_form,
            filling,
            fields: Vec::new(),
            is_oneof,
        }
    }
}

fn json_kinds(kind: Kind) -> &'static [Json] {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => &[Json::Number],
        Kind::Double => &[Json::Number, Json::Nonfinite],
        Kind::Bool => &[Json::Bool],
        Kind::Enum | Kind::String | Kind::Bytes => &[Json::String],
        Kind::ByteArray | Kind::List => &[Json::Array],
        Kind::Text => &[Json::String, Json::Number, Json::Nonfinite, Json::Bool, Json::Object, Json::Array],
        Kind::Message => &[Json::Object],
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Ok(match name {
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "uint32" => Kind::Uint32,
        "uint64" => Kind::Uint64,
        "double" => Kind::Double,
        "bool" => Kind::Bool,
        "enum" => Kind::Enum,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "byte_array" => Kind::ByteArray,
        "text" => Kind::Text,
        "message" => Kind::Message,
        "list" => Kind::List,
        other => return Err(format!("a kind that is not known: {other}")),
    })
}

fn shape(name: &str) -> Result<Shape, String> {
    Ok(match name {
        "one" => Shape::One,
        "many" => Shape::Many,
        "map" => Shape::Map,
        other => return Err(format!("a shape that is not known: {other}")),
    })
}

fn unescape(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            (other, false) => out.push(other),
        }
    }
    out
}
