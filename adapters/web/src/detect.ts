// Which document of the contract unnamed data is, by the rules of the Python library's `_detect.py`, which explains them.

import { validate, wireToJson } from "chatpb";
import { DOCUMENTS, type Field, type Message, messageOf } from "./contract.js";

const LEVELS = 3;
const ITEMS = 3;
const ERROR_NAMES = new Set(["detail", "errors", "error_message", "error_msg", "msg"]);
const FITS = 1;
const IS_ENUM_STRING = 3;
const MISFITS = -2;
const UNKNOWN = -1;
const MISSING = -0.5;
const NOT_IN_CONTRACT = -1000;

type Value = unknown;
type Obj = Record<string, unknown>;

/** The JSON types of the values of each kind. */
const TYPES: Record<string, readonly string[]> = {
  int32: ["number"], int64: ["number"], uint32: ["number"], uint64: ["number"], double: ["number"], bool: ["boolean"],
  enum: ["string"], string: ["string"], text: ["string", "number", "boolean", "array", "object"], bytes: ["string"],
  byte_array: ["array"], message: ["object"], list: ["array"],
};

/** Return the full name of the document that a JSON text is. `before`, the type of the text before it, wins of equals. */
export function detectJson(text: string, before?: string): string {
  let value: Value;
  try {
    value = JSON.parse(text);
  } catch {
    return before ?? DOCUMENTS[0]!;
  }
  if (!isObject(value)) {
    return before ?? DOCUMENTS[0]!;
  }
  return best(before === undefined ? DOCUMENTS : [before, ...DOCUMENTS], (type) => objectFit(value, messageOf(type)))[0]!;
}

/** Return the full names of the documents that wire bytes may be, those that fit equally well. */
export function detectWire(wire: Uint8Array): string[] {
  return best(DOCUMENTS, (type) => wireFit(wire, type));
}

function best(types: readonly string[], fit: (type: string) => number | undefined): string[] {
  const scores = types.map((type) => fit(type) ?? -Infinity);
  const highest = Math.max(...scores);
  return types.filter((_, at) => scores[at] === highest);
}

function wireFit(wire: Uint8Array, type: string): number | undefined {
  const message = messageOf(type);
  let members: Obj;
  try {
    members = JSON.parse(wireToJson(wire, type, { unknownFields: "skip", nonfinite: "allow" }).replace(/\b(?:NaN|Infinity)\b/g, "0")) as Obj;
  } catch {
    return undefined;
  }
  if (!Object.keys(members).some((name) => Object.hasOwn(message.members, name))) {
    return undefined;
  }
  const isForeign = ({ rule }: { rule: string }): boolean => rule === "unknown_field" || rule === "enum";
  return NOT_IN_CONTRACT * validate(wire, type).filter(isForeign).length + MISSING * missing(members, message);
}

function objectFit(value: Obj, message: Message): number | undefined {
  const fits: number[] = [];
  const names = Object.keys(value);
  if (names.some((name) => Object.hasOwn(message.members, name))) {
    fits.push(messageFit(value, message, LEVELS));
  }
  const inner = onlyMessage(message);
  if (inner !== undefined) {
    const wrapped = names.filter((name) => ERROR_NAMES.has(name));
    if (wrapped.length > 0 || names.some((name) => Object.hasOwn(inner.members, name))) {
      const known = Object.fromEntries(Object.entries(value).filter(([name]) => !ERROR_NAMES.has(name)));
      fits.push(MISSING + wrapped.length * IS_ENUM_STRING + messageFit(known, inner, LEVELS));
    }
  }
  return fits.length > 0 ? Math.max(...fits) : undefined;
}

/** Return the message that the only member of a message holds. */
function onlyMessage({ members }: Message): Message | undefined {
  const fields = Object.values(members).flat();
  return fields.length === 1 && fields[0]!.kind === "message" ? messageOf(fields[0]!.message!) : undefined;
}

function missing(value: Obj, { members }: Message): number {
  return Object.entries(members).filter(([name, [first]]) => first!.isRequired && !Object.hasOwn(value, name)).length;
}

function messageFit(value: Obj, message: Message, levels: number): number {
  let score = missing(value, message) * MISSING;
  for (const [name, member] of Object.entries(value)) {
    score += Object.hasOwn(message.members, name) ? memberFit(member, message.members[name]!, levels) : UNKNOWN;
  }
  return score;
}

function memberFit(value: Value, fields: readonly Field[], levels: number): number {
  if (value === null) {
    return fields[0]!.isNullable ? FITS : MISFITS;
  }
  return Math.max(...fields.map((field) => fieldFit(value, field, levels)));
}

function fieldFit(value: Value, field: Field, levels: number): number {
  if (field.kind === "map") {
    return isObject(value) ? FITS : MISFITS;
  }
  return field.isRepeated ? arrayFit(value, field, levels) : valueFit(value, field, levels);
}

function arrayFit(value: Value, field: Field, levels: number): number {
  if (!Array.isArray(value)) {
    return MISFITS;
  }
  return value.slice(0, ITEMS).reduce((sum: number, item) => sum + valueFit(item, field, levels), FITS);
}

function valueFit(value: Value, field: Field, levels: number): number {
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  if (!TYPES[field.kind]!.includes(type)) {
    return MISFITS;
  }
  if (field.enum !== undefined) {
    return Object.hasOwn(field.enum.numbers, value as string) ? IS_ENUM_STRING : UNKNOWN;
  }
  if (field.kind === "list") {
    return arrayFit(value, messageOf(field.message!).members["items"]![0]!, levels);
  }
  if (field.kind === "message" && levels > 1) {
    return FITS + messageFit(value as Obj, messageOf(field.message!), levels - 1);
  }
  return FITS;
}

function isObject(value: Value): value is Obj {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
