// Reports what reflection finds in a message.

import { create, type DescField, ScalarType } from "@bufbuild/protobuf";
import type { ReflectList, ReflectMap, ReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Leaf, LeafSchema, type Report, ReportSchema } from "../gen/conformance_pb.js";

export function report(message: ReflectMessage): Report {
  const found = create(ReportSchema);
  walk(found, message, "");
  return found;
}

function walk(found: Report, message: ReflectMessage, path: string): void {
  found.leaves.push(create(LeafSchema, { path }));
  found.nullMembers.push(...members(message, "null_fields", path));
  found.emptyMembers.push(...members(message, "empty_fields", path));
  for (const field of message.fields) {
    if (!message.isSet(field)) {
      continue;
    }
    const at = `${path}/${field.name}`;
    const value: unknown = message.get(field);
    if (field.fieldKind === "map") {
      for (const [key, item] of value as ReflectMap) {
        visit(found, field, item, `${at}/${key}`);
      }
    } else if (field.fieldKind === "list") {
      for (const [index, item] of (value as ReflectList).entries()) {
        visit(found, field, item, `${at}/${index}`);
      }
    } else {
      visit(found, field, value, at);
    }
  }
}

function visit(found: Report, field: DescField, value: unknown, path: string): void {
  if (field.message) {
    walk(found, value as ReflectMessage, path);
  } else {
    found.leaves.push(create(LeafSchema, { path, value: leaf(field, value) }));
  }
}

function leaf(field: DescField, value: unknown): Leaf["value"] {
  if (field.enum) {
    return { case: "enumNumber", value: value as number };
  }
  switch (field.scalar) {
    case ScalarType.INT32:
      return { case: "integer", value: BigInt(value as number) };
    case ScalarType.INT64:
      return { case: "integer", value: value as bigint };
    case ScalarType.UINT64:
      return { case: "unsigned", value: value as bigint };
    case ScalarType.DOUBLE:
      return { case: "number", value: value as number };
    case ScalarType.BOOL:
      return { case: "boolean", value: value as boolean };
    case ScalarType.STRING:
      return { case: "text", value: value as string };
    case ScalarType.BYTES:
      return { case: "data", value: value as Uint8Array };
    default:
      throw new Error(`no such type in the contract: ${field}`);
  }
}

/** Returns the paths of the fields whose bits are set. */
function members(message: ReflectMessage, bits: string, path: string): string[] {
  const field = message.fields.find(({ name }) => name === bits);
  const set = field ? (message.get(field) as bigint) : 0n;
  const numbers = Array.from({ length: 64 }, (_, number) => number).filter((number) => (set >> BigInt(number)) & 1n);
  return numbers.map((number) => `${path}/${message.findNumber(number)?.name ?? number}`);
}
