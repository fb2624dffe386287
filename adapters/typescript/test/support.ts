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
  return existsSync(path) ? lines(gunzipSync(readFileSync(path))) : [];
}

/** Return the documents of the benchmark: the recorded completions, or those of tests/corpus. */
export function documents(): string[] {
  const recorded = recording("completion");
  return recorded.length > 0 ? recorded : lines(readFileSync(`${ROOT}tests/corpus/completion.jsonl`));
}

/** Return each line as a string of its own, as the body of a response is, and no part of a longer one. */
function lines(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
    end = bytes.indexOf(10, start);
    end = end < 0 ? bytes.length : end;
    if (end > start) {
      found.push(bytes.toString("utf8", start, end));
    }
  }
  return found;
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
