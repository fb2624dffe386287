//! The JSON text of a tree: the rules are those of `chatpb/_python/wire_to_json.py`.

use crate::digits::{print_double, print_integer, print_unsigned};
use crate::schema::{Field, Kind, Schema, Shape};
use crate::strings::quote;
use crate::tree::{Entries, Open, Tree, Value};

/// Print a message at the end of a buffer.
pub fn print_tree(schema: &Schema, tree: &Tree, fill_required: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    let mut printed = 0u64;
    for (place, member) in tree.message.members.iter().enumerate() {
        let before = out.len();
        out.extend_from_slice(&member.prefix[usize::from(before == start)..]);
        let value_start = out.len();
        let value = member.fields.iter().find_map(|&field| Some((field, tree.value(field)?)));
        if let Some((field, value)) = value {
            print_field(schema, &tree.message.fields[usize::from(field)], value, fill_required, out);
        }
        if out.len() == value_start {
            let text = if tree.null_fields & member.bits != 0 {
                "null"
            } else if tree.empty_fields & member.bits != 0 {
                member.empty_form
            } else {
                ""
            };
            let name = member.name.as_bytes();
            let fill = text.is_empty() && fill_required && !tree.additional.has(name) && !tree.verbatim.has(name);
            out.extend_from_slice(if fill { member.filling } else { text }.as_bytes());
        }
        if out.len() == value_start {
            out.truncate(before);
        } else {
            printed |= 1 << place;
        }
    }
    let given = |name: &[u8]| tree.message.find(name).is_some_and(|place| printed >> place & 1 != 0);
    let name = |name: &[u8], out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
        quote(name, out);
        out.push(b':');
    };
    for (key, value) in tree.additional.items.iter().filter(|item| !given(item.0)) {
        name(key, out);
        print_open(value, out);
    }
    for (key, text) in tree.verbatim.items.iter().filter(|item| !given(item.0) && !tree.additional.has(item.0)) {
        name(key, out);
        out.extend_from_slice(text);
    }
    out.push(b'}');
}

/// A field that is set; nothing where the value stands for absence.
fn print_field(schema: &Schema, field: &Field, value: &Value, fill_required: bool, out: &mut Vec<u8>) {
    let print = |value: &Value, out: &mut Vec<u8>| print_value(schema, field, value, fill_required, out);
    match (value, field.shape) {
        (Value::Map(entries), _) => print_entries(entries, print, out),
        (Value::Many(items), Shape::Many) if items.is_empty() => {}
        (Value::Many(items), Shape::Many) => print_items(items, print, out),
        (Value::Int(0), Shape::One) if field.kind == Kind::Enum => {}
        _ => print(value, out),
    }
}

fn print_value(schema: &Schema, field: &Field, value: &Value, fill_required: bool, out: &mut Vec<u8>) {
    match value {
        Value::Int(value) if field.kind == Kind::Enum => print_enum(schema, field, *value as i32, out),
        Value::Int(value) => print_integer(*value, out),
        Value::Uint(value) => print_unsigned(*value, out),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Double(value) => print_double(*value, out),
        Value::Bytes(bytes) => print_bytes(field.kind, bytes, out),
        Value::Text(text) => out.extend_from_slice(text),
        Value::Message(tree) => print_tree(schema, tree, fill_required, out),
        Value::Many(items) => {
            let item = &schema.messages[field.refers].fields[0];
            print_items(items, |value, out| print_value(schema, item, value, fill_required, out), out);
        }
        Value::Map(_) => {}
    }
}

pub fn print_enum(schema: &Schema, field: &Field, number: i32, out: &mut Vec<u8>) {
    match schema.enums[field.refers].printed(number) {
        Some(text) => out.extend_from_slice(text),
        None => print_integer(i64::from(number), out),
    }
}

fn print_bytes(kind: Kind, bytes: &[u8], out: &mut Vec<u8>) {
    match kind {
        Kind::Bytes => {
            out.push(b'"');
            crate::base64::encode(bytes, out);
            out.push(b'"');
        }
        Kind::ByteArray => print_byte_array(bytes, out),
        _ => quote(bytes, out),
    }
}

pub fn print_byte_array(bytes: &[u8], out: &mut Vec<u8>) {
    print_items(bytes, |&byte, out| print_unsigned(u64::from(byte), out), out);
}

fn print_items<T>(items: &[T], print: impl Fn(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        print(item, out);
    }
    out.push(b']');
}

fn print_entries<T>(entries: &Entries<T>, print: impl Fn(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, value)) in entries.items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quote(key, out);
        out.push(b':');
        print(value, out);
    }
    out.push(b'}');
}

fn print_open(value: &Open, out: &mut Vec<u8>) {
    match value {
        Open::Null => out.extend_from_slice(b"null"),
        Open::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Open::Number(value) => print_double(*value, out),
        Open::String(string) => quote(string, out),
        Open::Object(entries) => print_entries(entries, print_open, out),
        Open::Array(items) => print_items(items, print_open, out),
    }
}
