// Makes the messages of the golden files by hand, as a user would.

import {
  clone,
  create,
  type DescMessage,
  fromBinary,
  mergeFromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ChatCompletionChunk,
  ChatCompletionChunkObject,
  ChatCompletionChunkSchema,
} from "../gen/chatcompletion/v1/chat_completion_chunk_pb.js";
import {
  ChatCompletionMessageSchema,
  ChatCompletionObject,
  ChatCompletionSchema,
} from "../gen/chatcompletion/v1/chat_completion_pb.js";
import {
  type ChatCompletionStream,
  ChatCompletionStreamSchema,
} from "../gen/chatcompletion/v1/chat_completion_record_pb.js";
import {
  ChatCompletionModality,
  CreateChatCompletionRequestSchema,
  PromptCacheRetention,
  ReasoningEffort,
  ResponseFormatType,
  Verbosity,
} from "../gen/chatcompletion/v1/chat_completion_request_pb.js";
import { ChatCompletionRole, FinishReason, ServiceTier, ToolType } from "../gen/chatcompletion/v1/common_pb.js";
import { ContentPartType, ImageDetail, InputAudioFormat } from "../gen/chatcompletion/v1/content_part_pb.js";
import { ToolChoiceMode } from "../gen/chatcompletion/v1/tool_pb.js";
import { EncodedSchema, type Response, ResponseSchema } from "../gen/conformance_pb.js";
import { encoded } from "./main.js";

export function build(): Response {
  const completion = writeCompletion();
  return create(ResponseSchema, {
    lines: readCompletion(completion),
    messages: [
      create(EncodedSchema, { name: "completion", type: ChatCompletionSchema.typeName, wire: completion }),
      made("tool-call", ChatCompletionSchema, toolCall()),
      made("stream-usage", ChatCompletionChunkSchema, streamUsage()),
      made("request-parts", CreateChatCompletionRequestSchema, requestParts()),
      made("zero-and-empty", ChatCompletionSchema, zeroAndEmpty()),
      made("enums", CreateChatCompletionRequestSchema, enums()),
      made("vendor", ChatCompletionSchema, vendor()),
      made("chunk-of-stream", ChatCompletionChunkSchema, expand(stream())[1]!),
    ],
  });
}

function made<Desc extends DescMessage>(name: string, desc: Desc, init: MessageInitShape<Desc>) {
  return encoded(desc, name, create(desc, init));
}

function writeCompletion(): Uint8Array {
  // docs: write
  const completion = create(ChatCompletionSchema, {
    id: "chatcmpl-1",
    object: ChatCompletionObject.CHAT_COMPLETION,
    created: 1721075651n, // 64-bit integers are bigint
    model: "m-1",
    choices: [
      {
        index: 0, // zero, but present
        message: { role: ChatCompletionRole.ASSISTANT, content: "Hello" },
        finishReason: FinishReason.STOP,
      },
    ],
    additionalProperties: { x_groq: { id: "req_1" } }, // a Struct is a plain object
    verbatimProperties: { seed: "18446744073709551615" }, // too large for a double
  });
  completion.nullFields |= bit(ChatCompletionSchema.field.usage); // "usage": null
  return toBinary(ChatCompletionSchema, completion);
  // docs: end
}

// docs: bit
/** Returns the bit of a field in nullFields and emptyFields. */
function bit(field: { number: number }): bigint {
  return 1n << BigInt(field.number);
}
// docs: end

function readCompletion(wire: Uint8Array): string[] {
  const lines: string[] = [];
  // docs: read
  const completion = fromBinary(ChatCompletionSchema, wire);
  for (const choice of completion.choices) {
    if (choice.finishReason === FinishReason.STOP) {
      lines.push(choice.message?.content ?? "");
    }
  }
  if (!completion.usage && completion.nullFields & bit(ChatCompletionSchema.field.usage)) {
    lines.push("usage is null, not absent");
  }
  const vendor = completion.additionalProperties?.["x_groq"] as { id: string };
  lines.push(vendor.id);
  lines.push(completion.verbatimProperties["seed"] ?? ""); // JSON text
  // docs: end
  return lines;
}

// docs: expand
/** Returns the chunks of a stream, each of them whole. */
function expand({ common, chunks }: ChatCompletionStream): ChatCompletionChunk[] {
  return chunks.map((kept) => {
    const chunk = common ? clone(ChatCompletionChunkSchema, common) : create(ChatCompletionChunkSchema);
    return mergeFromBinary(ChatCompletionChunkSchema, chunk, toBinary(ChatCompletionChunkSchema, kept));
  });
}
// docs: end

function stream(): ChatCompletionStream {
  return create(ChatCompletionStreamSchema, {
    common: {
      id: "chatcmpl-1",
      model: "m-1",
      object: ChatCompletionChunkObject.CHAT_COMPLETION_CHUNK,
      nullFields: bit(ChatCompletionChunkSchema.field.usage),
      additionalProperties: { x_groq: { id: "req_1" } },
    },
    chunks: [
      { choices: [{ index: 0, delta: { content: "Hel" } }] },
      { model: "m-2", choices: [{ index: 0, delta: { content: "lo" } }] },
    ],
  });
}

function toolCall(): MessageInitShape<typeof ChatCompletionSchema> {
  const { content, refusal } = ChatCompletionMessageSchema.field;
  return {
    choices: [
      {
        index: 0,
        message: {
          role: ChatCompletionRole.ASSISTANT,
          nullFields: bit(content) | bit(refusal),
          toolCalls: [
            { id: "call_1", type: ToolType.FUNCTION, function: { name: "get_weather", arguments: '{"city": "Oslo"}' } },
          ],
        },
        finishReason: FinishReason.TOOL_CALLS,
      },
    ],
  };
}

function streamUsage(): MessageInitShape<typeof ChatCompletionChunkSchema> {
  return {
    id: "chatcmpl-1",
    object: ChatCompletionChunkObject.CHAT_COMPLETION_CHUNK,
    emptyFields: bit(ChatCompletionChunkSchema.field.choices),
    usage: {
      promptTokens: 9n,
      completionTokens: 12n,
      totalTokens: 21n,
      completionTokensDetails: { reasoningTokens: 0n },
    },
  };
}

function requestParts(): MessageInitShape<typeof CreateChatCompletionRequestSchema> {
  return {
    model: "m-1",
    messages: [
      { role: ChatCompletionRole.DEVELOPER, content: { case: "contentText", value: "Be brief." } },
      {
        role: ChatCompletionRole.USER,
        content: {
          case: "contentParts",
          value: {
            items: [
              { type: ContentPartType.TEXT, text: "What is this? \u00e9\u{1f600}" },
              {
                type: ContentPartType.IMAGE_URL,
                imageUrl: { url: "https://example.com/a.png", detail: ImageDetail.LOW },
              },
              {
                type: ContentPartType.INPUT_AUDIO,
                inputAudio: { data: Uint8Array.of(0, 1, 254, 255), format: InputAudioFormat.WAV },
              },
            ],
          },
        },
      },
    ],
    temperature: 0.1,
    seed: -(2n ** 63n),
    stream: true,
    streamOptions: { includeUsage: true },
    stop: { case: "stopList", value: { items: ["END", ""] } },
    logitBias: { "50256": -100, "7": 0 },
    tools: [
      {
        type: ToolType.FUNCTION,
        function: { name: "f", parameters: '{"type":"object","properties":{"z":{},"a":{}}}' },
      },
    ],
    toolChoice: { case: "toolChoiceMode", value: ToolChoiceMode.AUTO },
  };
}

function zeroAndEmpty(): MessageInitShape<typeof ChatCompletionSchema> {
  const { toolCalls, annotations } = ChatCompletionMessageSchema.field;
  return {
    id: "",
    created: 0n,
    emptyFields: bit(ChatCompletionSchema.field.metadata),
    choices: [{ message: { emptyFields: bit(toolCalls), nullFields: bit(annotations) } }],
    usage: { promptTokens: 0n },
  };
}

function enums(): MessageInitShape<typeof CreateChatCompletionRequestSchema> {
  return {
    serviceTier: ServiceTier.FLEX,
    reasoningEffort: ReasoningEffort.NONE,
    verbosity: Verbosity.LOW,
    promptCacheRetention: PromptCacheRetention.ONE_DAY,
    modalities: [ChatCompletionModality.TEXT, ChatCompletionModality.AUDIO],
    responseFormat: {
      type: ResponseFormatType.JSON_SCHEMA,
      jsonSchema: { name: "n", schema: '{"minimum":1.0}', strict: false },
    },
  };
}

function vendor(): MessageInitShape<typeof ChatCompletionSchema> {
  return {
    choices: [{ additionalProperties: { timings: { queue: 0.025, steps: [1, true, null, "x", {}, []] } } }],
    verbatimProperties: { budget: "9007199254740993", limits: '{"max":1e400}' },
    metadata: { b: "1", a: "" },
  };
}
