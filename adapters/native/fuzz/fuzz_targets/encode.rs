//! Any bytes as JSON text: an error, or a message whose text encodes to the same message again.

#![no_main]

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, Printer, Schema};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse(include_str!("../table.txt")).expect("the table of ChatCompletion"));

fuzz_target!(|data: &[u8]| {
    let Some((&flags, text)) = data.split_first() else { return };
    let options = EncodeOptions { canonical: flags & 1 != 0, nonfinite: flags & 2 != 0, ..EncodeOptions::default() };
    let mut encoder = Encoder::default();
    let Ok(wire) = encoder.json_to_wire(&SCHEMA, text, options).map(<[u8]>::to_vec) else { return };
    // Most comes of a byte in open arrays: `0,` is eleven bytes.
    assert!(wire.len() <= 6 * text.len());
    let mut printer = Printer::default();
    let print = PrintOptions { nonfinite: options.nonfinite, ..PrintOptions::default() };
    let printed = printer.wire_to_json(&SCHEMA, &wire, print).expect("what was encoded can be printed").to_vec();
    let sorted = EncodeOptions { canonical: true, ..options };
    let first = encoder.json_to_wire(&SCHEMA, text, sorted).expect("as before").to_vec();
    let second = encoder.json_to_wire(&SCHEMA, &printed, sorted).expect("what was printed can be encoded");
    assert_eq!(first, second);
});
