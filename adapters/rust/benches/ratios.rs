//! Measures the conversions of completions beside serde_json, which parses into a `Value` and prints one:
//!
//!     zcat COMPLETIONS.jsonl.gz | cargo bench
//!
//! Both sides take turns of a few rounds, so that other work on the machine changes the ratios little, and neither side is
//! measured with what the other left in the caches; each figure is the fastest of all rounds. What a side makes, it also
//! frees.

use chatpb::Codec;
use serde_json::Value;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const TURNS: usize = 80;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let input = std::io::read_to_string(std::io::stdin())?;
    let texts: Vec<&str> = input.lines().filter(|line| !line.trim().is_empty()).collect();
    if texts.is_empty() {
        return Err("no JSON lines on standard input".into());
    }
    let codec = Codec::completion();
    let wires = texts.iter().map(|text| codec.json_to_wire(text)).collect::<Result<Vec<_>, _>>()?;
    let values = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Value>, _>>()?;
    let mut append = Vec::new();

    let [to_wire, append_wire, parse, to_json, print] = fastest([
        &mut || texts.iter().for_each(|text| drop(black_box(codec.json_to_wire(text)))),
        &mut || {
            append.clear();
            texts.iter().for_each(|text| codec.append_wire(text, &mut append).expect("acceptable JSON"));
        },
        &mut || texts.iter().for_each(|text| drop(black_box(serde_json::from_str::<Value>(text)))),
        &mut || wires.iter().for_each(|wire| drop(black_box(codec.wire_to_json(wire)))),
        &mut || values.iter().for_each(|value| drop(black_box(serde_json::to_string(value)))),
    ]);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / texts.len() as f64;
    println!("{} documents, {} bytes on average; µs a document:", texts.len(), input.len() / texts.len());
    println!(
        "json_to_wire {:.3}, append_wire {:.3}, serde_json parses {:.3}",
        each(to_wire),
        each(append_wire),
        each(parse)
    );
    println!("wire_to_json {:.3}, serde_json prints {:.3}", each(to_json), each(print));
    println!("json_to_wire over serde_json's parse into a Value: {:.2}", each(to_wire) / each(parse));
    println!("wire_to_json over serde_json's print of a Value: {:.2}", each(to_json) / each(print));
    Ok(())
}

/// Return the time of the fastest round of each function.
fn fastest<const N: usize>(mut functions: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..TURNS {
        for (function, best) in functions.iter_mut().zip(&mut best) {
            for _ in 0..ROUNDS {
                let start = Instant::now();
                function();
                *best = start.elapsed().min(*best);
            }
        }
    }
    best
}
