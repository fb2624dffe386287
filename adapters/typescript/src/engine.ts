// Calls of the core, which is a WebAssembly module. adapters/abi/README.md says how it is called, and chatpb.h what each
// function does.

import { ChatpbError, ContractError, InternalError, JsonError, SchemaError, WireError, type Violation } from "./errors.js";
import { compiled } from "./module.js";

/** The codes of results. */
const enum Code {
  Ok = 0,
  Json = 1,
  Wire = 2,
  Descriptor = 3,
  Schema = 4,
  Contract = 8,
  End = 9,
}

/** Options of calls. */
export const enum Flag {
  None = 0,
  Canonical = 1,
  Nonfinite = 2,
  FillRequired = 4,
  SkipUnknown = 8,
  Strict = 16,
  WithoutUsage = 32,
}

/** Where the fields of a result are, and how many bytes it has. */
const DATA = 0;
const SIZE = 8;
const PATH = 16;
const REASON = 32;
const LINE = 48;
const COLUMN = 56;
const OFFSET = 64;
const CODE = 72;
const RESULT_SIZE = 80;

/** Bytes of an input block that are kept from one call to the next. */
const MAX_KEPT_INPUT = 1 << 20;
/** Bytes of an instance that is kept. Its memory never shrinks. */
const MAX_KEPT_MEMORY = 64 << 20;
const FIRST_INPUT = 1 << 14;

type Pointer = number;
type Convert = (codec: Pointer, input: Pointer, size: number, options: number, result: Pointer) => number;

export interface Exports extends WebAssembly.Exports {
  memory: WebAssembly.Memory;
  chatpb_alloc(size: number): Pointer;
  chatpb_free(block: Pointer, size: number): void;
  chatpb_schema_new(set: Pointer, size: number, name: Pointer, nameSize: number, result: Pointer): Pointer;
  chatpb_schema_free(schema: Pointer): void;
  chatpb_codec_new(schema: Pointer): Pointer;
  chatpb_codec_free(codec: Pointer): void;
  chatpb_json_to_wire: Convert;
  chatpb_wire_to_json: Convert;
  chatpb_validate: Convert;
  chatpb_compact_stream: Convert;
  chatpb_expand_stream: Convert;
  chatpb_accumulator_new(schema: Pointer): Pointer;
  chatpb_accumulator_free(accumulator: Pointer): void;
  chatpb_accumulator_add: Convert;
  chatpb_accumulator_json(accumulator: Pointer, result: Pointer): number;
  chatpb_splitter_new(
    completion: Pointer,
    chunk: Pointer,
    wire: Pointer,
    size: number,
    characters: number,
    options: number,
    result: Pointer,
  ): Pointer;
  chatpb_splitter_free(splitter: Pointer): void;
  chatpb_splitter_next(splitter: Pointer, result: Pointer): number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A message type, which each instance compiles for itself when it first meets it. */
export class Schema {
  constructor(
    readonly typeName: string,
    readonly descriptors: Uint8Array | undefined,
  ) {}
}

interface Handles {
  schema: Pointer;
  codec: Pointer;
}

/** One instance of the module, with memory of its own. */
export class Engine {
  readonly exports: Exports;
  readonly #result: Pointer;
  readonly #handles = new WeakMap<Schema, Handles>();
  readonly #forgotten: FinalizationRegistry<() => void>;
  #bytes!: Uint8Array;
  #view!: DataView;
  /** The input block, and a view of it. */
  #input: Pointer = 0;
  #room!: Uint8Array;
  #capacity = 0;
  isBroken = false;

  constructor() {
    this.exports = new WebAssembly.Instance(compiled).exports as Exports;
    this.#look();
    this.#result = this.#alloc(RESULT_SIZE);
    this.#forgotten = new FinalizationRegistry((free) => this.isBroken || free());
  }

  /** Free something in the instance when nothing refers to its owner any more. */
  freeWith(owner: object, free: () => void): void {
    this.#forgotten.register(owner, free);
  }

  get size(): number {
    this.#refresh();
    return this.#bytes.length;
  }

  /** Make views of the memory. They are lost when it grows, and to make them takes as long as a small document. */
  #look(): void {
    const { buffer } = this.exports.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
    this.#room = new Uint8Array(buffer, this.#input, this.#capacity);
  }

  /** Look again if the memory has grown. */
  #refresh(): void {
    if (this.#bytes.length === 0) {
      this.#look();
    }
  }

  #alloc(size: number): Pointer {
    const block = this.exports.chatpb_alloc(size) >>> 0;
    this.#refresh();
    if (block === 0) {
      throw new InternalError(`no memory for ${size} bytes`);
    }
    return block;
  }

  /** Make room for an input whose first `used` bytes are written. */
  #reserve(size: number, used = 0): void {
    if (size <= this.#capacity) {
      return;
    }
    const capacity = Math.max(size, FIRST_INPUT, Math.min(2 * this.#capacity, MAX_KEPT_INPUT));
    const block = this.#alloc(capacity);
    this.#bytes.copyWithin(block, this.#input, this.#input + used);
    this.exports.chatpb_free(this.#input, this.#capacity);
    this.#setInput(block, capacity);
  }

  #setInput(block: Pointer, capacity: number): void {
    [this.#input, this.#capacity] = [block, capacity];
    this.#look();
  }

  /** Write an input into the memory, and return its size in bytes. */
  #put(input: string | Uint8Array): number {
    this.#refresh();
    if (typeof input !== "string") {
      this.#reserve(input.length);
      this.#room.set(input);
      return input.length;
    }
    // Most text is ASCII. A code unit never takes more than three bytes.
    this.#reserve(input.length);
    let { read, written } = encoder.encodeInto(input, this.#room);
    while (read < input.length) {
      this.#reserve(written + 3 * (input.length - read), written);
      const more = encoder.encodeInto(input.slice(read), this.#room.subarray(written));
      [read, written] = [read + more.read, written + more.written];
    }
    // In ASCII, which has no surrogates, each code unit is a byte.
    if (written !== input.length && !input.isWellFormed()) {
      throw loneSurrogate(input);
    }
    return written;
  }

  /** Call a function with an input. Throw what it reports; return whether it has a result, which its end is not. */
  call(convert: Convert, handle: Pointer, input: string | Uint8Array, options: number): boolean {
    const size = this.#put(input);
    const code = convert(handle, this.#input, size, options, this.#result);
    if (this.#capacity > MAX_KEPT_INPUT) {
      this.exports.chatpb_free(this.#input, this.#capacity);
      this.#setInput(0, 0);
    }
    return this.#check(code);
  }

  /** Call a function without an input. */
  next(step: (handle: Pointer, result: Pointer) => number, handle: Pointer): boolean {
    return this.#check(step(handle, this.#result));
  }

  #check(code: number): boolean {
    this.#refresh();
    if (code === Code.Ok) {
      return true;
    }
    if (code === Code.End) {
      return false;
    }
    throw this.#error(code);
  }

  #error(code: number): ChatpbError {
    const path = this.#text(PATH);
    const reason = this.#text(REASON);
    switch (code) {
      case Code.Json:
        return new JsonError(path, this.#number(LINE), this.#number(COLUMN), this.#number(OFFSET), reason);
      case Code.Wire:
        return new WireError(path, this.#number(OFFSET), reason);
      case Code.Contract:
        return new ContractError(JSON.parse(this.text()) as Violation[]);
      case Code.Descriptor:
      case Code.Schema:
        return new SchemaError(reason);
      default:
        return new InternalError(reason || `a call ended with code ${code}`);
    }
  }

  /** Throw what was reported if nothing was made. */
  #made(handle: Pointer): void {
    this.#refresh();
    if (handle === 0) {
      throw this.#error(this.#number(CODE));
    }
  }

  #number(field: number): number {
    return this.#view.getUint32(this.#result + field, true);
  }

  #text(field: number): string {
    const start = this.#number(field);
    return decoder.decode(this.#bytes.subarray(start, start + this.#number(field + SIZE)));
  }

  /** Return the data of the last result as text. */
  text(): string {
    return this.#text(DATA);
  }

  /** Return a copy of the data of the last result. */
  bytes(): Uint8Array {
    const start = this.#number(DATA);
    return this.#bytes.slice(start, start + this.#number(SIZE));
  }

  /** Return the handles of a schema. */
  handles(schema: Schema): Handles {
    const known = this.#handles.get(schema);
    if (known !== undefined) {
      return known;
    }
    const { exports } = this;
    const name = encoder.encode(schema.typeName);
    const set = schema.descriptors ?? new Uint8Array();
    this.#refresh();
    this.#reserve(name.length + set.length);
    this.#room.set(name);
    this.#room.set(set, name.length);
    // A null pointer stands for the contract's own descriptors.
    const start = schema.descriptors === undefined ? 0 : this.#input + name.length;
    const made = exports.chatpb_schema_new(start, set.length, this.#input, name.length, this.#result) >>> 0;
    this.#made(made);
    const handles = { schema: made, codec: exports.chatpb_codec_new(made) >>> 0 };
    this.#handles.set(schema, handles);
    this.freeWith(schema, () => {
      exports.chatpb_codec_free(handles.codec);
      exports.chatpb_schema_free(handles.schema);
    });
    return handles;
  }

  /** Make a splitter of a completion. */
  splitter(completion: Schema, chunk: Schema, wire: Uint8Array, characters: number, options: number): Pointer {
    const [from, to] = [this.handles(completion).schema, this.handles(chunk).schema];
    const size = this.#put(wire);
    const make = this.exports.chatpb_splitter_new;
    const made = make(from, to, this.#input, size, characters, options, this.#result) >>> 0;
    this.#made(made);
    return made;
  }
}

/** Has an instance, and makes a new one once it is broken or has grown large. */
export class Host {
  #engine: Engine | undefined;

  /** @param keeps whether something in the instance must stay, however large it is. */
  constructor(readonly keeps: boolean) {}

  get engine(): Engine {
    return (this.#engine ??= new Engine());
  }

  /** Do some work with an instance, by default the current one. */
  run<T>(work: (engine: Engine) => T, engine = this.engine): T {
    if (engine.isBroken) {
      throw new InternalError("an earlier defect ended what this object stands for");
    }
    try {
      return work(engine);
    } catch (error) {
      if (error instanceof ChatpbError) {
        throw error;
      }
      // A trap, or the end of the stack in the middle of a call: the instance is in no known state.
      engine.isBroken = true;
      this.#engine = undefined;
      throw new InternalError("a defect of chatpb, or no memory or stack left", { cause: error });
    } finally {
      if (!this.keeps && this.#engine !== undefined && this.#engine.size > MAX_KEPT_MEMORY) {
        this.#engine.isBroken = true;
        this.#engine = undefined;
      }
    }
  }
}

/** Return the error of text with a lone surrogate, which an encoder silently replaces. */
function loneSurrogate(text: string): JsonError {
  let at = 0;
  for (let code = text.codePointAt(0)!; code < 0xd800 || code > 0xdfff; code = text.codePointAt(at)!) {
    at += code > 0xffff ? 2 : 1;
  }
  const before = text.slice(0, at);
  const lines = before.split("\n");
  const column = [...lines.at(-1)!].length + 1;
  return new JsonError("", lines.length, column, encoder.encode(before).length, "a lone surrogate, which UTF-8 cannot encode");
}
