//! A function of the core as a name, an input and options as bits, and its outcome as bytes, for tests that compare outcomes.

#![allow(dead_code)] // each program uses what it needs

use chatpb_core::{
    Column, ColumnError, ColumnReader, ColumnType, EncodeOptions, Encoder, JsonError, LinesError, PrintOptions,
    PrintPlan, Printer, Rows, Schema, StreamAccumulator, StreamRules, StreamSplitter, Violation, WireError, Written,
    compact_records, compact_stream, contract, expand_records, expand_stream, json_lines_to_wire, json_to_wire_rows,
    messages_of_rows, rows_of_messages, validate, wire_to_json_lines, wire_to_json_rows,
};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// The tag of a record's stream.
const RECORD_STREAM: u32 = 8 << 3 | 2;

/// What a case is about, with an encoder and a printer that have guessed for it.
pub struct Codec {
    pub encoder: Encoder,
    pub printer: Printer,
    plan: PrintPlan,
    rules: Arc<StreamRules>,
    columns: Option<ColumnReader>,
}

impl Codec {
    pub fn new(name: &str, set: &[u8]) -> Codec {
        let schema = Schema::new(set, &format!("everything.{name}"))
            .or_else(|_| Schema::new(contract(), &format!("chatcompletion.v1.{name}")))
            .expect(name);
        let rules = Arc::new(StreamRules::new(&schema));
        let (encoder, printer) = (Encoder::default(), Printer::default());
        Codec { encoder, printer, plan: PrintPlan::new(schema), rules, columns: None }
    }

    /// Set the columns that the function `columns` reads: those of a type in the lines `column TYPE KIND PATHS`.
    pub fn read_columns(&mut self, name: &str, lines: &str) {
        let columns = lines.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter_map(|line| match line[..] {
            ["column", of, kind, paths] if of == name => {
                let kind = match kind {
                    "integer" => ColumnType::Integer,
                    "number" => ColumnType::Number,
                    "string" => ColumnType::String,
                    "strings" => ColumnType::Strings,
                    _ => ColumnType::Present,
                };
                Some((kind, paths.split(',').map(str::to_owned).collect()))
            }
            _ => None,
        });
        self.columns = Some(ColumnReader::new(self.plan.schema(), &columns.collect::<Vec<_>>()).expect("columns"));
    }

    /// Return JSON text as it is printed once it is encoded, or `None` if it is refused.
    pub fn printed(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let encode = EncodeOptions { nonfinite: true, ..EncodeOptions::default() };
        let wire = self.encoder.json_to_wire(self.plan.schema(), text, encode).ok()?.to_vec();
        let print = PrintOptions { nonfinite: true, ..PrintOptions::default() };
        Some(self.printer.wire_to_json(&self.plan, &wire, print).expect("what was encoded can be printed").to_vec())
    }

    /// Return the outcome of a function: `=` and the result, or `!` and the parts of the error. Texts in rows are lines,
    /// wire bytes in rows are messages after their lengths.
    pub fn outcome(&mut self, function: &str, options: usize, given: &[u8]) -> Vec<u8> {
        let flag = |bit: usize| options & bit != 0;
        let print = PrintOptions { fill_required: flag(1), refuse_unknown: flag(2), nonfinite: flag(4) };
        let encode = EncodeOptions { canonical: flag(1), nonfinite: flag(2), ..EncodeOptions::default() };
        let (schema, memory) = (self.plan.schema(), &mut Memory::new(if flag(16) { 200 } else { 0 }));
        let threads = if flag(8) && cfg!(not(target_family = "wasm")) { 2 } else { 1 };
        match function {
            "encode" => self.encode(given, encode, flag(4)),
            "print" => match self.printer.wire_to_json(&self.plan, given, print) {
                Ok(text) => result(text),
                Err(error) => wire_error(&error),
            },
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
            "compact" => with_rows(given, |chunks| match compact_stream(schema, chunks) {
                Ok(stream) => result(&stream),
                Err(error) => wire_error(&error),
            }),
            "record" => {
                let convert = if flag(1) { compact_records } else { expand_records };
                match convert(schema, &[given], RECORD_STREAM, 1, memory.room()) {
                    Ok(rows) => result(&memory.written(&rows.data)),
                    Err(error) => row_error(error),
                }
            }
            "lines" => match json_lines_to_wire(schema, given, encode, flag(4), threads, memory.room()) {
                Ok(written) => result(&memory.written(&written)),
                Err(LinesError::Json(error)) => json_error(&error),
                Err(LinesError::Contract(found)) => violations(Ok(found)),
                Err(LinesError::Wire(error)) => wire_error(&error),
            },
            "messages" => match wire_to_json_lines(&self.plan, given, print, threads, memory.room()) {
                Ok(written) => result(&memory.written(&written)),
                Err(error) => wire_error(&error),
            },
            "text_rows" => {
                let rows: Vec<&[u8]> = given.split(|&byte| byte == b'\n').collect();
                match json_to_wire_rows(schema, &rows, encode, threads, memory.room()) {
                    Ok(rows) => memory.rows(&rows),
                    Err((row, error)) => json_error(&JsonError { path: format!("/{row}{}", error.path), ..error }),
                }
            }
            "wire_rows" => {
                with_rows(given, |rows| match wire_to_json_rows(&self.plan, rows, print, threads, memory.room()) {
                    Ok(rows) => memory.rows(&rows),
                    Err(error) => row_error(error),
                })
            }
            "columns" => with_rows(given, |rows| match self.columns.as_ref().expect("columns").read(rows, threads) {
                Ok(columns) => result(&columns.into_iter().flat_map(Column::buffers).collect::<Vec<_>>().join(&b'|')),
                Err(ColumnError::Wire(error)) => wire_error(&error),
                Err(ColumnError::TooLarge) => failure(&["too large".to_owned()]),
            }),
            _ => panic!("no function is called {function}"),
        }
    }

    fn encode(&mut self, text: &[u8], options: EncodeOptions, strict: bool) -> Vec<u8> {
        let wire = match self.encoder.json_to_wire(self.plan.schema(), text, options) {
            Ok(wire) => wire.to_vec(),
            Err(error) => return json_error(&error),
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

/// Memory for results, which is as large as it may be.
struct Memory(Vec<MaybeUninit<u8>>);

impl Memory {
    fn new(size: usize) -> Memory {
        Memory(vec![MaybeUninit::new(0); size])
    }

    fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.0
    }

    /// Return what was written here and what had no room.
    fn written(&self, Written { size, overflow }: &Written) -> Vec<u8> {
        // SAFETY: every byte was written by `new`.
        let here = self.0[..*size].iter().map(|byte| unsafe { byte.assume_init() });
        here.chain(overflow.concat()).collect()
    }

    /// Return the outcome of rows: each after its length.
    fn rows(&self, Rows { data, offsets }: &Rows) -> Vec<u8> {
        let bytes = self.written(data);
        assert_eq!((offsets[0], offsets.last()), (0, Some(&(bytes.len() as i64))));
        let rows = offsets.windows(2).map(|pair| &bytes[pair[0] as usize..pair[1] as usize]);
        result(&messages_of_rows(&rows.collect::<Vec<_>>()))
    }
}

/// Return the outcome of rows that are given as messages after their lengths.
fn with_rows(given: &[u8], outcome: impl FnOnce(&[&[u8]]) -> Vec<u8>) -> Vec<u8> {
    let Some((data, offsets)) = rows_of_messages(given) else { return failure(&["no rows".to_owned()]) };
    let rows = offsets.windows(2).map(|pair| &data[pair[0] as usize..pair[1] as usize]);
    outcome(&rows.collect::<Vec<_>>())
}

fn result(bytes: &[u8]) -> Vec<u8> {
    [b"=", bytes].concat()
}

fn failure(parts: &[String]) -> Vec<u8> {
    [b"!".to_vec(), parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>().join(&b'\xff')].concat()
}

fn json_error(JsonError { path, line, column, offset, reason }: &JsonError) -> Vec<u8> {
    failure(&[path.clone(), line.to_string(), column.to_string(), offset.to_string(), reason.clone()])
}

fn row_error((row, error): (usize, WireError)) -> Vec<u8> {
    wire_error(&WireError { path: format!("/{row}{}", error.path), ..error })
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

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).expect("digits")).collect()
}
