//! Converts each line of a file many times, for profilers: `repeat encode|decode MESSAGE LINES TIMES`, where MESSAGE is a
//! message of the contract, such as ChatCompletion. Prints the time that a document takes in the fastest round.

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, contract};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, direction, message, lines, times] = arguments.as_slice() else {
        panic!("repeat encode|decode MESSAGE LINES TIMES");
    };
    let schema = Schema::new(contract(), &format!("chatcompletion.v1.{message}")).expect("a message of the contract");
    let plan = PrintPlan::new(schema);
    let lines = std::fs::read(lines).expect("the lines");
    let documents: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let times: usize = times.parse().expect("a count");
    let mut encoder = Encoder::default();
    let mut printer = Printer::default();
    let encode = |encoder: &mut Encoder, text: &[u8]| {
        encoder.json_to_wire(plan.schema(), text, EncodeOptions::default()).expect("acceptable JSON").to_vec()
    };
    let wires: Vec<Vec<u8>> = documents.iter().map(|text| encode(&mut encoder, text)).collect();
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        if direction == "encode" {
            for text in &documents {
                let wire = encoder.json_to_wire(plan.schema(), text, EncodeOptions::default());
                std::hint::black_box(wire.expect("acceptable JSON"));
            }
        } else {
            for wire in &wires {
                let text = printer.wire_to_json(&plan, wire, PrintOptions::default());
                std::hint::black_box(text.expect("a valid message"));
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{:.3} µs a document", best * 1e6 / documents.len() as f64);
}
