//! Makes messages from pseudo-random numbers, by the rules of generated.py.

use prost::Message;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

use crate::protocol::{Encoded, Generate, Response};
use crate::{descriptor, recode};

const WORDS: [&str; 8] =
    ["0", r#""""#, r#""hé 😀""#, "18446744073709551616", r#"{"z":1,"a":[null]}"#, "true", "1e400", r#""\ud83d""#];

pub fn generate(request: &Generate) -> Result<Response, String> {
    let mut response = Response::default();
    for i in request.first..request.first + request.count {
        let name = &request.types[i as usize % request.types.len()];
        let mut message = DynamicMessage::new(descriptor(name)?);
        Generator(request.seed.wrapping_add(i)).fill(&mut message, 0);
        let wire = recode(name, &message.encode_to_vec())?;
        response.messages.push(Encoded { r#type: name.clone(), name: i.to_string(), wire });
    }
    Ok(response)
}

struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() >> 33) as usize % count
    }

    fn fill(&mut self, message: &mut DynamicMessage, depth: u32) {
        let descriptor = message.descriptor();
        let mut fields: Vec<FieldDescriptor> = descriptor.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        match descriptor.full_name() {
            "google.protobuf.Value" => {
                let field = &fields[self.below(if depth >= 8 { 4 } else { 6 })];
                self.put(message, field, 1, depth);
            }
            "google.protobuf.Struct" | "google.protobuf.ListValue" => {
                let count = self.below(3);
                self.put(message, &fields[0], count, depth);
            }
            _ => {
                for field in &fields {
                    if self.below(2) == 1 && !(depth >= 6 && holds_messages(field)) {
                        let repeated = field.cardinality() == Cardinality::Repeated;
                        let count = if repeated { 1 + self.below(2) } else { 1 };
                        self.put(message, field, count, depth);
                    }
                }
            }
        }
    }

    fn put(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor, count: usize, depth: u32) {
        let value = if let Some(value) = map_value(field) {
            let entries = (0..count).map(|i| (MapKey::String(format!("k{i}")), self.value(&value, depth)));
            Value::Map(entries.collect())
        } else if field.is_list() {
            Value::List((0..count).map(|_| self.value(field, depth)).collect())
        } else {
            self.value(field, depth)
        };
        message.set_field(field, value);
    }

    fn value(&mut self, field: &FieldDescriptor, depth: u32) -> Value {
        match field.kind() {
            Kind::Message(descriptor) => {
                let mut inner = DynamicMessage::new(descriptor);
                self.fill(&mut inner, depth + 1);
                Value::Message(inner)
            }
            Kind::Bool => Value::Bool(self.below(2) == 1),
            Kind::Enum(descriptor) => {
                let index = self.below(descriptor.values().len());
                Value::EnumNumber(descriptor.values().nth(index).expect("below the count").number())
            }
            Kind::String => Value::String(WORDS[self.below(WORDS.len())].to_owned()),
            kind => {
                let number = self.next();
                match kind {
                    Kind::Int32 => Value::I32((number >> 32) as i32 >> self.below(32)),
                    Kind::Int64 => Value::I64(number as i64 >> self.below(64)),
                    Kind::Uint64 => Value::U64(number >> self.below(64)),
                    Kind::Double => Value::F64(f64::from_bits(number & !(1 << 62))),
                    Kind::Bytes => Value::Bytes(number.to_le_bytes()[..self.below(9)].to_vec().into()),
                    _ => unreachable!("no such type in the contract"),
                }
            }
        }
    }
}

/// Returns the value field of a map's entries, or None for another field.
fn map_value(field: &FieldDescriptor) -> Option<FieldDescriptor> {
    let entry = field.kind().as_message()?.clone();
    field.is_map().then(|| entry.map_entry_value_field())
}

fn holds_messages(field: &FieldDescriptor) -> bool {
    map_value(field).unwrap_or_else(|| field.clone()).kind().as_message().is_some()
}
