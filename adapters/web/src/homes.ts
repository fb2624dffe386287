// What the page says of homes.

import { contract, FIELDS, type Field } from "./contract.js";
import { Home, type Tree } from "./tree.js";

/** By home: the class of its colour, its short name, and what it means. */
const HOMES: Record<Home, [style: string, short: string, meaning: string]> = {
  [Home.Document]: ["typed", "document", "The message itself."],
  [Home.Field]: ["typed", "field", ""],
  [Home.Item]: ["typed", "item", ""],
  [Home.Entry]: ["typed", "map entry", "An entry of a protobuf map."],
  [Home.NullBit]: ["bit", "null bit", "A bit of null_fields: null is not the same as absent."],
  [Home.EmptyBit]: ["bit", "empty bit", "A bit of empty_fields: an empty array or object is not the same as absent."],
  [Home.Open]: ["open", "Struct", ""],
  [Home.Verbatim]: ["text", "JSON text", "An entry of verbatim_properties, as JSON text: a Struct cannot hold this value exactly."],
  [Home.InStruct]: ["open", "in Struct", "Part of a value in additional_properties."],
  [Home.InText]: ["text", "in text", "Part of a value that is carried as JSON text, its spelling and order with it."],
  [Home.Order]: ["bit", "order", "The order of the open members of this object, which a protobuf map does not keep."],
  [Home.Bits]: ["bit", "bits", "The bits of this object's members that are null or empty."],
  [Home.Unknown]: ["wrong", "unknown", "A field that this contract does not have. JSON lacks it."],
  [Home.Unread]: ["wrong", "not read", "A second home of a member, or one that holds nothing. JSON lacks it."],
};

export function styleOf(home: Home): string {
  return HOMES[home][0];
}

/** Return a few words on the home of a row. */
export function shortHome(tree: Tree, row: number): string {
  const home = tree.home[row]!;
  const field = fieldOf(tree, row);
  return home === Home.Field && field ? `${field.number} ${shortKind(field)}` : HOMES[home as Home][1];
}

/** Return a sentence on the home of a row. */
export function longHome(tree: Tree, row: number, name: string, type: string): string {
  const home = tree.home[row]! as Home;
  const field = fieldOf(tree, row);
  if (home === Home.Field && field) {
    const owner = FIELDS[tree.field[row]!]!.owner;
    return `Field ${field.name} = ${field.number} of ${shortType(owner)}: ${kindOf(field)}.`;
  }
  if (home === Home.Item && field) {
    return `An item of the repeated field ${field.name} = ${field.number}: ${valueKind(field)}.`;
  }
  if (home === Home.Open) {
    const owner = tree.parent[row] === 0 ? type : fieldOf(tree, tree.parent[row]!)?.message;
    const isKnown = owner !== undefined && Object.hasOwn(contract.messages[owner]!.members, name);
    const reason = isKnown ? `${shortType(owner)} has a field for this member, but not for this value` : "the contract has no field for this member";
    return `An entry of additional_properties, a Struct: ${reason}.`;
  }
  return HOMES[home][2];
}

export function fieldOf(tree: Tree, row: number): Field | undefined {
  return FIELDS[tree.field[row]!]?.field;
}

function shortType(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function shortKind({ kind, isRepeated, shown }: Field): string {
  return kind === "map" || kind === "text" ? kind : isRepeated ? `${shown}[]` : shown;
}

function valueKind(field: Field): string {
  return field.message && field.kind === "message" ? shortType(field.message) : (field.enum?.name ?? field.shown);
}

function kindOf(field: Field): string {
  if (field.kind === "map") {
    return `map of ${valueKind(field.value!)}`;
  }
  return field.isRepeated ? `repeated ${valueKind(field)}` : valueKind(field);
}
