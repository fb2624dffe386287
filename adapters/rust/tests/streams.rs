//! Streams: accumulated, split, compacted and expanded.

mod support;

use chatpb::{Accumulator, Codec, Options, SplitOptions, Splitter, split};
use serde_json::Value;
use std::num::NonZero;
use support::{corpus, vectors};

#[test]
fn a_completion_that_is_split_accumulates_to_itself() {
    let mut texts = corpus("completion");
    texts.push(r#"{"id":"1","choices":[{"index":0,"message":{"content":"hé \ud83d\ude00 y"}}]}"#.to_owned());
    let contents = |json: &str| -> Vec<Value> {
        let completion: Value = serde_json::from_str(json).unwrap();
        let choices = completion["choices"].as_array().cloned().unwrap_or_default();
        choices.iter().map(|choice| choice["message"]["content"].clone()).collect()
    };
    for text in &texts {
        let wire = Codec::completion().json_to_wire(text).unwrap();
        let mut counts = Vec::new();
        for characters in [None, NonZero::new(1), NonZero::new(7), NonZero::new(1 << 40)] {
            let options = SplitOptions { characters, ..SplitOptions::default() };
            let chunks: Vec<Vec<u8>> = split(&wire, options).unwrap().collect::<Result<_, _>>().unwrap();
            let mut accumulator = Accumulator::default();
            chunks.iter().for_each(|chunk| accumulator.add_wire(chunk).unwrap());
            assert_eq!(contents(&accumulator.to_json().unwrap()), contents(text));
            assert_eq!(
                Codec::completion().wire_to_json(accumulator.to_wire().unwrap()).unwrap(),
                accumulator.to_json().unwrap()
            );
            let stream = Codec::chunk().compact_stream(&chunks).unwrap();
            assert_eq!(Codec::chunk().expand_stream(stream).unwrap(), chunks);
            counts.push(chunks.len());
        }
        assert!(counts[1] >= counts[2] && counts[2] >= counts[3], "{counts:?}");
    }
}

#[test]
fn an_accumulator_refuses_what_is_no_chunk_and_adds_nothing_of_it() {
    let mut accumulator = Accumulator::default();
    assert_eq!(accumulator.to_json().unwrap(), "{}");
    accumulator.add_json(r#"{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}"#).unwrap();
    assert_eq!(accumulator.add_json(r#"{"id":"2""#).unwrap_err().code(), "json");
    assert_eq!(accumulator.add_wire([255]).unwrap_err().code(), "wire");
    assert_eq!(accumulator.add_json(r#"{"x":NaN}"#).unwrap_err().code(), "json");
    let mut copy = accumulator.clone();
    copy.add_json(r#"{"choices":[{"index":0,"delta":{"content":"b"}}]}"#).unwrap();
    assert_eq!(copy.to_json().unwrap(), r#"{"id":"1","choices":[{"index":0,"message":{"content":"ab"}}]}"#);
    assert_eq!(accumulator.to_json().unwrap(), r#"{"id":"1","choices":[{"index":0,"message":{"content":"a"}}]}"#);
}

#[test]
fn options_are_those_of_the_codecs() {
    let unknown = [0x0a, 1, b'a', 0xa0, 6, 1];
    let options = Options { skip_unknown: true, nonfinite: true, fill_required: true, ..Options::default() };
    let (completion, chunk) = (Codec::completion().with(options), Codec::chunk().with(options));

    let mut refusing = Accumulator::default();
    assert!(refusing.add_wire(unknown).unwrap_err().to_string().starts_with("field 100, "));
    assert_eq!(refusing.to_json().unwrap(), "{}");
    // The completion is printed with all that it must have; its chunks are not.
    let mut skipping = Accumulator::new(&completion, &chunk);
    skipping.add_wire(unknown).unwrap();
    skipping.add_json(r#"{"usage":{"x":NaN}}"#).unwrap();
    let made = Codec::completion().with(Options { nonfinite: true, ..Options::default() });
    assert_eq!(made.wire_to_json(skipping.to_wire().unwrap()).unwrap(), r#"{"id":"a","usage":{"x":NaN}}"#);
    assert!(skipping.to_json().unwrap().contains(r#""choices":[]"#));

    assert_eq!(split(unknown, SplitOptions::default()).unwrap_err().code(), "wire");
    let all = |options| Splitter::new(&completion, &chunk, unknown, options).unwrap().map(Result::unwrap).count();
    assert_eq!(all(SplitOptions::default()), 1);

    let wire =
        Codec::completion().json_to_wire(r#"{"choices":[{"message":{"content":"a"}}],"usage":{"total_tokens":1}}"#);
    let wire = wire.unwrap();
    let count =
        |without_usage| split(&wire, SplitOptions { without_usage, ..SplitOptions::default() }).unwrap().count();
    assert_eq!(count(false), count(true) + 1);
}

#[test]
fn streams_that_are_wrong_name_the_chunk() {
    let chunk = Codec::chunk();
    assert_eq!(chunk.compact_stream(&[&[][..], &[255]]).unwrap_err().path(), Some("/1"));
    assert_eq!(chunk.expand_stream([255]).unwrap_err().code(), "wire");
    assert!(chunk.expand_stream([]).unwrap().is_empty());
}

#[test]
fn the_vectors_of_streams() {
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.message == "chatcompletion.v1.ChatCompletionStream") {
        for chunk in Codec::chunk().expand_stream(&vector.wire).unwrap() {
            assert!(Codec::chunk().wire_to_json(chunk).unwrap().starts_with('{'));
            count += 1;
        }
    }
    assert!(count > 0);
}
