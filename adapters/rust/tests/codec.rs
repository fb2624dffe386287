//! Conversions of documents: the vectors of all languages, options, errors, lines, threads.

mod support;

use chatpb::{Accumulator, ChunkReader, Codec, Error, Options, Splitter, delimited_messages};
use std::collections::HashMap;
use support::{corpus, vectors};

const COMPLETION: &str = "chatcompletion.v1.ChatCompletion";

#[test]
fn vectors_hold_both_ways() {
    let mut codecs = HashMap::new();
    for vector in vectors() {
        let codec = codecs.entry(vector.message.clone()).or_insert_with(|| Codec::new(&vector.message).unwrap());
        if let Some(input) = &vector.input {
            assert_eq!(codec.json_to_wire(input).unwrap(), vector.wire, "{}", vector.name);
        }
        // The JSON of a vector lacks the fields that the contract does not have.
        let skipping = codec.with(Options { skip_unknown: true, ..Options::default() });
        assert_eq!(skipping.wire_to_json(&vector.wire).unwrap(), vector.expected, "{}", vector.name);
    }
}

#[test]
fn results_are_appended_and_errors_append_nothing() {
    let codec = Codec::completion();
    let (json, wire) = (r#"{"id":"a"}"#, b"\x0a\x01a");
    let mut out = b"x".to_vec();
    codec.append_wire(json, &mut out).unwrap();
    assert_eq!(out, b"x\x0a\x01a");
    codec.append_json(wire, &mut out).unwrap();
    assert_eq!(out, b"x\x0a\x01a{\"id\":\"a\"}");
    let strict = codec.with(Options { strict: true, ..Options::default() });
    let before = out.clone();
    for error in [
        codec.append_wire(r#"{"id":"b","x":}"#, &mut out),
        strict.append_wire(r#"{"id":1}"#, &mut out),
        codec.append_json(b"\x0a\x02a", &mut out),
    ] {
        assert!(error.is_err());
        assert_eq!(out, before);
    }
}

#[test]
fn options() {
    let codec = Codec::completion();
    let with = |options| codec.with(options);
    let all = Options { canonical: true, nonfinite: true, strict: true, fill_required: true, skip_unknown: true };
    assert_eq!(with(all).options(), all);
    assert_eq!(codec.options(), Options::default());

    let canonical = with(Options { canonical: true, ..Options::default() });
    let (one, other) = (r#"{"metadata":{"a":"1","b":"2"}}"#, r#"{"metadata":{"b":"2","a":"1"}}"#);
    assert_eq!(canonical.json_to_wire(one).unwrap(), canonical.json_to_wire(other).unwrap());
    assert_ne!(codec.json_to_wire(one).unwrap(), codec.json_to_wire(other).unwrap());

    let nonfinite = with(Options { nonfinite: true, ..Options::default() });
    let wire = nonfinite.json_to_wire(r#"{"x":NaN}"#).unwrap();
    assert_eq!(nonfinite.wire_to_json(&wire).unwrap(), r#"{"x":NaN}"#);
    assert_eq!(codec.wire_to_json(&wire).unwrap_err().code(), "wire");
    assert_eq!(codec.json_to_wire(r#"{"x":NaN}"#).unwrap_err().code(), "json");

    let filling = with(Options { fill_required: true, ..Options::default() });
    assert_eq!(codec.wire_to_json([]).unwrap(), "{}");
    assert_eq!(filling.wire_to_json([]).unwrap(), r#"{"choices":[]}"#);

    let unknown = [0x0a, 1, b'a', 0xa0, 6, 1];
    let skipping = with(Options { skip_unknown: true, ..Options::default() });
    assert_eq!(skipping.wire_to_json(unknown).unwrap(), r#"{"id":"a"}"#);
    assert!(codec.wire_to_json(unknown).unwrap_err().to_string().starts_with("field 100, "));
}

#[test]
fn strict_refuses_what_typed_readers_fail_on() {
    let strict = Codec::completion().with(Options { strict: true, ..Options::default() });
    let Error::Contract(violations) = strict.json_to_wire(r#"{"id":1}"#).unwrap_err() else { panic!("no violations") };
    let wire = Codec::completion().json_to_wire(r#"{"id":1}"#).unwrap();
    assert_eq!(violations, strict.validate(&wire).unwrap());
    assert!(violations.iter().any(|violation| violation.path == "/id"));
    let full = corpus("completion").into_iter().find(|text| strict.json_to_wire(text).is_ok()).unwrap();
    assert_eq!(strict.json_to_wire(&full).unwrap(), Codec::completion().json_to_wire(&full).unwrap());

    let lines = format!("{full}\n\n{{\"id\":1}}\n");
    let Error::Contract(found) = strict.json_lines_to_wire(lines, 1).unwrap_err() else { panic!("no violations") };
    let paths: Vec<_> = violations.iter().map(|violation| format!("/1{}", violation.path)).collect();
    assert_eq!(found.iter().map(|violation| violation.path.clone()).collect::<Vec<_>>(), paths);
}

#[test]
fn errors_have_a_code_a_place_and_words() {
    let codec = Codec::completion();
    let json = codec.json_to_wire("{\"id\":\n tru}").unwrap_err();
    assert_eq!((json.code(), json.path()), ("json", Some("/id")));
    assert_eq!((json.line(), json.column(), json.offset()), (Some(2), Some(2), Some(8)));
    let text = json.to_string();
    assert!(text.ends_with(" at line 2, column 2 (byte 8), in /id"), "{text}");

    let wire = codec.wire_to_json(b"\x0a\x05a").unwrap_err();
    assert_eq!((wire.code(), wire.path(), wire.line(), wire.offset()), ("wire", Some(""), None, Some(0)));
    assert!(wire.to_string().ends_with(" at byte 0"), "{wire}");

    let strict = codec.with(Options { strict: true, ..Options::default() });
    let contract = strict.json_to_wire(r#"{"id":1}"#).unwrap_err();
    assert_eq!((contract.code(), contract.path(), contract.offset()), ("contract", None, None));
    assert!(contract.to_string().contains(" of the contract: "), "{contract}");
    let choices = vec!["1"; 30].join(",");
    let many = strict.json_to_wire(format!(r#"{{"choices":[{choices}]}}"#)).unwrap_err();
    assert!(many.to_string().contains("; and ") == (violations_of(&many) > 20), "{many}");

    for schema in [
        Codec::new("chatcompletion.v1.Nothing").unwrap_err(),
        Codec::of_descriptors(b"\xff", COMPLETION).unwrap_err(),
        Codec::new("chatcompletion.v1.StringList").unwrap_err(),
    ] {
        assert_eq!(schema.code(), "schema");
        assert!(!schema.to_string().is_empty());
    }
}

fn violations_of(error: &Error) -> usize {
    let Error::Contract(violations) = error else { panic!("no violations") };
    violations.len()
}

#[test]
fn lines_equal_their_documents() {
    let codec = Codec::completion();
    let texts: Vec<String> = std::iter::repeat_with(|| corpus("completion")).take(20).flatten().collect();
    let wires: Vec<Vec<u8>> = texts.iter().map(|text| codec.json_to_wire(text).unwrap()).collect();
    let lines = texts.join("\n");
    assert!(lines.len() > 1 << 18, "more than a thread takes at a time");
    for threads in [0, 1, 3] {
        let made = codec.json_lines_to_wire(&lines, threads).unwrap();
        assert_eq!(delimited_messages(&made).unwrap(), wires);
        let printed = codec.wire_to_json_lines(&made, threads).unwrap();
        let expected: String = wires.iter().map(|wire| codec.wire_to_json(wire).unwrap() + "\n").collect();
        assert_eq!(printed, expected);
    }
    let wrong = codec.json_lines_to_wire(lines.clone() + "\n{\"id\":tru}", 2).unwrap_err();
    assert_eq!((wrong.line(), wrong.offset()), (Some(texts.len() + 1), Some(lines.len() + 7)));
    assert_eq!(codec.json_lines_to_wire(" \n\n", 1).unwrap(), b"");
    assert_eq!(delimited_messages(b"\x05a").unwrap_err().code(), "wire");
    assert_eq!(codec.wire_to_json_lines(b"\x05a", 1).unwrap_err().code(), "wire");
}

#[test]
fn large_documents_leave_small_buffers() {
    let codec = Codec::completion();
    let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(3 << 20));
    let wire = codec.json_to_wire(&large).unwrap();
    assert_eq!(codec.wire_to_json(&wire).unwrap(), large);
    assert_eq!(codec.wire_to_json(codec.json_to_wire("{}").unwrap()).unwrap(), "{}");
}

#[test]
fn threads_share_a_codec() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Codec>();
    shared::<Error>();
    shared::<Accumulator>();
    shared::<Splitter>();
    shared::<ChunkReader>();

    let (codec, texts) = (Codec::completion(), corpus("completion"));
    let expected: Vec<String> =
        texts.iter().map(|text| codec.wire_to_json(codec.json_to_wire(text).unwrap()).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (text, expected) in texts.iter().zip(&expected) {
                    assert_eq!(codec.wire_to_json(codec.json_to_wire(text).unwrap()).unwrap(), *expected);
                    assert!(codec.json_to_wire(&text[1..]).is_err());
                }
            });
        }
    });
}
