// A worker thread of the tests: reports whether all vectors come out right here too.

import { parentPort } from "node:worker_threads";
import { wireToJson } from "../src/index.js";
import { vectors } from "./support.js";

const printed = vectors.map(({ wire, type }) => wireToJson(wire, type, { unknownFields: "skip" }));
parentPort?.postMessage(vectors.every(({ expected }, index) => printed[index] === expected));
