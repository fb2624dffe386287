//! Makes the messages of the golden files by hand, as a user would.

use prost::{DecodeError, Message, Name};
use prost_types::{ListValue, Struct, Value, value::Kind};

use crate::chatcompletion::*;
use crate::protocol::{Encoded, Response};

pub fn build() -> Result<Response, DecodeError> {
    let completion = write_completion();
    convert().expect("what the guide says");
    let lines = read_completion(&completion)?;
    let completion =
        Encoded { r#type: "chatcompletion.v1.ChatCompletion".into(), name: "completion".into(), wire: completion };
    let messages = vec![
        completion,
        encoded("tool-call", &tool_call()),
        encoded("stream-usage", &stream_usage()),
        encoded("request-parts", &request_parts()),
        encoded("zero-and-empty", &zero_and_empty()),
        encoded("enums", &enums()),
        encoded("vendor", &vendor()),
        encoded("chunk-of-stream", &expand(&stream())?[1]),
    ];
    Ok(Response { lines, messages, ..Response::default() })
}

fn encoded<M: Message + Name>(name: &str, message: &M) -> Encoded {
    Encoded { r#type: M::full_name(), name: name.into(), wire: message.encode_to_vec() }
}

fn write_completion() -> Vec<u8> {
    // docs: write
    let completion = ChatCompletion {
        id: Some("chatcmpl-1".into()),
        object: Some(ChatCompletionObject::ChatCompletion.into()),
        created: Some(1721075651),
        model: Some("m-1".into()),
        choices: vec![ChatCompletionChoice {
            index: Some(0), // zero, but present
            message: Some(ChatCompletionMessage {
                role: Some(ChatCompletionRole::Assistant.into()),
                content: Some("Hello".into()),
                ..Default::default()
            }),
            finish_reason: Some(FinishReason::Stop.into()),
            ..Default::default()
        }],
        null_fields: 1 << USAGE, // "usage": null
        additional_properties: Some(object([("x_groq", Kind::StructValue(object([("id", text("req_1"))])))])),
        verbatim_properties: [("seed".into(), "18446744073709551615".into())].into(), // too large for a double
        ..Default::default()
    };
    completion.encode_to_vec()
    // docs: end
}

// docs: bit
/// A field's number in the contract, which is its bit in null_fields and empty_fields. prost generates no constants.
const USAGE: u32 = 6;

fn object<const N: usize>(members: [(&str, Kind); N]) -> Struct {
    let fields = members.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) }));
    Struct { fields: fields.into() }
}

fn text(text: &str) -> Kind {
    Kind::StringValue(text.to_owned())
}
// docs: end

fn read_completion(wire: &[u8]) -> Result<Vec<String>, DecodeError> {
    let mut lines = Vec::new();
    // docs: read
    let completion = ChatCompletion::decode(wire)?;
    for choice in &completion.choices {
        if choice.finish_reason() == FinishReason::Stop {
            lines.push(choice.message.as_ref().map_or("", |message| message.content()).to_owned());
        }
    }
    if completion.usage.is_none() && completion.null_fields >> USAGE & 1 == 1 {
        lines.push("usage is null, not absent".into());
    }
    let member = |object: &Struct, name: &str| object.fields.get(name)?.kind.clone();
    if let Some(Kind::StructValue(vendor)) = completion.additional_properties.as_ref().and_then(|o| member(o, "x_groq"))
        && let Some(Kind::StringValue(id)) = member(&vendor, "id")
    {
        lines.push(id);
    }
    lines.extend(completion.verbatim_properties.get("seed").cloned()); // JSON text
    // docs: end
    Ok(lines)
}

fn convert() -> Result<(), chatpb::Error> {
    // docs: convert
    let completion: ChatCompletion =
        chatpb::from_json(r#"{"id":"c1","choices":[],"usage":null,"x_groq":{"id":"r1"}}"#)?;
    assert_eq!(completion.null_fields >> USAGE & 1, 1); // "usage": null
    assert!(completion.additional_properties.is_some()); // x_groq
    let edited = ChatCompletion { model: Some("m-1".into()), ..completion };
    let json = chatpb::to_json(&edited)?;
    assert_eq!(json, r#"{"id":"c1","model":"m-1","choices":[],"usage":null,"x_groq":{"id":"r1"}}"#);
    // docs: end
    Ok(())
}

// docs: expand
/// Returns the chunks of a stream, each of them whole.
fn expand(stream: &ChatCompletionStream) -> Result<Vec<ChatCompletionChunk>, DecodeError> {
    let whole = |kept: &ChatCompletionChunk| {
        let mut chunk = stream.common.clone().unwrap_or_default();
        chunk.merge(kept.encode_to_vec().as_slice())?;
        Ok(chunk)
    };
    stream.chunks.iter().map(whole).collect()
}
// docs: end

fn stream() -> ChatCompletionStream {
    let piece = |text: &str| ChatCompletionChunkChoice {
        index: Some(0),
        delta: Some(ChoiceDelta { content: Some(text.into()), ..Default::default() }),
        ..Default::default()
    };
    let common = ChatCompletionChunk {
        id: Some("chatcmpl-1".into()),
        model: Some("m-1".into()),
        object: Some(ChatCompletionChunkObject::ChatCompletionChunk.into()),
        null_fields: bit::<ChatCompletionChunk>("usage"),
        additional_properties: Some(object([("x_groq", Kind::StructValue(object([("id", text("req_1"))])))])),
        ..Default::default()
    };
    ChatCompletionStream {
        common: Some(common),
        chunks: vec![
            ChatCompletionChunk { choices: vec![piece("Hel")], ..Default::default() },
            ChatCompletionChunk { model: Some("m-2".into()), choices: vec![piece("lo")], ..Default::default() },
        ],
        ..Default::default()
    }
}

/// Returns the bit of a field with this name.
fn bit<M: Name>(field: &str) -> u64 {
    let descriptor = crate::descriptor(&M::full_name()).expect("a message of the contract");
    1 << descriptor.get_field_by_name(field).expect("a field of the message").number()
}

fn tool_call() -> ChatCompletion {
    let message = ChatCompletionMessage {
        role: Some(ChatCompletionRole::Assistant.into()),
        null_fields: bit::<ChatCompletionMessage>("content") | bit::<ChatCompletionMessage>("refusal"),
        tool_calls: vec![ChatCompletionMessageToolCall {
            id: Some("call_1".into()),
            r#type: Some(ToolType::Function.into()),
            function: Some(ToolCallFunction {
                name: Some("get_weather".into()),
                arguments: Some(r#"{"city": "Oslo"}"#.into()),
                ..Default::default()
            }),
            ..Default::default()
        }],
        ..Default::default()
    };
    ChatCompletion {
        choices: vec![ChatCompletionChoice {
            index: Some(0),
            message: Some(message),
            finish_reason: Some(FinishReason::ToolCalls.into()),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn stream_usage() -> ChatCompletionChunk {
    ChatCompletionChunk {
        id: Some("chatcmpl-1".into()),
        object: Some(ChatCompletionChunkObject::ChatCompletionChunk.into()),
        empty_fields: bit::<ChatCompletionChunk>("choices"),
        usage: Some(CompletionUsage {
            prompt_tokens: Some(9),
            completion_tokens: Some(12),
            total_tokens: Some(21),
            completion_tokens_details: Some(CompletionTokensDetails {
                reasoning_tokens: Some(0),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn request_parts() -> CreateChatCompletionRequest {
    use chat_completion_message_param::Content;
    use create_chat_completion_request::{Stop, ToolChoice};

    let parts = vec![
        ChatCompletionContentPartParam {
            r#type: Some(ContentPartType::Text.into()),
            text: Some("What is this? \u{e9}\u{1f600}".into()),
            ..Default::default()
        },
        ChatCompletionContentPartParam {
            r#type: Some(ContentPartType::ImageUrl.into()),
            image_url: Some(ImageUrl {
                url: Some("https://example.com/a.png".into()),
                detail: Some(ImageDetail::Low.into()),
                ..Default::default()
            }),
            ..Default::default()
        },
        ChatCompletionContentPartParam {
            r#type: Some(ContentPartType::InputAudio.into()),
            input_audio: Some(InputAudio {
                data: Some(vec![0, 1, 254, 255]),
                format: Some(InputAudioFormat::Wav.into()),
                ..Default::default()
            }),
            ..Default::default()
        },
    ];
    CreateChatCompletionRequest {
        model: Some("m-1".into()),
        messages: vec![
            ChatCompletionMessageParam {
                role: Some(ChatCompletionRole::Developer.into()),
                content: Some(Content::ContentText("Be brief.".into())),
                ..Default::default()
            },
            ChatCompletionMessageParam {
                role: Some(ChatCompletionRole::User.into()),
                content: Some(Content::ContentParts(ChatCompletionContentParts { items: parts })),
                ..Default::default()
            },
        ],
        temperature: Some(0.1),
        seed: Some(i64::MIN),
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptionsParam { include_usage: Some(true), ..Default::default() }),
        stop: Some(Stop::StopList(StringList { items: vec!["END".into(), "".into()] })),
        logit_bias: [("50256".into(), -100), ("7".into(), 0)].into(),
        tools: vec![ChatCompletionToolParam {
            r#type: Some(ToolType::Function.into()),
            function: Some(FunctionDefinition {
                name: Some("f".into()),
                parameters: Some(r#"{"type":"object","properties":{"z":{},"a":{}}}"#.into()),
                ..Default::default()
            }),
            ..Default::default()
        }],
        tool_choice: Some(ToolChoice::ToolChoiceMode(ToolChoiceMode::Auto.into())),
        ..Default::default()
    }
}

fn zero_and_empty() -> ChatCompletion {
    let message = ChatCompletionMessage {
        empty_fields: bit::<ChatCompletionMessage>("tool_calls"),
        null_fields: bit::<ChatCompletionMessage>("annotations"),
        ..Default::default()
    };
    ChatCompletion {
        id: Some(String::new()),
        created: Some(0),
        empty_fields: bit::<ChatCompletion>("metadata"),
        choices: vec![ChatCompletionChoice { message: Some(message), ..Default::default() }],
        usage: Some(CompletionUsage { prompt_tokens: Some(0), ..Default::default() }),
        ..Default::default()
    }
}

#[allow(deprecated)] // what is deprecated is carried too
fn enums() -> CreateChatCompletionRequest {
    CreateChatCompletionRequest {
        service_tier: Some(ServiceTier::Flex.into()),
        reasoning_effort: Some(ReasoningEffort::None.into()),
        verbosity: Some(Verbosity::Low.into()),
        prompt_cache_retention: Some(PromptCacheRetention::OneDay.into()),
        modalities: vec![ChatCompletionModality::Text.into(), ChatCompletionModality::Audio.into()],
        response_format: Some(ResponseFormat {
            r#type: Some(ResponseFormatType::JsonSchema.into()),
            json_schema: Some(JsonSchema {
                name: Some("n".into()),
                schema: Some(r#"{"minimum":1.0}"#.into()),
                strict: Some(false),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn vendor() -> ChatCompletion {
    let steps = [
        Kind::NumberValue(1.0),
        Kind::BoolValue(true),
        Kind::NullValue(0),
        text("x"),
        Kind::StructValue(Struct::default()),
        Kind::ListValue(ListValue::default()),
    ];
    let steps = ListValue { values: steps.map(|kind| Value { kind: Some(kind) }).into() };
    let timings = object([("queue", Kind::NumberValue(0.025)), ("steps", Kind::ListValue(steps))]);
    ChatCompletion {
        choices: vec![ChatCompletionChoice {
            additional_properties: Some(object([("timings", Kind::StructValue(timings))])),
            ..Default::default()
        }],
        verbatim_properties: [
            ("budget".into(), "9007199254740993".into()),
            ("limits".into(), r#"{"max":1e400}"#.into()),
        ]
        .into(),
        metadata: [("b".into(), "1".into()), ("a".into(), "".into())].into(),
        ..Default::default()
    }
}
