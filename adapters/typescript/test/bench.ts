// Measures the conversions of recorded completions beside JSON.parse and JSON.stringify, the start, and memory:
//     npm run bench

import { jsonToWire, wireToJson } from "../src/index.js";
import { recording } from "./support.js";

const ROUNDS = 60;
const COUNTS = [1_000, 1_000_000];

const texts = recording("completion");
const wires = texts.map((text) => jsonToWire(text));
const values = texts.map((text) => JSON.parse(text) as unknown);

/** Return the time of the fastest round of each function, in microseconds a document. The rounds take turns. */
function fastest<Names extends string>(functions: Record<Names, () => void>): Record<Names, number> {
  const names = Object.keys(functions) as Names[];
  const best = Object.fromEntries(names.map((name) => [name, Infinity])) as Record<Names, number>;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      const start = performance.now();
      functions[name]();
      best[name] = Math.min(best[name], ((performance.now() - start) * 1e3) / texts.length);
    }
  }
  return best;
}

const found = fastest({
  jsonToWire: () => texts.forEach((text) => jsonToWire(text)),
  parse: () => texts.forEach((text) => JSON.parse(text)),
  wireToJson: () => wires.forEach((wire) => wireToJson(wire)),
  stringify: () => values.forEach((value) => JSON.stringify(value)),
});
console.log("µs a document:", found);
console.log(`jsonToWire over JSON.parse: ${(found.jsonToWire / found.parse).toFixed(2)}`);
console.log(`wireToJson over JSON.stringify: ${(found.wireToJson / found.stringify).toFixed(2)}`);

let done = 0;
for (const count of COUNTS) {
  for (; done < count; done++) {
    wireToJson(jsonToWire(texts[done % texts.length]!));
  }
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const [total, heap, buffers] = [rss, heapUsed, arrayBuffers].map((bytes) => (bytes / 2 ** 20).toFixed(1));
  console.log(`after ${count} documents: ${total} MiB, of them ${heap} in the heap and ${buffers} in buffers`);
}
