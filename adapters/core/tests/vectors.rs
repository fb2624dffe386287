//! The golden vectors of all languages, both ways, each with an encoder and a printer of its own and with shared ones.

use chatpb_core::{EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, contract};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

struct Vector {
    name: String,
    message: String,
    /// Some vectors are of wire bytes that no document gives.
    input: Option<Vec<u8>>,
    wire: Vec<u8>,
    expected: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut folders: Vec<PathBuf> = fs::read_dir(folder).expect("vectors").map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| read_vector(folder)).collect()
}

fn read_vector(folder: &Path) -> Vector {
    let read = |file: &str| fs::read(folder.join(file));
    let case = String::from_utf8(read("case.json").expect("a case")).expect("UTF-8");
    let (_, rest) = case.split_once("\"message\": \"").expect("a message");
    Vector {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        message: rest.split_once('"').expect("a name").0.to_owned(),
        input: read("input.json").ok(),
        wire: read("wire.binpb").expect("wire bytes"),
        expected: read("expected.json").expect("JSON text"),
    }
}

#[test]
fn vectors_hold_both_ways() {
    let vectors = vectors();
    assert!(vectors.len() > 100 && vectors.iter().any(|vector| vector.input.is_none()));
    let mut plans = HashMap::new();
    let (mut encoder, mut printer) = (Encoder::default(), Printer::default());
    for Vector { name, message, input, wire, expected } in &vectors {
        let plan = plans
            .entry(message)
            .or_insert_with(|| PrintPlan::new(Schema::new(contract(), message).expect("a message of the contract")));
        if let Some(input) = input {
            for encoder in [&mut encoder, &mut Encoder::default()] {
                let made = encoder.json_to_wire(plan.schema(), input, EncodeOptions::default());
                assert_eq!(made.expect(name), wire, "{name}");
            }
        }
        for printer in [&mut printer, &mut Printer::default()] {
            let made = printer
                .wire_to_json(plan, wire, PrintOptions { refuse_unknown: false, ..PrintOptions::default() })
                .expect(name);
            assert_eq!(String::from_utf8_lossy(made), String::from_utf8_lossy(expected), "{name}");
        }
    }
}
