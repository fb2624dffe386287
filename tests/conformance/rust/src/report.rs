//! What reflection finds in a message.

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::protocol::{Leaf, Report, leaf};

pub fn report(message: &DynamicMessage) -> Report {
    let mut found = Report::default();
    walk(&mut found, message, "");
    found
}

fn walk(found: &mut Report, message: &DynamicMessage, path: &str) {
    found.leaves.push(Leaf { path: path.to_owned(), value: None });
    found.null_members.extend(members(message, "null_fields", path));
    found.empty_members.extend(members(message, "empty_fields", path));
    for (field, value) in message.fields() {
        let at = format!("{path}/{}", field.name());
        match value {
            Value::Map(entries) => {
                for (key, item) in entries {
                    visit(found, item, format!("{at}/{}", key.as_str().expect("keys are strings")));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    visit(found, item, format!("{at}/{index}"));
                }
            }
            _ => visit(found, value, at),
        }
    }
}

fn visit(found: &mut Report, value: &Value, path: String) {
    let value = match value {
        Value::Message(inner) => return walk(found, inner, &path),
        Value::I32(value) => leaf::Value::Integer((*value).into()),
        Value::I64(value) => leaf::Value::Integer(*value),
        Value::U64(value) => leaf::Value::Unsigned(*value),
        Value::F64(value) => leaf::Value::Number(*value),
        Value::Bool(value) => leaf::Value::Boolean(*value),
        Value::String(value) => leaf::Value::Text(value.clone()),
        Value::Bytes(value) => leaf::Value::Data(value.to_vec()),
        Value::EnumNumber(value) => leaf::Value::EnumNumber(*value),
        _ => unreachable!("no such type in the contract"),
    };
    found.leaves.push(Leaf { path, value: Some(value) });
}

/// Returns the paths of the fields whose bits are set.
fn members(message: &DynamicMessage, bits: &str, path: &str) -> Vec<String> {
    let descriptor = message.descriptor();
    let set = message.get_field_by_name(bits).and_then(|value| value.as_u64()).unwrap_or(0);
    let name = |number| descriptor.get_field(number).map_or(number.to_string(), |field| field.name().to_owned());
    (0..64).filter(|number| set >> number & 1 == 1).map(|number| format!("{path}/{}", name(number))).collect()
}
