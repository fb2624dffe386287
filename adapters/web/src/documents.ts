// The documents of an input: what each is, and the streams that its chunks are put together to. This runs in the worker.

import { Accumulator, ChatpbError, CHUNK, COMPLETION, expandStream, JsonError, jsonToWire, validate, type Violation, WireError, wireToJsonBytes } from "chatpb";
import { contract, FIELDS, STREAM, TYPES } from "./contract.js";
import { detectJson, detectWire } from "./detect.js";
import type { Input } from "./input.js";
import { decode } from "./json.js";
import { rangesOf, type Tree, treeOf } from "./tree.js";
import { occurrences } from "./wire.js";

/** A line of the list of documents. */
export interface Row {
  /** The full name of its type. */
  readonly type: string;
  /** Bytes of both forms; 0 where an error leaves none. */
  readonly jsonSize: number;
  readonly wireSize: number;
  readonly violations: number;
  readonly error: string;
  /** Where it is in the input; both 0 for a stream that was put together. */
  readonly start: number;
  readonly end: number;
  /** Of a stream that was put together, how many chunks it has. */
  readonly chunks: number;
}

/** What is wrong with a document, and where. */
export interface Fault {
  readonly reason: string;
  readonly path: string;
  /** Bytes from the start of the text, or of the wire bytes. */
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  readonly isInWire: boolean;
}

/** All that is known of one document. */
export interface Document {
  readonly type: string;
  /** The types that wire bytes may be as well. */
  readonly alike: readonly string[];
  readonly json: Uint8Array | undefined;
  readonly wire: Uint8Array | undefined;
  readonly tree: Tree | undefined;
  readonly violations: readonly Violation[];
  /** The paths of those that `strict` refuses. */
  readonly refused: readonly string[];
  readonly fault: Fault | undefined;
  /** Why it cannot be edited; "" if it can. */
  readonly isFixed: string;
}

/** Where a document comes from. */
type Source =
  | { kind: "json"; bytes: Uint8Array; type: string | undefined; known: string }
  | { kind: "wire"; bytes: Uint8Array; type: string | undefined; known: string }
  | { kind: "stream"; chunks: () => Iterable<Uint8Array> };

const RECORD = contract.documents["record"]!;

export class Documents {
  readonly #input: Input;
  readonly #type: string | undefined;
  readonly #sources: Source[] = [];
  #before: string | undefined;

  /** @param type the type of all documents, where the user names one. */
  constructor(input: Input, type?: string) {
    this.#input = input;
    this.#type = type;
  }

  /** Yield the rows of all documents. A stream that was put together stands before its chunks. */
  *rows(): Generator<Row | undefined> {
    const { bytes, spans, isWire } = this.#input;
    let run: { id: string; sources: Source[]; rows: Row[] } | undefined;
    for (let at = 0; at < spans.length; at += 2) {
      const [start, end] = [spans[at]!, spans[at + 1]!];
      const piece = bytes.subarray(start, end);
      const source: Source = { kind: isWire ? "wire" : "json", bytes: piece, type: this.#type, known: "" };
      const row = this.#row(source, start, end);
      const id = row.type === CHUNK && row.error === "" ? idOf(source) : undefined;
      if (run !== undefined && (id === undefined || (id !== "" && run.id !== "" && id !== run.id))) {
        yield* this.#endRun(run);
        run = undefined;
      }
      if (id !== undefined) {
        run ??= { id, sources: [], rows: [] };
        run.id ||= id;
        run.sources.push(source);
        run.rows.push(row);
        yield undefined;
        continue;
      }
      this.#sources.push(source);
      yield row;
      const whole = this.#inside(source, row);
      if (whole !== undefined) {
        this.#sources.push(whole);
        yield this.#row(whole, 0, 0);
      }
    }
    if (run !== undefined) {
      yield* this.#endRun(run);
    }
  }

  *#endRun({ sources, rows }: { sources: Source[]; rows: Row[] }): Generator<Row> {
    if (sources.length > 1) {
      const whole: Source = { kind: "stream", chunks: () => sources.map((each) => wireOf(each)) };
      this.#sources.push(whole);
      yield { ...this.#row(whole, 0, 0), chunks: sources.length };
    }
    // One by one: a stream may have more chunks than a call has arguments.
    sources.forEach((each) => this.#sources.push(each));
    yield* rows;
  }

  /** Return the stream that a record, or a compact stream itself, has inside. */
  #inside(source: Source, { type, error }: Row): Source | undefined {
    if (error !== "" || (type !== RECORD && type !== STREAM) || source.kind === "stream") {
      return undefined;
    }
    if (type === STREAM) {
      return { kind: "stream", chunks: () => expandStream(wireOf(source)) };
    }
    const find = (): Uint8Array | undefined => {
      const { tree, wire: bytes } = this.#read(source);
      const row = tree?.field.findIndex((field) => field >= 0 && FIELDS[field]!.field.message === STREAM) ?? -1;
      if (row < 0) {
        return undefined;
      }
      const [start, end] = rangesOf(tree!, row);
      const { payload } = occurrences(bytes!, [start!, end!])[0]!;
      return bytes!.subarray(payload, end);
    };
    return find() === undefined ? undefined : { kind: "stream", chunks: () => expandStream(find()!) };
  }

  #row(source: Source, start: number, end: number): Row {
    try {
      const { type, json, wire } = this.#convert(source);
      const violations = validate(wire, type).length;
      return { type, jsonSize: json.length, wireSize: wire.length, violations, error: "", start, end, chunks: source.kind === "stream" ? 1 : 0 };
    } catch (error) {
      const type = source.kind === "stream" ? COMPLETION : (source.type ?? source.known);
      return { type, jsonSize: 0, wireSize: 0, violations: 0, error: faultOf(error).reason, start, end, chunks: source.kind === "stream" ? 1 : 0 };
    }
  }

  /** Return both forms of a document, and its type. */
  #convert(source: Source): { type: string; json: Uint8Array; wire: Uint8Array; isSkipping: boolean; alike: string[] } {
    if (source.kind === "stream") {
      const accumulator = new Accumulator({ unknownFields: "skip", nonfinite: "allow" });
      for (const chunk of source.chunks()) {
        accumulator.addWire(chunk);
      }
      const wire = accumulator.toWire();
      const json = wireToJsonBytes(wire, COMPLETION, { nonfinite: "allow" });
      return { type: COMPLETION, json, wire, isSkipping: false, alike: [] };
    }
    if (source.kind === "json") {
      source.known = source.type ?? (source.known || detectJson(decode(source.bytes), this.#before));
      this.#before = source.known;
      return { type: source.known, json: source.bytes, wire: jsonToWire(source.bytes, source.known), isSkipping: false, alike: [] };
    }
    const alike = source.type === undefined ? detectWire(source.bytes) : [source.type];
    const type = (source.known = alike.includes(this.#before ?? "") ? this.#before! : alike[0]!);
    this.#before = type;
    try {
      return { type, json: wireToJsonBytes(source.bytes, type, { nonfinite: "allow" }), wire: source.bytes, isSkipping: false, alike };
    } catch (error) {
      let json: Uint8Array;
      try {
        json = wireToJsonBytes(source.bytes, type, { nonfinite: "allow", unknownFields: "skip" });
      } catch {
        throw error;
      }
      return { type, json, wire: source.bytes, isSkipping: true, alike };
    }
  }

  /** Return all that is known of a document. */
  show(index: number): Document {
    return this.#read(this.#sources[index]!);
  }

  #read(source: Source): Document {
    const none = { alike: [], tree: undefined, violations: [], refused: [], isFixed: "" };
    try {
      const { type, json, wire, isSkipping, alike } = this.#convert(source);
      return {
        type,
        alike,
        json,
        wire,
        tree: treeOf(json, wire, type),
        violations: validate(wire, type),
        refused: validate(wire, type, { strict: true }).map(({ path, rule }) => `${rule} ${path}`),
        fault: undefined,
        isFixed:
          source.kind === "stream"
            ? "This completion is put together from chunks: edit those."
            : isSkipping
              ? "These bytes have fields that the contract lacks, which JSON cannot hold: an edit would lose them."
              : "",
      };
    } catch (error) {
      const fault = faultOf(error);
      const bytes = source.kind === "stream" ? undefined : source.bytes;
      const type = source.kind === "stream" ? COMPLETION : (source.type ?? source.known);
      return {
        ...none,
        type: type || Object.values(TYPES)[0]!,
        json: source.kind === "json" ? bytes : undefined,
        wire: source.kind === "wire" ? bytes : undefined,
        fault,
        isFixed: source.kind === "json" ? "" : "There is no JSON to edit.",
      };
    }
  }

  /** Give a document another text, which is JSON from then on. Return its row. */
  edit(index: number, json: Uint8Array): Row {
    const source = this.#sources[index]!;
    const type = source.kind === "wire" ? source.known : source.kind === "json" ? source.type : undefined;
    // The object stays the same one: streams refer to it.
    Object.assign(source, { kind: "json", bytes: json, type, known: "" });
    return this.row(index);
  }

  /** Name the type of a document. */
  retype(index: number, type: string): Row {
    Object.assign(this.#sources[index]!, { type });
    return this.row(index);
  }

  row(index: number): Row {
    return this.#row(this.#sources[index]!, 0, 0);
  }
}

function wireOf(source: Source): Uint8Array {
  if (source.kind === "stream") {
    throw new Error("a stream has chunks");
  }
  return source.kind === "wire" ? source.bytes : jsonToWire(source.bytes, source.known);
}

/** Return the id of a chunk, which tells streams apart; "" where it has none. */
function idOf(source: Source): string {
  try {
    const json = source.kind === "json" ? source.bytes : wireToJsonBytes(wireOf(source), CHUNK, { unknownFields: "skip" });
    const { id } = JSON.parse(decode(json)) as { id?: unknown };
    return typeof id === "string" ? id : "";
  } catch {
    return "";
  }
}

function faultOf(error: unknown): Fault {
  const none = { path: "", offset: 0, line: 0, column: 0, isInWire: false };
  if (error instanceof JsonError) {
    const { reason, path, offset, line, column } = error;
    return { reason, path, offset, line, column, isInWire: false };
  }
  if (error instanceof WireError) {
    return { ...none, reason: error.reason, path: error.path, offset: error.offset, isInWire: true };
  }
  return { ...none, reason: error instanceof ChatpbError ? error.message : String(error) };
}
