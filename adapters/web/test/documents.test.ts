// How inputs are cut into documents, what type each is, and which streams are put together.

import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CHUNK, compactStream, jsonToWire } from "chatpb";
import { contract, shortName } from "../src/contract.js";
import { detectWire } from "../src/detect.js";
import { Documents, type Row } from "../src/documents.js";
import { cut } from "../src/input.js";
import { decode } from "../src/json.js";
import { ROOT, utf8, vectors } from "./support.js";

const rowsOf = (documents: Documents): Row[] => [...documents.rows()].filter((row) => row !== undefined);
const open = (bytes: Uint8Array, name = ""): Documents => new Documents(cut(bytes as Uint8Array<ArrayBuffer>, name));
const chunk = (id: string, content: string): string => `{"id":"${id}","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"${content}"}}]}`;

for (const kind of ["completion", "chunk", "request"]) {
  test(`the corpus of each ${kind} is detected`, () => {
    const rows = rowsOf(open(readFileSync(`${ROOT}tests/corpus/${kind}.jsonl`), `${kind}.jsonl`)).filter(({ chunks }) => chunks === 0);
    ok(rows.length > 10);
    deepEqual([...new Set(rows.map(({ type, error }) => shortName(type) + error))], [kind]);
  });
}

const INPUTS: [name: string, text: string, found: string[]][] = [
  ["one document over lines", '{\n "object": "chat.completion",\n "choices": []\n}', ["completion"]],
  ["lines, some of them broken", '{"messages":[]}\n{"messages":tru}\n\n{"messages":[]}\n', ["request", "request expected a value", "request"]],
  ["lines that end in CRLF", '{"error":{"message":"a"}}\r\n{"error":{"message":"b"}}\r\n', ["error", "error"]],
  ["an error without the object around it", '{"detail":"no"}', ["error"]],
  ["an event stream", `: hi\nevent: message\ndata: ${chunk("a", "x")}\n\ndata:${chunk("a", "y")}\n\ndata: [DONE]\n`, ["2 chunks", "chunk", "chunk"]],
  ["data over lines, and bare JSON", `event: message\rdata: {"object":"chat.completion.chunk",\rdata: "choices":[]}\r\r{"error":{"message":"b"}}\r\r`, ["chunk", "error"]],
  ["two streams", [chunk("", "x"), chunk("a", "x"), chunk("a", "x"), chunk("b", "x"), chunk("b", "x")].join("\n"), ["3 chunks", "chunk", "chunk", "chunk", "2 chunks", "chunk", "chunk"]],
  ["not JSON", "hello", ["completion a document is a JSON object; this is something else"]],
  ["nothing", "", ["completion unexpected end of the text"]],
];
for (const [name, text, found] of INPUTS) {
  test(`cut: ${name}`, () => {
    const rows = rowsOf(open(utf8(text)));
    deepEqual(rows.map(({ type, error, chunks }) => (chunks > 0 ? `${chunks} chunks` : [shortName(type), error].filter(Boolean).join(" "))), found);
  });
}

test("wire bytes of each document are detected, or found to be alike", () => {
  for (const { name, type, wire } of vectors.filter(({ name }) => name.startsWith("document-"))) {
    ok(detectWire(wire).includes(type), name);
  }
});

test("a stream is put together, from lines and inside a record", () => {
  const chunks = [chunk("a", "Hel"), chunk("a", "lo")];
  const lines = open(utf8(chunks.join("\n")));
  rowsOf(lines);
  const stream = compactStream(chunks.map((each) => jsonToWire(each, CHUNK)));
  const record = open(utf8(JSON.stringify({ request: { model: "m", messages: [] }, stream: { chunks: chunks.map((each) => JSON.parse(each) as unknown) } })));
  rowsOf(record);
  const compact = new Documents(cut(stream as Uint8Array<ArrayBuffer>, "a.binpb"), contract.parts["stream"]);
  rowsOf(compact);
  for (const [documents, index] of [[lines, 0], [compact, 1], [record, 1]] as const) {
    const { json, isFixed } = documents.show(index);
    equal((JSON.parse(decode(json!)) as { choices: { message: { content: string } }[] }).choices[0]!.message.content, "Hello");
    ok(isFixed.includes("put together"));
  }
});

test("an edited chunk changes the stream that it is part of", () => {
  const documents = open(utf8([chunk("a", "x"), chunk("a", "y")].join("\n")));
  rowsOf(documents);
  documents.edit(2, utf8(chunk("a", "z")));
  ok(decode(documents.show(0).json!).includes('"content":"xz"'));
});

test("broken wire bytes have a place", () => {
  const documents = open(Uint8Array.of(10, 3, 97, 98), "a.binpb");
  const [row] = rowsOf(documents);
  ok(row!.error);
  const { fault, wire } = documents.show(0);
  ok(fault!.isInWire);
  equal(wire!.length, 4);
});

test("bytes with unknown fields are shown, and cannot be edited", () => {
  const documents = open(Uint8Array.of(10, 1, 97, 0xb0, 6, 7), "a.binpb");
  rowsOf(documents);
  const { tree, isFixed } = documents.show(0);
  deepEqual([...tree!.notes.values()], ["field 102"]);
  ok(isFixed.includes("would lose"));
});
