//! Cases of the reference engine: the same results, and the same errors. `python -m tests.make_core_cases` writes them.

use chatpb_core::{
    EncodeOptions, Encoder, JsonError, PrintOptions, PrintPlan, Printer, Schema, StreamAccumulator, StreamRules,
    StreamSplitter, Violation, WireError, compact_records, compact_stream, contract, expand_records, expand_stream,
    rows_of_messages, validate,
};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The tag of a record's stream.
const RECORD_STREAM: u32 = 8 << 3 | 2;

/// What a case is about, with an encoder and a printer that have guessed for it.
struct Codec {
    plan: PrintPlan,
    rules: Arc<StreamRules>,
    encoder: Encoder,
    printer: Printer,
}

impl Codec {
    fn new(name: &str, set: &[u8]) -> Codec {
        let schema = Schema::new(set, &format!("everything.{name}"))
            .or_else(|_| Schema::new(contract(), &format!("chatcompletion.v1.{name}")))
            .expect(name);
        let rules = Arc::new(StreamRules::new(&schema));
        Codec { plan: PrintPlan::new(schema), rules, encoder: Encoder::default(), printer: Printer::default() }
    }

    /// Return the outcome of a function in the form of the cases.
    fn outcome(&mut self, function: &str, options: usize, given: &[u8]) -> Vec<u8> {
        let flag = |bit: usize| options & bit != 0;
        match function {
            "encode" => self.encode(given, flag(1), flag(2), flag(4)),
            "print" => {
                let options = PrintOptions { fill_required: flag(1), refuse_unknown: flag(2), nonfinite: flag(4) };
                match self.printer.wire_to_json(&self.plan, given, options) {
                    Ok(text) => result(text),
                    Err(error) => wire_error(&error),
                }
            }
            "validate" => violations(validate(self.plan.schema(), given, flag(1))),
            "accumulate" => self.accumulate(given),
            "split" => {
                let size = [None, Some(1), Some(2), Some(7)][options >> 1];
                let chunks = StreamSplitter::new(&self.rules, given, size, flag(1)).expect("an object");
                result(&chunks.collect::<Vec<_>>().join(&b'\n'))
            }
            "expand" => match expand_stream(self.plan.schema(), given) {
                Ok(chunks) => result(chunks.iter().map(|chunk| hex(chunk)).collect::<Vec<_>>().join("\n").as_bytes()),
                Err(error) => wire_error(&error),
            },
            "compact" => {
                let (data, offsets) = rows_of_messages(given).expect("messages");
                let chunks: Vec<&[u8]> =
                    offsets.windows(2).map(|pair| &data[pair[0] as usize..pair[1] as usize]).collect();
                match compact_stream(self.plan.schema(), &chunks) {
                    Ok(stream) => result(&stream),
                    Err(error) => wire_error(&error),
                }
            }
            "record" => {
                let convert = if flag(1) { compact_records } else { expand_records };
                match convert(self.plan.schema(), &[given], RECORD_STREAM, 1, &mut []) {
                    Ok(rows) => result(&rows.data.overflow.concat()),
                    Err((row, error)) => wire_error(&WireError { path: format!("/{row}{}", error.path), ..error }),
                }
            }
            _ => panic!("no function is called {function}"),
        }
    }

    fn encode(&mut self, text: &[u8], canonical: bool, nonfinite: bool, strict: bool) -> Vec<u8> {
        let options = EncodeOptions { canonical, nonfinite, ..EncodeOptions::default() };
        let wire = match self.encoder.json_to_wire(self.plan.schema(), text, options) {
            Ok(wire) => wire.to_vec(),
            Err(error) => {
                let JsonError { path, line, column, offset, reason } = *error;
                return failure(&[path, line.to_string(), column.to_string(), offset.to_string(), reason]);
            }
        };
        let broken = self.encoder.violations(self.plan.schema(), &wire).expect("what was encoded can be read");
        if strict && !broken.is_empty() { violations(Ok(broken)) } else { result(&wire) }
    }

    fn accumulate(&mut self, lines: &[u8]) -> Vec<u8> {
        let mut accumulator = StreamAccumulator::new(self.rules.clone());
        for line in lines.split(|&byte| byte == b'\n') {
            assert!(accumulator.add(line));
        }
        result(&accumulator.json())
    }
}

fn result(bytes: &[u8]) -> Vec<u8> {
    [b"=", bytes].concat()
}

fn failure(parts: &[String]) -> Vec<u8> {
    [b"!".to_vec(), parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>().join(&b'\xff')].concat()
}

fn wire_error(WireError { path, offset, reason }: &WireError) -> Vec<u8> {
    failure(&[path.clone(), offset.to_string(), reason.clone()])
}

fn violations(found: Result<Vec<Violation>, WireError>) -> Vec<u8> {
    match found {
        Ok(found) => {
            let parts = found.into_iter().flat_map(|each| [each.path, each.rule.to_owned(), each.message]);
            failure(&parts.collect::<Vec<_>>())
        }
        Err(error) => wire_error(&error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("digits")).collect()
}

#[test]
fn both_engines_have_the_same_outcomes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let set = fs::read(folder.join("everything.binpb")).expect("descriptors");
    let cases = fs::read_to_string(folder.join("cases.txt")).expect("cases");
    let mut codecs = HashMap::new();
    for case in cases.lines() {
        let [function, name, options, given, expected] =
            case.split(' ').collect::<Vec<_>>().try_into().expect("a case");
        let (options, given, expected) = (options.parse().expect("bits"), from_hex(given), from_hex(expected));
        let outcome = |codec: &mut Codec| codec.outcome(function, options, &given);
        let codec = codecs.entry(name).or_insert_with(|| Codec::new(name, &set));
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
