//! The violations that are found, and their words.

use crate::error::Violation;
use crate::json::pointer::push_pointer;
use crate::limits::{MAX_VIOLATION_PATHS, MAX_VIOLATIONS};
use crate::schema::{Cardinality, Field, FieldKind, Schema};
use std::fmt::Write;

/// A step from a value to one inside it.
#[derive(Debug, Clone, Copy)]
pub enum Segment<'a> {
    Name(&'a [u8]),
    Index(usize),
}

/// The violations of a message, in the order in which they are found.
pub struct Report<'a> {
    pub violations: Vec<Violation>,
    pub strict: bool,
    /// The place of the value that is looked at.
    pub path: Vec<Segment<'a>>,
    /// Whether what is found does not count.
    pub muted: bool,
    /// Bytes of all paths.
    paths: usize,
}

impl Report<'_> {
    pub fn new(strict: bool) -> Self {
        Report { violations: Vec::new(), strict, path: Vec::with_capacity(8), muted: false, paths: 0 }
    }

    /// Add a violation of a rule by the value that is looked at, unless there are as many as are listed.
    #[cold]
    pub fn add(&mut self, rule: &'static str, message: impl FnOnce() -> String) {
        if self.muted {
            return;
        }
        if self.violations.len() == MAX_VIOLATIONS || self.paths > MAX_VIOLATION_PATHS {
            let message = "there are more violations; the list ends here".into();
            self.violations.push(Violation { path: String::new(), rule: "more", message });
            // What is found from now on does not count either.
            self.muted = true;
            return;
        }
        let mut path = String::with_capacity(64);
        for segment in &self.path {
            match segment {
                Segment::Name(name) => push_pointer(&mut path, name),
                Segment::Index(index) => _ = write!(path, "/{index}"),
            }
        }
        self.paths += path.len();
        self.violations.push(Violation { path, rule, message: message() });
    }
}

/// Return what the value of a member with some fields must be.
pub fn expected<'f>(fields: impl Iterator<Item = &'f Field>) -> String {
    let mut nouns = Vec::new();
    for field in fields {
        match field.cardinality {
            Cardinality::Map => return "an object whose members fit".into(),
            Cardinality::Repeated => return "an array whose items fit".into(),
            Cardinality::Singular => nouns.push(noun(field.kind)),
        }
    }
    nouns.join(" or ")
}

/// Return the strings that a member with some fields takes.
pub fn strings<'f>(schema: &Schema, fields: impl Iterator<Item = &'f Field>) -> String {
    let enums = fields.filter(|field| field.kind == FieldKind::Enum && field.cardinality != Cardinality::Map);
    let values = enums.flat_map(|field| &schema.enums[field.type_index].values);
    let strings: Vec<_> = values.map(|value| String::from_utf8_lossy(&value.string)).collect();
    strings.join(", ")
}

/// Return what a JSON value of a kind must be.
fn noun(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Int32 => "an integer of int32",
        FieldKind::Int64 => "an integer of int64",
        FieldKind::Uint32 => "an integer of uint32",
        FieldKind::Uint64 => "an integer of uint64",
        FieldKind::Double => "a number",
        FieldKind::Bool => "true or false",
        FieldKind::Enum | FieldKind::String => "a string",
        FieldKind::Text => "a JSON value",
        FieldKind::Bytes => "a string in base64",
        FieldKind::ByteArray => "an array of integers 0-255",
        FieldKind::Message => "an object",
        FieldKind::List => "an array that fits",
    }
}
