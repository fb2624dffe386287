//! Validation without Python, on the contract's own completions. tests/engine compares it with the reference engine.

mod support;

use chatpb_core::{EncodeOptions, Encoder, Schema, Violation, contract, validate};
use support::*;

fn schema() -> Schema {
    Schema::new(contract(), "chatcompletion.v1.ChatCompletion").expect("a message of the contract")
}

/// Return the path and the rule of each violation.
fn short(violations: &[Violation]) -> Vec<(&str, &str)> {
    violations.iter().map(|each| (each.path.as_str(), each.rule)).collect()
}

/// A completion with one choice, which has the members given.
fn completion(choice: &str) -> String {
    format!(r#"{{"id":"c","model":"m","object":"chat.completion","created":1,"choices":[{{{choice}}}]}}"#)
}

const MESSAGE: &str = r#""index":0,"finish_reason":"stop","message":"#;
const WHOLE: &str = r#"{"role":"assistant","content":null,"refusal":null}"#;

/// The members of a choice, and what breaks the contract.
fn cases() -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    let choice = |message: &str, more: &str| format!("{MESSAGE}{message},{more}");
    vec![
        (choice(WHOLE, r#""logprobs":null"#), vec![]),
        (choice(WHOLE, r#""vendor":[{}]"#), vec![("/choices/0/logprobs", "required_nullable")]),
        (
            choice("{}", r#""logprobs":null"#),
            vec![
                ("/choices/0/message/role", "required"),
                ("/choices/0/message/content", "required_nullable"),
                ("/choices/0/message/refusal", "required_nullable"),
            ],
        ),
        (choice("null", r#""logprobs":null"#), vec![("/choices/0/message", "not_nullable")]),
        (choice("[]", r#""logprobs":null"#), vec![("/choices/0/message", "type")]),
        (choice(WHOLE, r#""logprobs":null"#).replace("stop", "eos"), vec![("/choices/0/finish_reason", "enum")]),
    ]
}

#[test]
fn strict_refuses_what_validation_lists_but_what_may_be_null() {
    let (schema, mut encoder) = (schema(), Encoder::default());
    for (choice, expected) in cases() {
        let text = completion(&choice);
        let wire = encoder.json_to_wire(&schema, text.as_bytes(), EncodeOptions::default()).expect(&text).to_vec();
        assert_eq!(short(&validate(&schema, &wire, false).expect(&text)), expected, "{text}");
        let refused: Vec<_> = expected.into_iter().filter(|each| each.1 != "required_nullable").collect();
        assert_eq!(short(&validate(&schema, &wire, true).expect(&text)), refused, "{text}");
        assert_eq!(short(&encoder.violations(&schema, &wire).expect(&text)), refused, "{text}");
    }
    // What one document broke is not held against the next.
    let whole = completion(&cases()[0].0);
    let wire = encoder.json_to_wire(&schema, whole.as_bytes(), EncodeOptions::default()).expect(&whole).to_vec();
    assert_eq!(encoder.violations(&schema, &wire), Ok(Vec::new()));
}

const CHOICES: u32 = 5;
const USAGE: u32 = 6;
const SERVICE_TIER: u32 = 7;

#[test]
fn the_pieces_of_a_message_are_one() {
    let schema = schema();
    let rules = |wire: &[u8]| {
        let found = validate(&schema, wire, false).expect("readable");
        short(&found)
            .into_iter()
            .filter(|each| each.0.starts_with("/usage"))
            .map(|each| each.1.to_owned())
            .collect::<Vec<_>>()
    };
    let [one, two, three] = [1, 2, 3].map(|number| integer(number, 7));
    assert_eq!(rules(&bytes(USAGE, &[one.clone(), two.clone(), three.clone()].concat())), [""; 0]);
    assert_eq!(rules(&[bytes(USAGE, &one), bytes(USAGE, &two), bytes(USAGE, &three)].concat()), [""; 0]);
    assert_eq!(rules(&[bytes(USAGE, &one), bytes(USAGE, &two)].concat()), ["required"]);
}

#[test]
fn the_last_number_of_an_enum_counts() {
    let schema = schema();
    for (numbers, expected) in [(&[1, 99][..], Some("enum")), (&[99, 1], None), (&[99, 0], Some("unspecified"))] {
        let wire: Vec<u8> = numbers.iter().flat_map(|&number| integer(SERVICE_TIER, number)).collect();
        let found = validate(&schema, &wire, false).expect("readable");
        let rule = found.iter().find(|each| each.path == "/service_tier").map(|each| each.rule);
        assert_eq!(rule, expected, "{numbers:?}");
    }
}

#[test]
fn violations_in_arrays_have_the_index_of_their_item() {
    let schema = Schema::new(&node_set(), "t.Node").expect("a message of the mapping");
    let text = r#"{"nodes":[{},{"text":1},{},{"text":2}],"colors":["red","x"]}"#;
    let wire =
        Encoder::default().json_to_wire(&schema, text.as_bytes(), EncodeOptions::default()).expect(text).to_vec();
    let found = validate(&schema, &wire, false).expect("readable");
    assert_eq!(short(&found), [("/nodes/1/text", "type"), ("/nodes/3/text", "type"), ("/colors", "type")]);
    // Packed, one by one, and both.
    let one_by_one = [1, 5, 700, 9].map(|number| integer(22, number)).concat();
    let packed = bytes(22, &[1, 5, 700, 9].map(varint).concat());
    for (wire, places) in [
        (one_by_one.clone(), &[1, 3][..]),
        (packed.clone(), &[1, 3]),
        ([one_by_one.clone(), packed.clone()].concat(), &[1, 3, 5, 7]),
        ([packed, one_by_one].concat(), &[1, 3, 5, 7]),
    ] {
        let found = validate(&schema, &wire, false).expect("readable");
        let paths: Vec<String> = places.iter().map(|place| format!("/colors/{place}")).collect();
        assert_eq!(found.iter().map(|each| each.path.clone()).collect::<Vec<_>>(), paths);
    }
}

#[test]
fn hostile_messages_are_read_in_no_square_time_and_list_few() {
    let schema = schema();
    // An interpreter of the code takes a thousand times as long.
    let count = if cfg!(miri) { 1_000 } else { 500_000 };
    let choices: Vec<u8> = (0..count).flat_map(|_| bytes(CHOICES, b"")).collect();
    let usages: Vec<u8> = (0..count).flat_map(|_| bytes(USAGE, b"")).collect();
    let found = validate(&schema, &[choices, usages].concat(), false).expect("readable");
    assert_eq!((found.len(), found.last().map(|each| each.rule)), (1001, Some("more")));
}

#[test]
fn bytes_cut_or_flipped_anywhere_are_read_or_refused() {
    let (schema, mut encoder) = (schema(), Encoder::default());
    for (choice, _) in cases() {
        let text = completion(&choice);
        let wire = encoder.json_to_wire(&schema, text.as_bytes(), EncodeOptions::default()).expect(&text).to_vec();
        for at in 0..wire.len() {
            drop(validate(&schema, &wire[..at], false));
            for bit in 0..8 {
                let mut flipped = wire.clone();
                flipped[at] ^= 1 << bit;
                drop(validate(&schema, &flipped, false));
            }
        }
    }
}

#[test]
fn items_of_a_list_in_a_union_are_validated() {
    let schema = Schema::new(contract(), "chatcompletion.v1.CreateChatCompletionRequest").expect("a request");
    let part = |text: &str| format!(r#"{{"type":"text","text":{text}}}"#);
    let text = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{},{},{}]}}]}}"#,
        part("\"a\""),
        part("5"),
        part("[]")
    );
    let mut encoder = Encoder::default();
    let wire = encoder.json_to_wire(&schema, text.as_bytes(), EncodeOptions::default()).expect("a request").to_vec();
    let found = validate(&schema, &wire, false).expect("readable");
    let paths: Vec<&str> = found.iter().map(|each| each.path.as_str()).collect();
    assert_eq!(paths, ["/messages/0/content/1/text", "/messages/0/content/2/text"]);
}
