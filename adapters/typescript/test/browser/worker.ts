// A worker of the page: reports which vectors come out wrong here.

import { wrong } from "../check.js";
import { fetchVectors } from "./vectors.js";

self.postMessage(wrong(await fetchVectors()));
