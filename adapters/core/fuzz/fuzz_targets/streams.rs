//! Puts any chunks together, cuts any completion, makes streams compact and expands them: none is lost, and what comes out
//! can be encoded.

#![no_main]

use chatpb_core::{
    EncodeOptions, Encoder, PrintOptions, PrintPlan, Printer, Schema, StreamAccumulator, StreamRules, StreamSplitter,
    compact_stream, contract, expand_stream,
};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

struct Types {
    chunk: PrintPlan,
    completion: PrintPlan,
    rules: Arc<StreamRules>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let plan = |name: &str| {
        let schema = Schema::new(contract(), &format!("chatcompletion.v1.{name}")).expect("a message of the contract");
        PrintPlan::new(schema)
    };
    let (chunk, completion) = (plan("ChatCompletionChunk"), plan("ChatCompletion"));
    let rules = Arc::new(StreamRules::new(chunk.schema()));
    Types { chunk, completion, rules }
});

fuzz_target!(|data: &[u8]| {
    let Some((&flags, rest)) = data.split_first() else { return };
    let Types { chunk, completion, rules } = &*TYPES;
    let (mut encoder, mut printer) = (Encoder::default(), Printer::default());
    let encode = EncodeOptions { nonfinite: flags & 1 != 0, ..EncodeOptions::default() };
    let print = PrintOptions { nonfinite: encode.nonfinite, ..PrintOptions::default() };

    // Lines of JSON text are chunks, which an accumulator is given as a printer writes them.
    let mut accumulator = StreamAccumulator::new(rules.clone());
    let mut wires = Vec::new();
    for line in rest.split(|&byte| byte == b'\n') {
        let Ok(wire) = encoder.json_to_wire(chunk.schema(), line, encode).map(<[u8]>::to_vec) else { continue };
        let text = printer.wire_to_json(chunk, &wire, print).expect("what was encoded can be printed");
        assert!(accumulator.add(text));
        wires.push(wire);
    }
    let whole = accumulator.json();
    encoder.json_to_wire(completion.schema(), &whole, encode).expect("chunks add up to JSON text of the contract");

    // They come back from a compact stream as they were.
    let chunks: Vec<&[u8]> = wires.iter().map(Vec::as_slice).collect();
    let stream = compact_stream(chunk.schema(), &chunks).expect("what was encoded can be read");
    assert_eq!(expand_stream(chunk.schema(), &stream).as_ref(), Ok(&wires));

    // What they add up to is cut into chunks, each of which can be encoded.
    let size = [None, Some(1), Some(3), Some(usize::MAX)][usize::from(flags >> 1 & 3)];
    for text in StreamSplitter::new(rules, &whole, size, flags & 8 != 0).expect("an object") {
        encoder.json_to_wire(chunk.schema(), &text, encode).expect("JSON text");
    }

    // Any bytes are a stream, or an error; what it expands to can be made compact again.
    if let Ok(chunks) = expand_stream(chunk.schema(), rest) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        if let Ok(stream) = compact_stream(chunk.schema(), &chunks) {
            let expanded = expand_stream(chunk.schema(), &stream).expect("a stream");
            assert_eq!(
                expanded.iter().map(Vec::len).collect::<Vec<_>>(),
                chunks.iter().map(|each| each.len()).collect::<Vec<_>>()
            );
        }
    }
});
