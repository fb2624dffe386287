// Makes messages from pseudo-random numbers, by the rules of generated.py.

import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { reflect, type ReflectList, type ReflectMap, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Generate, type Response, ResponseSchema } from "../gen/conformance_pb.js";
import { descriptor, encoded } from "./main.js";

const WORDS = ["0", '""', '"h\u00e9 \u{1f600}"', "18446744073709551616", '{"z":1,"a":[null]}', "true", "1e400", '"\\ud83d"'];

export function generate({ seed, first, count, types }: Generate): Response {
  const response = create(ResponseSchema);
  for (let i = first; i < first + count; i++) {
    const desc = descriptor(types[Number(i) % types.length]!);
    const message = new Generator(seed + i).message(desc, 0);
    response.messages.push(encoded(desc, String(i), message.message));
  }
  return response;
}

const uint64 = (value: bigint) => BigInt.asUintN(64, value);

class Generator {
  constructor(private state: bigint) {}

  private next(): bigint {
    this.state = uint64(this.state + 0x9e3779b97f4a7c15n);
    let mixed = this.state;
    mixed = uint64((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = uint64((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  }

  private below(count: number): number {
    return Number(this.next() >> 33n) % count;
  }

  message(desc: DescMessage, depth: number): ReflectMessage {
    const message = reflect(desc, create(desc));
    const fields = message.sortedFields;
    if (desc.typeName === "google.protobuf.Value") {
      this.put(message, fields[this.below(depth >= 8 ? 4 : 6)]!, 1, depth);
    } else if (desc.typeName === "google.protobuf.Struct" || desc.typeName === "google.protobuf.ListValue") {
      this.put(message, fields[0]!, this.below(3), depth);
    } else {
      for (const field of fields) {
        if (this.below(2) === 1 && !(depth >= 6 && field.message)) {
          const repeated = field.fieldKind === "list" || field.fieldKind === "map";
          this.put(message, field, repeated ? 1 + this.below(2) : 1, depth);
        }
      }
    }
    return message;
  }

  private put(message: ReflectMessage, field: DescField, count: number, depth: number): void {
    if (field.fieldKind === "map") {
      const entries = message.get(field) as ReflectMap;
      for (let i = 0; i < count; i++) {
        entries.set(`k${i}`, this.value(field, depth));
      }
    } else if (field.fieldKind === "list") {
      const items = message.get(field) as ReflectList;
      for (let i = 0; i < count; i++) {
        items.add(this.value(field, depth));
      }
    } else {
      message.set(field, this.value(field, depth));
    }
  }

  private value(field: DescField, depth: number): unknown {
    if (field.message) {
      return this.message(field.message, depth + 1);
    }
    if (field.enum) {
      return field.enum.values[this.below(field.enum.values.length)]!.number;
    }
    switch (field.scalar) {
      case ScalarType.BOOL:
        return this.below(2) === 1;
      case ScalarType.STRING:
        return WORDS[this.below(WORDS.length)];
    }
    const number = this.next();
    switch (field.scalar) {
      case ScalarType.INT32:
        return Number(BigInt.asIntN(32, number >> 32n)) >> this.below(32);
      case ScalarType.INT64:
        return BigInt.asIntN(64, number) >> BigInt(this.below(64));
      case ScalarType.UINT64:
        return number >> BigInt(this.below(64));
      case ScalarType.DOUBLE:
        return bytes(number & ~(1n << 62n)).readDoubleLE();
      case ScalarType.BYTES:
        return new Uint8Array(bytes(number).subarray(0, this.below(9)));
    }
    throw new Error(`no such type in the contract: ${field}`);
  }
}

function bytes(number: bigint): Buffer {
  const eight = Buffer.alloc(8);
  eight.writeBigUInt64LE(number);
  return eight;
}
