// The tree against the vectors: each member has a home, and each byte of a message has a row.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { jsonToWire, wireToJsonBytes } from "chatpb";
import { FIELDS } from "../src/contract.js";
import { decode, stringAt } from "../src/json.js";
import { Home, isMember, nameOf, pointerOf, rangesOf, rowAt, rowOfByte, type Tree, treeOf } from "../src/tree.js";
import { occurrences } from "../src/wire.js";
import { utf8, vectors } from "./support.js";

const CONTRACT = "chatcompletion.v1.";

function pointers(value: unknown, path = ""): string[] {
  if (typeof value !== "object" || value === null) {
    return [path];
  }
  const inside = Object.entries(value).flatMap(([name, each]) => pointers(each, `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`));
  return [path, ...inside];
}

function members(tree: Tree): number[] {
  return Array.from({ length: tree.size }, (_, row) => row).filter((row) => isMember(tree.home[row]!));
}

function children(tree: Tree, row: number): number[] {
  const found = [];
  for (let each = row + 1; each < tree.end[row]!; each = tree.end[each]!) {
    found.push(each);
  }
  return found;
}

for (const { name, type, wire } of vectors) {
  test(`vector ${name}`, () => {
    const json = wireToJsonBytes(wire, type, { nonfinite: "allow", unknownFields: "skip" });
    const tree = treeOf(json, wire, type);
    const rows = members(tree);
    deepEqual(rows.map((row) => pointerOf(tree, json, row)).sort(), pointers(JSON.parse(decode(json))).sort());
    equal(tree.jsonSize[0], json.length);
    for (const row of rows) {
      const pointer = pointerOf(tree, json, row);
      equal(rowAt(tree, json, pointer), row);
      ok(row === 0 || tree.home[row] !== Home.Document, pointer);
      equal(children(tree, row).length, tree.count[row]);
      const ranges = rangesOf(tree, row);
      ok(row === 0 || (ranges.length > 0 && ranges.every((at) => at <= wire.length)), `${pointer} is nowhere`);
      const field = FIELDS[tree.field[row]!]?.field;
      if (tree.home[row] === Home.Field && field?.kind === "string" && !field.isRepeated) {
        const value = stringAt(json, tree.valueStart[row]!, tree.valueEnd[row]!);
        equal(decode(wire.slice(ranges.at(-2), ranges.at(-1))).endsWith(value), true, pointer);
      }
    }
    // What no row inside a message has are the heads of the Structs around open members, and what follows in them.
    const covered = new Set<number>();
    for (const row of Array.from({ length: tree.size }, (_, each) => each).slice(1)) {
      const ranges = rangesOf(tree, row);
      for (let at = 0; at < ranges.length; at += 2) {
        for (let byte = ranges[at]!; byte < ranges[at + 1]!; byte++) {
          covered.add(byte);
        }
      }
    }
    for (const { number, start, end } of occurrences(wire, [0, wire.length])) {
      const bare = Array.from({ length: end - start }, (_, at) => start + at).filter((byte) => !covered.has(byte));
      ok(bare.length === 0 || number === 15, `bytes ${bare} of field ${number}`);
    }
    for (let byte = 0; byte < wire.length; byte++) {
      const row = rowOfByte(tree, byte);
      ok(row === 0 || rangesOf(tree, row).some((at, each, all) => each % 2 === 0 && at <= byte && byte < all[each + 1]!));
    }
  });
}

const HOMES: [type: string, json: string, pointer: string, home: Home][] = [
  ["ChatCompletion", '{"id":"a"}', "/id", Home.Field],
  ["ChatCompletion", '{"usage":null}', "/usage", Home.NullBit],
  ["ChatCompletion", '{"choices": [ ] }', "/choices", Home.EmptyBit],
  ["ChatCompletion", '{"metadata":{ }}', "/metadata", Home.EmptyBit],
  ["ChatCompletion", '{"choices":[{"index":0}]}', "/choices/0", Home.Item],
  ["ChatCompletion", '{"metadata":{"a":"b"}}', "/metadata/a", Home.Entry],
  ["ChatCompletion", '{"x_groq":{"id":"r","list":[1,{"a":null}]}}', "/x_groq", Home.Open],
  ["ChatCompletion", '{"x_groq":{"id":"r","list":[1,{"a":null}]}}', "/x_groq/list/1/a", Home.InStruct],
  ["ChatCompletion", '{"created":"1721075651"}', "/created", Home.Open],
  ["ChatCompletion", '{"service_tier":"on_demand"}', "/service_tier", Home.Open],
  ["ChatCompletion", '{"x":9007199254740993}', "/x", Home.Verbatim],
  ["ChatCompletion", '{"x":{"a":[18446744073709551615]}}', "/x/a/0", Home.InText],
  ["CreateChatCompletionRequest", '{"stop":["a","b"]}', "/stop/1", Home.Item],
  ["CreateChatCompletionRequest", '{"stop":[]}', "/stop", Home.Field],
  ["CreateChatCompletionRequest", '{"stop":null}', "/stop", Home.NullBit],
  ["CreateChatCompletionRequest", '{"tools":[{"type":"function","function":{"name":"f","parameters":{"b":1, "a":[2]}}}]}', "/tools/0/function/parameters", Home.Field],
  ["CreateChatCompletionRequest", '{"tools":[{"type":"function","function":{"name":"f","parameters":{"b":1, "a":[2]}}}]}', "/tools/0/function/parameters/a/0", Home.InText],
  ["CreateChatCompletionRequest", '{"a~/b":1}', "/a~0~1b", Home.Open],
];
for (const [type, text, pointer, home] of HOMES) {
  test(`${pointer} of ${text}`, () => {
    const json = utf8(text);
    const tree = treeOf(json, jsonToWire(json, CONTRACT + type), CONTRACT + type);
    const row = rowAt(tree, json, pointer);
    equal(pointerOf(tree, json, row), pointer);
    equal(tree.home[row], home);
    ok(nameOf(tree, json, row).length > 0);
  });
}

test("many occurrences of one field and of one entry take time by their number", () => {
  const entry = [10, 1, 97, 18, 2, 26, 0];
  const half = 100_000;
  const wire = new Uint8Array([...Array(half).fill([10, 0]), ...Array(half).fill([0x7a, 2 + entry.length, 10, entry.length, ...entry])].flat() as number[]);
  const type = `${CONTRACT}ChatCompletion`;
  const json = wireToJsonBytes(wire, type);
  equal(decode(json), '{"id":"","a":""}');
  const tree = treeOf(json, wire, type);
  deepEqual([...rangesOf(tree, 1)], [0, 2 * half]);
  equal(rangesOf(tree, 2).length, 2 * half);
});

test("whitespace does not count as JSON", () => {
  const json = utf8('\ufeff { "id" : "a" ,\n"choices": [ 1 , 2 ] } ');
  const tree = treeOf(json, jsonToWire(json), `${CONTRACT}ChatCompletion`);
  equal(tree.jsonSize[0], '{"id":"a","choices":[1,2]}'.length);
  equal(tree.jsonSize[1], '"id":"a"'.length);
});

test("the order of open members and the bits have rows of their own", () => {
  const json = utf8('{"z":1,"a":2,"usage":null,"choices":[]}');
  const tree = treeOf(json, jsonToWire(json), `${CONTRACT}ChatCompletion`);
  deepEqual([...tree.notes.values()], ["member_order", "empty_fields: choices", "null_fields: usage"]);
});
