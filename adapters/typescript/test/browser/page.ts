// What the page of the tests does: vectors, in itself and in workers at once, a stream, and an error.

import { Accumulator, JsonError, jsonToWire, readChunks } from "../../src/index.js";
import { wrong } from "../check.js";
import { fetchVectors } from "./vectors.js";

export interface Report {
  /** Of how many vectors which came out wrong: in the page, and in each worker. */
  vectors: number;
  wrong: string[][];
  answer: string;
  error: string;
}

const WORKERS = 4;

function inWorker(): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<string[]>) => resolve(data);
    worker.onerror = (event) => reject(new Error(`a worker: ${event.message}`));
  });
}

async function streamed(): Promise<string> {
  const accumulator = new Accumulator();
  for await (const chunk of readChunks((await fetch("/stream")).body!)) {
    accumulator.addWire(chunk);
  }
  return accumulator.toJson();
}

function refused(): string {
  try {
    jsonToWire('{"id": tru}');
    return "";
  } catch (error) {
    return error instanceof JsonError ? error.message : String(error);
  }
}

const vectors = await fetchVectors();
export const report: Report = {
  vectors: vectors.length,
  wrong: [wrong(vectors), ...(await Promise.all(Array.from({ length: WORKERS }, inWorker)))],
  answer: await streamed(),
  error: refused(),
};
