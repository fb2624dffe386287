//! A gRPC service in front of a model. `chatpb gateway --target` makes it an endpoint for OpenAI's clients.
#![allow(clippy::large_enum_variant)] // of the generated code

use std::{env, error::Error, time::SystemTime};

use prost::Message;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Code, Request, Response, Status, codegen::BoxStream};
use tonic_types::{ErrorDetails, StatusExt};

tonic::include_proto!("chatcompletion.v1");
use chat_completion_message_param::Content::ContentText;
use chat_completion_service_server::{ChatCompletionService, ChatCompletionServiceServer};
use {ChatCompletionChunk as Chunk, CreateChatCompletionRequest as Question};

/// The bits of two fields of a choice in `null_fields`, by their numbers in the contract.
const LOGPROBS: u64 = 1 << 3;
const FINISH_REASON: u64 = 1 << 4;

/// The chunks of an answer, one by one. This model says the last message again; yours makes its tokens here.
fn answer(asked: Question, with_usage: bool) -> Result<impl Iterator<Item = Chunk>, Status> {
    println!("{}", chatpb::to_json(&asked).map_err(internal)?); // a log of requests, as their callers wrote them
    if asked.model() != "parrot" {
        let details = ErrorDetails::with_error_info("MODEL_NOT_FOUND", "example.com", []); // `code` for OpenAI's clients
        return Err(Status::with_error_details(Code::NotFound, format!("No model '{}'.", asked.model()), details));
    }
    let words: Vec<String> = match asked.messages.last().and_then(|message| message.content.as_ref()) {
        Some(ContentText(text)) if !text.is_empty() => text.split_inclusive(' ').map(Into::into).collect(),
        _ => return Err(Status::invalid_argument("The last message has no text.")),
    };
    // Members that no field has: the caller's `x_trace` goes back, wherever it is. What a double would change is JSON text.
    let (mut vendor, mut verbatim) = (asked.additional_properties.unwrap_or_default(), asked.verbatim_properties);
    vendor.fields.retain(|name, _| name == "x_trace");
    verbatim.retain(|name, _| name == "x_trace");
    vendor.fields.insert("x_host".into(), "gpu-7".into());
    let now = SystemTime::UNIX_EPOCH.elapsed().map_err(internal)?;
    let head = Chunk {
        id: Some(format!("chatcmpl-{}", now.as_nanos())),
        object: Some(ChatCompletionChunkObject::ChatCompletionChunk.into()),
        created: Some(now.as_secs() as i64),
        model: asked.model,
        additional_properties: Some(vendor),
        verbatim_properties: verbatim,
        ..Default::default()
    };
    let count = words.len();
    let [prompt_tokens, completion_tokens, total_tokens] = [count, count, 2 * count].map(|n| Some(n as i64));
    let usage = CompletionUsage { prompt_tokens, completion_tokens, total_tokens, ..Default::default() };
    Ok(words.into_iter().enumerate().map(move |(i, word)| {
        let is_last = i + 1 == count;
        let role = (i == 0).then_some(ChatCompletionRole::Assistant.into());
        let choice = ChatCompletionChunkChoice {
            index: Some(0),
            delta: Some(ChoiceDelta { role, content: Some(word), ..Default::default() }),
            finish_reason: is_last.then_some(FinishReason::Stop.into()),
            null_fields: if is_last { LOGPROBS } else { LOGPROBS | FINISH_REASON },
            ..Default::default()
        };
        Chunk { choices: vec![choice], usage: (is_last && with_usage).then_some(usage.clone()), ..head.clone() }
    }))
}

fn internal(error: impl Error) -> Status {
    Status::internal(error.to_string())
}

struct Parrot;

#[tonic::async_trait]
impl ChatCompletionService for Parrot {
    async fn create_chat_completion(&self, request: Request<Question>) -> Result<Response<ChatCompletion>, Status> {
        let mut whole = chatpb::Accumulator::default();
        for chunk in answer(request.into_inner(), true)? {
            whole.add_wire(chunk.encode_to_vec()).map_err(internal)?;
        }
        chatpb::from_json(whole.to_json().map_err(internal)?).map(Response::new).map_err(internal)
    }

    type StreamChatCompletionStream = BoxStream<Chunk>;

    async fn stream_chat_completion(&self, request: Request<Question>) -> Result<Response<BoxStream<Chunk>>, Status> {
        let usage = request.get_ref().stream_options.as_ref().is_some_and(|options| options.include_usage());
        Ok(Response::new(Box::pin(tokio_stream::iter(answer(request.into_inner(), usage)?.map(Ok)))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let incoming = TcpIncoming::bind(env::args().nth(1).as_deref().unwrap_or("127.0.0.1:50051").parse()?)?
        .with_nodelay(Some(true));
    eprintln!("listening on {}", incoming.local_addr()?);
    Server::builder().add_service(ChatCompletionServiceServer::new(Parrot)).serve_with_incoming(incoming).await?;
    Ok(())
}
