// A worker thread of the tests: reports which vectors come out wrong here.

import { parentPort } from "node:worker_threads";
import { wrong } from "./check.js";
import { vectors } from "./support.js";

parentPort?.postMessage(wrong(vectors));
