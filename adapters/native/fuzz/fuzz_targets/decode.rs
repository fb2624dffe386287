//! Any bytes as a message: an error, or JSON text that is stable after one round.

#![no_main]

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, Printer, Schema};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::parse(include_str!("../table.txt")).expect("the table of ChatCompletion"));

fuzz_target!(|data: &[u8]| {
    let Some((&flags, wire)) = data.split_first() else { return };
    let options =
        PrintOptions { fill_required: flags & 1 != 0, refuse_unknown: flags & 2 != 0, nonfinite: flags & 4 != 0 };
    let mut printer = Printer::default();
    let Ok(text) = printer.wire_to_json(&SCHEMA, wire, options).map(<[u8]>::to_vec) else { return };
    let mut encoder = Encoder::default();
    let encode = EncodeOptions { nonfinite: options.nonfinite, ..EncodeOptions::default() };
    // Most comes of a byte where the elements of an array name their members as null or, with `fill_required`, are empty:
    // 119 characters of four bytes, and 73 of two, in `moderation.output.results`. 256 is for what comes once.
    assert!(text.len() <= 256 + wire.len() * if options.fill_required { 40 } else { 32 });
    // The first round may respell what a message holds as JSON text and a Struct could hold: `-0e400` is `-0.0`.
    let again = encoder.json_to_wire(&SCHEMA, &text, encode).expect("what was printed can be encoded").to_vec();
    let once = printer.wire_to_json(&SCHEMA, &again, options).expect("and printed again").to_vec();
    let again = encoder.json_to_wire(&SCHEMA, &once, encode).expect("and encoded").to_vec();
    let twice = printer.wire_to_json(&SCHEMA, &again, options).expect("and printed");
    assert_eq!(once, twice);
});
