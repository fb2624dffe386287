//! Encodes any bytes: they give an error, or a message whose text encodes to the same message again.

#![no_main]

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, contract, validate};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PLAN: LazyLock<PrintPlan> = LazyLock::new(|| {
    let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletion").expect("a message of the contract");
    PrintPlan::new(schema)
});

fuzz_target!(|data: &[u8]| {
    let Some((&flags, text)) = data.split_first() else { return };
    let options = EncodeOptions { canonical: flags & 1 != 0, nonfinite: flags & 2 != 0, ..EncodeOptions::default() };
    let mut encoder = Encoder::default();
    let Ok(wire) = encoder.json_to_wire(PLAN.schema(), text, options).map(<[u8]>::to_vec) else { return };
    // Wire bytes outgrow their text most in an open array, where the item `0,` takes eleven.
    assert!(wire.len() <= 6 * text.len());
    // What the encoder notices of the contract is what validation finds.
    let violations = validate(PLAN.schema(), &wire, true).expect("what was encoded can be read");
    assert_eq!(encoder.violations(PLAN.schema(), &wire).as_ref(), Ok(&violations));
    let mut printer = Printer::default();
    let print = PrintOptions { nonfinite: options.nonfinite, ..PrintOptions::default() };
    let printed = printer.wire_to_json(&PLAN, &wire, print).expect("what was encoded can be printed").to_vec();
    let sorted = EncodeOptions { canonical: true, ..options };
    let first = encoder.json_to_wire(PLAN.schema(), text, sorted).expect("as before").to_vec();
    let second = encoder.json_to_wire(PLAN.schema(), &printed, sorted).expect("what was printed can be encoded");
    assert_eq!(first, second);
});
