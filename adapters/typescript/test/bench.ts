// Measures the conversions of recorded completions beside JSON.parse and JSON.stringify, the start, worker threads, and memory:
//     npm run bench

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { conversions } from "../src/convert.js";
import { jsonToWire, wireToJson } from "../src/index.js";
import { documents } from "./support.js";

const ROUNDS = 60;
const STARTS = 20;
const THREADS = [1, 2, 4];
const COUNTS = [1_000, 1_000_000];

const texts = documents();
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

const starts = Array.from({ length: STARTS }, () => {
  const program = fileURLToPath(new URL("./bench-start.js", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [program], { encoding: "utf8" })) as [number, number];
});
const [imported, first] = [0, 1].map((part) => Math.min(...starts.map((times) => times[part]!)).toFixed(1));
console.log(`start: ${imported} ms to import the package, ${first} ms for a first document`);

/** Return how many documents a second so many threads convert together, in the fastest of some turns. */
async function documentsASecond(threads: number): Promise<number> {
  const workers = Array.from({ length: threads }, () => new Worker(new URL("./bench-worker.js", import.meta.url)));
  const turn = (rounds: number): Promise<unknown> =>
    Promise.all(workers.map((worker) => (worker.postMessage(rounds), once(worker, "message"))));
  await turn(ROUNDS);
  let best = 0;
  for (let turns = 0; turns < 5; turns++) {
    const start = performance.now();
    await turn(10 * ROUNDS);
    best = Math.max(best, (threads * 10 * ROUNDS * texts.length * 1e3) / (performance.now() - start));
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return best;
}

for (const threads of THREADS) {
  console.log(`${threads} worker threads: ${Math.round(await documentsASecond(threads))} documents a second`);
}

let done = 0;
for (const count of COUNTS) {
  for (; done < count; done++) {
    wireToJson(jsonToWire(texts[done % texts.length]!));
  }
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const [inUse, instance, total] = [heapUsed + external, conversions.engine.size, rss].map((bytes) =>
    (bytes / 2 ** 20).toFixed(1),
  );
  console.log(`after ${count} documents: ${inUse} MiB in use, ${instance} in the instance, ${total} in the process`);
}
