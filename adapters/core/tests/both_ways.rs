//! Tests of the core without Python, on a schema of their own. tests/engine compares the core with the reference engine.

mod support;

use chatpb_core::{
    EncodeOptions, Encoder, JsonError, LinesError, PrintOptions, PrintPlan, Printer, Schema, WireError, Written,
    json_lines_to_wire, wire_to_json_lines,
};
use std::mem::MaybeUninit;
use support::*;

fn schema() -> Schema {
    let weights = nested(
        "WeightsEntry",
        &[
            field("key", 1, SINGULAR, STRING, "", &[]),
            field("value", 2, SINGULAR, DOUBLE, "", &[]),
            bytes(7, &integer(7, 1)),
        ],
    );
    let outer = message(
        "Outer",
        &[
            field("content", 1, SINGULAR, STRING, "", &[options(&[nullable(), required()])]),
            field("index", 2, SINGULAR, INT32, "", &[]),
            field("color", 3, SINGULAR, ENUM, ".t.Color", &[]),
            field("inner", 4, REPEATED, MESSAGE, ".t.Inner", &[]),
            field("weights", 5, REPEATED, MESSAGE, ".t.Outer.WeightsEntry", &[]),
            field("schema", 6, SINGULAR, STRING, "", &[options(&[json_form(2)])]),
            field("data", 7, SINGULAR, BYTES, "", &[]),
            field("union_string", 8, SINGULAR, STRING, "", &[integer(9, 0)]),
            field("union_list", 9, SINGULAR, MESSAGE, ".t.List", &[integer(9, 0)]),
            bytes(8, &bytes(1, b"union")),
            homes(),
            weights,
        ],
    );
    let inner = message("Inner", &[field("octets", 1, SINGULAR, BYTES, "", &[options(&[json_form(1)])]), homes()]);
    let list = message("List", &[field("items", 1, REPEATED, INT64, "", &[])]);
    let color =
        enumeration("Color", &[("COLOR_UNSPECIFIED", 0, ""), ("COLOR_RED", 1, ""), ("COLOR_GREEN", 2, "gr\"\\")]);
    Schema::new(&set(&[outer, inner, list, color]), "t.Outer").expect("a message of the mapping")
}

fn encode(text: &str) -> Result<Vec<u8>, JsonError> {
    Encoder::default()
        .json_to_wire(&schema(), text.as_bytes(), EncodeOptions::default())
        .map(<[u8]>::to_vec)
        .map_err(|error| *error)
}

fn print(wire: &[u8]) -> Result<String, WireError> {
    let plan = PrintPlan::new(schema());
    let mut printer = Printer::default();
    let text = printer.wire_to_json(&plan, wire, PrintOptions::default()).map_err(|error| *error)?;
    Ok(String::from_utf8(text.to_vec()).expect("UTF-8"))
}

/// Documents whose members are in the order in which they print.
const DOCUMENTS: &[&str] = &[
    "{}",
    r#"{"content":"a\nb","index":-1,"color":"red"}"#,
    r#"{"content":null,"index":2147483647,"inner":[]}"#,
    r#"{"inner":[{},{"octets":[0,255]},{"octets":[]}],"weights":{"a":0.1,"b":-0.0}}"#,
    r#"{"weights":{},"schema":{"z":1e400,"a":[1.50,"\u0001"]},"data":"QUI="}"#,
    r#"{"union":"x"}"#,
    r#"{"union":[1,-9223372036854775808]}"#,
    r#"{"union":{"no":"home"}}"#,
    r#"{"index":1.5,"other":{"deep":[null,true,false,"é",1e300]}}"#,
    r#"{"data":"QUI","big":9007199254740993,"lone":"\ud83d"}"#,
];

#[test]
fn documents_come_back() {
    for text in DOCUMENTS {
        let wire = encode(text).expect(text);
        assert_eq!(print(&wire).as_deref(), Ok(*text), "{wire:?}");
    }
}

#[test]
fn documents_cut_anywhere_are_refused() {
    for text in DOCUMENTS.iter().filter(|text| text.is_ascii()) {
        for at in 0..text.len() {
            let error = encode(&text[..at]).expect_err(&text[..at]);
            assert_eq!((error.reason.as_str(), error.offset), ("unexpected end of the text", at));
        }
    }
}

#[test]
fn base64_is_bytes_in_one_spelling_alone() {
    const DATA_TAG: u8 = 7 << 3 | 2;
    for text in ["", "QQ==", "QUI=", "QUJD", "+/+/"] {
        let wire = encode(&format!("{{\"data\":\"{text}\"}}")).expect(text);
        assert_eq!(wire[0], DATA_TAG, "{text}");
    }
    for text in ["QQ", "QQ=", "QR==", "QUJ=", "QQ==QQ==", "QUJD ", "-_-_", "=", "===="] {
        let wire = encode(&format!("{{\"data\":\"{text}\"}}")).expect(text);
        assert_ne!(wire[0], DATA_TAG, "{text}");
    }
}

#[test]
fn messages_cut_or_flipped_anywhere_are_read_or_refused() {
    for text in DOCUMENTS {
        let wire = encode(text).expect(text);
        for at in 0..wire.len() {
            drop(print(&wire[..at]));
            for bit in 0..8 {
                let mut flipped = wire.clone();
                flipped[at] ^= 1 << bit;
                drop(print(&flipped));
            }
        }
    }
}

#[test]
fn an_error_says_where() {
    let error = encode("{\"inner\":\n [{\"é\":1,\"é\":2}]}").expect_err("a name twice");
    assert_eq!((error.path.as_str(), error.line, error.column, error.offset), ("/inner/0/é", 2, 10, 20));
    let error = print(b"\x22\x02\x0a\x05").expect_err("a length too large");
    assert_eq!((error.path.as_str(), error.offset), ("/inner/0", 2));
}

/// Return what is written to memory of `room` bytes, and behind it what had no room there.
fn filled(room: usize, work: impl FnOnce(&mut [MaybeUninit<u8>]) -> Written) -> Vec<u8> {
    let mut memory = vec![0; room].into_iter().map(MaybeUninit::new).collect::<Vec<_>>();
    let Written { size, overflow } = work(&mut memory);
    // SAFETY: every byte was written here.
    let written = memory[..size].iter().map(|byte| unsafe { byte.assume_init() });
    written.chain(overflow.concat()).collect()
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "WebAssembly has no threads")]
fn lines_are_in_order_for_any_number_of_threads() {
    let schema = schema();
    let text: String =
        (0..30_000).map(|n| format!("{{\"index\":{n}}}\n{}", if n % 7 == 0 { " \n" } else { "" })).collect();
    // With room for all, for some and for none.
    let wires: Vec<_> = [(1, 1 << 20), (2, 1 << 20), (5, 100_000), (2, 0)]
        .map(|(threads, room)| {
            filled(room, |memory| {
                json_lines_to_wire(&schema, text.as_bytes(), EncodeOptions::default(), false, threads, memory)
                    .expect("lines")
            })
        })
        .into();
    assert!(wires.windows(2).all(|pair| pair[0] == pair[1]));
    let plan = PrintPlan::new(schema);
    let back = filled(1 << 20, |memory| {
        wire_to_json_lines(&plan, &wires[0], PrintOptions::default(), 3, memory).expect("messages")
    });
    assert_eq!(back, text.replace(" \n", "").into_bytes());
    let broken = format!("{text}{{\"index\":}}\n{text}x");
    let done = json_lines_to_wire(plan.schema(), broken.as_bytes(), EncodeOptions::default(), true, 4, &mut []);
    let Err(LinesError::Json(error)) = done else { panic!("a bad line") };
    assert_eq!((error.line, error.column, error.offset), (text.lines().count() + 1, 10, text.len() + 9));
}

#[test]
fn a_hundred_thousand_names_take_no_square_time() {
    let members: Vec<String> = (0..100_000).map(|n| format!("\"n{n}\":{n}")).collect();
    let text = format!("{{{}}}", members.join(","));
    let wire = encode(&text).expect("distinct names");
    assert_eq!(print(&wire).map(|printed| printed.len()), Ok(text.len()));
    let twice = format!("{{{},\"n5\":0}}", members.join(","));
    assert!(encode(&twice).expect_err("a name twice").reason.starts_with("a second member"));
}
