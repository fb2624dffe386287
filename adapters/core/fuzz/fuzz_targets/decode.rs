//! Decodes any bytes: they give an error, or JSON text that is stable after one round trip.

#![no_main]

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, contract, validate};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PLAN: LazyLock<PrintPlan> = LazyLock::new(|| {
    let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletion").expect("a message of the contract");
    PrintPlan::new(schema)
});

fuzz_target!(|data: &[u8]| {
    let Some((&flags, wire)) = data.split_first() else { return };
    let options =
        PrintOptions { fill_required: flags & 1 != 0, refuse_unknown: flags & 2 != 0, nonfinite: flags & 4 != 0 };
    let validated = validate(PLAN.schema(), wire, flags & 8 != 0);
    let mut printer = Printer::default();
    let Ok(text) = printer.wire_to_json(&PLAN, wire, options).map(<[u8]>::to_vec) else { return };
    assert!(validated.is_ok_and(|violations| violations.len() <= 1001));
    let mut encoder = Encoder::default();
    let encode = EncodeOptions { nonfinite: options.nonfinite, ..EncodeOptions::default() };
    // Text outgrows its wire bytes most in `moderation.output.results`: an item whose null bits name its members takes
    // 119 characters for four bytes, and an empty item with `fill_required` 73 for two. 256 covers what comes once.
    assert!(text.len() <= 256 + wire.len() * if options.fill_required { 40 } else { 32 });
    // The first round trip may respell JSON text whose value a Struct could hold: `-0e400` becomes `-0.0`.
    let again = encoder.json_to_wire(PLAN.schema(), &text, encode).expect("what was printed can be encoded").to_vec();
    let once = printer.wire_to_json(&PLAN, &again, options).expect("and printed again").to_vec();
    let again = encoder.json_to_wire(PLAN.schema(), &once, encode).expect("and encoded").to_vec();
    let twice = printer.wire_to_json(&PLAN, &again, options).expect("and printed");
    assert_eq!(once, twice);
});
