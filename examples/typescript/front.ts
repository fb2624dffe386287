// Answers OpenAI clients over HTTP with what a chat completion service answers over gRPC:
//
//     node dist/front.js 127.0.0.1:8000 127.0.0.1:50051

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { JsonError } from "chatpb";
import { fromJson, toJson } from "chatpb/messages";
import { ChatCompletionChunkSchema } from "./gen/chatcompletion/v1/chat_completion_chunk_pb.js";
import { ChatCompletionSchema } from "./gen/chatcompletion/v1/chat_completion_pb.js";
import { CreateChatCompletionRequestSchema } from "./gen/chatcompletion/v1/chat_completion_request_pb.js";
import { ChatCompletionService } from "./gen/chatcompletion/v1/chat_completion_service_pb.js";
import { ErrorResponseSchema } from "./gen/chatcompletion/v1/error_pb.js";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

const largest = 64 << 20; // bytes of a request
const [listen = "", target = ""] = process.argv.slice(2);
const service = createClient(ChatCompletionService, createGrpcTransport({ baseUrl: `http://${target}` }));
const event = (data: string): string => `data: ${data}\n\n`;

async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    pieces.push(piece);
    size += piece.length;
    if (size > largest) {
      throw new RangeError(`the body has more than ${largest} bytes`);
    }
  }
  return Buffer.concat(pieces);
}

// docs: answer
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController(); // when the client leaves, the call ends
  response.on("close", () => left.abort());
  const body = fromJson(CreateChatCompletionRequestSchema, await read(request));
  const key = request.headers.authorization;
  const options = { signal: left.signal, ...(key && { headers: { authorization: key } }) };
  if (!body.stream) {
    const text = toJson(ChatCompletionSchema, await service.createChatCompletion(body, options));
    response.writeHead(200, { "content-type": "application/json" }).end(text);
    return;
  }
  const start = (): void => {
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "text/event-stream" });
    }
  };
  for await (const chunk of service.streamChatCompletion(body, options)) {
    const text = toJson(ChatCompletionChunkSchema, chunk);
    start();
    if (!response.write(event(text))) {
      await once(response, "drain", { signal: left.signal });
    }
  }
  start();
  response.end(event("[DONE]"));
}
// docs: end

function fail(response: ServerResponse, error: unknown): void {
  const refused = ConnectError.from(error);
  const [body] = refused.findDetails(ErrorResponseSchema);
  const [info] = refused.findDetails(ErrorInfoSchema);
  const [retry] = refused.findDetails(RetryInfoSchema);
  const text = body ? toJson(ErrorResponseSchema, body) : JSON.stringify({ error: { message: refused.rawMessage } });
  if (response.headersSent) {
    response.end(event(text)); // of a stream that has begun, the error is the last event
    return;
  }
  if (retry?.retryDelay) {
    response.setHeader("retry-after", Number(retry.retryDelay.seconds) + retry.retryDelay.nanos / 1e9);
  }
  const isBadRequest = error instanceof JsonError || error instanceof RangeError;
  const status = info?.metadata["http_status"] ?? (isBadRequest ? 400 : 502);
  response.writeHead(Number(status), { "content-type": "application/json" }).end(text);
}

const server = createServer((request, response) => {
  if (request.method === "POST" && request.url === "/v1/chat/completions") {
    answer(request, response).catch((error: unknown) => fail(response, error));
  } else {
    response.writeHead(404).end();
  }
});
const [host, port] = listen.split(":");
server.listen(Number(port), host, () => {
  console.error(`listening on ${host}:${(server.address() as AddressInfo).port}`);
});
