//! Tests of streams without Python, on the contract. tests/streams has a case for each rule, and tests/engine compares the
//! core with the reference engine.

use chatpb_core::{
    EncodeOptions, Encoder, Schema, StreamAccumulator, StreamRules, StreamSplitter, compact_stream, contract,
    expand_stream,
};
use std::sync::Arc;

fn rules() -> Arc<StreamRules> {
    let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletionChunk").expect("a chunk of the contract");
    Arc::new(StreamRules::new(&schema))
}

fn accumulate<T: AsRef<[u8]>>(chunks: &[T]) -> String {
    let mut accumulator = StreamAccumulator::new(rules());
    for chunk in chunks {
        assert!(accumulator.add(chunk.as_ref()), "{:?}", String::from_utf8_lossy(chunk.as_ref()));
    }
    String::from_utf8(accumulator.json()).expect("UTF-8")
}

fn split(completion: &str, size: Option<usize>, with_last: bool) -> Vec<String> {
    let chunks = StreamSplitter::new(&rules(), completion.as_bytes(), size, with_last).expect("an object");
    chunks.map(|chunk| String::from_utf8(chunk).expect("UTF-8")).collect()
}

/// Return the message that deltas make.
fn message(deltas: &[&str]) -> String {
    let chunk = |delta: &&str| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
    let whole = accumulate(&deltas.iter().map(chunk).collect::<Vec<_>>());
    let inside = whole.strip_prefix(r#"{"choices":[{"index":0,"message":"#).and_then(|rest| rest.strip_suffix("}]}"));
    inside.expect("one choice").to_owned()
}

const MESSAGES: &[(&[&str], &str)] = &[
    (&[r#"{"content":"a\n"}"#, r#"{"content":null}"#, r#"{"content":"\"é"}"#], r#"{"content":"a\n\"é"}"#),
    (&[r#"{"content":"\ud83d"}"#, r#"{"content":"\ude00"}"#], r#"{"content":"\ud83d\ude00"}"#),
    (&[r#"{"role":"a","id":"1","n":1}"#, r#"{"role":"b","id":"2","n":2}"#], r#"{"role":"b","id":"1","n":2}"#),
    (
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"g","arguments":""}}]}"#,
        ],
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"c","function":{"name":"g","arguments":""}}]}"#,
    ),
    // By their ids, where calls have no index, and behind the first call, whatever its index is.
    (
        &[
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"2"}}]}"#,
            r#"{"tool_calls":[{"id":"a","function":{"arguments":"3"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"arguments":"4"}}]}"#,
        ],
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"13"}},{"id":"b","function":{"name":"g","arguments":"24"}}]}"#,
    ),
    (
        &[
            r#"{"tool_calls":[{"index":-2,"function":{"name":"f","arguments":"1"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"2"}}]}"#,
        ],
        r#"{"tool_calls":[{"function":{"name":"f","arguments":"12"}}]}"#,
    ),
    (
        &[
            r#"{"x":[{"type":"reasoning.encrypted","index":0,"id":"1","data":"a"}]}"#,
            r#"{"x":[{"type":"reasoning.encrypted","index":0,"id":"2","data":"b"}]}"#,
        ],
        r#"{"x":[{"type":"reasoning.encrypted","index":0,"id":"1","data":"a"},{"type":"reasoning.encrypted","index":0,"id":"2","data":"b"}]}"#,
    ),
    (
        &[
            r#"{"x":[{"type":"thinking","thinking":"a"}]}"#,
            r#"{"x":[{"type":"thinking","thinking":"b","signature":"s"}]}"#,
            r#"{"x":[{"type":"thinking","thinking":"c"}]}"#,
        ],
        r#"{"x":[{"type":"thinking","thinking":"ab","signature":"s"},{"type":"thinking","thinking":"c"}]}"#,
    ),
    (&[r#"{"audio":{"data":"AA=="}}"#, r#"{"audio":{"data":"AQ=="}}"#], r#"{"audio":{"data":"AAE="}}"#),
    (&[r#"{"audio":{"data":"AB=="}}"#, r#"{"audio":{"data":"AQ=="}}"#], r#"{"audio":{"data":"AAE="}}"#),
    (&[r#"{"audio":{"data":"A="}}"#, r#"{"audio":{"data":"AQ=="}}"#], r#"{"audio":{"data":"A=AQ=="}}"#),
    (&[r#"{"audio":{"data":"AA="}}"#, r#"{"audio":{"data":"==AQ=="}}"#], r#"{"audio":{"data":"AA===AQ=="}}"#),
    (&[r#"{"audio":{"data":"="}}"#, r#"{"audio":{"data":"AQ=="}}"#], r#"{"audio":{"data":"=AQ=="}}"#),
];

#[test]
fn deltas_add_up_to_a_message() {
    for (deltas, want) in MESSAGES {
        assert_eq!(message(deltas), *want);
    }
}

#[test]
fn chunks_add_up_to_a_completion() {
    let chunks = [
        r#"{"id":"","created":0,"object":"chat.completion.chunk","obfuscation":"x","choices":[{"delta":{},"filter":{"hit":true,"n":1}}]}"#,
        r#"{"id":"1","created":5,"object":"x","choices":[{"delta":null,"filter":{"hit":false,"n":2},"ids":[1]}]}"#,
        r#"{"id":"2","created":6,"choices":[{"ids":[2,3]},{"index":-1}],"usage":{"n":1}}"#,
    ];
    assert_eq!(
        accumulate(&chunks),
        r#"{"id":"1","created":5,"object":"chat.completion","choices":[{"index":-1},{"filter":{"hit":true,"n":1},"ids":[1,2,3],"message":{}}],"usage":{"n":1}}"#
    );
    assert_eq!(accumulate::<&str>(&[]), "{}");
}

#[test]
fn what_is_no_object_adds_nothing() {
    let mut accumulator = StreamAccumulator::new(rules());
    for text in ["", "[]", "1", "{", r#"{"id":"1""#, r#"{"id":"1"}]"#, r#"{"id"}"#, r#"{"id":"1",}"#, r#"{"a":"\"#] {
        assert!(!accumulator.add(text.as_bytes()), "{text}");
        assert!(StreamSplitter::new(&rules(), text.as_bytes(), None, true).is_none(), "{text}");
    }
    assert_eq!(accumulator.json(), b"{}");
}

#[test]
fn escapes_of_text_inside_a_message_become_those_that_are_printed() {
    let text = r#"{"x":{"\u0061\/":"\u00e9\ud83d\uDE00\u001F\ud800"}}"#;
    assert_eq!(accumulate(&[text]), r#"{"x":{"a/":"é😀\u001f\ud800"}}"#);
}

const COMPLETION: &str = r#"{"id":"1","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":" two\n wörds\t","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"b"}]}},{"index":3,"message":null}],"x":{"y":[1]},"usage":{"n":1}}"#;

#[test]
fn a_completion_is_split_and_comes_back() {
    for size in [None, Some(1), Some(2), Some(3), Some(5), Some(usize::MAX)] {
        let chunks = split(COMPLETION, size, true);
        assert_eq!(accumulate(&chunks), COMPLETION, "{size:?}");
        assert_eq!(chunks[..chunks.len() - 1], split(COMPLETION, size, false));
    }
    assert_eq!(
        split(COMPLETION, None, true)[..5],
        [
            r#"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}],"x":{"y":[1]}}"#,
            r#"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" two"},"finish_reason":null}]}"#,
            r#"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\n wörds"},"finish_reason":null}]}"#,
            r#"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\t"},"finish_reason":null}]}"#,
            r#"{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""},"index":0}]},"finish_reason":null}]}"#,
        ]
    );
}

#[test]
fn a_type_without_options_for_streams_takes_the_latest() {
    let schema = Schema::new(contract(), "chatcompletion.v1.ErrorResponse").expect("an error of the contract");
    let mut accumulator = StreamAccumulator::new(Arc::new(StreamRules::new(&schema)));
    assert!(accumulator.add(br#"{"":{"a":"1"},"delta":"x"}"#) && accumulator.add(br#"{"":{"a":"2"},"choices":[{}]}"#));
    assert_eq!(accumulator.json(), br#"{"":{"a":"2"},"delta":"x","choices":[{}]}"#);
}

/// Only what a chunk can replace may be common to all.
#[test]
fn what_may_be_there_many_times_is_in_each_chunk() {
    let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletionChunk").expect("a chunk of the contract");
    let id = b"\x0a\x03abc";
    let (mut encoder, text) = (Encoder::default(), br#"{"id":"abc","choices":[{"index":7}]}"#);
    let chunk = encoder.json_to_wire(&schema, text, EncodeOptions::default()).expect("a chunk");
    assert_eq!(&chunk[..5], id);
    let choice = &chunk[5..];
    let stream = compact_stream(&schema, &[chunk; 6]).expect("chunks");
    let count = |bytes: &[u8]| stream.windows(bytes.len()).filter(|window| *window == bytes).count();
    assert_eq!((count(id), count(choice)), (1, 6));
    assert_eq!(expand_stream(&schema, &stream), Ok(vec![chunk.to_vec(); 6]));
}

/// Around the number of members from which on they are looked up in a table, in another order than they came in.
#[test]
fn members_are_found_however_many_there_are() {
    for count in 0..40 {
        let members = |text: &str| (0..count).map(|at| format!(r#""m{at}":"{text}""#)).collect::<Vec<_>>();
        let (first, mut again) = (members("a"), members("b"));
        again.reverse();
        let [first, again] = [first, again].map(|members| format!("{{{}}}", members.join(",")));
        assert_eq!(message(&[&first, &again]), format!("{{{}}}", members("ab").join(",")));
    }
}

#[test]
fn members_by_thousands_are_found() {
    let member = |at: usize| format!(r#""m{at}":"a""#);
    let members = (0..5000).map(member).collect::<Vec<_>>().join(",");
    let delta = format!("{{{members}}}");
    assert_eq!(message(&[&delta, &delta]), delta.replace(r#""a""#, r#""aa""#));
}

/// The first value of an id that is neither empty, nor false, nor zero.
#[test]
fn an_id_that_says_nothing_is_replaced() {
    for (first, second, kept) in
        [("false", "\"a\"", "\"a\""), ("true", "\"a\"", "true"), ("0", "1", "1"), ("1", "2", "1")]
    {
        let deltas = [first, second].map(|value| format!(r#"{{"id":{value}}}"#));
        assert_eq!(message(&[&deltas[0], &deltas[1]]), format!(r#"{{"id":{kept}}}"#));
    }
}

/// Items without an index run on only where a text of theirs does.
#[test]
fn items_without_a_running_text_stay_apart() {
    for item in [r#"{"type":"text"}"#, r#"{"type":"text","n":1}"#] {
        let delta = format!(r#"{{"x":[{item}]}}"#);
        assert_eq!(message(&[&delta, &delta]), format!(r#"{{"x":[{item},{item}]}}"#));
    }
    let delta = r#"{"x":[{"type":"text","text":"a","n":1}]}"#;
    assert_eq!(message(&[delta, delta]), r#"{"x":[{"type":"text","text":"aa","n":1}]}"#);
}

/// What stands behind the choices is read again when it changes back.
#[test]
fn the_latest_usage_counts() {
    for totals in [&[1, 2, 1][..], &[1, 1, 2], &[2, 1, 2, 2, 1]] {
        let chunks: Vec<String> =
            totals.iter().map(|total| format!(r#"{{"choices":[],"usage":{{"total_tokens":{total}}}}}"#)).collect();
        assert_eq!(Some(&accumulate(&chunks)), chunks.last());
    }
}

/// A chunk's bits replace the common ones; its open members are added to them.
#[test]
fn bits_of_a_chunk_replace_the_common_ones() {
    let schema = Schema::new(contract(), "chatcompletion.v1.ChatCompletionChunk").expect("a chunk of the contract");
    for (common, own, whole) in [
        (&b"\x70\x02"[..], &b"\x70\x08"[..], &b"\x70\x08"[..]),
        (b"\x68\x02", b"\x68\x08", b"\x68\x08"),
        (b"\x62\x01a", b"\x62\x01b", b"\x62\x01b"),
        (b"\x7a\x00", b"\x7a\x01\x0a", b"\x7a\x00\x7a\x01\x0a"),
    ] {
        let field = |tag: u8, field: &[u8]| [&[tag, field.len() as u8], field].concat();
        let stream = [field(0x0a, common), field(0x12, own)].concat();
        assert_eq!(expand_stream(&schema, &stream), Ok(vec![whole.to_vec()]));
    }
}
