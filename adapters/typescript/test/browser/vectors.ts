// Fetches the vectors from the server of the tests, in a browser or in one of its workers.

import type { Vector } from "../support.js";

/** Bytes are arrays of numbers in JSON. */
const revive = (_: string, value: unknown): unknown => (Array.isArray(value) && typeof value[0] !== "object" ? Uint8Array.from(value) : value);

export async function fetchVectors(): Promise<Vector[]> {
  return JSON.parse(await (await fetch("/vectors")).text(), revive) as Vector[];
}
