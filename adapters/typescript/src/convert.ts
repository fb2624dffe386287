// JSON text to wire bytes and back, without any runtime of protobuf.

import { type Engine, Flag, Host, Schema } from "./engine.js";
import type { Violation } from "./errors.js";

/** Options of both directions. */
export interface NonfiniteOption {
  /** "allow" takes NaN, Infinity and -Infinity as numbers; "error", the default, refuses them. */
  nonfinite?: "error" | "allow";
}

/** An option of all that prints, and of streams. */
export interface UnknownFieldsOption {
  /** "error", the default, refuses fields that the contract does not have; "skip" leaves them out. */
  unknownFields?: "error" | "skip";
}

export interface JsonToWireOptions extends NonfiniteOption {
  /** Whether the same document gives the same bytes, whatever the order of its members. */
  canonical?: boolean;
  /** Whether to throw ContractError for a document that breaks the contract so that typed readers fail. */
  strict?: boolean;
}

export interface WireToJsonOptions extends NonfiniteOption, UnknownFieldsOption {
  /**
   * Whether to print the required members that no home holds: as null where the contract allows it, else as [] or {} if they are
   * arrays or maps. Others stay out.
   */
  fillRequired?: boolean;
}

/** The full name of a completion, the type of documents unless another one is given. */
export const COMPLETION = "chatcompletion.v1.ChatCompletion";
/** The full name of a chunk of a stream. */
export const CHUNK = "chatcompletion.v1.ChatCompletionChunk";

export const conversions = new Host(false);

/** The conversions of one message type. */
export class Codec {
  /** Used by this library only. */
  readonly schema: Schema;
  #engine: Engine | undefined;
  #handle = 0;

  /**
   * @param typeName the full name of a message type, without a dot in front.
   * @param descriptors an encoded FileDescriptorSet that has the type and all that it needs; without it, the contract's.
   *
   * The first call throws SchemaError if there is no such type, or the mapping cannot hold it.
   */
  constructor(typeName: string = COMPLETION, descriptors?: Uint8Array) {
    this.schema = new Schema(text("typeName", typeName), descriptors);
  }

  /** Return the codec in an instance. To look it up each time would take as long as a small document. */
  #in(engine: Engine): number {
    if (this.#engine !== engine) {
      this.#handle = engine.handles(this.schema).codec;
      this.#engine = engine;
    }
    return this.#handle;
  }

  /** As the function `jsonToWire`. */
  jsonToWire(json: string | Uint8Array, options: JsonToWireOptions = {}): Uint8Array {
    const input = typeof json === "string" ? json : bytes("json", json);
    const flags =
      nonfinite(options) | (options.canonical ? Flag.Canonical : 0) | (options.strict ? Flag.Strict : Flag.None);
    return conversions.run((engine) => {
      engine.call(engine.exports.chatpb_json_to_wire, this.#in(engine), input, flags);
      return engine.bytes();
    });
  }

  /** As the function `wireToJson`. */
  wireToJson(wire: Uint8Array, options: WireToJsonOptions = {}): string {
    return this.#print(wire, options, text_of);
  }

  /** As the function `wireToJsonBytes`. */
  wireToJsonBytes(wire: Uint8Array, options: WireToJsonOptions = {}): Uint8Array {
    return this.#print(wire, options, bytes_of);
  }

  #print<T>(wire: Uint8Array, options: WireToJsonOptions, take: (engine: Engine) => T): T {
    bytes("wire", wire);
    const flags = nonfinite(options) | unknownFields(options) | (options.fillRequired ? Flag.FillRequired : Flag.None);
    return conversions.run((engine) => {
      engine.call(engine.exports.chatpb_wire_to_json, this.#in(engine), wire, flags);
      return take(engine);
    });
  }

  /** As the function `validate`. */
  validate(wire: Uint8Array, options: { strict?: boolean } = {}): Violation[] {
    bytes("wire", wire);
    return conversions.run((engine) => {
      const flags = options.strict ? Flag.Strict : Flag.None;
      engine.call(engine.exports.chatpb_validate, this.#in(engine), wire, flags);
      return JSON.parse(engine.text()) as Violation[];
    });
  }
}

const text_of = (engine: Engine): string => engine.text();
const bytes_of = (engine: Engine): Uint8Array => engine.bytes();

const codecs = new Map<string, Codec>();

/** Return the codec of a type of the contract by its full name, or the codec that is given. */
export function codecOf(type: string | Codec): Codec {
  if (typeof type !== "string") {
    return type;
  }
  let codec = codecs.get(type);
  if (codec === undefined) {
    codec = new Codec(type);
    // A name that is no type of the contract throws here, and is not kept.
    conversions.run((engine) => engine.handles(codec!.schema));
    codecs.set(type, codec);
  }
  return codec;
}

/**
 * Return the wire bytes of the message that the text of a JSON object stands for.
 *
 * @param json the text, or its UTF-8 bytes.
 * @param type the full name of a type of the contract, or a codec; ChatCompletion unless given.
 * @throws JsonError for text that is not acceptable JSON, ContractError for what `strict` refuses.
 */
export function jsonToWire(
  json: string | Uint8Array,
  type: string | Codec = COMPLETION,
  options: JsonToWireOptions = {},
): Uint8Array {
  return codecOf(type).jsonToWire(json, options);
}

/**
 * Return the JSON text of an encoded message.
 *
 * @throws WireError for bytes that are no valid encoding, that hold what JSON cannot, or that have a field of a newer contract,
 * unless `unknownFields` is "skip".
 */
export function wireToJson(
  wire: Uint8Array,
  type: string | Codec = COMPLETION,
  options: WireToJsonOptions = {},
): string {
  return codecOf(type).wireToJson(wire, options);
}

/** Return the JSON text of an encoded message as UTF-8 bytes. Throws as `wireToJson`. */
export function wireToJsonBytes(
  wire: Uint8Array,
  type: string | Codec = COMPLETION,
  options: WireToJsonOptions = {},
): Uint8Array {
  return codecOf(type).wireToJsonBytes(wire, options);
}

/**
 * Return every way in which an encoded message breaks the contract, in the contract's order: at most 1,000.
 *
 * @param options with `strict`, only what makes typed readers fail.
 * @throws WireError
 */
export function validate(
  wire: Uint8Array,
  type: string | Codec = COMPLETION,
  options: { strict?: boolean } = {},
): Violation[] {
  return codecOf(type).validate(wire, options);
}

/** Return whether an option has its other value than the one that it has if it is not given. */
function choice(name: string, value: string | undefined, usual: string, other: string): boolean {
  if (value !== undefined && value !== usual && value !== other) {
    throw new RangeError(`${name} must be "${usual}" or "${other}", not ${JSON.stringify(value)}`);
  }
  return value === other;
}

export function nonfinite(options: NonfiniteOption): number {
  return choice("nonfinite", options.nonfinite, "error", "allow") ? Flag.Nonfinite : Flag.None;
}

export function unknownFields(options: UnknownFieldsOption): number {
  return choice("unknownFields", options.unknownFields, "error", "skip") ? Flag.SkipUnknown : Flag.None;
}

export function bytes(name: string, value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new TypeError(`${name} must be a Uint8Array, not ${describe(value)}`);
  }
  return value;
}

function text(name: string, value: string): string {
  if (typeof value !== "string") {
    throw new TypeError(`${name} must be a string, not ${describe(value)}`);
  }
  return value;
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? (value.constructor?.name ?? "an object") : typeof value;
}
