// What the page knows of the contract. build.py makes it from the descriptors.

import json from "../build/contract.json";

export interface Field {
  readonly name: string;
  readonly number: number;
  /** The kind of docs/mapping.md, or "map". */
  readonly kind: string;
  readonly shown: string;
  readonly wireType: number;
  readonly isRepeated?: boolean;
  readonly isRequired?: boolean;
  readonly isNullable?: boolean;
  readonly enum?: { readonly name: string; readonly numbers: Readonly<Record<string, number>> };
  /** The full name of the message that the field holds. */
  readonly message?: string;
  /** Of a map, the field of its values. */
  readonly value?: Field;
  readonly comment?: string;
}

export interface Message {
  readonly hasHomes: boolean;
  readonly isList: boolean;
  /** By the names of the JSON members: a field, or the alternatives of a oneof. */
  readonly members: Readonly<Record<string, readonly Field[]>>;
}

export interface Contract {
  readonly documents: Readonly<Record<string, string>>;
  readonly parts: Readonly<Record<string, string>>;
  readonly homes: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, Message>>;
}

export const contract = json as unknown as Contract;

/** The full names of the documents that unnamed data may be. Of those that fit equally well, the first counts. */
export const DOCUMENTS: readonly string[] = Object.values(contract.documents);
/** The full names of all that the page shows as a document, by their short names. */
export const TYPES: Readonly<Record<string, string>> = { ...contract.documents, ...contract.parts };
export const STREAM = contract.parts["stream"]!;

const shortNames = new Map(Object.entries(TYPES).map(([short, full]) => [full, short]));

export function shortName(type: string): string {
  return shortNames.get(type) ?? type;
}

export function messageOf(type: string): Message {
  const found = contract.messages[type];
  if (found === undefined) {
    throw new Error(`the contract has no message ${type}`);
  }
  return found;
}

export function alternatives(message: Message, name: string): readonly Field[] {
  return Object.hasOwn(message.members, name) ? message.members[name]! : [];
}

/** Every field of the contract, and its place in this list. A tree names fields by their places. */
export const FIELDS: { readonly owner: string; readonly field: Field }[] = [];
const places = new Map<Field, number>();
for (const [owner, { members }] of Object.entries(contract.messages)) {
  for (const field of Object.values(members).flat()) {
    for (const each of field.value === undefined ? [field] : [field, field.value]) {
      places.set(each, FIELDS.length);
      FIELDS.push({ owner, field: each });
    }
  }
}

export function placeOf(field: Field): number {
  return places.get(field) ?? -1;
}
