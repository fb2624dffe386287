import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Accumulator,
  CHUNK,
  compactStream,
  COMPLETION,
  ErrorEvent,
  expandStream,
  JsonError,
  jsonToWire,
  parseJson,
  readChunks,
  split,
  StreamError,
  WireError,
  wireToJson,
} from "../src/index.js";
import { recording, vectors } from "./support.js";

const chunk = (json: string): Uint8Array => jsonToWire(json, CHUNK);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a completion that is split accumulates to itself", () => {
  const texts = [...recording("completion").slice(0, 100), '{"id":"1","choices":[{"index":0,"message":{"content":"h\u00e9 \\ud83d\\ude00 y"}}]}'];
  for (const text of texts) {
    const wire = jsonToWire(text, COMPLETION, { canonical: true });
    for (const size of [undefined, 1, 7, 2 ** 40]) {
      const accumulator = new Accumulator();
      const chunks = [...split(wire, size === undefined ? {} : { size })];
      chunks.forEach((each) => accumulator.addWire(each));
      const message = (json: string): unknown => {
        const { choices } = parseJson(json) as { choices: { message?: { content?: unknown } }[] };
        return choices.map((choice) => choice.message?.content ?? null);
      };
      deepEqual(message(accumulator.toJson()), message(text));
      deepEqual(expandStream(compactStream(chunks)), chunks);
    }
  }
});

test("an accumulator refuses what is no chunk, and adds nothing of it", () => {
  const accumulator = new Accumulator();
  equal(accumulator.toJson(), "{}");
  accumulator.addJson('{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}');
  throws(() => accumulator.addJson('{"id":"2"'), JsonError);
  throws(() => accumulator.addWire(Uint8Array.of(255)), WireError);
  throws(() => accumulator.addJson('{"x":NaN}'), JsonError);
  accumulator.addJson(utf8('{"choices":[{"index":0,"delta":{"content":"b"}}]}'));
  equal(accumulator.toJson(), '{"id":"1","choices":[{"index":0,"message":{"content":"ab"}}]}');
});

test("chunks and completions with fields that the contract does not have, unless they are skipped", () => {
  const unknown = Uint8Array.of(0x0a, 1, 0x61, 0xa0, 6, 1);
  const skip = { unknownFields: "skip" } as const;
  const refusing = new Accumulator();
  throws(() => refusing.addWire(unknown), { name: "WireError", reason: /^field 100, / });
  equal(refusing.toJson(), "{}");
  const skipping = new Accumulator(skip);
  skipping.addWire(unknown);
  equal(skipping.toJson(), '{"id":"a"}');
  throws(() => [...split(unknown)], { name: "WireError", reason: /^field 100, / });
  deepEqual([...split(unknown, skip)], [...split(unknown.subarray(0, 3))]);
  throws(() => new Accumulator({ unknownFields: "ignore" as never }), RangeError);
});

test("arguments", () => {
  throws(() => [...split(new Uint8Array(), { size: 0 })], RangeError);
  throws(() => [...split(new Uint8Array(), { size: 1.5 })], RangeError);
  throws(() => [...split(Uint8Array.of(255))], WireError);
  throws(() => compactStream([Uint8Array.of(), Uint8Array.of(255)]), { name: "WireError", path: "/1" });
  throws(() => expandStream("" as never), TypeError);
  deepEqual(expandStream(new Uint8Array()), []);
  const long = jsonToWire(`{"id":"${"x".repeat(40_000)}"}`, CHUNK);
  deepEqual(expandStream(compactStream([long, new Uint8Array(), long])), [long, new Uint8Array(), long]);
});

test("the vectors of streams", () => {
  for (const { wire } of vectors.filter(({ type }) => type === "chatcompletion.v1.ChatCompletionStream")) {
    ok(expandStream(wire).every((each) => wireToJson(each, CHUNK).startsWith("{")));
  }
});

const A = '{"id":"1","choices":[]}';
const B = '{"id":"\u00e4"}';

/** A stream, and the chunks that it has: a string for what ends it. */
const STREAMS: [name: string, stream: string, ...found: (string | RegExp)[]][] = [
  ["two chunks", `data: ${A}\n\ndata: ${B}\n\ndata: [DONE]\n\ndata: {]\n\n`, A, B],
  ["CRLF", `data: ${A}\r\n\r\ndata: ${B}\r\n\r\n`, A, B],
  ["CR", `data: ${A}\r\rdata: ${B}\r\r`, A, B],
  ["byte order mark", `\ufeffdata: ${A}\n\n`, A],
  ["no space, no end", `data:${A}`, A],
  ["comments and other fields", `: keep-alive\n\nid: 7\nretry: 1\n: c\ndata: ${A}\n\n:`, A],
  ["data in lines", `data: {"id":\ndata: "1","choices":[]}\n\n`, A],
  ["no data, null, ping", `event: ping\ndata: {"type":"ping"}\n\ndata:\n\ndata: null\n\ndata: ${A}\n\n`, A],
  ["other name with choices", `event: delta\ndata: ${A}\n\n`, A],
  ["an error event", `data: ${A}\n\nevent: error\ndata: {}\n\n`, A, /the stream reports an error/],
  ["an error body", `data: {"error":{"message":"m"}}\n\n`, /the stream reports an error/],
  ["an error body of a bare line", `data: ${A}\n{"error":{"message":"m"}}\n`, A, /the stream reports an error/],
  ["no error", `data: {"error":{},"id":"1"}\n\n`, '{"id":"1","error":{}}'],
  ["not a chunk", `data: ${A}\n\ndata: {]\n\n`, A, /an event that is not a chunk: .* at line 1, column 2/],
  ["cut short", `data: ${A}\n\ndata: {"id"`, A, /the stream ends inside an event/],
  ["too large", `data: ${A}\n\ndata: {"id":"${"x".repeat(200)}"}\n\n`, A, /more than 200 bytes/],
  ["too many lines", `data: ${A}\n\n${"data: x\n".repeat(30)}\n`, A, /more than 200 bytes/],
  ["a long comment", `:${"c".repeat(1000)}\n${":d\n".repeat(500)}data: ${A}\n\n`, A],
];

describe("event streams", () => {
  for (const [name, stream, ...found] of STREAMS) {
    const bytes = utf8(stream);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      test(`${name}, in pieces of ${size}`, async () => {
        async function* pieces(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.length; at += size) {
            yield bytes.subarray(at, at + size);
          }
        }
        const seen: (string | RegExp)[] = [];
        try {
          for await (const wire of readChunks(pieces(), { maxEvent: 200 })) {
            seen.push(wireToJson(wire, CHUNK));
          }
        } catch (error) {
          ok(error instanceof StreamError || error instanceof ErrorEvent, String(error));
          const expected = found.at(-1);
          ok(expected instanceof RegExp && expected.test(error.message), error.message);
          seen.push(expected);
        }
        deepEqual(seen, found);
      });
    }
  }

  test("of bytes that are not UTF-8", async () => {
    const stream = new Blob([Buffer.from(`data: {"id":"\xff"}\n\n`, "latin1")]).stream();
    await rejects(readChunks(stream).next(), StreamError);
  });

  test("a ReadableStream is cancelled when the loop is left", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(utf8(`data: ${A}\n\n`)),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const wire of readChunks(stream)) {
      equal(wireToJson(wire, CHUNK), A);
      break;
    }
    ok(cancelled);
  });

  test("an error event has its body", async () => {
    const stream = new Blob(['data: {"error":{"message":"m"}}\n\n']).stream();
    await rejects(readChunks(stream).next(), { name: "ErrorEvent", body: '{"error":{"message":"m"}}' });
  });
});

test("chunks of ReadableStream and of the core are the same", async () => {
  const lines = recording("chunk").slice(0, 500);
  const stream = new Blob([lines.map((line) => `data: ${line}\n\n`).join("")]).stream();
  const wires: Uint8Array[] = [];
  for await (const wire of readChunks(stream)) {
    wires.push(wire);
  }
  deepEqual(wires, lines.map(chunk));
});
