// Checks the vectors of all languages with nothing but chatpb: in Node, in a browser, and in their workers.

import { jsonToWire, wireToJson } from "../src/index.js";
import type { Vector } from "./support.js";

/** Return the names of the vectors that come out wrong. */
export function wrong(vectors: Vector[]): string[] {
  const isRight = ({ type, wire, expected, input }: Vector): boolean =>
    wireToJson(wire, type, { unknownFields: "skip" }) === expected &&
    (input === undefined || String(jsonToWire(input, type)) === String(wire));
  return vectors.filter((vector) => !isRight(vector)).map(({ name }) => name);
}
