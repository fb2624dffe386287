// Reads `text/event-stream`, the form of streamed completions over HTTP. No code here opens a connection.
//
// Rules, from the WHATWG specification of server-sent events and from what providers send:
//
// - The bytes may be split anywhere. Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading
//   byte order mark, comments, and fields other than `event` and `data`. Several data lines are joined by LF.
// - An event with the data `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
// - The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
// - An event named `error` is thrown as an error. So is one whose data is an error body.
// - A line that begins with `{` is no field of the specification, but what some servers write when they fail. With the
//   lines after it, up to the empty line, it is the data of an event of its own.
// - Not chunks, and left out: events without data or with `null`, and those with another name than `message` whose data
//   has no `choices`, such as `ping`.
// - At most one event is buffered. An event above the limit is refused.

import { CHUNK, codecOf } from "./convert.js";
import { ErrorEvent, JsonError, StreamError } from "./errors.js";

/** Bytes of one event, unless the caller sets another limit. */
export const MAX_EVENT = 16 << 20;

/** The bytes of a stream, as `fetch` and Node give them. */
export type ByteStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** One event: its data lines, joined by LF, and its name. */
export interface Event {
  readonly data: string;
  readonly name: string;
}

const LF = 10;
const CR = 13;

/** Finds events in the bytes of a stream. Used by this library and its page only. */
export class EventReader {
  readonly #limit: number;
  /** Bytes that are not UTF-8 are refused, for the characters that stand in for them would be lost data. */
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The lines of the event being read, and their bytes without those of comments. */
  #lines: string[] = [];
  #size = 0;
  /** The bytes of the line being read, in the pieces in which they came. */
  #pieces: Uint8Array[] = [];
  #pending = 0;
  #afterCr = false;
  #isFirstLine = true;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Take the next bytes, and yield each event that they complete. */
  *feed(bytes: Uint8Array): Generator<Event> {
    let start = 0;
    if (this.#afterCr && bytes.length > 0) {
      this.#afterCr = false;
      start = bytes[0] === LF ? 1 : 0;
    }
    let [lf, cr] = [bytes.indexOf(LF, start), bytes.indexOf(CR, start)];
    while (lf >= 0 || cr >= 0) {
      const end = cr < 0 || (lf >= 0 && lf < cr) ? lf : cr;
      const isEmpty = this.#pending === 0 && end === start;
      this.#endLine(bytes.subarray(start, end));
      start = end + 1;
      if (end === cr) {
        if (start === bytes.length) {
          this.#afterCr = true;
        } else if (bytes[start] === LF) {
          start++;
        }
        cr = bytes.indexOf(CR, start);
      }
      if (lf >= 0 && lf < start) {
        lf = bytes.indexOf(LF, start);
      }
      if (isEmpty) {
        yield* this.#endEvent();
      }
    }
    if (start < bytes.length) {
      const rest = bytes.subarray(start);
      // Of a comment, which a server may send for hours, only the colon stays.
      const isComment = this.#pieces[0]?.[0] === 58;
      if (!isComment || this.#pending === 0) {
        this.#pieces.push(rest[0] === 58 && this.#pending === 0 ? rest.slice(0, 1) : rest.slice());
        this.#pending += this.#pieces.at(-1)!.length;
      }
      this.#refuseAbove(this.#size + (this.#pieces[0]?.[0] === 58 ? 0 : this.#pending));
    }
  }

  /** End the stream, and yield the event that has no empty line after it, if it has data. */
  *close(): Generator<Event> {
    this.#endLine(new Uint8Array());
    yield* this.#endEvent();
  }

  #refuseAbove(size: number): void {
    if (size > this.#limit) {
      throw new StreamError(`an event of more than ${this.#limit} bytes, the limit`);
    }
  }

  #endLine(last: Uint8Array): void {
    let bytes = last;
    if (this.#pending > 0) {
      bytes = new Uint8Array(this.#pending + last.length);
      let at = 0;
      for (const piece of [...this.#pieces, last]) {
        bytes.set(piece, at);
        at += piece.length;
      }
      [this.#pieces, this.#pending] = [[], 0];
    }
    if (this.#isFirstLine && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
      bytes = bytes.subarray(3);
    }
    this.#isFirstLine = false;
    if (bytes.length === 0 || bytes[0] === 58) {
      return;
    }
    this.#size += bytes.length + 1;
    this.#refuseAbove(this.#size - 1);
    try {
      this.#lines.push(this.#decoder.decode(bytes));
    } catch (error) {
      throw new StreamError("an event that is not UTF-8", { cause: error });
    }
  }

  *#endEvent(): Generator<Event> {
    const lines = this.#lines;
    [this.#lines, this.#size] = [[], 0];
    const bare = lines.findIndex((line) => line.startsWith("{"));
    const fields = bare < 0 ? lines : lines.slice(0, bare);
    let name = "message";
    const data: string[] = [];
    for (const line of fields) {
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
      if (field === "data") {
        data.push(value);
      } else if (field === "event") {
        name = value || "message";
      }
    }
    if (data.length > 0) {
      yield { data: data.join("\n"), name };
    }
    if (bare >= 0) {
      yield { data: lines.slice(bare).join("\n"), name: "message" };
    }
  }
}

/**
 * Yield the wire bytes of each chunk of an event stream.
 *
 * @param stream the bytes, such as `response.body`. It is cancelled when the loop over the chunks is left.
 * @param options `maxEvent` is the largest event that is accepted, in bytes.
 * @throws ErrorEvent for an error that the sender reports, and StreamError for an event that is too large, not a chunk or
 * cut short, each after the chunks before it.
 */
export async function* readChunks(
  stream: ByteStream,
  options: { maxEvent?: number } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new EventReader(options.maxEvent ?? MAX_EVENT);
  const state = { isDone: false };
  for await (const bytes of pieces(stream)) {
    yield* chunks(reader.feed(bytes), state);
  }
  try {
    yield* chunks(reader.close(), state);
  } catch (error) {
    throw error instanceof StreamError ? new StreamError("the stream ends inside an event", { cause: error }) : error;
  }
}

function* chunks(events: Iterable<Event>, state: { isDone: boolean }): Generator<Uint8Array> {
  for (const { data, name } of events) {
    const trimmed = data.trim();
    if (state.isDone || trimmed === "" || trimmed === "null") {
      continue;
    }
    if (trimmed === "[DONE]") {
      state.isDone = true;
      continue;
    }
    if (name === "error" || isError(data)) {
      throw new ErrorEvent(data);
    }
    if (name !== "message" && !data.includes('"choices"')) {
      continue;
    }
    try {
      yield codecOf(CHUNK).jsonToWire(data);
    } catch (error) {
      if (error instanceof JsonError) {
        throw new StreamError(`an event that is not a chunk: ${error.message}`, { cause: error });
      }
      throw error;
    }
  }
}

/** Return whether JSON text is an error body: it has `error` and no `choices`, or its `object` is "error". */
export function isError(data: string): boolean {
  if (!data.includes('"error"')) {
    return false;
  }
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch {
    return false;
  }
  if (Array.isArray(body) && body.length === 1) {
    body = body[0];
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return false;
  }
  const { object, error, choices } = body as Record<string, unknown>;
  return object === "error" || (isTruthy(error) && (choices === undefined || choices === null));
}

/** Return whether a JSON value is neither null, false, zero nor empty. */
function isTruthy(value: unknown): boolean {
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** Yield the pieces of a stream. Not every browser iterates over a ReadableStream. */
async function* pieces(stream: ByteStream): AsyncGenerator<Uint8Array> {
  if (!("getReader" in stream)) {
    yield* stream;
    return;
  }
  const reader = stream.getReader();
  let isOpen = true;
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      yield read.value;
    }
    isOpen = false;
  } finally {
    if (isOpen) {
      await reader.cancel().catch(() => {});
    }
    reader.releaseLock();
  }
}
