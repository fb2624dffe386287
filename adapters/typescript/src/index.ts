// OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing: without any runtime of protobuf.
// `chatpb/messages` has the functions for messages of @bufbuild/protobuf.

export {
  CHUNK,
  Codec,
  COMPLETION,
  jsonToWire,
  type JsonToWireOptions,
  type NonfiniteOption,
  type UnknownFieldsOption,
  validate,
  wireToJson,
  wireToJsonBytes,
  type WireToJsonOptions,
} from "./convert.js";
export {
  ChatpbError,
  ContractError,
  type ErrorCode,
  ErrorEvent,
  InternalError,
  JsonError,
  SchemaError,
  StreamError,
  type Violation,
  WireError,
} from "./errors.js";
export { type JsonValue, parseJson, printJson } from "./json.js";
export { type ByteStream, isError, MAX_EVENT, readChunks } from "./sse.js";
export { Accumulator, type AccumulatorOptions, compactStream, expandStream, split, type SplitOptions } from "./streams.js";
