//! Descriptors for tests, written by hand: a set with one file of the package `t`.

#![allow(dead_code)] // each test file uses what it needs

/// A length-delimited field.
pub fn bytes(number: u32, payload: &[u8]) -> Vec<u8> {
    [varint(u64::from(number << 3 | 2)), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A varint field.
pub fn integer(number: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(number << 3)), varint(value)].concat()
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push(value as u8 & 127 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub const SINGULAR: u64 = 1;
pub const REPEATED: u64 = 3;

pub const DOUBLE: u64 = 1;
pub const INT64: u64 = 3;
pub const INT32: u64 = 5;
pub const FIXED64: u64 = 6;
pub const UINT64: u64 = 4;
pub const STRING: u64 = 9;
pub const MESSAGE: u64 = 11;
pub const BYTES: u64 = 12;
pub const BOOL: u64 = 8;
pub const ENUM: u64 = 14;

/// A `FieldDescriptorProto`, as a field of its message. `more` is what else it has.
pub fn field(name: &str, number: u64, label: u64, kind: u64, type_name: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let fields = [
        bytes(1, name.as_bytes()),
        integer(3, number),
        integer(4, label),
        integer(5, kind),
        bytes(6, type_name.as_bytes()),
    ];
    bytes(2, &[fields.concat(), more.concat()].concat())
}

/// `options` of a field.
pub fn options(options: &[Vec<u8>]) -> Vec<u8> {
    bytes(8, &options.concat())
}

/// Options of the contract, by the numbers that `set` declares.
pub fn json_form(form: u64) -> Vec<u8> {
    integer(50391, form)
}

pub fn nullable() -> Vec<u8> {
    integer(50392, 1)
}

pub fn required() -> Vec<u8> {
    integer(1052, 2)
}

/// A `DescriptorProto`, as a field of its file or, with `nested`, of its message.
pub fn message(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(4, &[bytes(1, name.as_bytes()), parts.concat()].concat())
}

/// A `DescriptorProto`, as a nested type of a message: the field has another number.
pub fn nested(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    bytes(3, &[bytes(1, name.as_bytes()), parts.concat()].concat())
}

/// The fields that every message has.
pub fn homes() -> Vec<u8> {
    [
        field("member_order", 12, SINGULAR, BYTES, "", &[]),
        field("empty_fields", 13, SINGULAR, UINT64, "", &[]),
        field("null_fields", 14, SINGULAR, UINT64, "", &[]),
        field("additional_properties", 15, SINGULAR, MESSAGE, ".google.protobuf.Struct", &[]),
        field("verbatim_properties", 16, REPEATED, MESSAGE, ".t.VerbatimEntry", &[]),
    ]
    .concat()
}

/// An `EnumDescriptorProto`, as a field of its file: names and numbers, each with the JSON string of its option or "".
pub fn enumeration(name: &str, values: &[(&str, u64, &str)]) -> Vec<u8> {
    let values = values.iter().map(|(name, number, json_value)| {
        let option = if json_value.is_empty() { Vec::new() } else { bytes(3, &bytes(50393, json_value.as_bytes())) };
        bytes(2, &[bytes(1, name.as_bytes()), integer(2, *number), option].concat())
    });
    bytes(5, &[bytes(1, name.as_bytes()), values.collect::<Vec<_>>().concat()].concat())
}

fn extension(name: &str, number: u64) -> Vec<u8> {
    bytes(7, &[bytes(1, name.as_bytes()), integer(3, number)].concat())
}

/// A `FileDescriptorSet` of the contract's options and of a file of the package `t`.
pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    let contract = [
        bytes(2, b"chatcompletion.v1"),
        extension("json_form", 50391),
        extension("nullable", 50392),
        extension("json_value", 50393),
    ];
    let behavior = [bytes(2, b"google.api"), extension("field_behavior", 1052)];
    let own = [vec![bytes(2, b"t")], parts.to_vec()].concat();
    [bytes(1, &contract.concat()), bytes(1, &behavior.concat()), bytes(1, &own.concat())].concat()
}

/// A set with the type `t.Node`, which has a field of every kind, and itself inside.
pub fn node_set() -> Vec<u8> {
    let weights = nested(
        "WeightsEntry",
        &[
            field("key", 1, SINGULAR, STRING, "", &[]),
            field("value", 2, SINGULAR, DOUBLE, "", &[]),
            bytes(7, &integer(7, 1)),
        ],
    );
    let node = message(
        "Node",
        &[
            field("text", 1, SINGULAR, STRING, "", &[]),
            field("count", 2, SINGULAR, INT64, "", &[]),
            field("color", 3, SINGULAR, ENUM, ".t.Color", &[]),
            field("nodes", 4, REPEATED, MESSAGE, ".t.Node", &[]),
            field("inner", 5, SINGULAR, MESSAGE, ".t.Node", &[]),
            field("doubles", 6, REPEATED, DOUBLE, "", &[]),
            field("octets", 7, SINGULAR, BYTES, "", &[options(&[json_form(1)])]),
            field("data", 8, SINGULAR, BYTES, "", &[]),
            field("kept", 9, SINGULAR, STRING, "", &[options(&[json_form(2)])]),
            field("weights", 10, REPEATED, MESSAGE, ".t.Node.WeightsEntry", &[]),
            field("union_list", 11, SINGULAR, MESSAGE, ".t.List", &[integer(9, 0)]),
            bytes(8, &bytes(1, b"union")),
            field("strings", 17, REPEATED, STRING, "", &[]),
            field("large", 18, SINGULAR, UINT64, "", &[]),
            field("flag", 19, SINGULAR, BOOL, "", &[]),
            field("small", 20, SINGULAR, INT32, "", &[]),
            field("ratio", 21, SINGULAR, DOUBLE, "", &[]),
            field("colors", 22, REPEATED, ENUM, ".t.Color", &[]),
            field("union_string", 23, SINGULAR, STRING, "", &[integer(9, 0)]),
            field("last", 62, SINGULAR, STRING, "", &[]),
            field("a_name_of_more_than_the_thirty-two_bytes", 63, SINGULAR, INT32, "", &[]),
            homes(),
            weights,
        ],
    );
    let list = message("List", &[field("items", 1, REPEATED, INT64, "", &[])]);
    let color = enumeration("Color", &[("COLOR_UNSPECIFIED", 0, ""), ("COLOR_RED", 1, ""), ("COLOR_BLUE", 700, "")]);
    set(&[node, list, color])
}
