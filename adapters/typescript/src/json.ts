// JSON values with every integer: a bigint where a number would be another integer.

/** A JSON value as `parseJson` returns it, and as `printJson` takes it. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | { [name: string]: JsonValue };

/** Strings, and the numbers that may not be what `JSON.parse` makes of them. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|NaN|-?Infinity/g;
const LONG_INTEGER = /^-?\d{16,}$/;
const MAYBE_SPECIAL = /\d{16}|NaN|Infinity/;

/**
 * Return the value of JSON text. An integer beyond 2^53 is a bigint; other numbers are numbers. NaN and the infinities are
 * accepted.
 *
 * @throws SyntaxError
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
  return JSON.parse(marked, (_, value: unknown) => {
    if (typeof value !== "string" || !value.startsWith(mark)) {
      return value;
    }
    const token = value.slice(mark.length);
    return /\d/.test(token) ? BigInt(token) : Number(token);
  }) as JsonValue;
}

/**
 * Return the JSON text of a value: of a bigint its digits, of NaN and the infinities their names. Members that are
 * `undefined` are left out.
 *
 * @throws TypeError for what is no JSON value, and for a value that contains itself.
 */
export function printJson(value: unknown): string {
  return print(value, new Set());
}

function print(value: unknown, around: Set<object>): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "boolean":
    case "bigint":
      return String(value);
    case "object":
      break;
    default:
      throw new TypeError(`not a JSON value: ${typeof value}`);
  }
  if (value === null) {
    return "null";
  }
  if (around.has(value)) {
    throw new TypeError("a value that contains itself");
  }
  around.add(value);
  let text: string;
  if (Array.isArray(value)) {
    text = `[${value.map((item) => print(item, around)).join(",")}]`;
  } else {
    const members = Object.entries(value).filter(([, item]) => item !== undefined);
    text = `{${members.map(([name, item]) => `${JSON.stringify(name)}:${print(item, around)}`).join(",")}}`;
  }
  around.delete(value);
  return text;
}
