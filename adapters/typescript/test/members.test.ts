import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { clone, create, type DescMessage, equals, type Message } from "@bufbuild/protobuf";
import { ChatpbError, JsonError, parseJson, printJson } from "../src/index.js";
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

class Seed {
  seed = 1;
}

/** What JSON cannot hold, and what its refusal calls it. */
const REFUSED: [unknown, string][] = [
  [new Date(0), "Date"],
  [new Map([["a", 1]]), "Map"],
  [new Set([1]), "Set"],
  [/a/, "RegExp"],
  [new URL("https://example.com/"), "URL"],
  [new Error("a"), "Error"],
  [Promise.resolve(1), "Promise"],
  [new Uint8Array(2), "Uint8Array"],
  [new Seed(), "Seed"],
  [new (class extends Seed {})(), "an object that inherits"],
  [Object.create({ inherited: 1 }), "an object that inherits"],
  [create(schema), "Uint8Array"],
  [new String("a"), "String"],
  [Object(1n), "BigInt"],
  [runInNewContext("new Date(0)"), "Date"],
  [{ [Symbol("a")]: 1 }, "a symbol as a key"],
  [Math, "a symbol as a key"],
  [Symbol("a"), "symbol"],
  [() => 1, "function"],
  [{ toJSON: () => 1 }, "function"],
  [[1, , 2], "undefined"],
];

test("a value that JSON cannot hold is refused, wherever it is", () => {
  const message = fromJson(schema, TEXT);
  const before = clone(schema, message);
  const view = members(schema, message);
  for (const [value, kind] of REFUSED) {
    for (const name of ["vendor", "usage", "id"]) {
      throws(() => (view[name] = value), { name: "TypeError", message: new RegExp(`^not a JSON value: .*${kind}.*, in /${name}`) });
      throws(() => (view[name] = { "a/b": [0, value] }), new RegExp(`${kind}.*, in /${name}/a~1b/1`));
    }
    throws(() => printJson(value), TypeError);
  }
  ok(equals(schema, message, before));
});

test("plain objects are values, of any realm and without a prototype, and so are views", () => {
  const other = fromJson(schema, TEXT);
  const values = [
    runInNewContext('({ a: [{ b: "c" }] })'),
    Object.assign(Object.create(null), { a: [{ b: "c" }] }),
    Object.freeze({ a: [{ b: "c" }], left_out: undefined }),
    members(schema, fromJson(schema, '{"a":[{"b":"c"}]}')),
  ];
  for (const value of values) {
    equal(printJson(value), '{"a":[{"b":"c"}]}');
    members(schema, other)["vendor"] = value;
    deepEqual(copy(members(schema, other)["vendor"]), { a: [{ b: "c" }] });
  }
});

test("a view inherits nothing, and members may have any name", () => {
  for (const name of ["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "toJSON", "then"]) {
    for (const start of ["{}", TEXT, `{"${name.slice(1)}":{"a":1},"${name}s":18446744073709551615}`]) {
      const message = fromJson(schema, start);
      const view = members(schema, message);
      const check = (expected: unknown): void => {
        deepEqual(view[name], expected);
        equal(name in view, expected !== undefined);
        equal(Object.hasOwn(view, name), expected !== undefined);
        equal(Object.keys(view).includes(name), expected !== undefined);
      };
      check(undefined);
      for (const value of ["x", { b: 1, a: [2] }, 18446744073709551615n, null, { [name]: { [name]: 1 } }]) {
        view[name] = value;
        check(value);
        const text = toJson(schema, message);
        deepEqual(Object.getOwnPropertyDescriptor(parseJson(text), name)!.value, value);
        ok(equals(schema, message, fromJson(schema, text)));
        ok(inspect(view).includes(name));
      }
      delete view[name];
      check(undefined);
      equal(toJson(schema, message), toJson(schema, fromJson(schema, start)));
    }
  }
});

test("a view is printed by inspect and by JSON.stringify, and is no string", () => {
  const text = '{"id":"1","choices":[{"index":0}],"usage":null,"vendor":{"a":[]}}';
  const view = members(schema, fromJson(schema, text));
  equal(inspect(view), inspect(JSON.parse(text)));
  equal(JSON.stringify(view), text);
  throws(() => `${view as unknown as string}`, TypeError);
});

test("a value of too many levels is refused as text of as many is", () => {
  const nested = (levels: number): unknown => {
    let value: unknown = [];
    for (let level = 1; level < levels; level++) {
      value = [value];
    }
    return value;
  };
  const caught = (call: () => void): object => {
    try {
      call();
    } catch (error) {
      ok(error instanceof JsonError && error instanceof ChatpbError);
      return { ...error, message: error.message };
    }
    throw new Error("not refused");
  };
  const message = create(schema);
  const view = members(schema, message);
  view["vendor"] = nested(199);
  const before = clone(schema, message);
  const expected = caught(() => fromJson(schema, `{"vendor":${"[".repeat(200)}${"]".repeat(200)}}`));
  for (const levels of [200, 201, 200_000]) {
    deepEqual(caught(() => (view["vendor"] = nested(levels))), expected);
    ok(equals(schema, message, before));
  }
  equal(printJson(nested(200)), "[".repeat(200) + "]".repeat(200));
  throws(() => printJson(nested(201)), { path: "/0".repeat(200), offset: 200, line: 1, column: 201 });
});
