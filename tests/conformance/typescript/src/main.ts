// Answers run.py: reads, reports, writes, builds and generates messages of the contract.

import { create, createRegistry, fromBinary, toBinary, type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { file_chatcompletion_v1_chat_completion_record } from "../gen/chatcompletion/v1/chat_completion_record_pb.js";
import { file_chatcompletion_v1_chat_completion_service } from "../gen/chatcompletion/v1/chat_completion_service_pb.js";
import {
  type Encoded,
  EncodedSchema,
  type Request,
  RequestSchema,
  type Response,
  ResponseSchema,
  type Rewrite,
} from "../gen/conformance_pb.js";
import { generate } from "./generate.js";
import { build } from "./native.js";
import { report } from "./report.js";
import { convert } from "./convert.js";
import { call, serve } from "./service.js";

// A registry does not include a file's imports by itself.
const registry = createRegistry(
  file_chatcompletion_v1_chat_completion_record,
  ...file_chatcompletion_v1_chat_completion_record.dependencies,
  ...file_chatcompletion_v1_chat_completion_service.dependencies,
);

export function descriptor(type: string): DescMessage {
  const found = registry.getMessage(type);
  if (!found) {
    throw new Error(`no such message type: ${type}`);
  }
  return found;
}

export function encoded(desc: DescMessage, name: string, message: Message): Encoded {
  return create(EncodedSchema, { type: desc.typeName, name, wire: toBinary(desc, message) });
}

function rewrite(request: Rewrite): Response {
  const response = create(ResponseSchema);
  for (const { type, name, wire } of request.messages) {
    const desc = descriptor(type);
    const message = fromBinary(desc, wire);
    if (request.report) {
      response.reports.push(report(reflect(desc, message)));
    }
    response.messages.push(encoded(desc, name, message));
  }
  return response;
}

async function answer({ action }: Request): Promise<Response> {
  switch (action.case) {
    case "rewrite":
      return rewrite(action.value);
    case "build":
      return build();
    case "generate":
      return generate(action.value);
    case "call":
      return call(action.value);
    case "serve":
      return serve();
    case "convert":
      return convert(action.value);
    default:
      throw new Error("no such action");
  }
}

let input = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  input = Buffer.concat([input, chunk]);
  while (input.length >= 4 && input.length >= 4 + input.readUInt32LE()) {
    const end = 4 + input.readUInt32LE();
    const request = fromBinary(RequestSchema, input.subarray(4, end));
    input = input.subarray(end);
    const response = await answer(request).catch((error) => create(ResponseSchema, { error: String(error) }));
    const frame = toBinary(ResponseSchema, response);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(frame.length);
    process.stdout.write(Buffer.concat([head, frame]));
  }
}
process.exit(0);
