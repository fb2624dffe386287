//! Answers run.py: reads, reports, writes, builds and generates messages of the contract.
//!
//! prost has no reflection. So reports and generated messages use prost-reflect's dynamic messages, which exchange bytes
//! with the generated types.

mod convert;
mod generate;
mod native;
mod report;
mod service;

use std::io::{self, Read, Write};
use std::sync::LazyLock;

use prost::{DecodeError, Message};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

// docs: include
#[allow(clippy::large_enum_variant)]
pub mod chatcompletion {
    tonic::include_proto!("chatcompletion.v1");
}
// docs: end

pub mod protocol {
    tonic::include_proto!("chatpb.conformance.v1");
}

use chatcompletion::{
    ChatCompletion, ChatCompletionChunk, ChatCompletionRecord, ChatCompletionStream, CreateChatCompletionRequest,
    ErrorResponse,
};
use protocol::{Encoded, Request, Response, Rewrite, request::Action};

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/contract.binpb"));
    DescriptorPool::decode(bytes.as_slice()).expect("the build script wrote it")
});

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut head = [0; 4];
    while input.read_exact(&mut head).is_ok() {
        let mut frame = vec![0; u32::from_le_bytes(head) as usize];
        input.read_exact(&mut frame)?;
        let response = answer(&frame).unwrap_or_else(|error| Response { error, ..Response::default() });
        let frame = response.encode_to_vec();
        output.write_all(&(frame.len() as u32).to_le_bytes())?;
        output.write_all(&frame)?;
        output.flush()?;
    }
    Ok(())
}

fn answer(frame: &[u8]) -> Result<Response, String> {
    let request = Request::decode(frame).map_err(|error| error.to_string())?;
    match request.action {
        Some(Action::Rewrite(request)) => rewrite(&request),
        Some(Action::Build(_)) => native::build().map_err(|error| error.to_string()),
        Some(Action::Generate(request)) => generate::generate(&request),
        Some(Action::Call(request)) => service::call(&request),
        Some(Action::Convert(request)) => convert::convert(&request),
        _ => Err("no such action".into()),
    }
}

fn rewrite(request: &Rewrite) -> Result<Response, String> {
    let mut response = Response::default();
    for encoded in &request.messages {
        let wire = recode(&encoded.r#type, &encoded.wire)?;
        if request.report {
            let message = DynamicMessage::decode(descriptor(&encoded.r#type)?, wire.as_slice());
            response.reports.push(report::report(&message.map_err(|error| error.to_string())?));
        }
        response.messages.push(Encoded { wire, ..encoded.clone() });
    }
    Ok(response)
}

/// Parses bytes into the generated type and writes them again.
pub fn recode(name: &str, wire: &[u8]) -> Result<Vec<u8>, String> {
    fn through<M: Message + Default>(wire: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Ok(M::decode(wire)?.encode_to_vec())
    }
    match name {
        "chatcompletion.v1.ChatCompletion" => through::<ChatCompletion>(wire),
        "chatcompletion.v1.ChatCompletionChunk" => through::<ChatCompletionChunk>(wire),
        "chatcompletion.v1.CreateChatCompletionRequest" => through::<CreateChatCompletionRequest>(wire),
        "chatcompletion.v1.ErrorResponse" => through::<ErrorResponse>(wire),
        "chatcompletion.v1.ChatCompletionRecord" => through::<ChatCompletionRecord>(wire),
        "chatcompletion.v1.ChatCompletionStream" => through::<ChatCompletionStream>(wire),
        _ => return Err(format!("no such document: {name}")),
    }
    .map_err(|error| error.to_string())
}

pub fn descriptor(name: &str) -> Result<MessageDescriptor, String> {
    CONTRACT.get_message_by_name(name).ok_or_else(|| format!("no such message type: {name}"))
}
