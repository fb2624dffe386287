//! A message that was read from wire bytes, as a tree.

use crate::schema::MessageSchema;
use std::collections::HashMap;

/// A map that keeps its entries in the order in which their keys came first.
#[derive(Debug)]
pub struct OrderedMap<'a, T> {
    pub entries: Vec<(&'a [u8], T)>,
    /// The index of each key; empty while there are few entries.
    indices: HashMap<&'a [u8], usize>,
}

impl<T> Default for OrderedMap<'_, T> {
    fn default() -> Self {
        OrderedMap { entries: Vec::new(), indices: HashMap::new() }
    }
}

impl<'a, T> OrderedMap<'a, T> {
    /// Up to this number of entries, a key is looked for in all of them.
    const FEW: usize = 12;

    fn index(&self, key: &[u8]) -> Option<usize> {
        if self.entries.len() <= Self::FEW {
            return self.entries.iter().rposition(|entry| entry.0 == key);
        }
        self.indices.get(key).copied()
    }

    /// Set the value of a key. Return the one that it replaces.
    pub fn set(&mut self, key: &'a [u8], value: T) -> Option<T> {
        if let Some(index) = self.index(key) {
            return Some(std::mem::replace(&mut self.entries[index].1, value));
        }
        self.push(key, value);
        None
    }

    fn push(&mut self, key: &'a [u8], value: T) {
        self.entries.push((key, value));
        if self.entries.len() == Self::FEW + 1 {
            self.indices.extend(self.entries.iter().enumerate().map(|(index, entry)| (entry.0, index)));
        } else if self.entries.len() > Self::FEW {
            self.indices.insert(key, self.entries.len() - 1);
        }
    }
}

/// The value of an open member, which may hold nothing: that is no member.
pub trait MayHoldNothing {
    fn holds_nothing(&self) -> bool;
}

/// JSON text.
impl MayHoldNothing for Vec<u8> {
    fn holds_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl MayHoldNothing for OpenValue<'_> {
    fn holds_nothing(&self) -> bool {
        matches!(self, OpenValue::Nothing)
    }
}

impl<'a, T: MayHoldNothing> OrderedMap<'a, T> {
    /// Set the value of a member, which is the last one unless there is one of its name. Nothing removes it.
    pub fn put(&mut self, key: &'a [u8], value: T) {
        match self.index(key) {
            Some(index) if value.holds_nothing() || !self.entries[index].1.holds_nothing() => {
                self.entries[index].1 = value;
            }
            None if value.holds_nothing() => {}
            _ => self.push(key, value),
        }
    }

    pub fn has(&self, key: &[u8]) -> bool {
        self.index(key).is_some_and(|index| !self.entries[index].1.holds_nothing())
    }

    /// Return the members in their order.
    pub fn members(&self) -> impl Iterator<Item = &(&'a [u8], T)> {
        self.entries.iter().filter(|entry| !entry.1.holds_nothing())
    }
}

/// A JSON value that no typed field holds.
#[derive(Debug)]
pub enum OpenValue<'a> {
    /// A Value without a kind.
    Nothing,
    Null,
    Bool(bool),
    Number(f64),
    String(&'a [u8]),
    Object(OrderedMap<'a, OpenValue<'a>>),
    Array(Vec<OpenValue<'a>>),
}

/// What a typed field holds.
#[derive(Debug)]
pub enum FieldValue<'a> {
    Int(i64),
    Uint(u64),
    Bool(bool),
    Double(f64),
    /// A string or bytes.
    Bytes(&'a [u8]),
    /// JSON text, in normal form where it was checked.
    Text(Vec<u8>),
    Message(Box<MessageTree<'a>>),
    /// The values of a repeated field, or of a message that stands for an array.
    Repeated(Vec<FieldValue<'a>>),
    Map(OrderedMap<'a, FieldValue<'a>>),
}

/// One message, with the messages inside it.
#[derive(Debug)]
pub struct MessageTree<'a> {
    pub message_schema: &'a MessageSchema,
    /// The fields that are set, by their indices.
    pub values: Vec<(u8, FieldValue<'a>)>,
    pub empty_fields: u64,
    pub null_fields: u64,
    pub member_order: &'a [u8],
    pub additional: OrderedMap<'a, OpenValue<'a>>,
    /// JSON texts, in normal form where they were checked.
    pub verbatim: OrderedMap<'a, Vec<u8>>,
}

impl<'a> MessageTree<'a> {
    pub fn new(message_schema: &'a MessageSchema) -> Self {
        MessageTree {
            message_schema,
            values: Vec::new(),
            empty_fields: 0,
            null_fields: 0,
            member_order: &[],
            additional: OrderedMap::default(),
            verbatim: OrderedMap::default(),
        }
    }

    /// Return the value of the field of an index, if it is set.
    pub fn value(&self, index: u8) -> Option<&FieldValue<'a>> {
        self.values.iter().find(|value| value.0 == index).map(|value| &value.1)
    }

    /// Unset the field of an index, and return what its value was.
    pub fn take(&mut self, index: u8) -> Option<FieldValue<'a>> {
        let at = self.values.iter().position(|value| value.0 == index)?;
        Some(self.values.swap_remove(at).1)
    }
}
