// Calls and serves the gRPC service.

import { create, type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  type ClientReadableStream,
  credentials,
  makeGenericClientConstructor,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { type ChatCompletionChunk, ChatCompletionChunkSchema } from "../gen/chatcompletion/v1/chat_completion_chunk_pb.js";
import { type ChatCompletion, ChatCompletionSchema } from "../gen/chatcompletion/v1/chat_completion_pb.js";
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
} from "../gen/chatcompletion/v1/chat_completion_request_pb.js";
import { ChatCompletionService } from "../gen/chatcompletion/v1/chat_completion_service_pb.js";
import { ErrorResponseSchema } from "../gen/chatcompletion/v1/error_pb.js";
import { type Call, type Response, ResponseSchema, Scenario } from "../gen/conformance_pb.js";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../gen/google/rpc/status_pb.js";
import { encoded } from "./main.js";

// docs: grpc
/** Returns a service in the form that @grpc/grpc-js takes. */
function definition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: (message: Message) => Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (wire: Buffer) => fromBinary(method.input, wire),
        responseSerialize: (message: Message) => Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (wire: Buffer) => fromBinary(method.output, wire),
      },
    ]),
  );
}

const Client = makeGenericClientConstructor(definition(ChatCompletionService), "");
// docs: end

type Refusal = ServiceError | null;

export async function call({ address, scenario, request }: Call): Promise<Response> {
  const client = new Client(address, credentials.createInsecure());
  const body = fromBinary(CreateChatCompletionRequestSchema, request);
  const unary = () =>
    new Promise<[Refusal, ChatCompletion?]>((resolve) => {
      client["createChatCompletion"]!(body, { deadline: Date.now() + 30_000 }, (error: Refusal, answer?: ChatCompletion) =>
        resolve([error, answer]),
      );
    });
  const stream = (milliseconds: number): ClientReadableStream<ChatCompletionChunk> =>
    client["streamChatCompletion"]!(body, { deadline: Date.now() + milliseconds });
  const response = create(ResponseSchema);
  try {
    switch (scenario) {
      case Scenario.UNARY: {
        const [error, completion] = await unary();
        if (!completion) {
          throw error;
        }
        response.messages.push(encoded(ChatCompletionSchema, "", completion));
        break;
      }
      case Scenario.STREAM:
        for await (const chunk of stream(30_000)) {
          response.messages.push(encoded(ChatCompletionChunkSchema, "", chunk));
        }
        break;
      case Scenario.CANCEL: {
        const chunks = stream(30_000);
        try {
          for await (const chunk of chunks) {
            response.messages.push(encoded(ChatCompletionChunkSchema, "", chunk));
            chunks.cancel();
          }
        } catch (error) {
          if ((error as ServiceError).code !== status.CANCELLED) {
            throw error;
          }
        }
        break;
      }
      case Scenario.DEADLINE:
        try {
          for await (const _ of stream(500)) {
          }
        } catch (error) {
          response.lines.push(String((error as ServiceError).code));
        }
        break;
      case Scenario.ERROR: {
        const [error] = await unary();
        response.lines.push(...refusal(error as ServiceError));
        break;
      }
      default:
        throw new Error("no such scenario");
    }
  } finally {
    client.close();
  }
  return response;
}

function refusal(refused: ServiceError): string[] {
  // docs: call
  const lines = [String(refused.code)];
  const [details] = refused.metadata.get("grpc-status-details-bin");
  for (const detail of fromBinary(StatusSchema, details as Buffer).details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    const retry = anyUnpack(detail, RetryInfoSchema);
    const body = anyUnpack(detail, ErrorResponseSchema);
    if (info) {
      lines.push(info.metadata["http_status"] ?? "");
    } else if (retry) {
      lines.push(String(retry.retryDelay?.seconds));
    } else if (body) {
      lines.push(body.error?.message ?? "", String(body.error?.code.value ?? ""));
    }
  }
  // docs: end
  return lines;
}

// docs: service
function lastText(request: CreateChatCompletionRequest): string {
  const content = request.messages.at(-1)?.content;
  if (content?.case !== "contentText") {
    throw { code: status.INVALID_ARGUMENT, details: "no messages" };
  }
  return content.value;
}

const echo = {
  createChatCompletion(call: ServerUnaryCall<CreateChatCompletionRequest, ChatCompletion>, done: sendUnaryData<ChatCompletion>) {
    try {
      const content = lastText(call.request);
      done(null, create(ChatCompletionSchema, { model: call.request.model, choices: [{ message: { content } }] }));
    } catch (refused) {
      done(refused as ServiceError);
    }
  },
  streamChatCompletion(call: ServerWritableStream<CreateChatCompletionRequest, ChatCompletionChunk>) {
    try {
      for (const content of lastText(call.request).split(" ")) {
        call.write(create(ChatCompletionChunkSchema, { choices: [{ delta: { content } }] }));
      }
      call.end();
    } catch (refused) {
      call.emit("error", refused);
    }
  },
};
// docs: end

export async function serve(): Promise<Response> {
  // docs: serve
  const server = new Server();
  server.addService(definition(ChatCompletionService), echo);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
  // docs: end
  return create(ResponseSchema, { lines: [`127.0.0.1:${port}`] });
}
