// What a user gives: a text or bytes, cut into documents.


import { EventReader } from "../../typescript/src/sse.js";

/** Bytes that are read of a compressed input, so that a few bytes do not fill the memory. */
export const MAX_INPUT = 256 << 20;

/** Documents as pairs of a start and an end in some bytes, all of them JSON or all of them wire bytes. */
export interface Input {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isWire: boolean;
  readonly spans: number[];
  /** How the input is written, in words. */
  readonly form: string;
}

const LF = 10;
const CR = 13;
const BRACE = 123;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Cut an input into documents. A file's name may say what it is. */
export function cut(bytes: Uint8Array<ArrayBuffer>, name = ""): Input {
  const ending = /\.(\w+)$/.exec(name.toLowerCase().replace(/\.gz$/, ""))?.[1] ?? "";
  if (ending === "binpbs") {
    return { bytes, isWire: true, spans: delimited(bytes) ?? [0, bytes.length], form: "messages, each after its length" };
  }
  const isText = ["json", "jsonl", "ndjson", "sse", "txt"].includes(ending);
  if (["binpb", "pb"].includes(ending) || (!isText && !looksLikeText(bytes))) {
    return { bytes, isWire: true, spans: [0, bytes.length], form: "wire bytes" };
  }
  const start = firstByte(bytes, 0);
  if (bytes[start] !== BRACE && isEventStream(bytes, start)) {
    return events(bytes);
  }
  const lines = linesOf(bytes);
  if (lines.length > 2 && endOfObject(bytes, lines[0]!) <= lines[1]!) {
    return { bytes, isWire: false, spans: lines, form: "JSON lines" };
  }
  return { bytes, isWire: false, spans: [0, bytes.length], form: "JSON" };
}

function looksLikeText(bytes: Uint8Array): boolean {
  const some = bytes.subarray(0, 1 << 16);
  if (some.some((byte) => byte < 9 || (byte > 13 && byte < 32))) {
    return false;
  }
  try {
    // A character may be cut at the end.
    decoder.decode(some, { stream: true });
    return true;
  } catch {
    return false;
  } finally {
    try {
      decoder.decode();
    } catch {
      // That was the character.
    }
  }
}

function firstByte(bytes: Uint8Array, from: number): number {
  let at = bytes[0] === 0xef && from === 0 ? 3 : from;
  while (bytes[at]! <= 32) {
    at++;
  }
  return at;
}

function isEventStream(bytes: Uint8Array, start: number): boolean {
  const head = String.fromCharCode(...bytes.subarray(start, start + 8));
  return /^(?:data|event|id|retry|):/.test(head);
}

/** Return where the lines are that hold anything but whitespace. */
function linesOf(bytes: Uint8Array): number[] {
  const spans: number[] = [];
  for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
    end = bytes.indexOf(LF, start);
    end = end < 0 ? bytes.length : end;
    const first = firstByte(bytes, start);
    if (first < end) {
      spans.push(start, bytes[end - 1] === CR ? end - 1 : end);
    }
  }
  return spans;
}

/** Return the end of the object that begins in a line, as far as brackets and strings tell. */
function endOfObject(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let isInString = false;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (isInString) {
      at += byte === 92 ? 1 : 0;
      isInString = byte !== 34;
    } else if (byte === 34) {
      isInString = true;
    } else if (byte === BRACE || byte === 91) {
      depth++;
    } else if ((byte === 125 || byte === 93) && --depth <= 0) {
      return at + 1;
    } else if (byte === LF && at > start && depth === 0) {
      return at;
    }
  }
  return bytes.length + 1;
}

/** Return the documents of an event stream, each after a line end. What is no JSON object, such as `[DONE]`, is none. */
function events(bytes: Uint8Array): Input {
  const reader = new EventReader(MAX_INPUT);
  const [parts, spans]: [Uint8Array<ArrayBuffer>[], number[]] = [[], []];
  let size = 0;
  for (const events of [reader.feed(bytes), reader.close()]) {
    for (const { data } of events) {
      if (data.trimStart().startsWith("{")) {
        const part = encoder.encode(`${data}\n`) as Uint8Array<ArrayBuffer>;
        spans.push(size, size + part.length - 1);
        parts.push(part);
        size += part.length;
      }
    }
  }
  const joined = new Uint8Array(size);
  parts.forEach((part, at) => joined.set(part, spans[2 * at]!));
  return { bytes: joined, isWire: false, spans, form: "an event stream" };
}

/** Return where messages are that stand each after its length; undefined where the lengths do not fit. */
function delimited(bytes: Uint8Array): number[] | undefined {
  const spans: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    let [length, scale] = [0, 1];
    for (; bytes[at]! > 127; at++, scale *= 128) {
      length += (bytes[at]! & 127) * scale;
    }
    length += (bytes[at++] ?? 0) * scale;
    if (at + length > bytes.length) {
      return undefined;
    }
    spans.push(at, at + length);
    at += length;
  }
  return spans;
}

/** Return what a stream of compressed bytes holds, up to the limit. */
export async function inflate(bytes: Uint8Array<ArrayBuffer>, format: CompressionFormat, limit = MAX_INPUT): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = (stream as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value);
    size += read.value.length;
    if (size > limit) {
      await reader.cancel();
      throw new RangeError(`more than ${limit >> 20} MiB once it is decompressed`);
    }
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

export async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

