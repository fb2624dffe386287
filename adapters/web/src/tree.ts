// The members of a document: where each is in its JSON text, which home it has, and where that is on the wire.
//
// The text is read value by value, and beside each value goes its *place*: what the wire bytes hold for it. The homes are
// those of docs/mapping.md; the contract alone says what the typed fields are. A tree is a table, a row a member and a column
// a property, in the order of the text, so that a worker hands over a large one at once.

import { alternatives, contract, type Field, type Message, messageOf, placeOf } from "./contract.js";
import { Byte, Scanner, type Span, spansOf, stringAt } from "./json.js";
import { lengthOf, type Occurrence, occurrences, payloads, places, type Ranges, varint, WireType } from "./wire.js";

/** What holds a value. Those from `Order` on are no members of the JSON. */
export const enum Home {
  Document,
  /** A typed field. */
  Field,
  /** An item of a repeated field. */
  Item,
  /** An entry of a map. */
  Entry,
  NullBit,
  EmptyBit,
  /** An entry of additional_properties. */
  Open,
  /** An entry of verbatim_properties. */
  Verbatim,
  /** Part of a value in additional_properties. */
  InStruct,
  /** Part of a value that is carried as JSON text. */
  InText,
  /** member_order. */
  Order,
  /** null_fields or empty_fields. */
  Bits,
  /** A field that this contract does not have. */
  Unknown,
  /** A second home of a member, or one that holds nothing: it does not print. */
  Unread,
}

export function isMember(home: Home): boolean {
  return home < Home.Order;
}

export interface Tree {
  /** Rows. Each column has as many entries. */
  readonly size: number;
  readonly home: Uint8Array;
  readonly parent: Int32Array;
  /** The row behind the last one inside this one. */
  readonly end: Int32Array;
  readonly depth: Uint8Array;
  /** The place among the members or items of the same value, from 0, and how many are inside this one. */
  readonly position: Int32Array;
  readonly count: Int32Array;
  /** The name in the text; both 0 where there is none. */
  readonly nameStart: Int32Array;
  readonly nameEnd: Int32Array;
  readonly valueStart: Int32Array;
  readonly valueEnd: Int32Array;
  /** Bytes of JSON without whitespace, with the name. */
  readonly jsonSize: Int32Array;
  readonly wireSize: Int32Array;
  /** The place of the typed field in FIELDS, of a bit that of the field that it names; -1 for none. */
  readonly field: Int32Array;
  /** The first of the row's ranges in `ranges`; the next row's is where they end. */
  readonly firstRange: Int32Array;
  readonly ranges: Int32Array;
  /** By row, what a row that is no member holds. */
  readonly notes: ReadonlyMap<number, string>;
}

/** What the wire has inside a value. */
type Inner =
  | { is: "message"; message: Message; pieces: Ranges }
  | { is: "list"; field: Field; items: Item[] }
  | { is: "map"; field: Field; entries: Map<string, Occurrence[]> }
  | { is: "struct"; entries: Map<string, Occurrence[]> }
  | { is: "values"; items: Occurrence[] }
  | { is: "text"; spans: Span[] }
  | { is: "bytes"; start: number };

interface Item {
  readonly ranges: Ranges;
  readonly inner: Inner | undefined;
}

interface Place {
  readonly home: Home;
  readonly field: number;
  readonly ranges: Ranges;
  readonly inner: Inner | undefined;
  /** Bytes that count for this value alone: none of a bit, which others share. */
  readonly size: number;
}

const { member_order: ORDER, empty_fields: EMPTY, null_fields: NULL, additional_properties: OPEN, verbatim_properties: TEXTS } =
  contract.homes as Record<"member_order" | "empty_fields" | "null_fields" | "additional_properties" | "verbatim_properties", number>;
/** The numbers of the fields of google.protobuf.Struct, Value and ListValue that are read. */
const KEY = 1;
const VALUE = 2;
const STRUCT_VALUE = 5;
const LIST_VALUE = 6;

/** Of null, which alone begins so. */
const LETTER_N = 110;

const NOWHERE: Place = { home: Home.Unread, field: -1, ranges: [], inner: undefined, size: 0 };

/** Return the members of a document, given its text, its wire bytes and its type. The core made one of the other. */
export function treeOf(json: Uint8Array, wire: Uint8Array, type: string): Tree {
  return new Builder(json, wire).tree(messageOf(type));
}

type Column = keyof Omit<Tree, "size" | "notes" | "ranges">;
const COLUMNS: readonly Column[] = [
  "home", "parent", "end", "depth", "position", "count", "nameStart", "nameEnd", "valueStart", "valueEnd", "jsonSize", "wireSize",
  "field", "firstRange",
];

class Builder {
  readonly #json: Uint8Array;
  readonly #wire: Uint8Array;
  readonly #text: Scanner;
  readonly #columns = Object.fromEntries(COLUMNS.map((name) => [name, [] as number[]])) as Record<Column, number[]>;
  readonly #ranges: number[] = [];
  readonly #notes = new Map<number, string>();

  constructor(json: Uint8Array, wire: Uint8Array) {
    this.#json = json;
    this.#wire = wire;
    this.#text = new Scanner(json);
  }

  tree(message: Message): Tree {
    const all = [0, this.#wire.length];
    const inner: Inner = { is: "message", message, pieces: all };
    this.#value({ home: Home.Document, field: -1, ranges: all, inner, size: this.#wire.length }, -1, 0, 0, 0);
    const columns = this.#columns;
    const size = columns.home.length;
    columns.firstRange.push(this.#ranges.length);
    const made = Object.fromEntries(
      COLUMNS.map((name) => [name, name === "home" || name === "depth" ? Uint8Array.from(columns[name]) : Int32Array.from(columns[name])]),
    );
    return { ...made, size, ranges: Int32Array.from(this.#ranges), notes: this.#notes } as unknown as Tree;
  }

  #row(place: Place, parent: number, position: number): number {
    const columns = this.#columns;
    const row = columns.home.length;
    for (const name of COLUMNS) {
      columns[name].push(0);
    }
    columns.home[row] = place.home;
    columns.parent[row] = parent;
    columns.depth[row] = parent < 0 ? 0 : columns.depth[parent]! + 1;
    columns.position[row] = position;
    columns.field[row] = place.field;
    columns.wireSize[row] = place.size;
    columns.firstRange[row] = this.#ranges.length;
    columns.end[row] = row + 1;
    for (let at = 0; at < place.ranges.length; at += 2) {
      const [start, end] = [place.ranges[at]!, place.ranges[at + 1]!];
      if (at > 0 && this.#ranges.at(-1) === start) {
        this.#ranges[this.#ranges.length - 1] = end;
      } else {
        this.#ranges.push(start, end);
      }
    }
    return row;
  }

  /** Read a value, and add its row and those inside it. The name, if it has one, has been read. */
  #value(place: Place, parent: number, position: number, nameStart: number, nameEnd: number): void {
    const text = this.#text;
    const columns = this.#columns;
    const opening = text.peek();
    const row = this.#row(place, parent, position);
    const start = text.at;
    const blank = text.blank;
    if (opening === Byte.OpenObject) {
      this.#object(place.inner, row);
    } else if (opening === Byte.OpenArray) {
      this.#array(place, row);
    } else {
      text.scalar();
    }
    columns.nameStart[row] = nameStart;
    columns.nameEnd[row] = nameEnd;
    columns.valueStart[row] = start;
    columns.valueEnd[row] = text.at;
    columns.jsonSize[row] = text.at - start - (text.blank - blank) + (nameEnd > 0 ? nameEnd - nameStart + 1 : 0);
    columns.end[row] = columns.home.length;
  }

  #object(inner: Inner | undefined, row: number): void {
    const text = this.#text;
    const message = inner?.is === "message" ? new MessageReader(this.#wire, inner.message, inner.pieces) : undefined;
    let position = 0;
    text.skip();
    while (text.peek() !== Byte.CloseObject) {
      const nameStart = text.at;
      text.scalar();
      const nameEnd = text.at;
      text.skip();
      let place: Place;
      if (message !== undefined) {
        place = message.member(stringAt(this.#json, nameStart, nameEnd), text.peek() === LETTER_N, this.#isEmpty());
      } else if (inner?.is === "text") {
        place = inText(inner.spans[position]);
      } else if (inner?.is === "map" || inner?.is === "struct") {
        const name = stringAt(this.#json, nameStart, nameEnd);
        place = inner.is === "map" ? this.#entry(inner, name) : this.#inStruct(inner.entries.get(name) ?? []);
      } else {
        place = NOWHERE;
      }
      this.#value(place, row, position++, nameStart, nameEnd);
      if (text.peek() === Byte.Comma) {
        text.skip();
      }
    }
    text.skip();
    for (const [place, note] of message?.rest() ?? []) {
      const added = this.#row(place, row, position++);
      this.#notes.set(added, note);
    }
    this.#columns.count[row] = position;
  }

  /** Return whether the value that comes next is `[]` or `{}`. */
  #isEmpty(): boolean {
    const opening = this.#text.peek();
    if (opening !== Byte.OpenArray && opening !== Byte.OpenObject) {
      return false;
    }
    const closing = new Scanner(this.#json, this.#text.at + 1).peek();
    return closing === Byte.CloseArray || closing === Byte.CloseObject;
  }

  #array({ field, inner }: Place, row: number): void {
    const text = this.#text;
    let position = 0;
    text.skip();
    while (text.peek() !== Byte.CloseArray) {
      let place = NOWHERE;
      if (inner?.is === "list") {
        const { ranges, inner: held } = inner.items[position] ?? { ranges: [], inner: undefined };
        place = { home: Home.Item, field: placeOf(inner.field), ranges, inner: held, size: lengthOf(ranges) };
      } else if (inner?.is === "bytes") {
        place = { home: Home.Item, field, ranges: [inner.start + position, inner.start + position + 1], inner: undefined, size: 1 };
      } else if (inner?.is === "values") {
        const item = inner.items[position];
        const held = item && valueInner(this.#wire, [item.payload, item.end]);
        const ranges = item ? [item.start, item.end] : [];
        place = { home: Home.InStruct, field: -1, ranges, inner: held, size: lengthOf(ranges) };
      } else if (inner?.is === "text") {
        place = inText(inner.spans[position]);
      }
      this.#value(place, row, position++, 0, 0);
      if (text.peek() === Byte.Comma) {
        text.skip();
      }
    }
    text.skip();
    this.#columns.count[row] = position;
  }

  #entry({ field, entries }: { field: Field; entries: Map<string, Occurrence[]> }, name: string): Place {
    const found = entries.get(name) ?? [];
    const last = found.at(-1);
    const values = last ? occurrences(this.#wire, [last.payload, last.end]).filter(({ number }) => number === VALUE) : [];
    const ranges = places(found);
    return { home: Home.Entry, field: placeOf(field), ranges, inner: innerOf(this.#wire, field, values), size: lengthOf(ranges) };
  }

  #inStruct(found: Occurrence[]): Place {
    return structPlace(this.#wire, Home.InStruct, found);
  }
}

/** The fields of one message, each given to the member that it is a home of. */
class MessageReader {
  readonly #wire: Uint8Array;
  readonly #message: Message;
  readonly #byNumber = new Map<number, Occurrence[]>();
  readonly #all: Occurrence[];
  readonly #read = new Set<Occurrence>();
  readonly #open: Map<string, Occurrence[]>;
  readonly #texts: Map<string, Occurrence[]>;
  readonly #nulls: bigint;
  readonly #empties: bigint;

  constructor(wire: Uint8Array, message: Message, pieces: Ranges) {
    this.#wire = wire;
    this.#message = message;
    this.#all = occurrences(wire, pieces);
    for (const each of this.#all) {
      const found = this.#byNumber.get(each.number);
      if (found === undefined) {
        this.#byNumber.set(each.number, [each]);
      } else {
        found.push(each);
      }
    }
    this.#nulls = this.#bits(NULL);
    this.#empties = this.#bits(EMPTY);
    this.#open = entriesOf(wire, occurrences(wire, payloads(this.#home(OPEN, WireType.Bytes))).filter(isEntry));
    this.#texts = entriesOf(wire, this.#home(TEXTS, WireType.Bytes));
  }

  #home(number: number, wireType: WireType): Occurrence[] {
    return this.#message.hasHomes ? this.#of(number).filter((each) => each.wireType === wireType) : [];
  }

  #of(number: number): readonly Occurrence[] {
    return this.#byNumber.get(number) ?? [];
  }

  #bits(number: number): bigint {
    const last = this.#home(number, WireType.Varint).at(-1);
    return last === undefined ? 0n : varint(this.#wire, last.payload);
  }

  /** Return the home of a member, given whether its value is null, or an array or object without anything in it. */
  member(name: string, isNull: boolean, isEmpty: boolean): Place {
    const fields = alternatives(this.#message, name);
    if (!isNull) {
      const typed = this.#typed(fields);
      if (typed !== undefined) {
        return typed;
      }
    }
    const bits = fields.reduce((sum, { number }) => sum | (1n << BigInt(number)), 0n);
    if (isNull && this.#nulls & bits) {
      return this.#bit(Home.NullBit, fields[0]!, NULL);
    }
    if (isEmpty && this.#empties & bits) {
      return this.#bit(Home.EmptyBit, fields[0]!, EMPTY);
    }
    const open = this.#open.get(name);
    if (open !== undefined && holdsValue(this.#wire, open)) {
      this.#open.delete(name);
      return structPlace(this.#wire, Home.Open, open);
    }
    const texts = this.#texts.get(name);
    if (texts !== undefined) {
      this.#texts.delete(name);
      const value = occurrences(this.#wire, payloads(texts.slice(-1))).findLast(({ number }) => number === VALUE);
      const span = value && spansOf(this.#wire, value.payload, value.end);
      const ranges = places(texts);
      return { home: Home.Verbatim, field: -1, ranges, inner: span && textInner(span), size: lengthOf(ranges) };
    }
    return NOWHERE;
  }

  #bit(home: Home, field: Field, number: number): Place {
    return { home, field: placeOf(field), ranges: places(this.#of(number)), inner: undefined, size: 0 };
  }

  /** Return the typed field that holds a member. Of the alternatives of a oneof, the last one counts. */
  #typed(fields: readonly Field[]): Place | undefined {
    let [found, chosen]: [Occurrence[], Field | undefined] = [[], undefined];
    for (const field of fields) {
      const each = this.#of(field.number).filter((one) => isOfField(field, one));
      if (each.length > 0 && (chosen === undefined || each.at(-1)!.start > found.at(-1)!.start)) {
        [found, chosen] = [each, field];
      }
    }
    if (chosen === undefined || (!chosen.isRepeated && isNothing(this.#wire, chosen, found.at(-1)!))) {
      return undefined;
    }
    if (chosen.isRepeated && chosen.wireType !== WireType.Bytes && found.every((each) => isEmptyPack(each))) {
      return undefined;
    }
    found.forEach((each) => this.#read.add(each));
    const ranges = places(found);
    return { home: Home.Field, field: placeOf(chosen), ranges, inner: innerOf(this.#wire, chosen, found), size: lengthOf(ranges) };
  }

  /** Yield what no member took, with what it holds, in the order of the bytes. */
  *rest(): Generator<[Place, string]> {
    const homes = this.#message.hasHomes;
    const names = new Map<number, Field>();
    for (const field of Object.values(this.#message.members).flat()) {
      names.set(field.number, field);
    }
    for (const [number, found] of [...this.#byNumber].sort(([one], [other]) => one - other)) {
      const make = (home: Home, some: Occurrence[] = found): Place => {
        const ranges = places(some);
        const field = names.get(number);
        return { home, field: field ? placeOf(field) : -1, ranges, inner: undefined, size: lengthOf(ranges) };
      };
      if (homes && number === ORDER) {
        yield [make(Home.Order), "member_order"];
      } else if (homes && (number === NULL || number === EMPTY)) {
        const bits = number === NULL ? this.#nulls : this.#empties;
        const named = [...names.values()].filter((field) => bits & (1n << BigInt(field.number))).map(({ name }) => name);
        yield [make(Home.Bits), `${number === NULL ? "null_fields" : "empty_fields"}: ${named.join(", ")}`];
      } else if (homes && number === OPEN) {
        for (const [name, entries] of this.#open) {
          yield [make(Home.Unread, entries), `additional_properties: ${name}`];
        }
      } else if (homes && number === TEXTS) {
        for (const [name, entries] of this.#texts) {
          yield [make(Home.Unread, entries), `verbatim_properties: ${name}`];
        }
      } else {
        const unread = found.filter((each) => !this.#read.has(each));
        if (unread.length > 0) {
          const field = names.get(number);
          const isKnown = field !== undefined && unread.every((each) => isOfField(field, each));
          yield [make(isKnown ? Home.Unread : Home.Unknown, unread), isKnown ? field.name : `field ${number}`];
        }
      }
    }
  }
}

function isOfField(field: Field, { wireType }: Occurrence): boolean {
  const own = field.wireType;
  return wireType === own || (field.isRepeated === true && wireType === WireType.Bytes && field.kind !== "map");
}

/** Return whether a field of an enum is zero, or one of JSON text empty: neither has a value in JSON. */
function isNothing(wire: Uint8Array, field: Field, { payload, end }: Occurrence): boolean {
  return (field.kind === "enum" && Number(BigInt.asIntN(32, varint(wire, payload))) === 0) || (field.kind === "text" && payload === end);
}

function isEmptyPack({ wireType, payload, end }: Occurrence): boolean {
  return wireType === WireType.Bytes && payload === end;
}

function isEntry({ number, wireType }: Occurrence): boolean {
  return number === 1 && wireType === WireType.Bytes;
}

/** Return the entries of a map by their keys, those of one key together. */
function entriesOf(wire: Uint8Array, found: readonly Occurrence[]): Map<string, Occurrence[]> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const entries = new Map<string, Occurrence[]>();
  for (const each of found) {
    const key = occurrences(wire, [each.payload, each.end]).findLast(({ number }) => number === KEY);
    const name = key ? decoder.decode(wire.subarray(key.payload, key.end)) : "";
    const same = entries.get(name);
    if (same === undefined) {
      entries.set(name, [each]);
    } else {
      same.push(each);
    }
  }
  return entries;
}

/** Return what the wire has inside the value of a typed field, given where the field is. */
function innerOf(wire: Uint8Array, field: Field, found: Occurrence[]): Inner | undefined {
  if (field.kind === "map") {
    return { is: "map", field: field.value!, entries: entriesOf(wire, found) };
  }
  if (field.isRepeated) {
    return { is: "list", field, items: found.flatMap((each) => itemsOf(wire, field, each)) };
  }
  return singleInner(wire, field, found);
}

function singleInner(wire: Uint8Array, field: Field, found: Occurrence[]): Inner | undefined {
  const last = found.at(-1);
  if (last === undefined) {
    return undefined;
  }
  switch (field.kind) {
    case "message":
      return { is: "message", message: messageOf(field.message!), pieces: payloads(found) };
    case "list": {
      const item = messageOf(field.message!).members["items"]![0]!;
      const inside = occurrences(wire, payloads(found)).filter(({ number }) => number === item.number);
      return { is: "list", field: item, items: inside.flatMap((each) => itemsOf(wire, item, each)) };
    }
    case "text":
      return textInner(spansOf(wire, last.payload, last.end));
    case "byte_array":
      return { is: "bytes", start: last.payload };
    default:
      return undefined;
  }
}

/** Return the items that one occurrence of a repeated field has: one, or those that are packed in it. */
function itemsOf(wire: Uint8Array, field: Field, found: Occurrence): Item[] {
  if (found.wireType === field.wireType) {
    return [{ ranges: [found.start, found.end], inner: singleInner(wire, field, [found]) }];
  }
  const items: Item[] = [];
  for (let at = found.payload; at < found.end; ) {
    let end = at + 8;
    if (field.wireType !== WireType.Fixed64) {
      for (end = at; wire[end]! > 127; ) {
        end++;
      }
      end++;
    }
    items.push({ ranges: [at, end], inner: undefined });
    at = end;
  }
  return items;
}

function textInner({ inside }: Span): Inner {
  return { is: "text", spans: inside };
}

function inText(span: Span | undefined): Place {
  if (span === undefined) {
    return NOWHERE;
  }
  return { home: Home.InText, field: -1, ranges: [span.start, span.end], inner: textInner(span), size: span.end - span.start };
}

/** Return whether an entry of a Struct has a value of some kind: without one it is no member. */
function holdsValue(wire: Uint8Array, found: readonly Occurrence[]): boolean {
  return valueOf(wire, found).length > 0;
}

/** Return the fields of the Value that an entry of a Struct has. */
function valueOf(wire: Uint8Array, found: readonly Occurrence[]): Occurrence[] {
  const values = occurrences(wire, payloads(found.slice(-1))).filter(({ number }) => number === VALUE);
  return occurrences(wire, payloads(values));
}

function structPlace(wire: Uint8Array, home: Home, found: Occurrence[]): Place {
  const ranges = places(found);
  return { home, field: -1, ranges, inner: kindInner(wire, valueOf(wire, found)), size: lengthOf(ranges) };
}

function valueInner(wire: Uint8Array, pieces: Ranges): Inner | undefined {
  return kindInner(wire, occurrences(wire, pieces));
}

/** Return what is inside a Value, given its fields. The last kind counts, and pieces of it are one. */
function kindInner(wire: Uint8Array, found: readonly Occurrence[]): Inner | undefined {
  const kind = found.at(-1)?.number;
  const other = found.findLastIndex(({ number }) => number !== kind);
  const inside = occurrencesInside(wire, found.slice(other + 1), kind);
  if (kind === STRUCT_VALUE) {
    return { is: "struct", entries: entriesOf(wire, inside) };
  }
  return kind === LIST_VALUE ? { is: "values", items: inside } : undefined;
}

function occurrencesInside(wire: Uint8Array, found: readonly Occurrence[], kind: number | undefined): Occurrence[] {
  return kind === STRUCT_VALUE || kind === LIST_VALUE ? occurrences(wire, payloads(found)).filter(isEntry) : [];
}

/** Return the rows from the document down to a row. */
export function ancestors(tree: Tree, row: number): number[] {
  const found: number[] = [];
  for (let each = row; each >= 0; each = tree.parent[each]!) {
    found.unshift(each);
  }
  return found;
}

/** Return the ranges of a row on the wire. */
export function rangesOf(tree: Tree, row: number): Int32Array {
  return tree.ranges.subarray(tree.firstRange[row]!, tree.firstRange[row + 1]!);
}

/** Return the name that a row has in a JSON Pointer: that of a member, or the place of an item. */
export function nameOf(tree: Tree, json: Uint8Array, row: number): string {
  const [start, end] = [tree.nameStart[row]!, tree.nameEnd[row]!];
  return end > 0 ? stringAt(json, start, end) : String(tree.position[row]!);
}

/** Return the JSON Pointer of a row. */
export function pointerOf(tree: Tree, json: Uint8Array, row: number): string {
  return ancestors(tree, row)
    .slice(1)
    .map((each) => `/${nameOf(tree, json, each).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** Return the row that a JSON Pointer names; of a member that is missing, that of the object that lacks it. */
export function rowAt(tree: Tree, json: Uint8Array, pointer: string): number {
  let row = 0;
  for (const step of pointer.split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    const next = childOf(tree, row, (each) => isMember(tree.home[each]!) && nameOf(tree, json, each) === name);
    if (next < 0) {
      break;
    }
    row = next;
  }
  return row;
}

/** Return the innermost row that has a byte of the wire. */
export function rowOfByte(tree: Tree, offset: number): number {
  const has = (row: number): boolean => {
    const home = tree.home[row]!;
    const ranges = rangesOf(tree, row);
    return home !== Home.NullBit && home !== Home.EmptyBit && ranges.some((start, at) => at % 2 === 0 && start <= offset && offset < ranges[at + 1]!);
  };
  let row = 0;
  for (let next = 0; next >= 0; next = childOf(tree, row, has)) {
    row = next;
  }
  return row;
}

/** Return the innermost row whose value or name is at a byte of the text. */
export function rowOfText(tree: Tree, offset: number): number {
  const has = (row: number): boolean => {
    const start = tree.nameEnd[row]! > 0 ? tree.nameStart[row]! : tree.valueStart[row]!;
    return isMember(tree.home[row]!) && start <= offset && offset <= tree.valueEnd[row]!;
  };
  let row = 0;
  for (let next = 0; next >= 0; next = childOf(tree, row, has)) {
    row = next;
  }
  return row;
}

function childOf(tree: Tree, row: number, accepts: (row: number) => boolean): number {
  for (let each = row + 1; each < tree.end[row]!; each = tree.end[each]!) {
    if (accepts(each)) {
      return each;
    }
  }
  return -1;
}
