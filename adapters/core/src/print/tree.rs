//! Prints trees, the exact half of printing. The rules are those of `chatpb/_engine/reference/print.py`.

use crate::json::print_number::{print_double, print_integer, print_unsigned};
use crate::json::strings::quote;
use crate::schema::{Cardinality, Field, FieldKind, Schema};
use crate::tree::message::{FieldValue, MayHoldNothing, MessageTree, OpenValue, OrderedMap};
use crate::wire::member_order::OrderReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Append the JSON text of a message.
pub fn print_tree(schema: &Schema, tree: &MessageTree, fill_required: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    let mut printed = 0u64;
    for (index, member) in tree.message_schema.members.iter().enumerate() {
        let before = out.len();
        out.extend_from_slice(&member.prefix[usize::from(before == start)..]);
        let value_start = out.len();
        let value = member.fields.iter().find_map(|&field| Some((field, tree.value(field)?)));
        if let Some((field, value)) = value {
            print_field(schema, &tree.message_schema.fields[usize::from(field)], value, fill_required, out);
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
            printed |= 1 << index;
        }
    }
    let given = |name: &[u8]| tree.message_schema.find(name).is_some_and(|index| printed >> index & 1 != 0);
    let name = |name: &[u8], out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b',');
        }
        quote(name, out);
        out.push(b':');
    };
    let after_typed = out.len();
    for bits in [tree.member_order, &[]] {
        let mut order = OrderReader::new(bits);
        for (key, value) in in_order(&tree.additional, &mut order) {
            let before = out.len();
            name(key, out);
            print_open_value(value, &mut order, out);
            if given(key) {
                out.truncate(before);
            }
        }
        for (key, text) in in_order(&tree.verbatim, &mut order) {
            if !given(key) && !tree.additional.has(key) {
                name(key, out);
                out.extend_from_slice(text);
            }
        }
        if order.finish() {
            break;
        }
        out.truncate(after_typed);
    }
    out.push(b'}');
}

/// Append the value of a field that is set; nothing if it stands for absence.
fn print_field(schema: &Schema, field: &Field, value: &FieldValue, fill_required: bool, out: &mut Vec<u8>) {
    let print = |value: &FieldValue, out: &mut Vec<u8>| print_value(schema, field, value, fill_required, out);
    match (value, field.cardinality) {
        (FieldValue::Map(map), _) => print_map(map.entries.iter(), print, out),
        (FieldValue::Repeated(items), Cardinality::Repeated) if items.is_empty() => {}
        (FieldValue::Repeated(items), Cardinality::Repeated) => print_items(items, print, out),
        (FieldValue::Int(0), Cardinality::Singular) if field.kind == FieldKind::Enum => {}
        _ => print(value, out),
    }
}

fn print_value(schema: &Schema, field: &Field, value: &FieldValue, fill_required: bool, out: &mut Vec<u8>) {
    match value {
        FieldValue::Int(value) if field.kind == FieldKind::Enum => print_enum(schema, field, *value as i32, out),
        FieldValue::Int(value) => print_integer(*value, out),
        FieldValue::Uint(value) => print_unsigned(*value, out),
        FieldValue::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        FieldValue::Double(value) => print_double(*value, out),
        FieldValue::Bytes(bytes) => print_bytes(field.kind, bytes, out),
        FieldValue::Text(text) => out.extend_from_slice(text),
        FieldValue::Message(message) => print_tree(schema, message, fill_required, out),
        FieldValue::Repeated(items) => {
            let item = &schema.messages[field.type_index].fields[0];
            print_items(items, |value, out| print_value(schema, item, value, fill_required, out), out);
        }
        FieldValue::Map(_) => {}
    }
}

fn print_enum(schema: &Schema, field: &Field, number: i32, out: &mut Vec<u8>) {
    match schema.enums[field.type_index].printed(number) {
        Some(text) => out.extend_from_slice(text),
        None => print_integer(i64::from(number), out),
    }
}

fn print_bytes(kind: FieldKind, bytes: &[u8], out: &mut Vec<u8>) {
    match kind {
        FieldKind::Bytes => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        FieldKind::ByteArray => print_items(bytes, |&byte, out| print_unsigned(u64::from(byte), out), out),
        _ => quote(bytes, out),
    }
}

fn print_items<T>(items: &[T], mut print: impl FnMut(&T, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        print(item, out);
    }
    out.push(b']');
}

fn print_map<'m, 'a: 'm, T: 'm>(
    entries: impl Iterator<Item = &'m (&'a [u8], T)>,
    mut print: impl FnMut(&T, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quote(key, out);
        out.push(b':');
        print(value, out);
    }
    out.push(b'}');
}

/// Return the members of an object in the order that they print in.
fn in_order<'m, 'a, T: MayHoldNothing>(
    object: &'m OrderedMap<'a, T>,
    order: &mut OrderReader,
) -> impl Iterator<Item = &'m (&'a [u8], T)> + use<'m, 'a, T> {
    let members: Vec<_> = object.members().collect();
    let names: Vec<_> = members.iter().map(|member| member.0).collect();
    order.of_object(&names).into_iter().map(move |index| members[index])
}

fn print_open_value(value: &OpenValue, order: &mut OrderReader, out: &mut Vec<u8>) {
    match value {
        // As an item of an array.
        OpenValue::Nothing | OpenValue::Null => out.extend_from_slice(b"null"),
        OpenValue::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        OpenValue::Number(value) => print_double(*value, out),
        OpenValue::String(string) => quote(string, out),
        OpenValue::Object(map) => {
            print_map(in_order(map, order), |value, out| print_open_value(value, order, out), out);
        }
        OpenValue::Array(items) => print_items(items, |value, out| print_open_value(value, order, out), out),
    }
}
