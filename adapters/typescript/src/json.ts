// JSON values with every integer: a bigint where a number would be another integer.

import { JsonError } from "./errors.js";

/** A JSON value as `parseJson` returns it, and as `printJson` takes it. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | { [name: string]: JsonValue };

/** Strings, and the numbers that may not be what `JSON.parse` makes of them. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|NaN|-?Infinity/g;
const LONG_INTEGER = /^-?\d{16,}$/;
const MAYBE_SPECIAL = /\d{16}|NaN|Infinity/;

/** How many levels of arrays and objects a document has at most. */
const LEVELS = 200;

/**
 * Return the value of JSON text. An integer beyond 2^53 is a bigint; other numbers are numbers. NaN and the infinities are
 * accepted. In all else this is `JSON.parse`: of two members of one name the last counts, there is no limit of levels, and a
 * number beyond a double is an infinity. `jsonToWire` and `fromJson` refuse the first two.
 *
 * @throws SyntaxError for text that is no JSON, as `JSON.parse` does; not a ChatpbError, because it has no position.
 */
export function parseJson(text: string): JsonValue {
  if (!MAYBE_SPECIAL.test(text)) {
    return JSON.parse(text) as JsonValue;
  }
  // No string of the document begins with the mark.
  let mark = "\u0001";
  while (text.includes(JSON.stringify(mark).slice(0, -1)) || text.includes(`"${mark}`)) {
    mark += "\u0001";
  }
  const quoted = JSON.stringify(mark).slice(0, -1);
  const marked = text.replace(TOKEN, (token) => {
    const isSpecial = LONG_INTEGER.test(token) ? !Number.isSafeInteger(Number(token)) : /^-?[NI]/.test(token);
    return isSpecial ? `${quoted}${token}"` : token;
  });
  // A reviver would be called recursively, and fail on text that JSON.parse reads.
  const parsed = { value: JSON.parse(marked) as JsonValue };
  const containers: { [name: string]: JsonValue }[] = [parsed];
  for (let container = containers.pop(); container !== undefined; container = containers.pop()) {
    for (const [name, value] of Object.entries(container)) {
      if (typeof value === "string" && value.startsWith(mark)) {
        const token = value.slice(mark.length);
        container[name] = /\d/.test(token) ? BigInt(token) : Number(token);
      } else if (typeof value === "object" && value !== null) {
        containers.push(value as { [name: string]: JsonValue });
      }
    }
  }
  return parsed.value;
}

/**
 * Return the JSON text of a value: of a bigint its digits, of NaN and the infinities their names. Members that are
 * `undefined` are left out.
 *
 * JSON values are null, booleans, numbers, bigints, strings, arrays of them, and plain objects: object literals, what
 * `JSON.parse` returns, objects without a prototype, and views of messages. Nothing is converted, and `toJSON` is never
 * called: a Date, a Map or an instance of any other class is no JSON value.
 *
 * @throws TypeError for what is no JSON value, and for a value that contains itself.
 * @throws JsonError for more than 200 levels of arrays and objects.
 */
export function printJson(value: unknown): string {
  const printer = new Printer();
  printer.print(value);
  return printer.text;
}

class Printer {
  text = "";
  /** The arrays and objects around the value that is being printed, and its name or index in each. */
  readonly #around: object[] = [];
  readonly #path: (string | number)[] = [];

  print(value: unknown): void {
    switch (typeof value) {
      case "string":
        this.text += JSON.stringify(value);
        return;
      case "number":
        this.text += Object.is(value, -0) ? "-0" : String(value);
        return;
      case "boolean":
      case "bigint":
        this.text += String(value);
        return;
      case "object":
        if (value === null) {
          this.text += "null";
          return;
        }
        break;
      default:
        throw this.#refused(typeof value);
    }
    if (this.#around.includes(value)) {
      throw new TypeError(`a value that contains itself${this.#in()}`);
    }
    if (this.#around.length === LEVELS) {
      const bytes = new TextEncoder().encode(this.text).length;
      throw new JsonError(this.#pointer(), 1, [...this.text].length + 1, bytes, `nesting deeper than ${LEVELS} levels`);
    }
    this.#around.push(value);
    if (Array.isArray(value)) {
      this.#items(value);
    } else {
      const kind = unlikeJson(value);
      if (kind !== undefined) {
        throw this.#refused(kind);
      }
      this.#members(value);
    }
    this.#around.pop();
  }

  #items(items: unknown[]): void {
    this.text += "[";
    // By index, because a hole is no JSON value either.
    for (let index = 0; index < items.length; index++) {
      this.text += index > 0 ? "," : "";
      this.#inside(index, items[index]);
    }
    this.text += "]";
  }

  #members(object: object): void {
    this.text += "{";
    let separator = "";
    for (const [name, value] of Object.entries(object)) {
      if (value !== undefined) {
        this.text += `${separator}${JSON.stringify(name)}:`;
        this.#inside(name, value);
        separator = ",";
      }
    }
    this.text += "}";
  }

  #inside(name: string | number, value: unknown): void {
    this.#path.push(name);
    this.print(value);
    this.#path.pop();
  }

  #refused(kind: string): TypeError {
    return new TypeError(`not a JSON value: ${kind}${this.#in()}`);
  }

  #pointer(): string {
    return this.#path.map((name) => `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  }

  #in(): string {
    return this.#path.length > 0 ? `, in ${this.#pointer()}` : "";
  }
}

/**
 * Return what an object is that is not plain: neither a literal of any realm nor without a prototype, or one with symbols as keys.
 */
function unlikeJson(value: object): string | undefined {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "hasOwnProperty"))) {
    return Object.getOwnPropertySymbols(value).length > 0 ? "an object with a symbol as a key" : undefined;
  }
  const { constructor } = value;
  return typeof constructor === "function" && constructor !== Object && constructor.name
    ? constructor.name
    : "an object that inherits from another one";
}
