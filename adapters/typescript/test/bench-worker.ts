// A worker thread of the benchmark: converts all documents as many times as it is told, and says when it is done.

import { parentPort } from "node:worker_threads";
import { jsonToWire } from "../src/index.js";
import { documents } from "./support.js";

const texts = documents();

parentPort!.on("message", (rounds: number) => {
  for (let round = 0; round < rounds; round++) {
    texts.forEach((text) => jsonToWire(text));
  }
  parentPort!.postMessage("done");
});
