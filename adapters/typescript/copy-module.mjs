// Puts the WebAssembly module beside the code that loads it.
import { copyFile } from "node:fs/promises";

await copyFile(new URL("../abi/chatpb.wasm", import.meta.url), new URL("dist/src/chatpb.wasm", import.meta.url));
