//! How the members of chunks add up: the rules that options of the contract state, found for a type of chunk.
//!
//! The twin of `chatpb/_engine/reference/streams/rules.py`, which says what they are for.

use crate::schema::{Accumulation, Cardinality, Field, FieldKind, MessageSchema, Schema};

/// The inside of a string, as this engine prints it.
pub type Raw = Box<[u8]>;

/// Strings, each by another.
pub type Pairs = Vec<(Raw, Raw)>;

/// By the name of a member, how it accumulates. There are few.
#[derive(Debug, Default)]
pub struct Accumulations(Vec<(Raw, Accumulation)>);

impl Accumulations {
    pub fn get(&self, name: &[u8]) -> Accumulation {
        self.0.iter().find(|(each, _)| **each == *name).map_or(Accumulation::Unspecified, |found| found.1)
    }

    /// Return the name of the first member that accumulates so; "" if there is none.
    pub fn name_of(&self, accumulation: Accumulation) -> &[u8] {
        self.0.iter().find(|each| each.1 == accumulation).map_or(b"", |each| &each.0)
    }

    fn set(&mut self, name: &str, accumulation: Accumulation) {
        match self.0.iter_mut().find(|(each, _)| **each == *name.as_bytes()) {
            Some(found) => found.1 = accumulation,
            None => self.0.push((name.as_bytes().into(), accumulation)),
        }
    }
}

/// The rules of a type of chunk.
#[derive(Debug, Default)]
pub struct StreamRules {
    /// The accumulations of a chunk's members.
    pub chunk: Accumulations,
    /// By a chunk's member, the strings that it has, and those that a completion has instead.
    pub values: Vec<(Raw, Pairs)>,
    /// The accumulations of a choice's members.
    pub choice: Accumulations,
    /// The names of a choice's members that are null until its last chunk.
    pub pending: Vec<Raw>,
    /// The name of a choice's member that holds pieces of a message; "" where there is none.
    pub delta: Raw,
    /// The name of the completion's member that those make.
    pub message: Raw,
    /// The accumulations of a delta's members.
    pub delta_members: Accumulations,
    /// The accumulations of a call's members.
    pub call: Accumulations,
    /// The names of a call's members that are objects, each with the name of its text that comes in pieces.
    pub bodies: Pairs,
    /// The accumulations of members of any depth in a delta.
    names: Accumulations,
    /// The names of members of parts whose text goes on in the next part.
    pub running: Vec<Raw>,
}

impl StreamRules {
    /// Find the rules of a type of chunk. A type without options for streams has none.
    pub fn new(schema: &Schema) -> StreamRules {
        let chunk = &schema.messages[0];
        let mut rules = StreamRules { chunk: accumulations(chunk), ..StreamRules::default() };
        for field in chunk.fields.iter().filter(|field| field.kind == FieldKind::Enum) {
            let values = schema.enums[field.type_index].values.iter();
            let values = values.filter(|value| !value.accumulated.is_empty());
            let values = values.map(|value| (value.string.as_slice().into(), value.accumulated.as_slice().into()));
            rules.values.push((field.name.as_bytes().into(), values.collect()));
        }
        let Some(choice) = held(schema, chunk, Accumulation::Choices) else { return rules };
        rules.choice = accumulations(choice);
        let is_pending = |bit| choice.required & choice.nullable & bit != 0;
        let pending = choice.members.iter().filter(|member| is_pending(member.bit));
        rules.pending = pending.map(|member| member.name.as_bytes().into()).collect();
        let is_delta = |field: &&Field| !field.accumulated_name.is_empty() && holds_message(field);
        let Some(field) = choice.fields.iter().find(is_delta) else { return rules };
        rules.delta = field.name.as_bytes().into();
        rules.message = field.accumulated_name.as_bytes().into();
        let delta = &schema.messages[field.type_index];
        rules.delta_members = accumulations(delta);
        rules.running = delta.running_text.iter().map(|name| name.as_bytes().into()).collect();
        delta.whole_text.iter().for_each(|name| rules.names.set(name, Accumulation::Latest));
        add_names(schema, field.type_index, &mut rules.names);
        if let Some(call) = held(schema, delta, Accumulation::Calls) {
            rules.call = accumulations(call);
            for field in &call.fields {
                if field.kind == FieldKind::Message && field.cardinality == Cardinality::Singular {
                    let body = &schema.messages[field.type_index];
                    let is_text = |member: &&Field| {
                        member.kind == FieldKind::String && member.accumulation == Accumulation::Unspecified
                    };
                    let text = body.fields.iter().find(is_text);
                    rules.bodies.extend(text.map(|text| (field.name.as_bytes().into(), text.name.as_bytes().into())));
                }
            }
        }
        rules
    }

    /// Return how a member of a name accumulates inside a delta: `Pieces` unless a rule says otherwise.
    pub fn of_name(&self, name: &[u8]) -> Accumulation {
        match self.names.get(name) {
            Accumulation::Unspecified => {}
            found => return found,
        }
        let Some(at) = name.iter().rposition(|byte| matches!(byte, b'_' | b'A'..=b'Z')) else {
            return Accumulation::Pieces;
        };
        let found = match name[at] {
            b'_' => self.names.get(&name[at + 1..]),
            _ => self.names.get(&[&[name[at].to_ascii_lowercase()], &name[at + 1..]].concat()),
        };
        match found {
            Accumulation::First | Accumulation::Latest => found,
            _ => Accumulation::Pieces,
        }
    }
}

fn accumulations(message: &MessageSchema) -> Accumulations {
    let mut found = Accumulations::default();
    for member in &message.members {
        match message.fields[usize::from(member.fields[0])].accumulation {
            Accumulation::Unspecified => {}
            accumulation => found.set(&member.name, accumulation),
        }
    }
    found
}

/// Return the type of the items of the member that accumulates so.
fn held<'s>(schema: &'s Schema, message: &MessageSchema, accumulation: Accumulation) -> Option<&'s MessageSchema> {
    let field = message.fields.iter().find(|field| field.accumulation == accumulation)?;
    holds_message(field).then(|| &schema.messages[field.type_index])
}

fn holds_message(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Message | FieldKind::List) && field.cardinality != Cardinality::Map
}

/// Add the accumulations of texts in a message and in all that it holds.
fn add_names(schema: &Schema, index: usize, names: &mut Accumulations) {
    let mut seen = vec![false; schema.messages.len()];
    // Types may hold each other so deep that calls would use up the stack.
    let mut waiting = vec![index];
    while let Some(index) = waiting.pop() {
        if std::mem::replace(&mut seen[index], true) {
            continue;
        }
        let message = &schema.messages[index];
        for (name, accumulation) in accumulations(message).0 {
            if let (Ok(name), Accumulation::First | Accumulation::Latest | Accumulation::Name | Accumulation::Base64) =
                (str::from_utf8(&name), accumulation)
            {
                names.set(name, accumulation);
            }
        }
        waiting.extend(message.fields.iter().rev().filter(|field| holds_message(field)).map(|field| field.type_index));
    }
}
