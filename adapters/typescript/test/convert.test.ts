import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ChatpbError,
  Codec,
  COMPLETION,
  ContractError,
  InternalError,
  JsonError,
  jsonToWire,
  parseJson,
  printJson,
  SchemaError,
  type UnknownFieldsOption,
  validate,
  WireError,
  wireToJson,
  wireToJsonBytes,
} from "../src/index.js";
import { conversions } from "../src/convert.js";
import { fromJson, members, toJson, validateMessage } from "../src/messages.js";
import { recording, schemaOf, vectors } from "./support.js";

/** A completion with an id, and a field that the contract does not have. */
const UNKNOWN = Uint8Array.of(0x0a, 1, 0x61, 0xa0, 6, 1);

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

describe("vectors", () => {
  ok(vectors.length > 100);
  for (const { name, type, wire, expected, input } of vectors) {
    test(name, () => {
      equal(wireToJson(wire, type, { unknownFields: "skip" }), expected);
      equal(text(wireToJsonBytes(wire, type, { unknownFields: "skip" })), expected);
      if (input !== undefined) {
        deepEqual(jsonToWire(input, type), wire);
        deepEqual(jsonToWire(text(input), type), wire);
        const schema = schemaOf(type);
        equal(toJson(schema, fromJson(schema, input)), wireToJson(toBinary(schema, fromJson(schema, input)), type));
      }
    });
  }
});

test("messages print the recorded documents", () => {
  const types = { completion: "ChatCompletion", chunk: "ChatCompletionChunk", request: "CreateChatCompletionRequest" };
  for (const [kind, name] of Object.entries(types)) {
    const schema = schemaOf(`chatcompletion.v1.${name}`);
    for (const line of recording(kind).slice(0, 500)) {
      deepEqual(parseJson(toJson(schema, fromJson(schema, line))), parseJson(line));
    }
  }
});

describe("errors", () => {
  const cases: [string, string, number, number, number, string][] = [
    ['{"a":\n tru}', "/a", 2, 2, 7, "expected a value"],
    ['{"\u00e4\u{1f600}": x}', "/\u00e4\u{1f600}", 1, 8, 11, "expected a value"],
    ['{"id":"\ud800"}', "", 1, 8, 7, "a lone surrogate, which UTF-8 cannot encode"],
    ['{"x":"\u{1f600}\u00e4\n\udc00', "", 2, 1, 13, "a lone surrogate, which UTF-8 cannot encode"],
  ];
  for (const [json, path, line, column, offset, reason] of cases) {
    test(JSON.stringify(json), () => {
      throws(
        () => jsonToWire(json),
        (error) => {
          ok(error instanceof JsonError && error instanceof ChatpbError && error instanceof Error);
          deepEqual(
            [error.code, error.path, error.line, error.column, error.offset, error.reason],
            ["json", path, line, column, offset, reason],
          );
          return true;
        },
      );
    });
  }

  test("of wire bytes", () => {
    throws(() => wireToJson(Uint8Array.of(0x32, 2, 0x0a, 9)), { name: "WireError", code: "wire", path: "/usage", offset: 2 });
    throws(() => validate(Uint8Array.of(255)), WireError);
  });

  test("of fields that the contract does not have, unless they are skipped", () => {
    const skip = { unknownFields: "skip" } as const;
    const schema = schemaOf(COMPLETION);
    const message = fromBinary(schema, UNKNOWN);
    const printed: ((options?: UnknownFieldsOption) => string)[] = [
      (options) => wireToJson(UNKNOWN, COMPLETION, options),
      (options) => text(wireToJsonBytes(UNKNOWN, COMPLETION, options)),
      (options) => new Codec().wireToJson(UNKNOWN, options),
      (options) => toJson(schema, message, options),
    ];
    for (const print of printed) {
      throws(() => print(), { name: "WireError", path: "", reason: /^field 100, which chatcompletion\.v1\.ChatCompletion / });
      throws(() => print({ unknownFields: "error" }), WireError);
      equal(print(skip), '{"id":"a"}');
      throws(() => print({ unknownFields: "ignore" as never }), RangeError);
    }
    equal(members(schema, message).id, "a");
  });

  test("of the contract", () => {
    const wire = jsonToWire('{"choices":[7]}');
    const found = validate(wire);
    ok(found.some(({ path, rule }) => path === "/model" && rule === "required"));
    throws(
      () => jsonToWire('{"choices":[7]}', undefined, { strict: true }),
      (error) => error instanceof ContractError && error.violations.length > 0 && error.message.includes("[required]"),
    );
    const schema = schemaOf("chatcompletion.v1.ChatCompletion");
    deepEqual(validateMessage(schema, fromJson(schema, '{"choices":[7]}')), found);
  });

  test("of arguments", () => {
    throws(() => jsonToWire(5 as never), TypeError);
    throws(() => wireToJson("{}" as never), TypeError);
    throws(() => jsonToWire("{}", undefined, { nonfinite: "maybe" as never }), RangeError);
    throws(() => jsonToWire("{}", "no.Such"), SchemaError);
    throws(() => new Codec("no.Such", Uint8Array.of(255)).jsonToWire("{}"), SchemaError);
    throws(() => new Codec("chatcompletion.v1.ChatCompletion", new Uint8Array()).jsonToWire("{}"), SchemaError);
    equal(wireToJson(jsonToWire("{}")), "{}");
  });
});

test("worker threads convert at once", async () => {
  const results = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const worker = new Worker(new URL("./worker.js", import.meta.url));
      const [wrong] = (await once(worker, "message")) as [string[]];
      await worker.terminate();
      return wrong;
    }),
  );
  deepEqual(results, [[], [], [], []]);
});

test("memory does not grow with the number of documents", () => {
  const documents = vectors.filter(({ input }) => input !== undefined);
  const rounds = (count: number): number => {
    for (let round = 0; round < count; round++) {
      for (const { input, type, wire } of documents) {
        jsonToWire(input!, type);
        wireToJson(wire, type, { unknownFields: "skip" });
        validate(wire, type);
      }
    }
    return conversions.engine.size;
  };
  const first = rounds(10);
  equal(rounds(100), first);
});

test("options", () => {
  const nan = jsonToWire('{"x":NaN,"y":-Infinity}', undefined, { nonfinite: "allow" });
  equal(wireToJson(nan, undefined, { nonfinite: "allow" }), '{"x":NaN,"y":-Infinity}');
  throws(() => wireToJson(nan), WireError);
  throws(() => jsonToWire('{"x":NaN}'), JsonError);
  const canonical = (json: string): Uint8Array => jsonToWire(json, undefined, { canonical: true });
  deepEqual(canonical('{"b":{"d":1,"c":[]},"a":2}'), canonical('{"a":2,"b":{"c":[],"d":1}}'));
  ok(wireToJson(new Uint8Array(), undefined, { fillRequired: true }).includes('"choices":[]'));
});

test("long texts of any characters", () => {
  for (const piece of ["a", "\u00e4", "\u4e2d", "\u{1f600}", '\\u0000\\"']) {
    for (const length of [0, 1, 5000, 20_000, 3_000_000]) {
      const json = `{"id":"${piece.repeat(length)}"}`;
      equal(wireToJson(jsonToWire(json)), json);
    }
  }
  // The instance that had grown was given back.
  equal(wireToJson(jsonToWire('{"id":"x"}')), '{"id":"x"}');
});

test("an end of the stack is an error, and the next call works", () => {
  let found: unknown;
  const deep = (): void => {
    try {
      jsonToWire('{"choices":[{"index":0}]}');
    } catch (error) {
      found ??= error;
    }
    deep();
  };
  throws(deep, RangeError);
  ok(found === undefined || found instanceof InternalError || found instanceof RangeError, String(found));
  equal(wireToJson(jsonToWire('{"id":"x"}')), '{"id":"x"}');
});

test("JSON values with every integer", () => {
  const json =
    '{"a":18446744073709551615,"b":"\\u0001\\"9007199254740993","c":[-9007199254740993,9007199254740991,1e400,-0],"n":NaN}';
  const value = parseJson(json) as Record<string, unknown>;
  deepEqual(value["a"], 18446744073709551615n);
  equal(value["b"], '\u0001"9007199254740993');
  deepEqual(value["c"], [-9007199254740993n, 9007199254740991, Infinity, -0]);
  ok(Number.isNaN(value["n"]));
  equal(printJson(value).replace("Infinity", "1e400"), json);
  throws(() => parseJson('{"a":18446744073709551615'), SyntaxError);
  throws(() => parseJson('{"a":1'), SyntaxError);
  equal(printJson(parseJson('{"a":1,"a":18446744073709551615}')), '{"a":18446744073709551615}');
  const inherited = '{"__proto__":{"__proto__":18446744073709551615},"toString":NaN}';
  equal(printJson(parseJson(inherited)), inherited);
  let inner = parseJson("[".repeat(100_000) + "18446744073709551615" + "]".repeat(100_000));
  while (Array.isArray(inner)) {
    inner = inner[0]!;
  }
  equal(inner, 18446744073709551615n);
  throws(() => printJson({ a: () => 1 }), TypeError);
  const round: unknown[] = [];
  round.push(round);
  throws(() => printJson(round), TypeError);
});
