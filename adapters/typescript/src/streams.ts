// Chunks of a stream put together into a completion, and a completion split into chunks.

import {
  bytes,
  CHUNK,
  type Codec,
  codecOf,
  COMPLETION,
  conversions,
  nonfinite,
  type NonfiniteOption,
  unknownFields,
  type UnknownFieldsOption,
} from "./convert.js";
import { type Engine, Flag, Host } from "./engine.js";

/** Streams have an instance of their own, which no conversion can break. */
const streams = new Host(true);

export interface AccumulatorOptions extends NonfiniteOption, UnknownFieldsOption {}

/**
 * Puts chunks together: takes them one by one, and returns the completion so far at any moment. A chunk that throws adds
 * nothing.
 */
export class Accumulator {
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #options: AccumulatorOptions;
  readonly #flags: number;

  constructor(options: AccumulatorOptions = {}) {
    this.#flags = nonfinite(options) | unknownFields(options);
    this.#options = options;
    const engine = (this.#engine = streams.engine);
    const handle = (this.#handle = streams.run(
      () => engine.exports.chatpb_accumulator_new(engine.handles(codecOf(CHUNK).schema).schema) >>> 0,
      engine,
    ));
    engine.freeWith(this, () => engine.exports.chatpb_accumulator_free(handle));
  }

  /** Add the next chunk, given its JSON text or the UTF-8 bytes of it. Throws JsonError. */
  addJson(json: string | Uint8Array): void {
    this.addWire(codecOf(CHUNK).jsonToWire(json, this.#options));
  }

  /** Add the next chunk, given its wire bytes. Throws WireError. */
  addWire(wire: Uint8Array): void {
    bytes("wire", wire);
    const add = this.#engine.exports.chatpb_accumulator_add;
    streams.run((engine) => engine.call(add, this.#handle, wire, this.#flags), this.#engine);
  }

  /** Return the wire bytes of the completion so far. */
  toWire(): Uint8Array {
    const json = streams.run((engine) => {
      engine.next(engine.exports.chatpb_accumulator_json, this.#handle);
      return engine.bytes();
    }, this.#engine);
    return codecOf(COMPLETION).jsonToWire(json, this.#options);
  }

  /** Return the JSON text of the completion so far. */
  toJson(): string {
    return codecOf(COMPLETION).wireToJson(this.toWire(), this.#options);
  }
}

export interface SplitOptions extends NonfiniteOption, UnknownFieldsOption {
  /** Characters of text in each chunk, at least 1; without it, a word in each. */
  size?: number;
  /** Whether the last chunk has the usage, if the completion has one. True unless given. */
  usage?: boolean;
}

/**
 * Yield the wire bytes of a completion's chunks, given its own. Throws WireError, and RangeError for a size below 1, when the
 * first chunk is asked for.
 */
export function* split(wire: Uint8Array, options: SplitOptions = {}): Generator<Uint8Array, void, undefined> {
  bytes("wire", wire);
  const { size, usage = true } = options;
  if (size !== undefined && !(Number.isInteger(size) && size >= 1)) {
    throw new RangeError(`size must be an integer of at least 1, not ${size}`);
  }
  const characters = Math.min(size ?? 0, 0xffff_ffff);
  const flags = nonfinite(options) | unknownFields(options) | (usage ? Flag.None : Flag.WithoutUsage);
  const engine = streams.engine;
  const [completion, chunk] = [codecOf(COMPLETION).schema, codecOf(CHUNK).schema];
  const handle = streams.run(() => engine.splitter(completion, chunk, wire, characters, flags), engine);
  try {
    const next = (): Uint8Array | undefined =>
      engine.next(engine.exports.chatpb_splitter_next, handle) ? engine.bytes() : undefined;
    for (let each = streams.run(next, engine); each !== undefined; each = streams.run(next, engine)) {
      yield each;
    }
  } finally {
    if (!engine.isBroken) {
      engine.exports.chatpb_splitter_free(handle);
    }
  }
}

/**
 * Return the wire bytes of the ChatCompletionStream that consists of chunks; what all of them have is stored once.
 *
 * @param chunks the wire bytes of each chunk.
 * @throws WireError whose path is the place of the chunk.
 */
export function compactStream(chunks: Iterable<Uint8Array>): Uint8Array {
  return convert(delimited(chunks), (engine) => engine.exports.chatpb_compact_stream);
}

/**
 * Return the wire bytes of each chunk of an encoded ChatCompletionStream.
 *
 * @throws WireError for bytes that are no valid encoding, or that stand for more than 256 MiB of chunks.
 */
export function expandStream(stream: Uint8Array): Uint8Array[] {
  return [...undelimited(convert(bytes("stream", stream), (engine) => engine.exports.chatpb_expand_stream))];
}

function convert(input: Uint8Array, choose: (engine: Engine) => Engine["exports"]["chatpb_compact_stream"]): Uint8Array {
  const codec: Codec = codecOf(CHUNK);
  return conversions.run((engine) => {
    engine.call(choose(engine), engine.handles(codec.schema).codec, input, Flag.None);
    return engine.bytes();
  });
}

/** Return messages each after its length. */
function delimited(messages: Iterable<Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const message of messages) {
    const length = [];
    let rest = bytes("a chunk", message).length;
    for (; rest > 127; rest = Math.floor(rest / 128)) {
      length.push((rest & 127) | 128);
    }
    parts.push(Uint8Array.of(...length, rest), message);
  }
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Yield messages that stand each after its length. The core wrote the lengths. */
function* undelimited(joined: Uint8Array): Generator<Uint8Array> {
  let at = 0;
  while (at < joined.length) {
    let [length, scale] = [0, 1];
    for (; joined[at]! > 127; at++, scale *= 128) {
      length += (joined[at]! & 127) * scale;
    }
    length += joined[at++]! * scale;
    yield joined.slice(at, at + length);
    at += length;
  }
}
