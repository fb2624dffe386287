// The vectors of all languages, the recorded documents, and the contract's descriptors.

import { createFileRegistry, type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { file_google_protobuf_descriptor, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const VECTORS = `${ROOT}tests/vectors/`;
const CORPUS = `${ROOT}../shared/corpus/`;

export interface Vector {
  name: string;
  type: string;
  wire: Uint8Array;
  expected: string;
  input: Uint8Array | undefined;
}

export const vectors: Vector[] = readdirSync(VECTORS).map((name) => {
  const read = (file: string): Uint8Array => new Uint8Array(readFileSync(`${VECTORS}${name}/${file}`));
  return {
    name,
    type: (JSON.parse(readFileSync(`${VECTORS}${name}/case.json`, "utf8")) as { message: string }).message,
    wire: read("wire.binpb"),
    expected: readFileSync(`${VECTORS}${name}/expected.json`, "utf8"),
    input: existsSync(`${VECTORS}${name}/input.json`) ? read("input.json") : undefined,
  };
});

/** Return the recorded documents of a kind, one JSON text each; none where there are no recordings. */
export function recording(kind: string): string[] {
  const path = `${CORPUS}${kind}.jsonl.gz`;
  return existsSync(path) ? gunzipSync(readFileSync(path)).toString().split("\n").filter(Boolean) : [];
}

const set = fromBinary(FileDescriptorSetSchema, readFileSync(`${ROOT}adapters/core/src/schema/contract.binpb`));
const registry = createFileRegistry({ ...set, file: [file_google_protobuf_descriptor.proto, ...set.file] });

/** Return the descriptor of a message type of the contract, as generated classes have it. */
export function schemaOf(typeName: string): DescMessage {
  const found = registry.getMessage(typeName);
  if (found === undefined) {
    throw new Error(`no message type ${typeName}`);
  }
  return found;
}
