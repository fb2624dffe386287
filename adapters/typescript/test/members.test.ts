import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { clone, create, type DescMessage, equals, type Message } from "@bufbuild/protobuf";
import { JsonError, parseJson } from "../src/index.js";
import { fromJson, members, toJson } from "../src/messages.js";
import { recording, schemaOf } from "./support.js";

const schema = schemaOf("chatcompletion.v1.ChatCompletion");
const request = schemaOf("chatcompletion.v1.CreateChatCompletionRequest");

const TEXT =
  '{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null},"x":{"y":[1]}}],' +
  '"created":18446744073709551615,"usage":{"prompt_tokens":7},"service_tier":"on_demand","vendor":{"a":[1,{"b":2}]}}';

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) {
    return value;
  }
  return Array.isArray(value)
    ? value.map(copy)
    : Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copy(item)]));
}

test("reading gives the JSON, and changes nothing", () => {
  const kinds: [string, DescMessage][] = [
    ["completion", schema],
    ["request", request],
    ["chunk", schemaOf("chatcompletion.v1.ChatCompletionChunk")],
  ];
  const texts: [string, DescMessage][] = kinds.flatMap(([kind, type]) =>
    recording(kind).slice(0, 60).map((line): [string, DescMessage] => [line, type]),
  );
  for (const [text, type] of [[TEXT, schema] as [string, DescMessage], ...texts]) {
    const message = fromJson(type, text);
    const before = clone(type, message);
    const view = members(type, message);
    deepEqual(copy(view), parseJson(text));
    equal(view["no such member"], undefined);
    ok(!("no such member" in view));
    ok(equals(type, message, before));
  }
});

test("members", () => {
  const view = members(schema, fromJson(schema, TEXT));
  equal(view["choices"][0].message.content, null);
  equal(view["usage"].prompt_tokens, 7);
  equal(view["created"], 18446744073709551615n);
  equal(view["service_tier"], "on_demand");
  deepEqual(view["vendor"], { a: [1, { b: 2 }] });
  ok("usage" in view && !("model" in view));
  throws(() => view["vendor"].a.push(2), TypeError);
  throws(() => view["choices"].push({}), TypeError);
});

/** A member, the value that it is given, and the text of a document with it alone. */
const WRITES: [DescMessage, string, unknown, string][] = [
  [schema, "id", "x", '{"id":"x"}'],
  [schema, "id", 5, '{"id":5}'],
  [schema, "usage", null, '{"usage":null}'],
  [schema, "choices", [], '{"choices":[]}'],
  [schema, "created", 2n ** 64n - 1n, '{"created":18446744073709551615}'],
  [schema, "created", 1721075651, '{"created":1721075651}'],
  [schema, "vendor", { seed: 2n ** 63n, deep: [{ x: [] }] }, '{"vendor":{"seed":9223372036854775808,"deep":[{"x":[]}]}}'],
  [request, "stop", "a", '{"stop":"a"}'],
  [request, "stop", ["a", "b"], '{"stop":["a","b"]}'],
  [request, "metadata", {}, '{"metadata":{}}'],
  [request, "metadata", { a: "b" }, '{"metadata":{"a":"b"}}'],
];

test("writing gives a value the home that fromJson gives it, and delete clears it", () => {
  for (const [type, name, , text] of WRITES) {
    const start = fromJson(type, text);
    for (const [other, same, value, expected] of WRITES) {
      if (other === type && same === name) {
        const message: Message = clone(type, start);
        const view = members(type, message);
        view[name] = value;
        equal(toJson(type, message), expected);
        ok(equals(type, message, fromJson(type, expected)), expected);
        delete view[name];
        ok(equals(type, message, create(type)), expected);
      }
    }
  }
});

test("edits keep the order of open members, and inside them", () => {
  const start = '{"id":"1","z":{"10":1,"2":[{"b":1,"a":{}}]},"a":"q\\"}{,:"';
  const message = fromJson(schema, `${start},"m":18446744073709551615}`);
  const view = members(schema, message);
  const steps: [name: string, value: unknown, text: string][] = [
    ["b", [1], `${start},"b":[1],"m":18446744073709551615}`],
    ["z", 5, '{"id":"1","z":5,"a":"q\\"}{,:","b":[1],"m":18446744073709551615}'],
    ["a", undefined, '{"id":"1","z":5,"b":[1],"m":18446744073709551615}'],
    ["created", "never", '{"id":"1","z":5,"b":[1],"created":"never","m":18446744073709551615}'],
    ["created", 7, '{"id":"1","created":7,"z":5,"b":[1],"m":18446744073709551615}'],
    ["m", undefined, '{"id":"1","created":7,"z":5,"b":[1]}'],
  ];
  for (const [name, value, text] of steps) {
    view[name] = value;
    equal(toJson(schema, message), text);
    ok(equals(schema, message, fromJson(schema, text)), text);
  }
});

test("an edit that throws changes nothing, and edits inside stay inside", () => {
  const message = fromJson(schema, TEXT);
  const before = clone(schema, message);
  const view = members(schema, message);
  for (const value of [NaN, () => 1, { a: Symbol() }]) {
    throws(() => {
      view["id"] = value;
    });
  }
  throws(() => {
    view["\ud800"] = 1;
  }, JsonError);
  ok(equals(schema, message, before));
  view["choices"][0].message.content = "hello";
  view["usage"].total_tokens = 9;
  view["choices"][0].x = undefined;
  view["choices"] = [...view["choices"], { index: 1 }];
  const expected = parseJson(TEXT) as any;
  expected.choices[0].message.content = "hello";
  delete expected.choices[0].x;
  expected.choices.push({ index: 1 });
  expected.usage.total_tokens = 9;
  deepEqual(parseJson(toJson(schema, message)), expected);
  equal(JSON.stringify(view["usage"]), '{"prompt_tokens":7,"total_tokens":9}');
});
