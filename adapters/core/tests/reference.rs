//! Cases of the reference engine: the same results, and the same errors. `python -m tests.make_core_cases` writes them.

#[path = "support/outcomes.rs"]
mod outcomes;

use chatpb_core::{Encoder, Printer};
use outcomes::{Codec, from_hex};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

#[test]
fn both_engines_have_the_same_outcomes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let set = fs::read(folder.join("everything.binpb")).expect("descriptors");
    let cases = fs::read_to_string(folder.join("cases.txt")).expect("cases");
    let mut codecs = HashMap::new();
    for case in cases.lines().filter(|line| !line.starts_with("column ")) {
        let [function, name, options, given, expected] =
            case.split(' ').collect::<Vec<_>>().try_into().expect("a case");
        let (options, given, expected) = (options.parse().expect("bits"), from_hex(given), from_hex(expected));
        let outcome = |codec: &mut Codec| codec.outcome(function, options, &given);
        let codec = codecs.entry(name).or_insert_with(|| Codec::new(name, &set));
        if function == "columns" {
            codec.read_columns(name, &cases);
        }
        for found in [outcome(codec), outcome(codec)] {
            let [found, expected] = [&found, &expected].map(|bytes| String::from_utf8_lossy(bytes));
            assert_eq!(found, expected, "{function} {name} {options} {}", String::from_utf8_lossy(&given));
        }
        // The text and the bytes end where they end, wherever they stand.
        codec.encoder = Encoder::default();
        codec.printer = Printer::default();
        assert_eq!(outcome(codec), expected);
    }
    assert!(cases.lines().count() > 1000);
}
