// The vectors of all languages.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The tests run from build/test. */
export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const VECTORS = `${ROOT}tests/vectors/`;

export interface Vector {
  readonly name: string;
  readonly type: string;
  readonly wire: Uint8Array;
  readonly json: string;
}

export const vectors: readonly Vector[] = readdirSync(VECTORS).map((name) => ({
  name,
  type: (JSON.parse(readFileSync(`${VECTORS}${name}/case.json`, "utf8")) as { message: string }).message,
  wire: new Uint8Array(readFileSync(`${VECTORS}${name}/wire.binpb`)),
  json: readFileSync(`${VECTORS}${name}/expected.json`, "utf8"),
}));

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
