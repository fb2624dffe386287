// Messages of @bufbuild/protobuf, with the classes that its generator makes of the contract.

import {
  create,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Codec, type JsonToWireOptions, type WireToJsonOptions } from "./convert.js";
import type { Violation } from "./errors.js";
import { type JsonValue, parseJson, printJson } from "./json.js";

const codecs = new WeakMap<DescMessage, Codec>();

/** Return the codec of a message type, made from its own descriptors. */
export function codecOf(schema: DescMessage): Codec {
  let codec = codecs.get(schema);
  if (codec === undefined) {
    codec = new Codec(schema.typeName, toBinary(FileDescriptorSetSchema, descriptorSet(schema.file)));
    codecs.set(schema, codec);
  }
  return codec;
}

/** Return the descriptors of a file and of all that it imports, each after its imports. */
function descriptorSet(file: DescFile): FileDescriptorSet {
  const found = new Map<string, DescFile>();
  const visit = (each: DescFile): void => {
    if (!found.has(each.proto.name)) {
      each.dependencies.forEach(visit);
      found.set(each.proto.name, each);
    }
  };
  visit(file);
  return create(FileDescriptorSetSchema, { file: [...found.values()].map((each) => each.proto) });
}

/**
 * Return the message that the text of a JSON object stands for.
 *
 * @throws JsonError for text that is not acceptable JSON, ContractError for what `strict` refuses.
 */
export function fromJson<Desc extends DescMessage>(
  schema: Desc,
  json: string | Uint8Array,
  options: JsonToWireOptions = {},
): MessageShape<Desc> {
  return fromBinary(schema, codecOf(schema).jsonToWire(json, options));
}

/**
 * Return the JSON text of a message.
 *
 * @throws WireError for a message that holds what JSON cannot, or that has a field of a newer contract, unless `unknownFields` is
 * "skip".
 */
export function toJson<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  options: WireToJsonOptions = {},
): string {
  return codecOf(schema).wireToJson(toBinary(schema, message), options);
}

/** Return every way in which a message breaks the contract, in the contract's order. Throws WireError. */
export function validateMessage<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  options: { strict?: boolean } = {},
): Violation[] {
  return codecOf(schema).validate(toBinary(schema, message), options);
}

/** A message as the JSON object that it stands for. */
export type Members = { [name: string]: any };

/**
 * Return a view of a message as the JSON object that it stands for: `view.choices[0].message.content`.
 *
 * - Reading gives what `JSON.parse(toJson(...))` gives, but a bigint for an integer beyond 2^53. What is absent is
 *   `undefined`, and null is null. Reading never changes the message.
 * - Writing gives a value the home that `fromJson` would give it; `delete`, and writing `undefined`, clear all homes. A value that
 *   throws has changed nothing: JsonError, or TypeError for what `printJson` takes for no JSON value, such as a Date.
 * - A view inherits nothing: `view.toString` is a member of that name, or undefined. So `JSON.stringify(view)` works where it
 *   holds no bigint, and `${view}` is a TypeError, as it is of each object without a prototype.
 * - An object that is a message is a view in turn. Arrays, and objects inside open values, are frozen copies: to change
 *   one, assign it anew (`view.stop = [...view.stop, "\n"]`).
 */
export function members<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Members {
  // Node inspects the target of a proxy, past its handler: the target shows what the view has.
  const inspect = (_: unknown, options: object, inspect: (value: object, options: object) => string): string =>
    inspect(Object.fromEntries(Object.entries(view)), options);
  const target = Object.create(null, { [INSPECT]: { value: inspect, configurable: true } }) as Members;
  const view = new Proxy(target, new View(schema, message));
  return view;
}

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** How a view prints its message: it has no member for a field that the contract does not have. */
const PRINTED: WireToJsonOptions = { nonfinite: "allow", unknownFields: "skip" };

/** The parts of every message that mirrors a JSON object. */
interface Homes extends Message {
  emptyFields: bigint;
  nullFields: bigint;
  additionalProperties?: Record<string, unknown>;
  verbatimProperties: Record<string, string>;
  /** The order of the members in the last two, and inside their values. */
  memberOrder: Uint8Array;
}

/** The numbers of the fields that are homes of members, by name. An envelope has none of them. */
const HOMES = { member_order: 12, empty_fields: 13, null_fields: 14, additional_properties: 15, verbatim_properties: 16 };

function hasHomes({ fields }: DescMessage): boolean {
  return Object.entries(HOMES).every(([name, number]) => fields.some((each) => each.name === name && each.number === number));
}

/** By member, its typed fields: one, or the alternatives of a oneof. */
const layouts = new WeakMap<DescMessage, Map<string, DescField[]>>();

function layoutOf(schema: DescMessage): Map<string, DescField[]> {
  let layout = layouts.get(schema);
  if (layout === undefined) {
    layout = new Map();
    const withHomes = hasHomes(schema);
    const fields = schema.fields.filter(({ name }) => !(withHomes && Object.hasOwn(HOMES, name)));
    for (const field of fields.sort((one, other) => one.number - other.number)) {
      const name = field.oneof?.name ?? field.name;
      layout.set(name, [...(layout.get(name) ?? []), field]);
    }
    layouts.set(schema, layout);
  }
  return layout;
}

class View implements ProxyHandler<Members> {
  readonly #schema: DescMessage;
  readonly #message: Homes;
  readonly #layout: Map<string, DescField[]>;
  readonly #hasHomes: boolean;

  constructor(schema: DescMessage, message: Message) {
    this.#schema = schema;
    this.#hasHomes = hasHomes(schema);
    this.#message = message as Homes;
    this.#layout = layoutOf(schema);
  }

  get(_: Members, name: string | symbol): unknown {
    return typeof name === "string" ? this.#read(name) : undefined;
  }

  has(_: Members, name: string | symbol): boolean {
    return typeof name === "string" && this.#read(name) !== undefined;
  }

  ownKeys(): string[] {
    return Object.keys(this.#plain(this.#message));
  }

  getOwnPropertyDescriptor(_: Members, name: string | symbol): PropertyDescriptor | undefined {
    const value = typeof name === "string" ? this.#read(name) : undefined;
    return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
  }

  set(_: Members, name: string | symbol, value: unknown): boolean {
    if (typeof name !== "string") {
      return false;
    }
    if (value === undefined) {
      return this.deleteProperty(_, name);
    }
    const document = printJson({ [name]: value });
    const made = fromJson(this.#schema, document) as Homes;
    const open = this.#isOpen(name, this.#message) || this.#isOpen(name, made) ? this.#open() : undefined;
    this.#clear(name);
    this.#move(name, made, this.#message);
    if (open !== undefined) {
      if (this.#isOpen(name, made)) {
        open.set(name, document.slice(JSON.stringify(name).length + 2, -1));
      } else {
        open.delete(name);
      }
      this.#writeOpen(open);
    }
    return true;
  }

  deleteProperty(_: Members, name: string | symbol): boolean {
    if (typeof name === "string") {
      const open = this.#isOpen(name, this.#message) ? this.#open() : undefined;
      this.#clear(name);
      if (open?.delete(name)) {
        this.#writeOpen(open);
      }
    }
    return true;
  }

  defineProperty(): boolean {
    return false;
  }

  preventExtensions(): boolean {
    return false;
  }

  #fields(name: string): DescField[] {
    return this.#layout.get(name) ?? [];
  }

  #bits(name: string): bigint {
    return this.#fields(name).reduce((bits, { number }) => bits | (1n << BigInt(number)), 0n);
  }

  /** Return the value of a member; undefined where there is none. */
  #read(name: string): unknown {
    for (const field of this.#fields(name)) {
      const value = valueOf(this.#message, field);
      if (value !== undefined && field.message && field.fieldKind === "message" && holdsObject(field.message)) {
        return members(field.message, value as Message);
      }
      if (Array.isArray(value) && value.length > 0 && field.message && holdsObject(field.message)) {
        const item = field.message;
        return Object.freeze((value as Message[]).map((each) => members(item, each)));
      }
    }
    const alone = create(this.#schema) as Homes;
    this.#move(name, this.#message, alone);
    if (this.#hasHomes && this.#message.memberOrder.length > 0 && this.#isOpen(name, this.#message)) {
      // The order is that of all open members together.
      moveOpen(this.#message, alone);
    }
    const plain = this.#plain(alone);
    return Object.hasOwn(plain, name) ? freeze(plain[name]) : undefined;
  }

  /** Return whether a home of open members has a name, even if it holds nothing. */
  #isOpen(name: string, { additionalProperties, verbatimProperties }: Homes): boolean {
    return (
      this.#hasHomes &&
      ((additionalProperties !== undefined && Object.hasOwn(additionalProperties, name)) ||
        Object.hasOwn(verbatimProperties, name))
    );
  }

  /** Return the JSON texts of the open members by name, in their order. */
  #open(): Map<string, string> {
    const alone = create(this.#schema) as Homes;
    moveOpen(this.#message, alone);
    return membersOf(toJson(this.#schema, alone, PRINTED));
  }

  /** Write the open members anew, with their order. */
  #writeOpen(open: Map<string, string>): void {
    const members = [...open].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
    const made = fromJson(this.#schema, `{${members.join(",")}}`, { nonfinite: "allow" }) as Homes;
    moveOpen(made, this.#message);
    for (const name of open.keys()) {
      // A message that was not made from JSON may have had a member in another home than the mapping gives it.
      if (!this.#isOpen(name, made) && this.#read(name) === undefined) {
        this.#move(name, made, this.#message);
      }
    }
  }

  /** Give a message what another one has in the homes of a member. */
  #move(name: string, from: Homes, to: Homes): void {
    for (const field of this.#fields(name)) {
      const value = valueOf(from, field);
      if (value !== undefined) {
        const target = to as unknown as Record<string, unknown>;
        if (field.oneof) {
          target[field.oneof.localName] = { case: field.localName, value };
        } else {
          target[field.localName] = value;
        }
      }
    }
    if (!this.#hasHomes) {
      return;
    }
    to.nullFields |= from.nullFields & this.#bits(name);
    to.emptyFields |= from.emptyFields & this.#bits(name);
    const { additionalProperties: open, verbatimProperties: texts } = from;
    if (open && Object.hasOwn(open, name)) {
      to.additionalProperties = { ...to.additionalProperties, [name]: open[name] };
    }
    if (Object.hasOwn(texts, name)) {
      to.verbatimProperties = { ...to.verbatimProperties, [name]: texts[name]! };
    }
  }

  #clear(name: string): void {
    const message = this.#message;
    const absent = create(this.#schema) as unknown as Record<string, unknown>;
    for (const field of this.#fields(name)) {
      const key = field.oneof?.localName ?? field.localName;
      (message as unknown as Record<string, unknown>)[key] = absent[key];
    }
    if (!this.#hasHomes) {
      return;
    }
    message.nullFields &= ~this.#bits(name);
    message.emptyFields &= ~this.#bits(name);
    if (message.additionalProperties && Object.hasOwn(message.additionalProperties, name)) {
      const { [name]: _, ...others } = message.additionalProperties;
      if (Object.keys(others).length > 0) {
        message.additionalProperties = others;
      } else {
        delete message.additionalProperties;
      }
    }
    delete message.verbatimProperties[name];
  }

  #plain(message: Homes): { [name: string]: JsonValue } {
    return parseJson(toJson(this.#schema, message, PRINTED)) as { [name: string]: JsonValue };
  }
}

/** Return whether a message type stands for an object, not for an array of its only field, `items`. */
function holdsObject({ fields }: DescMessage): boolean {
  return !(fields.length === 1 && fields[0]!.name === "items");
}

/** Return what a message has in a field; undefined if the field is not set. */
function valueOf(message: Message, field: DescField): unknown {
  const fields = message as unknown as Record<string, unknown>;
  if (!field.oneof) {
    return fields[field.localName];
  }
  const { case: set, value } = fields[field.oneof.localName] as { case?: string; value?: unknown };
  return set === field.localName ? value : undefined;
}

/** Give a message all open members of another one, with their order. */
function moveOpen(from: Homes, to: Homes): void {
  to.verbatimProperties = from.verbatimProperties;
  to.memberOrder = from.memberOrder;
  if (from.additionalProperties === undefined) {
    delete to.additionalProperties;
  } else {
    to.additionalProperties = from.additionalProperties;
  }
}

/** Return the texts of an object's members by name, in their order, which an object of JavaScript would not keep. */
function membersOf(json: string): Map<string, string> {
  const found = new Map<string, string>();
  let [depth, start, name] = [0, 0, ""];
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]/g)) {
    depth += token === "{" || token === "[" ? 1 : token === "}" || token === "]" ? -1 : 0;
    if (depth === 1 && token === ":") {
      name = JSON.parse(json.slice(start, index)) as string;
      start = index + 1;
    } else if (depth === 0 || (depth === 1 && token === ",")) {
      if (start < index) {
        found.set(name, json.slice(start, index));
      }
      start = index + 1;
    } else if (index === 0) {
      start = 1;
    }
  }
  return found;
}

function freeze(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}
