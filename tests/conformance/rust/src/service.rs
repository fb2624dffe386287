//! Calls the gRPC service.

use std::time::Duration;

use prost::{Message, Name};
use tonic::{Request, Status, transport::Channel};
use tonic_types::{StatusExt, pb};

use crate::chatcompletion::chat_completion_service_client::ChatCompletionServiceClient;
use crate::chatcompletion::{CreateChatCompletionRequest, ErrorResponse, error_object};
use crate::protocol::{Call, Encoded, Response, Scenario};

pub fn call(call: &Call) -> Result<Response, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(answer(call)).map_err(|error| error.to_string())
}

async fn answer(call: &Call) -> Result<Response, Box<dyn std::error::Error>> {
    let mut client = ChatCompletionServiceClient::connect(format!("http://{}", call.address)).await?;
    let mut request = Request::new(CreateChatCompletionRequest::decode(call.request.as_slice())?);
    request.set_timeout(Duration::from_secs(30));
    let mut response = Response::default();
    match call.scenario() {
        Scenario::Unary => {
            let completion = client.create_chat_completion(request).await?.into_inner();
            response.messages.push(encoded(&completion));
        }
        Scenario::Stream => {
            let mut chunks = client.stream_chat_completion(request).await?.into_inner();
            while let Some(chunk) = chunks.message().await? {
                response.messages.push(encoded(&chunk));
            }
        }
        Scenario::Cancel => {
            let mut chunks = client.stream_chat_completion(request).await?.into_inner();
            response.messages.extend(chunks.message().await?.map(|chunk| encoded(&chunk)));
            drop(chunks); // cancels the call
            tokio::time::sleep(Duration::from_millis(200)).await; // the connection lives until the reset is sent
        }
        Scenario::Deadline => {
            request.set_timeout(Duration::from_millis(500));
            let mut chunks = client.stream_chat_completion(request).await?.into_inner();
            let refused = loop {
                match chunks.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Err("the stream ended".into()),
                    Err(refused) => break refused,
                }
            };
            response.lines.push((refused.code() as i32).to_string());
        }
        Scenario::Error => response.lines = refusal(&mut client, request).await?,
        Scenario::Unspecified => return Err("no such scenario".into()),
    }
    Ok(response)
}

async fn refusal(
    client: &mut ChatCompletionServiceClient<Channel>,
    request: Request<CreateChatCompletionRequest>,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut lines = Vec::new();
    // docs: call
    if let Err(refused) = client.create_chat_completion(request).await {
        lines.push((refused.code() as i32).to_string());
        lines.extend(refused.get_details_error_info().and_then(|info| info.metadata.get("http_status").cloned()));
        let delay = refused.get_details_retry_info().and_then(|retry| retry.retry_delay);
        lines.extend(delay.map(|delay| delay.as_secs().to_string()));
        if let Some(ErrorResponse { error: Some(error), .. }) = error_response(&refused)? {
            lines.push(error.message().to_owned());
            lines.extend(error.code.map(|code| match code {
                error_object::Code::CodeText(text) => text,
                error_object::Code::CodeNumber(number) => number.to_string(),
            }));
        }
    }
    // docs: end
    Ok(lines)
}

// docs: details
/// Returns the error body among a status's details.
fn error_response(refused: &Status) -> Result<Option<ErrorResponse>, prost::DecodeError> {
    let status = pb::Status::decode(refused.details())?;
    let detail = status.details.iter().find(|detail| detail.type_url.ends_with(&ErrorResponse::full_name()));
    detail.map(|detail| ErrorResponse::decode(detail.value.as_slice())).transpose()
}
// docs: end

fn encoded<M: Message + Name>(message: &M) -> Encoded {
    Encoded { r#type: M::full_name(), name: String::new(), wire: message.encode_to_vec() }
}
