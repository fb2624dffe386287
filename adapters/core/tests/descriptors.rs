//! Descriptors that the mapping cannot hold, and bytes that are no descriptors.

mod support;

use chatpb_core::{EncodeOptions, Encoder, Schema, SchemaError, contract};
use support::*;

fn refused(parts: &[Vec<u8>]) -> SchemaError {
    Schema::new(&set(parts), "t.M").expect_err("no schema")
}

fn unmappable(parts: &[Vec<u8>]) -> String {
    match refused(&[message("M", parts)]) {
        SchemaError::Unmappable(reason) => reason,
        SchemaError::Malformed(reason) => panic!("malformed: {reason}"),
    }
}

#[test]
fn a_message_has_all_home_fields_or_none() {
    let needed = "t.M cannot be mapped without loss: it needs the fields member_order = 12, empty_fields = 13, \
                  null_fields = 14, additional_properties = 15, verbatim_properties = 16";
    assert_eq!(unmappable(&[field("a", 13, SINGULAR, STRING, "", &[])]), needed);
    assert_eq!(unmappable(&[field("null_fields", 20, SINGULAR, INT32, "", &[])]), needed);
    let other_numbers = ["member_order", "empty_fields", "null_fields", "additional_properties", "verbatim_properties"]
        .map(|name| field(name, 20, SINGULAR, STRING, "", &[]));
    assert_eq!(unmappable(&other_numbers), needed);
}

#[test]
fn an_envelope_holds_what_its_fields_hold() {
    let parts = [
        field("a", 1, SINGULAR, INT32, "", &[]),
        field("e", 2, REPEATED, MESSAGE, ".t.M", &[]),
        field("h", 3, SINGULAR, MESSAGE, ".t.H", &[]),
    ];
    let held = message("H", &[homes(), field("e", 1, SINGULAR, MESSAGE, ".t.M", &[])]);
    let schema = Schema::new(&set(&[message("M", &parts), held]), "t.M").expect("a schema");
    let mut encoder = Encoder::default();
    let mut encode = |text: &str| {
        let made = encoder.json_to_wire(&schema, text.as_bytes(), EncodeOptions::default());
        made.map(<[u8]>::to_vec).map_err(|error| (error.path, error.offset))
    };
    assert_eq!(encode(r#"{"e":[{"a":1}]}"#), Ok(vec![0x12, 2, 8, 1]));
    for (text, path, offset) in [
        (r#"{"a":1, "x": 1}"#, "/x", 13),
        (r#"{"a":null}"#, "/a", 5),
        (r#"{"a":"1"}"#, "/a", 5),
        (r#"{"e":[]}"#, "/e", 5),
        (r#"{"e":[{},{"e":[{"y":{}}]}]}"#, "/e/1/e/0/y", 20),
        (r#"{"h":{"e":{"x":1}},"a":{}}"#, "/a", 23),
    ] {
        assert_eq!(encode(text), Err((path.to_owned(), offset)), "{text}");
    }
    // What a message around it holds is no error.
    assert!(encode(r#"{"h":{"e":{"x":1}}}"#).is_ok());
}

#[test]
fn types_inside_a_message_are_found() {
    let kind = enumeration("Kind", &[("KIND_UNSPECIFIED", 0, ""), ("KIND_ONE", 1, "1")]);
    // The field of a message that holds an enum is the fourth.
    let kind = [&bytes(4, b"")[..1], &kind[1..]].concat();
    let inner = nested("Inner", &[homes(), kind, field("kind", 1, SINGULAR, ENUM, ".t.M.Inner.Kind", &[])]);
    let m = message("M", &[homes(), inner, field("inner", 1, SINGULAR, MESSAGE, ".t.M.Inner", &[])]);
    let schema = Schema::new(&set(&[m]), "t.M").expect("a schema");
    let mut encoder = Encoder::default();
    let wire = encoder.json_to_wire(&schema, br#"{"inner":{"kind":"1"}}"#, EncodeOptions::default());
    assert_eq!(wire.ok(), Some(&bytes(1, &integer(1, 1))[..]));
}

#[test]
fn a_schema_is_described_in_lines() {
    let behaviors = [vec![], vec![required()], vec![nullable()], vec![required(), nullable()]];
    let named = ["a", "b", "c", "d"].into_iter().zip(1..);
    let fields =
        named.zip(behaviors).map(|((name, number), all)| field(name, number, SINGULAR, INT32, "", &[options(&all)]));
    let e = [field("e", 5, REPEATED, ENUM, ".t.E", &[]), homes()];
    let m = message("M", &[fields.collect::<Vec<_>>().concat(), e.concat()]);
    let e = enumeration("E", &[("E_UNSPECIFIED", 0, ""), ("E_ONE", 1, "")]);
    let schema = Schema::new(&set(&[m, e]), "t.M").expect("a schema");
    let lines = [
        "message t.M object",
        "field 1 Int32 Singular false false \"\" a - 0",
        "field 2 Int32 Singular true false \"\" b - 0",
        "field 3 Int32 Singular false true \"\" c - 0",
        "field 4 Int32 Singular true true \"null\" d - 0",
        "field 5 Enum Repeated false false \"\" e - 0",
        "enum E",
        "value 1 one",
    ];
    assert_eq!(schema.describe(), lines.join("\n"));
}

#[test]
fn fields_of_one_number_or_name_are_refused() {
    let a = field("a", 1, SINGULAR, STRING, "", &[]);
    for (second, named) in
        [(field("b", 1, SINGULAR, STRING, "", &[]), "b = 1"), (field("a", 2, SINGULAR, INT32, "", &[]), "a = 2")]
    {
        let found = Schema::new(&set(&[message("M", &[homes(), a.clone(), second])]), "t.M");
        let reason = format!("t.M has {named} beside a field of that name or number");
        assert!(matches!(found, Err(SchemaError::Malformed(told)) if told == reason));
    }
    // As many fields of one number as would not fit.
    let found = Schema::new(&set(&[message("M", &[homes(), vec![a; 300].concat()])]), "t.M");
    assert!(matches!(found, Err(SchemaError::Malformed(_))));
}

#[test]
fn fields_that_have_no_place_are_refused() {
    let above = "t.M has a field numbered above 63, which has no null bit";
    assert_eq!(unmappable(&[homes(), field("a", 64, SINGULAR, STRING, "", &[])]), above);
    let unknown = "t.M.a has a type or a json_form that the mapping does not know";
    for (kind, form) in [(FIXED64, 0), (STRING, 1), (BYTES, 2), (STRING, 3), (MESSAGE, 1), (99, 0), (0, 0)] {
        let a = field("a", 1, SINGULAR, kind, ".t.M", &[options(&[json_form(form)])]);
        assert_eq!(unmappable(&[homes(), a]), unknown, "{kind} {form}");
    }
}

/// Where zeros are not written, by the syntax or the features of a file or a field, zero and absent would be one.
#[test]
fn scalars_whose_zero_is_not_written_are_refused() {
    let (explicit, implicit) = (integer(1, 1), integer(1, 2));
    let features = |number: u32, presence: &[u8]| bytes(8, &bytes(number, presence));
    let (file, own) = (|presence: &[u8]| features(50, presence), |presence: &[u8]| features(21, presence));
    let (proto3, editions) = (bytes(12, b"proto3"), bytes(12, b"editions"));
    let (none, json_text) = (Vec::new(), options(&[json_form(2)]));
    let optional = [integer(9, 0), integer(17, 1)].concat();
    let rows = [
        (none.clone(), none.clone(), SINGULAR, INT32, true),
        (proto3.clone(), none.clone(), SINGULAR, INT32, false),
        (proto3.clone(), none.clone(), SINGULAR, STRING, false),
        (proto3.clone(), none.clone(), SINGULAR, BYTES, false),
        (proto3.clone(), none.clone(), SINGULAR, BOOL, false),
        (proto3.clone(), none.clone(), SINGULAR, DOUBLE, false),
        (proto3.clone(), none.clone(), SINGULAR, ENUM, true),
        (proto3.clone(), none.clone(), SINGULAR, MESSAGE, true),
        (proto3.clone(), json_text, SINGULAR, STRING, true),
        (proto3.clone(), none.clone(), REPEATED, INT32, true),
        (proto3.clone(), integer(9, 0), SINGULAR, INT32, true),
        (proto3.clone(), optional, SINGULAR, INT32, true),
        (editions.clone(), none.clone(), SINGULAR, INT32, true),
        ([editions.clone(), file(&explicit)].concat(), none.clone(), SINGULAR, INT32, true),
        ([editions.clone(), file(&implicit)].concat(), none.clone(), SINGULAR, INT32, false),
        ([file(&implicit), editions.clone()].concat(), none.clone(), SINGULAR, INT32, false),
        ([editions.clone(), file(&implicit)].concat(), own(&explicit), SINGULAR, INT32, true),
        ([editions.clone(), file(&explicit)].concat(), own(&implicit), SINGULAR, INT32, false),
        // A feature of another number, features of another number, and what are no features.
        ([editions.clone(), file(&integer(2, 2))].concat(), none.clone(), SINGULAR, INT32, true),
        ([editions.clone(), features(51, &implicit)].concat(), none.clone(), SINGULAR, INT32, true),
        ([editions.clone(), bytes(8, &integer(50, 2))].concat(), none.clone(), SINGULAR, INT32, true),
        ([editions.clone(), file(&implicit)].concat(), own(&integer(2, 1)), SINGULAR, INT32, false),
        (editions, features(50, &implicit), SINGULAR, INT32, true),
    ];
    for (at, (file, more, label, kind, is_mapped)) in rows.into_iter().enumerate() {
        let type_name = if kind == ENUM { ".t.E" } else { ".t.M" };
        let parts = [homes(), field("a", 1, label, kind, type_name, &[more]), bytes(8, &bytes(1, b"union"))];
        let made = Schema::new(&set(&[file, message("M", &parts), enumeration("E", &[("E_A", 0, "")])]), "t.M");
        let refused = "t.M.a needs `optional`: without it, zero and absent are one";
        let told = made.err().map(|error| match error {
            SchemaError::Unmappable(reason) | SchemaError::Malformed(reason) => reason,
        });
        assert_eq!(told.as_deref(), (!is_mapped).then_some(refused), "row {at}");
    }
}

#[test]
fn enums_need_a_zero_and_distinct_strings() {
    let with = |values: &[(&str, u64, &str)]| {
        let m = message("M", &[homes(), field("a", 1, SINGULAR, ENUM, ".t.E", &[])]);
        refused(&[m, enumeration("E", values)])
    };
    assert_eq!(with(&[("E_A", 1, "")]), SchemaError::Unmappable("E has no value numbered 0".into()));
    let twice = with(&[("E_UNSPECIFIED", 0, ""), ("E_A", 1, ""), ("E_B", 2, "a")]);
    assert_eq!(twice, SchemaError::Unmappable("E has two values whose JSON string is \"a\"".into()));
}

#[test]
fn enums_have_as_many_values_as_a_byte_counts() {
    let names: Vec<String> = (0..256).map(|at| format!("E_V{at}")).collect();
    let with = |count: usize| {
        // The zero is not among those that are counted.
        let values: Vec<_> = (0..=count).map(|at| (names[at].as_str(), at as u64, "")).collect();
        let m = message("M", &[homes(), field("a", 1, SINGULAR, ENUM, ".t.E", &[])]);
        Schema::new(&set(&[m, enumeration("E", &values)]), "t.M").map(drop)
    };
    assert_eq!((with(1), with(254)), (Ok(()), Ok(())));
    assert_eq!(with(255), Err(SchemaError::Unmappable("E has more than 254 values".into())));
}

#[test]
fn maps_have_strings_for_keys() {
    let entry = nested(
        "AEntry",
        &[
            field("key", 1, SINGULAR, INT32, "", &[]),
            field("value", 2, SINGULAR, STRING, "", &[]),
            bytes(7, &integer(7, 1)),
        ],
    );
    let reason = unmappable(&[homes(), entry, field("a", 1, REPEATED, MESSAGE, ".t.M.AEntry", &[])]);
    assert_eq!(reason, "t.M.AEntry has keys that are no strings, as the names of JSON members are");
}

#[test]
fn names_that_lead_nowhere_are_malformed() {
    for kind in [MESSAGE, ENUM] {
        let m = message("M", &[homes(), field("a", 1, SINGULAR, kind, ".t.Other", &[])]);
        assert!(matches!(refused(&[m]), SchemaError::Malformed(_)));
    }
    assert!(matches!(refused(&[]), SchemaError::Malformed(_)));
}

#[test]
fn the_contract_cut_anywhere_is_refused_or_gives_a_schema() {
    let name = "chatcompletion.v1.ChatCompletion";
    for at in (0..contract().len()).step_by(101) {
        drop(Schema::new(&contract()[..at], name));
        let mut flipped = contract().to_vec();
        flipped[at] ^= 1 << (at % 8);
        drop(Schema::new(&flipped, name));
    }
    assert!(Schema::new(contract(), name).is_ok());
}

#[test]
fn messages_nested_without_end_are_refused() {
    let mut inner = nested("N", &[]);
    for _ in 0..10_000 {
        inner = nested("N", &[inner]);
    }
    assert!(matches!(refused(&[message("M", &[inner])]), SchemaError::Malformed(_)));
}
