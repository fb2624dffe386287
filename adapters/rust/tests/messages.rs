//! Messages of prost, with classes that are written here as prost-build writes them.

#![cfg(feature = "prost")]

use chatpb::{Codec, Options, from_json, from_json_with, to_json, to_json_with};
use prost::{Message, Name};

/// A part of ChatCompletion. It lacks most of its fields.
#[derive(Clone, PartialEq, Message)]
struct ChatCompletion {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(uint64, tag = "14")]
    null_fields: u64,
}

impl Name for ChatCompletion {
    const NAME: &'static str = "ChatCompletion";
    const PACKAGE: &'static str = "chatcompletion.v1";
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

impl Name for Nothing {
    const NAME: &'static str = "Nothing";
    const PACKAGE: &'static str = "chatcompletion.v1";
}

/// Reads the id of a completion as another message.
#[derive(Clone, PartialEq, Message)]
struct Misread {
    #[prost(message, optional, tag = "1")]
    id: Option<Nothing>,
}

impl Name for Misread {
    const NAME: &'static str = "ChatCompletion";
    const PACKAGE: &'static str = "chatcompletion.v1";
}

#[test]
fn messages_convert_both_ways() {
    let json = r#"{"id":"c1","usage":null}"#;
    let message: ChatCompletion = from_json(json).unwrap();
    assert_eq!(message, ChatCompletion { id: Some("c1".into()), null_fields: 1 << 6 });
    assert_eq!(to_json(&message).unwrap(), json);
    assert_eq!(to_json(&ChatCompletion::default()).unwrap(), "{}");
}

#[test]
fn prost_drops_fields_that_the_class_lacks() {
    let message: ChatCompletion = from_json(r#"{"id":"c1","model":"m"}"#).unwrap();
    assert_eq!(to_json(&message).unwrap(), r#"{"id":"c1"}"#);
}

#[test]
fn options_come_with_a_codec() {
    let strict = Codec::completion().with(Options { strict: true, ..Options::default() });
    assert_eq!(from_json_with::<ChatCompletion>(&strict, r#"{"id":1}"#).unwrap_err().code(), "contract");
    let filling = Codec::completion().with(Options { fill_required: true, ..Options::default() });
    assert!(to_json_with(&filling, &ChatCompletion::default()).unwrap().contains(r#""choices":[]"#));
}

#[test]
fn types_that_do_not_fit_are_refused() {
    for error in [
        from_json::<Nothing>("{}").unwrap_err(),
        to_json(&Nothing {}).unwrap_err(),
        from_json_with::<Nothing>(Codec::completion(), "{}").unwrap_err(),
        to_json_with(Codec::chunk(), &ChatCompletion::default()).unwrap_err(),
    ] {
        assert_eq!(error.code(), "schema", "{error}");
    }
    assert_eq!(from_json::<ChatCompletion>("{").unwrap_err().code(), "json");
    let error = from_json::<Misread>(r#"{"id":"x"}"#).unwrap_err();
    assert_eq!(error.code(), "message");
    assert!(std::error::Error::source(&error).is_some());
}
